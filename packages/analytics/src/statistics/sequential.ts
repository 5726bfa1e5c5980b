import { around, type Interval } from './proportions.ts'

/**
 * How many users the interval is narrowest at; the usual choice of experiment tools. The test holds at any number.
 */
const TUNED_FOR_USERS = 5000

/** A difference between two arms that may be looked at any number of times. */
export interface Sequential {
  readonly rho: number
  readonly halfWidth: number
  readonly interval: Interval
  readonly p: number
}

/**
 * An asymptotic confidence sequence (Waudby-Smith et al. 2023, equation 9, rho by equation 161): its error rate holds over
 * all looks together, however often and until whenever one looks. Wider than the interval of a test that is looked at once.
 * `n` counts the users of both arms, `standardError` is that of the difference.
 */
export function alwaysValid(
  { difference, standardError, n }: { readonly difference: number; readonly standardError: number; readonly n: number },
  alpha = 0.05,
): Sequential {
  const logAlpha = -2 * Math.log(alpha)
  const rho = Math.sqrt((logAlpha + Math.log(logAlpha + 1)) / TUNED_FOR_USERS)
  const grown = n * rho ** 2 + 1
  const variance = standardError ** 2 * n
  const halfWidth = Math.sqrt((variance * 2 * grown * Math.log(Math.sqrt(grown) / alpha)) / (n * rho) ** 2)
  const lnEvidence = (n * rho * difference) ** 2 / (2 * variance * grown) - Math.log(grown) / 2
  return { rho, halfWidth, interval: around(difference, halfWidth), p: Math.min(1, Math.exp(-lnEvidence)) }
}
