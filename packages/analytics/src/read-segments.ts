import type { Store } from '@spanledger/store'

import { activityWindows, powerThreshold, standingOf, type Segment, type Standing } from './automatic-segments.ts'
import { zoneOf } from './buckets.ts'
import { readFirstSeen } from './seen-users.ts'
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
  const { last30Days, prior, recent } = activityWindows
  const bounds = [asOfMs - last30Days, asOfMs - prior, asOfMs - recent, asOfMs]
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
