import type { SeededRandom } from '@spanledger/stand-in'

/** Draws from distributions; each takes the stream of numbers that it draws from. */

/** A table of values and the weights they are drawn with. */
export type Weighted<Value> = readonly (readonly [value: Value, weight: number])[]

export function pick<Value>(random: SeededRandom, choices: Weighted<Value>): Value {
  let left = random() * choices.reduce((total, [, weight]) => total + weight, 0)
  for (const [value, weight] of choices) {
    left -= weight
    if (left < 0) return value
  }
  const last = choices.at(-1)
  if (last === undefined) throw new RangeError('pick: nothing to pick from')
  return last[0]
}

/** An integer of the half-open range. */
export function integer(random: SeededRandom, from: number, to: number): number {
  return from + Math.floor(random() * (to - from))
}

export function logNormal(random: SeededRandom, median: number, sigma: number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  return median * Math.exp(sigma * normal)
}

/** Knuth's way: a draw takes about `mean` steps, so it is for small means. */
export function poisson(random: SeededRandom, mean: number): number {
  const limit = Math.exp(-mean)
  let count = 0
  for (let product = random(); product > limit; product *= random()) count++
  return count
}

/** Quantiles of a distribution: how much of it lies at or below a value. */
export type Quantiles = readonly (readonly [share: number, value: number])[]

/** A draw from between the quantiles, in straight lines. */
export function fromQuantiles(random: SeededRandom, quantiles: Quantiles): number {
  const share = random()
  const above = quantiles.findIndex(([at]) => at > share)
  const [highShare, high] = quantiles[above] ?? [1, 0]
  const [lowShare, low] = quantiles[above - 1] ?? [0, 0]
  return Math.round(low + ((high - low) * (share - lowShare)) / (highShare - lowShare))
}
