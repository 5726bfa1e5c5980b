import { createRequire } from 'node:module'

/** The functions of Cephes (netlib.org/cephes) that are used here, by its names; right to about 12 digits. */
interface Cephes {
  ndtr(z: number): number
  ndtri(p: number): number
  erfc(x: number): number
  incbet(a: number, b: number, x: number): number
  incbi(a: number, b: number, y: number): number
  chdtrc(degrees: number, x: number): number
  lgam(x: number): number
}

let loaded: Cephes | undefined

/** Loaded with the first use: it takes 10 MiB, which apps that only ask for a user's sums need not pay. By `require`: its ES module compiles later than it loads. */
function cephes(): Cephes {
  loaded ??= createRequire(import.meta.url)('cephes') as Cephes
  return loaded
}

/** The library throws where a probability is too small for a double. */
function orZero(probability: () => number): number {
  try {
    return probability()
  } catch (error) {
    if (error instanceof Error && error.message.includes('underflow')) return 0
    throw error
  }
}

/** Beyond this what is left of the normal distribution is too small for a double. */
const NORMAL_ENDS = 39

/** P(Z <= z) of the standard normal distribution. */
export function normalCdf(z: number): number {
  // The library says NaN of some z from about 90,000 on (of 172773685.12208658, say).
  if (Math.abs(z) > NORMAL_ENDS) return z > 0 ? 1 : 0
  return orZero(() => cephes().ndtr(z))
}

/** The z with P(Z <= z) = p, for 0 < p < 1. */
export function normalQuantile(p: number): number {
  return cephes().ndtri(p)
}

/** The probability of a standard normal value at least as far from 0 as `z`. */
export function normalTwoSided(z: number): number {
  return orZero(() => cephes().erfc(Math.abs(z) / Math.SQRT2))
}

/** The probability of a value of Student's t at least as far from 0 as `t`. */
export function studentTwoSided(t: number, degrees: number): number {
  return orZero(() => cephes().incbet(degrees / 2, 1 / 2, degrees / (degrees + t * t)))
}

/** The t > 0 with P(|T| <= t) = `level`. */
export function studentTwoSidedQuantile(level: number, degrees: number): number {
  const x = cephes().incbi(degrees / 2, 1 / 2, 1 - level)
  return Math.sqrt((degrees * (1 - x)) / x)
}

/** P(X >= x) of the chi-squared distribution. */
export function chiSquaredTail(x: number, degrees: number): number {
  return x <= 0 ? 1 : orZero(() => cephes().chdtrc(degrees, x))
}

/** P(X <= successes) of `n` trials that succeed with probability `p`, exact. */
export function binomialCdf(successes: number, n: number, p: number): number {
  if (successes < 0) return 0
  if (successes >= n) return 1
  return orZero(() => cephes().incbet(n - successes, successes + 1, 1 - p))
}

/** ln of the gamma function, for x > 0. */
export function lnGamma(x: number): number {
  return cephes().lgam(x)
}
