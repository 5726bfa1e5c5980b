import { falseDiscoveryRates } from '../statistics/many-tests.ts'
import type { Interval as Bounds } from '../statistics/proportions.ts'
import {
  fisherExact,
  lift,
  mutualInformation,
  oddsRatio,
  oddsRatioWithInterval,
  phi,
  youden,
  type TwoByTwo,
} from '../statistics/two-by-two.ts'
import { activeDays, isActive, type UserHistory } from './user-history.ts'

/** How using a feature in the first week goes together with being active in the fourth. An association, not a cause. */
export interface RetentionInsight {
  readonly factor: string
  readonly table: TwoByTwo
  readonly n: number
  /** Of those who used it, and of those who did not. */
  readonly retainedWith: number | null
  readonly retainedWithout: number | null
  readonly lift: number | null
  /** As counted; null where a cell is empty. */
  readonly oddsRatio: number | null
  /** With half a count added where a cell is empty. */
  readonly oddsRatioMended: number
  readonly interval: Bounds
  readonly p: number
  /** The false discovery rate over all factors asked for. */
  readonly q: number
  readonly informationBits: number | null
  /** Whether it can be told from chance at a false discovery rate of 5 %, with enough users on either side. */
  readonly isDistinguishable: boolean
}

/** The weeks that are compared: what was done in days 0 to 6, and whether the user was active in days 21 to 27. */
const exposureDays = 7
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

/** One row a feature, the most telling first. */
export function retentionInsights(histories: readonly UserHistory[], { asOfDay, minUsers = 20 }: InsightOptions): RetentionInsight[] {
  const users = observed(histories, asOfDay)
  const usedBy = users.map(firstWeekFeatures)
  const factors = [...new Set(usedBy.flatMap((features) => [...features]))].sort()
  const tables = factors.map((factor) => tabulate(users, (_, n) => usedBy[n]?.has(factor) === true))
  const ps = tables.map(fisherExact)
  const qs = falseDiscoveryRates(ps)
  return factors
    .map((factor, n): RetentionInsight => {
      const table = tables[n] ?? { a: 0, b: 0, c: 0, d: 0 }
      const { a, b, c, d } = table
      const odds = oddsRatioWithInterval(table)
      return {
        factor,
        table,
        n: a + b + c + d,
        retainedWith: a + b === 0 ? null : a / (a + b),
        retainedWithout: c + d === 0 ? null : c / (c + d),
        lift: lift(table),
        oddsRatio: oddsRatio(table),
        oddsRatioMended: odds.oddsRatio,
        interval: odds.interval,
        p: ps[n] ?? 1,
        q: qs[n] ?? 1,
        informationBits: mutualInformation(table),
        isDistinguishable: (qs[n] ?? 1) < 0.05 && a + b >= minUsers && c + d >= minUsers,
      }
    })
    .sort((x, y) => x.p - y.p || (x.factor < y.factor ? -1 : 1))
}

function firstWeek(history: UserHistory): ReturnType<typeof activeDays> {
  return activeDays(history, history.firstDay, history.firstDay + exposureDays)
}

function firstWeekFeatures(history: UserHistory): Set<string> {
  const used = new Set<string>()
  for (const { features } of firstWeek(history)) for (const feature of features.keys()) used.add(feature)
  return used
}

function tabulate(users: readonly UserHistory[], has: (history: UserHistory, n: number) => boolean): TwoByTwo {
  const table = { a: 0, b: 0, c: 0, d: 0 }
  for (const [n, history] of users.entries()) {
    const stays = isRetained(history)
    table[has(history, n) ? (stays ? 'a' : 'b') : stays ? 'c' : 'd']++
  }
  return table
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
} as const satisfies Record<string, (history: UserHistory) => number>

/** One row for each count from 1 to the greatest seen; none where nobody was observed for long enough. */
export function activationThresholds(histories: readonly UserHistory[], count: keyof typeof firstWeekCounts, asOfDay: number): Threshold[] {
  const users = observed(histories, asOfDay)
  const counts = users.map(firstWeekCounts[count])
  return Array.from({ length: Math.max(0, ...counts) }, (_, n) => {
    const k = n + 1
    const table = tabulate(users, (_history, at) => (counts[at] ?? 0) >= k)
    return { k, users: table.a + table.b, n: users.length, phi: phi(table), youden: youden(table) }
  })
}

/** The threshold that tells most, the least of equals; undefined where none tells anything. */
export function bestThreshold(thresholds: readonly Threshold[]): Threshold | undefined {
  return thresholds.reduce<Threshold | undefined>((best, one) => ((one.phi ?? 0) > (best?.phi ?? 0) ? one : best), undefined)
}
