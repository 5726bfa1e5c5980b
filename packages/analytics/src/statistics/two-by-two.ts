import { lnGamma, normalQuantile } from './distributions.ts'
import type { Interval } from './proportions.ts'

/** Counts of a factor against an outcome. */
export interface TwoByTwo {
  /** With the factor and with the outcome. */
  readonly a: number
  /** With the factor, without the outcome. */
  readonly b: number
  /** Without the factor, with the outcome. */
  readonly c: number
  readonly d: number
}

/** P(outcome | factor) / P(outcome | no factor); null where either is of nothing or the second is 0. */
export function lift({ a, b, c, d }: TwoByTwo): number | null {
  return a + b === 0 || c === 0 ? null : a / (a + b) / (c / (c + d))
}

/** The odds ratio as counted; null where a cell of its denominator is empty. */
export function oddsRatio({ a, b, c, d }: TwoByTwo): number | null {
  return b * c === 0 ? null : (a * d) / (b * c)
}

/** The odds ratio with Woolf's interval; half a count is added to each cell where one is empty (Haldane 1956, Anscombe 1956). */
export function oddsRatioWithInterval(table: TwoByTwo, level = 0.95): { readonly oddsRatio: number; readonly interval: Interval } {
  const add = [table.a, table.b, table.c, table.d].includes(0) ? 0.5 : 0
  const [a, b, c, d] = [table.a + add, table.b + add, table.c + add, table.d + add]
  const logarithm = Math.log((a * d) / (b * c))
  const half = normalQuantile((1 + level) / 2) * Math.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
  return { oddsRatio: (a * d) / (b * c), interval: [Math.exp(logarithm - half), Math.exp(logarithm + half)] }
}

/** Fisher's exact test, two-sided: the probability of all tables with these margins that are no more probable than this one. */
export function fisherExact({ a, b, c, d }: TwoByTwo): number {
  const row = a + b
  const column = a + c
  const n = a + b + c + d
  const lnProbability = (x: number): number => lnChoose(row, x) + lnChoose(n - row, column - x) - lnChoose(n, column)
  // Tables as probable as this one belong to the sum; the logarithms are only equal up to rounding.
  const limit = lnProbability(a) + 1e-7
  let p = 0
  for (let x = Math.max(0, column - (n - row)); x <= Math.min(row, column); x++) {
    const ln = lnProbability(x)
    if (ln <= limit) p += Math.exp(ln)
  }
  return Math.min(1, p)
}

function lnChoose(n: number, k: number): number {
  return lnGamma(n + 1) - lnGamma(k + 1) - lnGamma(n - k + 1)
}

/** The correlation of two yes/no variables (phi, Matthews' coefficient); null where one of them never varies. */
export function phi({ a, b, c, d }: TwoByTwo): number | null {
  const product = (a + b) * (c + d) * (a + c) * (b + d)
  return product === 0 ? null : (a * d - b * c) / Math.sqrt(product)
}

/** Youden's J of the factor as a test for the outcome: sensitivity + specificity - 1; null where the outcome never varies. */
export function youden({ a, b, c, d }: TwoByTwo): number | null {
  return a + c === 0 || b + d === 0 ? null : a / (a + c) + d / (b + d) - 1
}

/** How much knowing the factor says of the outcome, in bits; null of nothing. */
export function mutualInformation({ a, b, c, d }: TwoByTwo): number | null {
  const n = a + b + c + d
  if (n === 0) return null
  const cells = [
    [a, a + b, a + c],
    [b, a + b, b + d],
    [c, c + d, a + c],
    [d, c + d, b + d],
  ] as const
  return cells.reduce(
    (bits, [count, row, column]) => (count === 0 ? bits : bits + (count / n) * Math.log2((count * n) / (row * column))),
    0,
  )
}

/** The odds ratio common to several strata (Mantel and Haenszel 1959); null where no stratum says anything. */
export function mantelHaenszel(strata: readonly TwoByTwo[]): number | null {
  let above = 0
  let below = 0
  for (const { a, b, c, d } of strata) {
    const n = a + b + c + d
    if (n === 0) continue
    above += (a * d) / n
    below += (b * c) / n
  }
  return below === 0 ? null : above / below
}
