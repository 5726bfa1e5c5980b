import { falseDiscoveryRates } from '../statistics/many-tests.ts'
import { newcombeInterval, type Interval } from '../statistics/proportions.ts'
import {
  fisherExact,
  lift,
  mantelHaenszel,
  mutualInformation,
  oddsRatio,
  oddsRatioWithInterval,
  type TwoByTwo,
} from '../statistics/two-by-two.ts'

/** A user as far as factors and outcome go. */
export interface Observed {
  readonly has: ReadonlySet<string>
  readonly outcome: boolean
  /** How much the user did meanwhile: who does more uses more of everything. */
  readonly activity: number
}

/** How a factor goes together with an outcome. An association, not a cause. */
export interface Association {
  readonly factor: string
  readonly table: TwoByTwo
  readonly n: number
  /** Shares with the outcome: of those with the factor, and of those without. */
  readonly shareWith: number | null
  readonly shareWithout: number | null
  readonly difference: number | null
  /** Of the difference (Newcombe). */
  readonly differenceInterval: Interval | null
  readonly lift: number | null
  /** As counted; null where a cell is empty. */
  readonly oddsRatio: number | null
  /** With half a count added where a cell is empty. */
  readonly oddsRatioMended: number
  readonly interval: Interval
  /** The odds ratio common to the thirds of activity (Mantel and Haenszel); null where no third says anything. */
  readonly oddsRatioAdjusted: number | null
  readonly p: number
  /** The false discovery rate over all factors asked for. */
  readonly q: number
  readonly informationBits: number | null
  /** Whether it can be told from chance at a false discovery rate of 5 %, with enough users on either side. */
  readonly isDistinguishable: boolean
}

/** One row a factor, the most telling first. `minUsers`: users on either side below which nothing is called distinguishable. */
export function associations(users: readonly Observed[], factors: readonly string[], minUsers = 20): Association[] {
  const third = thirdsOf(users.map(({ activity }) => activity))
  const tables = factors.map((factor) => tabulate(users, factor))
  const ps = tables.map(fisherExact)
  const qs = falseDiscoveryRates(ps)
  return factors
    .map((factor, n): Association => {
      const table = tables[n] ?? empty
      const { a, b, c, d } = table
      const odds = oddsRatioWithInterval(table)
      const strata = [0, 1, 2].map((one) =>
        tabulate(
          users.filter(({ activity }) => third(activity) === one),
          factor,
        ),
      )
      const [shareWith, shareWithout] = [a + b === 0 ? null : a / (a + b), c + d === 0 ? null : c / (c + d)]
      return {
        factor,
        table,
        n: a + b + c + d,
        shareWith,
        shareWithout,
        difference: shareWith === null || shareWithout === null ? null : shareWith - shareWithout,
        differenceInterval: newcombeInterval({ successes: c, n: c + d }, { successes: a, n: a + b }),
        lift: lift(table),
        oddsRatio: oddsRatio(table),
        oddsRatioMended: odds.oddsRatio,
        interval: odds.interval,
        oddsRatioAdjusted: mantelHaenszel(strata),
        p: ps[n] ?? 1,
        q: qs[n] ?? 1,
        informationBits: mutualInformation(table),
        isDistinguishable: (qs[n] ?? 1) < 0.05 && a + b >= minUsers && c + d >= minUsers,
      }
    })
    .sort((x, y) => x.p - y.p || (x.factor < y.factor ? -1 : 1))
}

const empty: TwoByTwo = { a: 0, b: 0, c: 0, d: 0 }

function tabulate(users: readonly Observed[], factor: string): TwoByTwo {
  const table = { ...empty }
  for (const { has, outcome } of users) table[has.has(factor) ? (outcome ? 'a' : 'b') : outcome ? 'c' : 'd']++
  return table
}

/** Parts values into thirds by rank; equal values are in one third. */
function thirdsOf(values: readonly number[]): (value: number) => 0 | 1 | 2 {
  const sorted = values.toSorted((a, b) => a - b)
  const [low, high] = [sorted[Math.floor(sorted.length / 3)] ?? 0, sorted[Math.floor((2 * sorted.length) / 3)] ?? 0]
  return (value) => (value >= high ? 2 : value >= low ? 1 : 0)
}
