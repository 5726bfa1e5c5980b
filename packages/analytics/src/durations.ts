import { bucketMs } from '@spanledger/store'

import { readPackedCounts } from './packed-counts.ts'

/**
 * Durations of a group of calls, counted by the buckets of the rollups' histograms. Buckets are few and dense: an array
 * takes them in a third of the time that a Map does, and a quantile needs no sorting.
 */
export class Durations {
  #counts = new Float64Array(640)
  #total = 0

  add(bucket: number, count: number): void {
    if (bucket >= this.#counts.length) {
      const longer = new Float64Array(bucket * 2)
      longer.set(this.#counts)
      this.#counts = longer
    }
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + count
    this.#total += count
  }

  /** Adds what another counted, or with -1 takes it away. */
  merge(other: Durations, sign: 1 | -1): void {
    for (let bucket = 0; bucket < other.#counts.length; bucket++) {
      const count = other.#counts[bucket] ?? 0
      if (count !== 0) this.add(bucket, sign * count)
    }
  }

  /** Adds a histogram as a rollup keeps it, in hex. */
  addPacked(packedHex: string): void {
    readPackedCounts(packedHex, (bucket, count) => this.add(bucket, count))
  }

  /** The q-quantile (nearest rank) in ms, within 1.1 %; undefined where nothing was counted. */
  quantile(q: number): number | undefined {
    if (this.#total === 0) return undefined
    const rank = Math.max(1, Math.ceil(q * this.#total))
    let seen = 0
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      seen += this.#counts[bucket] ?? 0
      if (seen >= rank) return bucketMs(bucket)
    }
    return undefined
  }
}
