import { bucketMs } from '@spanledger/store'

import { readPackedCounts } from './packed-counts.ts'

/** A group of fewer different durations than this keeps them as pairs: most groups are small, and there may be very many. */
const FEW = 24

/**
 * Durations of a group of calls, counted by the buckets of the rollups' histograms. Buckets are few and dense: an array
 * takes them in a third of the time that a Map does, and a quantile needs no sorting.
 */
export class Durations {
  /** Bucket and count in turns, in the order in which they came; empty once there is an array of all. */
  #pairs: number[] = []
  #counts: Float64Array | undefined
  #total = 0

  add(bucket: number, count: number): void {
    this.#total += count
    if (this.#counts === undefined && !this.#addPair(bucket, count)) this.#spread()
    if (this.#counts !== undefined) this.#addToArray(bucket, count)
  }

  /** Adds what another counted, or with -1 takes it away. */
  merge(other: Durations, sign: 1 | -1): void {
    other.#each((bucket, count) => this.add(bucket, sign * count))
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
    if (this.#counts === undefined) {
      for (const [bucket, count] of this.#pairsInOrder()) {
        seen += count
        if (seen >= rank) return bucketMs(bucket)
      }
      return undefined
    }
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      seen += this.#counts[bucket] ?? 0
      if (seen >= rank) return bucketMs(bucket)
    }
    return undefined
  }

  /** @returns whether there was room */
  #addPair(bucket: number, count: number): boolean {
    const pairs = this.#pairs
    for (let at = 0; at < pairs.length; at += 2) {
      if (pairs[at] !== bucket) continue
      pairs[at + 1] = (pairs[at + 1] ?? 0) + count
      return true
    }
    if (pairs.length === FEW * 2) return false
    pairs.push(bucket, count)
    return true
  }

  #spread(): void {
    const pairs = this.#pairs
    this.#pairs = []
    this.#counts = new Float64Array(640)
    for (let at = 0; at < pairs.length; at += 2) this.#addToArray(pairs[at] ?? 0, pairs[at + 1] ?? 0)
  }

  #addToArray(bucket: number, count: number): void {
    let counts = this.#counts ?? new Float64Array(640)
    if (bucket >= counts.length) {
      const longer = new Float64Array(bucket * 2)
      longer.set(counts)
      counts = longer
    }
    counts[bucket] = (counts[bucket] ?? 0) + count
    this.#counts = counts
  }

  #each(take: (bucket: number, count: number) => void): void {
    for (let at = 0; at < this.#pairs.length; at += 2) take(this.#pairs[at] ?? 0, this.#pairs[at + 1] ?? 0)
    if (this.#counts === undefined) return
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      const count = this.#counts[bucket] ?? 0
      if (count !== 0) take(bucket, count)
    }
  }

  #pairsInOrder(): [bucket: number, count: number][] {
    const all: [number, number][] = []
    this.#each((bucket, count) => all.push([bucket, count]))
    return all.sort(([a], [b]) => a - b)
  }
}
