import { lnGamma, normalCdf, normalQuantile, normalTwoSided } from './distributions.ts'

/** How many of how many. */
export interface Share {
  readonly successes: number
  readonly n: number
}

export type Interval = readonly [low: number, high: number]

/** What two shares say of each other; differences and lifts are of the second over the first. */
export interface TwoProportions {
  readonly z: number
  readonly p: number
  readonly difference: number
  /** Unpooled; pooled where all of one have it and none of the other, so that neither varies. */
  readonly standardError: number
  readonly interval: Interval
  readonly lift: number | null
  readonly liftStandardError: number | null
  readonly liftInterval: Interval | null
  /** The probability that the second is the better one: by the normal approximation, flat prior. */
  readonly chanceToWin: number
}

/**
 * The z test of two proportions: the p value from the pooled standard error, the interval from the unpooled one. The relative
 * lift and its error are by the delta method. Null where either share is of nothing, or all are alike.
 */
export function compareProportions(a: Share, b: Share, level = 0.95): TwoProportions | null {
  if (a.n === 0 || b.n === 0) return null
  const [pa, pb] = [a.successes / a.n, b.successes / b.n]
  const pooled = (a.successes + b.successes) / (a.n + b.n)
  const pooledError = Math.sqrt(pooled * (1 - pooled) * (1 / a.n + 1 / b.n))
  const [varA, varB] = [(pa * (1 - pa)) / a.n, (pb * (1 - pb)) / b.n]
  if (pooledError === 0) return null
  // All against none: neither share varies, and yet they are further apart than any others.
  const areFixed = varA + varB === 0
  const standardError = areFixed ? pooledError : Math.sqrt(varA + varB)
  const difference = pb - pa
  const critical = normalQuantile((1 + level) / 2)
  const z = difference / pooledError
  const lift = pa === 0 ? null : difference / pa
  const liftStandardError = pa === 0 || areFixed ? null : Math.sqrt(varB / pa ** 2 + (pb ** 2 * varA) / pa ** 4)
  return {
    z,
    p: normalTwoSided(z),
    difference,
    standardError,
    interval: around(difference, critical * standardError),
    lift,
    liftStandardError,
    liftInterval: lift === null || liftStandardError === null ? null : around(lift, critical * liftStandardError),
    chanceToWin: normalCdf(difference / standardError),
  }
}

/** The probability that the second share is the greater one, with a uniform prior on both (Beta(1, 1)), exact. */
export function chanceToWinBeta(a: Share, b: Share): number {
  const [alphaA, betaA] = [a.successes + 1, a.n - a.successes + 1]
  const [alphaB, betaB] = [b.successes + 1, b.n - b.successes + 1]
  // The closed form for whole alphas: https://www.evanmiller.org/bayesian-ab-testing.html (read 2026-11-25).
  let total = 0
  for (let i = 0; i < alphaB; i++) {
    total += Math.exp(lnBeta(alphaA + i, betaA + betaB) - Math.log(betaB + i) - lnBeta(1 + i, betaB) - lnBeta(alphaA, betaA))
  }
  return total
}

function lnBeta(a: number, b: number): number {
  return lnGamma(a) + lnGamma(b) - lnGamma(a + b)
}

/** The interval of a share by Wilson's score method; null of nothing. */
export function wilsonInterval({ successes, n }: Share, level = 0.95): Interval | null {
  if (n === 0) return null
  const z = normalQuantile((1 + level) / 2)
  const p = successes / n
  const middle = (p + z ** 2 / (2 * n)) / (1 + z ** 2 / n)
  const half = (z * Math.sqrt((p * (1 - p)) / n + z ** 2 / (4 * n ** 2))) / (1 + z ** 2 / n)
  // Exact where the share is: rounding must not push a bound past what is possible.
  return [successes === 0 ? 0 : middle - half, successes === n ? 1 : middle + half]
}

/** The interval of the difference `b - a` of two shares, from Wilson's intervals (Newcombe 1998, method 10); null of nothing. */
export function newcombeInterval(a: Share, b: Share, level = 0.95): Interval | null {
  const [intervalA, intervalB] = [wilsonInterval(a, level), wilsonInterval(b, level)]
  if (intervalA === null || intervalB === null) return null
  const [pa, pb] = [a.successes / a.n, b.successes / b.n]
  return [pb - pa - Math.hypot(pb - intervalB[0], intervalA[1] - pa), pb - pa + Math.hypot(intervalB[1] - pb, pa - intervalA[0])]
}

export function around(middle: number, half: number): Interval {
  return [middle - half, middle + half]
}
