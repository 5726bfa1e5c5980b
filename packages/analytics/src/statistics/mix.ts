import type { Parts } from './means.ts'

/** The same kind of case on either side: calls of one model and feature, say. */
export interface Stratum {
  readonly a: Parts
  readonly b: Parts
}

/** Where a difference of two ratios comes from. */
export interface MixedDifference {
  /** Of a over b. */
  readonly difference: number
  /** What of it would be there if each stratum had one ratio on both sides: what a side has more of. */
  readonly mix: number
  /** mix / difference; may be below 0 or above 1. Null where there is no difference. */
  readonly mixShare: number | null
}

/**
 * Takes the difference of two ratios of sums apart (Kitagawa 1955): into what the sides have more or less of, and how the
 * strata themselves differ. A stratum that one side lacks is all mix. Null where a side has nothing.
 */
export function partMix(strata: readonly Stratum[]): MixedDifference | null {
  const wholeA = strata.reduce((sum, { a }) => sum + a.whole, 0)
  const wholeB = strata.reduce((sum, { b }) => sum + b.whole, 0)
  if (wholeA === 0 || wholeB === 0) return null
  let mix = 0
  let within = 0
  for (const { a, b } of strata) {
    const [weightA, weightB] = [a.whole / wholeA, b.whole / wholeB]
    const ratioA = a.whole === 0 ? b.part / b.whole : a.part / a.whole
    const ratioB = b.whole === 0 ? ratioA : b.part / b.whole
    if (a.whole === 0 && b.whole === 0) continue
    mix += ((weightA - weightB) * (ratioA + ratioB)) / 2
    within += ((ratioA - ratioB) * (weightA + weightB)) / 2
  }
  const difference = mix + within
  return { difference, mix, mixShare: Math.abs(difference) < 1e-12 ? null : mix / difference }
}

/** The ratio of two rates common to several strata (Mantel and Haenszel 1959); null where no stratum of b has a case. */
export function commonRatio(strata: readonly Stratum[]): number | null {
  let above = 0
  let below = 0
  for (const { a, b } of strata) {
    const n = a.whole + b.whole
    if (n === 0) continue
    above += (a.part * b.whole) / n
    below += (b.part * a.whole) / n
  }
  return below === 0 ? null : above / below
}
