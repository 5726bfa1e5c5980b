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

/** What everybody did before an instant, by user id; where the rules say nothing of it, `usage` is `last30Days`, and users are there since their first call. */
export interface Activities {
  readonly last30Days: Float64Array
  readonly recent: Float64Array
  readonly prior: Float64Array
  readonly usage?: Float64Array | undefined
  /** When users signed up. */
  readonly signUps?: ReadonlyMap<number, number> | undefined
}

/** Where users stand at an instant of a zone: what a power user is depends on all of them. */
export function segmentsFrom(
  { last30Days, prior, recent, usage = last30Days, signUps }: Activities,
  { asOfMs, zone }: { asOfMs: number; zone: Zone },
): UserSegments {
  const powerFrom = powerThreshold(usage, last30Days)
  const asOfDay = zone.day(asOfMs)
  const newFromMs = zone.startOfDay(addDays(asOfDay, 1 - NEW_DAYS))
  const activityOf = (userId: number): UserActivity => ({
    last30Days: last30Days[userId] ?? 0,
    usage: usage[userId] ?? 0,
    prior: prior[userId] ?? 0,
    recent: recent[userId] ?? 0,
  })
  // A sign-up after the first call, which clocks and zones bring about, would make somebody new who was there before.
  const thereSince = (userId: number, firstMs: number): number => Math.min(signUps?.get(userId) ?? firstMs, firstMs)
  return {
    standingOf: (userId, firstMs) =>
      standingOf(activityOf(userId), { firstDay: zone.day(thereSince(userId, firstMs)), asOfDay, powerFrom }),
    segmentOf: (userId, firstMs) => {
      const activity = activityOf(userId)
      return segmentOf(activity, { isNew: thereSince(userId, firstMs) >= newFromMs, isPower: activity.usage >= powerFrom })
    },
  }
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
 * How many calls users made before each of some ascending instants, one after the other, from one reading of their days: with nothing
 * that came later, so it is what a snapshot of then would say.
 */
export async function readCallsBefore(
  store: Store,
  instants: readonly number[],
): Promise<Iterable<Pick<Activities, 'last30Days' | 'prior' | 'recent'>>> {
  const bounds = [...new Set(instants.flatMap(boundsOf))].sort((a, b) => a - b)
  const windows = await Promise.all(bounds.slice(1).map((toMs, n) => readUserDays(store, { fromMs: bounds[n] ?? 0, toMs })))
  return callsIn(windows, { bounds, instants })
}

function* callsIn(
  windows: readonly (readonly DayUsers[])[],
  { bounds, instants }: { bounds: readonly number[]; instants: readonly number[] },
): Generator<Activities> {
  const lastId = lastIdOf(windows.flat())
  const [last30Days, prior, recent] = [new MovingSum(windows, lastId), new MovingSum(windows, lastId), new MovingSum(windows, lastId)]
  const at = new Map(bounds.map((bound, n) => [bound, n]))
  for (const asOfMs of instants) {
    const [outer = 0, middle = 0, inner = 0, end = 0] = boundsOf(asOfMs).map((bound) => at.get(bound) ?? 0)
    yield { last30Days: last30Days.moveTo(outer, end), prior: prior.moveTo(middle, inner), recent: recent.moveTo(inner, end) }
  }
}
