import type { Store } from '@spanledger/store'

import { activityWindows, powerThreshold, standingOf, type Segment, type Standing } from './automatic-segments.ts'
import { zoneOf } from '../query/buckets.ts'
import { RunningSums } from './running-sums.ts'
import { readFirstSeen } from '../ledger/seen-users.ts'
import { readUserDays, requestsByUser } from './user-days.ts'

/** The automatic segments of a ledger's users at one instant; all calls decide, whatever a question is restricted to. */
export interface UserSegments {
  /** The segment of a user, given the user's first call. */
  segmentOf(userId: number, firstMs: number): Segment
  /** The same with what led to it. */
  standingOf(userId: number, firstMs: number): Standing
}

/** Reads what everybody did: what a power user is depends on all users. */
export async function readSegments(store: Store, { asOfMs, timeZone }: { asOfMs: number; timeZone: string }): Promise<UserSegments> {
  const bounds = boundsOf(asOfMs)
  const windows = await Promise.all(
    bounds.slice(1).map(async (toMs, n) => requestsByUser(await readUserDays(store, { fromMs: bounds[n] ?? 0, toMs }))),
  )
  const requestsOf = (window: number, userId: number): number => windows[window]?.[userId] ?? 0
  const allOf = (userId: number): number => requestsOf(0, userId) + requestsOf(1, userId) + requestsOf(2, userId)
  const everybody = new Float64Array(Math.max(...windows.map(({ length }) => length))).map((_, userId) =>
    userId === 0 ? 0 : allOf(userId),
  )
  const powerFrom = powerThreshold(everybody)
  const zone = zoneOf(timeZone)
  const asOfDay = zone.day(asOfMs)
  const standing: UserSegments['standingOf'] = (userId, firstMs) =>
    standingOf(
      { last30Days: allOf(userId), prior: requestsOf(1, userId), recent: requestsOf(2, userId) },
      { firstDay: zone.day(firstMs), asOfDay, powerFrom },
    )
  return { standingOf: standing, segmentOf: (userId, firstMs) => standing(userId, firstMs).segment }
}

/** The segment of every user that had made a call by then, by id. */
export async function segmentsOfUsers(store: Store, userSegments: UserSegments, asOfMs: number): Promise<ReadonlyMap<number, Segment>> {
  return segmentsAt(userSegments, await readFirstSeen(store), asOfMs)
}

/** The same, given the first call of each user. */
export function segmentsAt(
  userSegments: UserSegments,
  firstSeen: ReadonlyMap<number, number>,
  asOfMs: number,
): ReadonlyMap<number, Segment> {
  const segmentOfUser = new Map<number, Segment>()
  for (const [userId, firstMs] of firstSeen) {
    if (userId !== 0 && firstMs < asOfMs) segmentOfUser.set(userId, userSegments.segmentOf(userId, firstMs))
  }
  return segmentOfUser
}

/** Where the windows begin that decide segments at an instant, and where the last one ends. */
function boundsOf(asOfMs: number): readonly [number, number, number, number] {
  const { last30Days, prior, recent } = activityWindows
  return [asOfMs - last30Days, asOfMs - prior, asOfMs - recent, asOfMs]
}

/**
 * Where users stood at each of some instants, from one reading of their days: told with nothing that came later, so it is what
 * a snapshot of then would say. @returns for the n-th instant, where a user stood, given the user's first call
 */
export async function readStandingsAt(
  store: Store,
  { instants, timeZone }: { instants: readonly number[]; timeZone: string },
): Promise<(instant: number) => (userId: number, firstMs: number) => Standing> {
  const bounds = [...new Set(instants.flatMap(boundsOf))].sort((a, b) => a - b)
  const at = new Map(bounds.map((bound, n) => [bound, n]))
  const windows = await Promise.all(bounds.slice(1).map((toMs, n) => readUserDays(store, { fromMs: bounds[n] ?? 0, toMs })))
  const sums = new RunningSums(windows)
  const zone = zoneOf(timeZone)
  return (instant) => {
    const asOfMs = instants[instant] ?? 0
    const [outer = 0, prior = 0, recent = 0, end = 0] = boundsOf(asOfMs).map((bound) => at.get(bound) ?? 0)
    const powerFrom = powerThreshold(Float64Array.from(sums.userIds, (userId) => sums.between(userId, outer, end)))
    const asOfDay = zone.day(asOfMs)
    return (userId, firstMs) => {
      const activity = {
        last30Days: sums.between(userId, outer, end),
        prior: sums.between(userId, prior, recent),
        recent: sums.between(userId, recent, end),
      }
      return standingOf(activity, { firstDay: zone.day(firstMs), asOfDay, powerFrom })
    }
  }
}
