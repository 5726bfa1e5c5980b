import { normalCdf, normalQuantile } from './distributions.ts'

/** An estimated difference. */
export interface Estimated {
  readonly difference: number
  readonly standardError: number
}

/** The probability that the difference is above 0, with a flat prior. */
export function chanceAbove({ difference, standardError }: Estimated): number {
  return normalCdf(difference / standardError)
}

/**
 * What is lost on average by taking the second arm: how far it falls short where it is the worse one, times how probable that is.
 * Worse is less; with a flat prior.
 */
export function expectedLoss({ difference, standardError }: Estimated): number {
  const z = difference / standardError
  const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)
  return standardError * density - difference * normalCdf(-z)
}

/** The least true difference that a two-sided test finds in a share `power` of experiments with such an error. */
export function detectableDifference(standardError: number, { alpha = 0.05, power = 0.8 } = {}): number {
  return (normalQuantile(1 - alpha / 2) + normalQuantile(power)) * standardError
}
