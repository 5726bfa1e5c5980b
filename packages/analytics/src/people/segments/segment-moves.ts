import { NONE } from '../../query/dimensions.ts'
import type { Memberships } from '../../segments/memberships.ts'

/** How many users are in a segment, and who came and left since an earlier instant. */
export interface SegmentCount {
  readonly segment: string
  readonly users: number
  /** In it now, and not then. */
  readonly movedIn: number
  /** In it then, and not now. */
  readonly movedOut: number
}

/** Each segment, in the order in which they are listed. `isMeant` says which users are counted. */
export function countSegments(before: Memberships, now: Memberships, isMeant: (userId: number) => boolean): SegmentCount[] {
  const counts = new Map(now.names.map((segment) => [segment, { segment, users: 0, movedIn: 0, movedOut: 0 }]))
  for (const [userId, { segments }] of now.of) {
    if (!isMeant(userId)) continue
    const earlier = before.of.get(userId)?.segments ?? []
    for (const segment of segments) {
      const count = counts.get(segment)
      if (count === undefined) continue
      count.users++
      if (!earlier.includes(segment)) count.movedIn++
    }
    for (const segment of earlier) {
      const count = counts.get(segment)
      if (count !== undefined && !segments.includes(segment)) count.movedOut++
    }
  }
  return [...counts.values()]
}

/** How many users were in one segment and are in another, or the same; `(none)`: had made no call yet. */
export interface Move {
  readonly from: string
  readonly to: string
  readonly users: number
  /** How many were in `from`. */
  readonly of: number
  /** Of those. */
  readonly share: number
}

/**
 * The migration matrix, row by row, without what nobody did. Users in several segments are counted for each pair of them, and
 * a share is of the users of `from`: the shares of a row may then come to more than 1.
 */
export function movesBetween(before: Memberships, now: Memberships, isMeant: (userId: number) => boolean): Move[] {
  const counts = new Map<string, Map<string, number>>()
  const inFrom = new Map<string, number>()
  for (const [userId, { segments }] of now.of) {
    if (!isMeant(userId)) continue
    for (const from of before.of.get(userId)?.segments ?? [NONE]) {
      inFrom.set(from, (inFrom.get(from) ?? 0) + 1)
      const row = counts.get(from) ?? new Map<string, number>()
      counts.set(from, row)
      for (const to of segments) row.set(to, (row.get(to) ?? 0) + 1)
    }
  }
  return [...now.names, NONE].flatMap((from) =>
    now.names.flatMap((to) => {
      const users = counts.get(from)?.get(to) ?? 0
      const of = inFrom.get(from) ?? users
      return users === 0 ? [] : [{ from, to, users, of, share: users / of }]
    }),
  )
}
