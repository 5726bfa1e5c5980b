import { addDays, type Store, type Zone } from '@spanledger/store'

import {
  activityWindows,
  NEW_DAYS,
  powerThreshold,
  segmentOf,
  segments,
  standingOf,
  type Segment,
  type Standing,
  type UserActivity,
} from './automatic-segments.ts'
import { zoneOf } from '../query/buckets.ts'
import { FewByUser } from './by-user.ts'
import { readFirstStarts } from '../ledger/seen-users.ts'
import { MovingSum } from './moving-sum.ts'
import { lastIdOf, readUserDays, type DayUsers } from './user-days.ts'

/** The automatic segments of a ledger's users at one instant; all calls decide, whatever a question is restricted to. */
export interface UserSegments {
  /** The segment of a user, given the user's first call. */
  segmentOf(userId: number, firstMs: number): Segment
  /** The same with what led to it. */
  standingOf(userId: number, firstMs: number): Standing
}

/** Reads what everybody did: what a power user is depends on all users. */
export async function readSegments(store: Store, { asOfMs, timeZone }: { asOfMs: number; timeZone: string }): Promise<UserSegments> {
  const [only] = await readSegmentsAt(store, { instants: [asOfMs], timeZone })
  if (only === undefined) throw new Error('Every instant has its segments.')
  return only
}

/** The segment of every user that had made a call by then. */
export async function segmentsOfUsers(store: Store, userSegments: UserSegments, asOfMs: number): Promise<FewByUser<Segment>> {
  return segmentsAt(userSegments, await readFirstStarts(store), asOfMs)
}

/** The same, given the start of the first call of each user by id. */
export function segmentsAt(userSegments: UserSegments, firstStarts: Float64Array, asOfMs: number): FewByUser<Segment> {
  return FewByUser.from(segments, firstStarts.length - 1, (userId) => {
    const firstMs = firstStarts[userId] ?? asOfMs
    return userId === 0 || firstMs >= asOfMs ? undefined : userSegments.segmentOf(userId, firstMs)
  })
}

/** Where the windows begin that decide segments at an instant, and where the last one ends. */
function boundsOf(asOfMs: number): readonly [number, number, number, number] {
  const { last30Days, prior, recent } = activityWindows
  return [asOfMs - last30Days, asOfMs - prior, asOfMs - recent, asOfMs]
}

/**
 * Where users stood at each of some ascending instants, one after the other, from one reading of their days: told with nothing
 * that came later, so it is what a snapshot of then would say.
 */
export async function readSegmentsAt(
  store: Store,
  { instants, timeZone }: { instants: readonly number[]; timeZone: string },
): Promise<Iterable<UserSegments>> {
  const bounds = [...new Set(instants.flatMap(boundsOf))].sort((a, b) => a - b)
  const windows = await Promise.all(bounds.slice(1).map((toMs, n) => readUserDays(store, { fromMs: bounds[n] ?? 0, toMs })))
  return segmentsIn(windows, { bounds, instants, timeZone })
}

function* segmentsIn(
  windows: readonly (readonly DayUsers[])[],
  { bounds, instants, timeZone }: { bounds: readonly number[]; instants: readonly number[]; timeZone: string },
): Generator<UserSegments> {
  const lastId = lastIdOf(windows.flat())
  const [last30Days, prior, recent] = [new MovingSum(windows, lastId), new MovingSum(windows, lastId), new MovingSum(windows, lastId)]
  const zone = zoneOf(timeZone)
  const at = new Map(bounds.map((bound, n) => [bound, n]))
  for (const asOfMs of instants) {
    const [outer = 0, middle = 0, inner = 0, end = 0] = boundsOf(asOfMs).map((bound) => at.get(bound) ?? 0)
    const requests = { last30Days: last30Days.moveTo(outer, end), prior: prior.moveTo(middle, inner), recent: recent.moveTo(inner, end) }
    yield segmentsFrom(requests, { asOfMs, zone })
  }
}

/** From the requests of users in the windows before an instant, by user id. */
function segmentsFrom(
  { last30Days, prior, recent }: Readonly<Record<keyof UserActivity, Float64Array>>,
  { asOfMs, zone }: { asOfMs: number; zone: Zone },
): UserSegments {
  const powerFrom = powerThreshold(last30Days)
  const asOfDay = zone.day(asOfMs)
  const newFromMs = zone.startOfDay(addDays(asOfDay, 1 - NEW_DAYS))
  const activityOf = (userId: number): UserActivity => ({
    last30Days: last30Days[userId] ?? 0,
    prior: prior[userId] ?? 0,
    recent: recent[userId] ?? 0,
  })
  return {
    standingOf: (userId, firstMs) => standingOf(activityOf(userId), { firstDay: zone.day(firstMs), asOfDay, powerFrom }),
    segmentOf: (userId, firstMs) => {
      const activity = activityOf(userId)
      return segmentOf(activity, { isNew: firstMs >= newFromMs, isPower: activity.last30Days >= powerFrom })
    },
  }
}
