import { chiSquaredTail } from './distributions.ts'

/** q values by Benjamini and Hochberg (1995): the least false discovery rate at which each test is significant. In the order given. */
export function falseDiscoveryRates(pValues: readonly number[]): number[] {
  const n = pValues.length
  const order = pValues.map((p, at) => ({ p, at })).sort((x, y) => y.p - x.p)
  const q = pValues.slice()
  let least = 1
  for (const [fromLast, { p, at }] of order.entries()) {
    least = Math.min(least, (p * n) / (n - fromLast))
    q[at] = least
  }
  return q
}

/** p values that hold for all tests together (Holm 1979). In the order given. */
export function familyWise(pValues: readonly number[]): number[] {
  const n = pValues.length
  const order = pValues.map((p, at) => ({ p, at })).sort((x, y) => x.p - y.p)
  const adjusted = pValues.slice()
  let most = 0
  for (const [rank, { p, at }] of order.entries()) {
    most = Math.max(most, Math.min(1, p * (n - rank)))
    adjusted[at] = most
  }
  return adjusted
}

/**
 * Whether users were split as planned (sample ratio mismatch): chi-squared of the counts against the weights.
 * @returns null where nobody was assigned or fewer than two arms have a weight
 */
export function sampleRatio(
  counts: readonly number[],
  weights: readonly number[],
): { readonly chiSquared: number; readonly p: number } | null {
  const total = counts.reduce((all, count) => all + count, 0)
  const weight = weights.reduce((all, one) => all + one, 0)
  const arms = weights.filter((one) => one > 0).length
  if (total === 0 || arms < 2) return null
  let chiSquared = 0
  for (const [arm, count] of counts.entries()) {
    const expected = (total * (weights[arm] ?? 0)) / weight
    if (expected > 0) chiSquared += (count - expected) ** 2 / expected
  }
  return { chiSquared, p: chiSquaredTail(chiSquared, arms - 1) }
}
