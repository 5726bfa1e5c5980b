import { associations, type Association } from './associations.ts'
import { seededRandom } from '../statistics/seeded-random.ts'
import { phi, youden, type TwoByTwo } from '../statistics/two-by-two.ts'
import { activeDays, isActive, type UserHistory } from '../behavior/user-history.ts'

/** The weeks that are compared: what was done in days 0 to 6, and whether the user was active in days 21 to 27. */
export const exposureDays = 7
const outcomeDays = [21, 28] as const

export interface InsightOptions {
  readonly asOfDay: number
  /** Users on either side below which nothing is called distinguishable. */
  readonly minUsers?: number
}

/** Users observed for long enough: others are left out whether or not they already came back. */
function observed(histories: readonly UserHistory[], asOfDay: number): UserHistory[] {
  return histories.filter(({ firstDay }) => firstDay + outcomeDays[1] <= asOfDay)
}

function isRetained(history: UserHistory): boolean {
  return isActive(history, history.firstDay + outcomeDays[0], history.firstDay + outcomeDays[1])
}

/** How using a feature in the first week goes together with being active in the fourth: one row a feature, the most telling first. */
export function retentionInsights(histories: readonly UserHistory[], { asOfDay, minUsers }: InsightOptions): Association[] {
  const users = observed(histories, asOfDay).map((history) => ({
    has: firstWeekFeatures(history),
    outcome: isRetained(history),
    activity: firstWeekCounts.requests(history),
  }))
  return associations(users, [...new Set(users.flatMap(({ has }) => Array.from(has)))].sort(), minUsers)
}

function firstWeek(history: UserHistory): ReturnType<typeof activeDays> {
  return activeDays(history, history.firstDay, history.firstDay + exposureDays)
}

function firstWeekFeatures(history: UserHistory): Set<string> {
  const used = new Set<string>()
  for (const { features } of firstWeek(history)) for (const feature of features.keys()) used.add(feature)
  return used
}

/** How well "at least k in the first week" tells who is active in the fourth. */
export interface Threshold {
  readonly k: number
  /** Users with at least k. */
  readonly users: number
  readonly n: number
  readonly phi: number | null
  readonly youden: number | null
}

/** What is counted in the first week of a user. */
export const firstWeekCounts = {
  requests: (history: UserHistory) => firstWeek(history).reduce((sum, { requests }) => sum + requests, 0),
  active_days: (history: UserHistory) => firstWeek(history).length,
  features: (history: UserHistory) => firstWeekFeatures(history).size,
} as const satisfies Record<string, FirstWeekCount>

/** How much of something a user did in the first week. */
export type FirstWeekCount = (history: UserHistory) => number

/** One row for each count from 1 to the greatest seen; none where nobody was observed for long enough. */
export function activationThresholds(histories: readonly UserHistory[], count: FirstWeekCount, asOfDay: number): Threshold[] {
  return thresholdsOf(countedUsers(histories, count, asOfDay))
}

/** What a user did in the first week, and whether the user stayed. */
interface CountedUser {
  readonly count: number
  readonly stays: boolean
}

function countedUsers(histories: readonly UserHistory[], count: FirstWeekCount, asOfDay: number): CountedUser[] {
  return observed(histories, asOfDay).map((history) => ({ count: count(history), stays: isRetained(history) }))
}

function thresholdsOf(users: readonly CountedUser[]): Threshold[] {
  const most = users.reduce((greatest, { count }) => Math.max(greatest, count), 0)
  // From the greatest count down, so that each k adds to the table of the one above it.
  const stay = new Float64Array(most + 1)
  const leave = new Float64Array(most + 1)
  for (const { count, stays } of users) {
    const counts = stays ? stay : leave
    counts[count] = (counts[count] ?? 0) + 1
  }
  const stayed = stay.reduce((sum, n) => sum + n, 0)
  const rows: Threshold[] = []
  for (let k = most, a = 0, b = 0; k >= 1; k--) {
    a += stay[k] ?? 0
    b += leave[k] ?? 0
    const table: TwoByTwo = { a, b, c: stayed - a, d: users.length - stayed - b }
    rows.push({ k, users: a + b, n: users.length, phi: phi(table), youden: youden(table) })
  }
  return rows.toReversed()
}

/** So many users are drawn for all resamples together; at least a hundred resamples are. */
const MAX_DRAWS = 5_000_000

/**
 * Between which counts the best threshold lies in 95 % of 500 resamples of the users (of very many users fewer); undefined where none tells anything. The
 * resamples are the same every time.
 */
export function bestThresholdInterval(
  histories: readonly UserHistory[],
  count: FirstWeekCount,
  asOfDay: number,
): readonly [number, number] | undefined {
  const users = countedUsers(histories, count, asOfDay)
  const resamples = Math.min(500, Math.max(100, Math.floor(MAX_DRAWS / Math.max(1, users.length))))
  const random = seededRandom(users.length)
  const best: number[] = []
  for (let n = 0; n < resamples && users.length > 0; n++) {
    const drawn = users.map(() => users[Math.floor(random() * users.length)] ?? { count: 0, stays: false })
    const k = bestThreshold(thresholdsOf(drawn))?.k
    if (k !== undefined) best.push(k)
  }
  best.sort((a, b) => a - b)
  const [low, high] = [best[Math.floor(best.length * 0.025)], best[Math.ceil(best.length * 0.975) - 1]]
  return low === undefined || high === undefined ? undefined : [low, high]
}

/** With fewer users than these, in all or on one side of a threshold, none is called the best. */
export const MIN_THRESHOLD_USERS = 100
export const MIN_SIDE = 20

/**
 * The threshold that tells most, the least of equals; undefined where none tells anything, or only those that few users are
 * below or above.
 */
export function bestThreshold(
  thresholds: readonly Threshold[],
  { minUsers = MIN_THRESHOLD_USERS, minSide = MIN_SIDE } = {},
): Threshold | undefined {
  const meant = thresholds.filter(({ users, n }) => n >= minUsers && Math.min(users, n - users) >= minSide)
  return meant.reduce<Threshold | undefined>((best, one) => ((one.phi ?? 0) > (best?.phi ?? 0) ? one : best), undefined)
}
