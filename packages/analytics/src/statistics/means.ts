import { normalCdf, normalQuantile, studentTwoSided, studentTwoSidedQuantile } from './distributions.ts'
import { around, type Interval } from './proportions.ts'
import { mean, sum, variance } from './quantiles.ts'

/** What is known of a mean: enough to compare it with another. */
export interface MeanFacts {
  readonly n: number
  readonly mean: number
  /** Of one value, not of the mean (n - 1). */
  readonly variance: number
}

/** The second mean against the first. */
export interface TwoMeans {
  readonly difference: number
  readonly standardError: number
  readonly t: number
  readonly degrees: number
  readonly p: number
  readonly interval: Interval
  readonly lift: number | null
  readonly liftStandardError: number | null
  readonly liftInterval: Interval | null
  readonly chanceToWin: number
}

/** @returns null of fewer than two values */
export function meanFacts(values: readonly number[]): MeanFacts | null {
  const [middle, spread] = [mean(values), variance(values)]
  return middle === null || spread === null ? null : { n: values.length, mean: middle, variance: spread }
}

/** Welch's t test, which lets the two variances differ; null where neither varies. */
export function compareMeans(a: MeanFacts, b: MeanFacts, level = 0.95): TwoMeans | null {
  const [varA, varB] = [a.variance / a.n, b.variance / b.n]
  const standardError = Math.sqrt(varA + varB)
  if (standardError === 0) return null
  const degrees = (varA + varB) ** 2 / (varA ** 2 / (a.n - 1) + varB ** 2 / (b.n - 1))
  const difference = b.mean - a.mean
  const critical = studentTwoSidedQuantile(level, degrees)
  const t = difference / standardError
  const lift = a.mean === 0 ? null : difference / a.mean
  const liftStandardError = liftError({ value: a.mean, variance: varA }, { value: b.mean, variance: varB })
  return {
    difference,
    standardError,
    t,
    degrees,
    p: studentTwoSided(t, degrees),
    interval: around(difference, critical * standardError),
    lift,
    liftStandardError,
    liftInterval: lift === null || liftStandardError === null ? null : around(lift, critical * liftStandardError),
    chanceToWin: normalCdf(t),
  }
}

/** An estimate, and how far off it may be. */
interface Uncertain {
  readonly value: number
  /** Of the estimate itself, the square of its standard error. */
  readonly variance: number
}

/** The standard error of `(b - a) / a` by the delta method; null where `a` is 0. */
export function liftError(a: Uncertain, b: Uncertain): number | null {
  return a.value === 0 ? null : Math.sqrt(b.variance / a.value ** 2 + (b.value ** 2 * a.variance) / a.value ** 4)
}

/** A value of a user, and the same measure of that user before the experiment. */
export interface BeforeAfter {
  readonly before: number
  readonly after: number
}

/**
 * CUPED (Deng et al. 2013): what the time before explains is taken out of both arms' values, with one factor from all users.
 * @returns null where an arm has fewer than two users
 */
export function adjustByBefore(
  a: readonly BeforeAfter[],
  b: readonly BeforeAfter[],
): { readonly theta: number; readonly a: MeanFacts; readonly b: MeanFacts } | null {
  const all = [...a, ...b]
  const [before, after] = [mean(all.map((one) => one.before)), mean(all.map((one) => one.after))]
  if (before === null || after === null) return null
  const covariance = sum(all.map((one) => (one.before - before) * (one.after - after)))
  const spread = sum(all.map((one) => (one.before - before) ** 2))
  const theta = spread === 0 ? 0 : covariance / spread
  const adjusted = (arm: readonly BeforeAfter[]): MeanFacts | null => meanFacts(arm.map((one) => one.after - theta * (one.before - before)))
  const [factsA, factsB] = [adjusted(a), adjusted(b)]
  return factsA === null || factsB === null ? null : { theta, a: factsA, b: factsB }
}

/** A sum over a sum, of one user. */
export interface Parts {
  readonly part: number
  readonly whole: number
}

/**
 * A ratio of sums over users (errors per request, say) and its standard error by the delta method: requests of one user are
 * not independent, so the user is the unit. Null of fewer than two users, or of a whole of 0.
 */
export function ratioOfSums(users: readonly Parts[]): { readonly ratio: number; readonly standardError: number } | null {
  const n = users.length
  const [partMean, wholeMean] = [sum(users.map(({ part }) => part)) / n, sum(users.map(({ whole }) => whole)) / n]
  if (n < 2 || wholeMean === 0) return null
  const ratio = partMean / wholeMean
  const spread = users.reduce((total, { part, whole }) => total + (part - partMean - ratio * (whole - wholeMean)) ** 2, 0) / (n - 1)
  return { ratio, standardError: Math.sqrt(spread / n) / wholeMean }
}

interface Estimate {
  readonly ratio: number
  readonly standardError: number
}

/**
 * The interval of one rate over another (Fieller 1954): of all numbers of times that the two are not told apart from by a z
 * test, so that 1 is in it exactly where the test of their difference says nothing. For rates, which are not below 0.
 * @returns null where the second cannot be told from 0: then there is no end to it
 */
export function ratioInterval(a: Estimate, b: Estimate, level = 0.95): Interval | null {
  const z = normalQuantile((1 + level) / 2)
  const [below, above] = [b.ratio ** 2 - (z * b.standardError) ** 2, a.ratio ** 2 - (z * a.standardError) ** 2]
  if (below <= 0) return null
  const middle = a.ratio * b.ratio
  // Rounding must not make the root of nothing one of less.
  const half = Math.sqrt(Math.max(0, middle ** 2 - above * below))
  return [Math.max(0, (middle - half) / below), (middle + half) / below]
}
