import { encodeCounts, encodeIds } from '../rollups/counts.ts'
import { measureColumns } from '../rollups/measures.ts'

const COST = measureColumns.indexOf('cost_nano_usd')

/** What calls of one group come to. */
export class GroupSum {
  readonly #sums: number[] = measureColumns.map(() => 0)
  /** What of the cost is not in the sums, because a double could not hold it exactly. */
  #costBeyond = 0n
  #anonymous = 0
  readonly #latency = new Map<number, number>()
  readonly #ttft = new Map<number, number>()
  #users: number[] = []
  #nextThinning = 4096

  /** `used`: the measures that some call of the day has, by position; the others are 0. */
  add(call: SummedCall, used: readonly number[]): void {
    const { measures, userId, latency, ttft } = call
    const cost = this.#sums[COST] ?? 0
    for (const n of used) this.#sums[n] = (this.#sums[n] ?? 0) + (measures[n] ?? 0)
    if (!Number.isSafeInteger(this.#sums[COST])) {
      this.#costBeyond += BigInt(cost)
      this.#sums[COST] = measures[COST] ?? 0
    }
    this.#latency.set(latency, (this.#latency.get(latency) ?? 0) + 1)
    if (ttft !== undefined) this.#ttft.set(ttft, (this.#ttft.get(ttft) ?? 0) + 1)
    if (userId === 0) this.#anonymous++
    else this.#users.push(userId)
    if (this.#users.length >= this.#nextThinning) this.#thin()
  }

  /** The columns of its row, without the key. */
  row(): (number | string)[] {
    this.#thin()
    const sums = this.#sums.map((sum, n) => (n === COST && this.#costBeyond !== 0n ? String(this.#costBeyond + BigInt(sum)) : sum))
    return [...sums, this.#anonymous, hex(encodeCounts(this.#latency)), hex(encodeCounts(this.#ttft)), hex(encodeIds(this.#users))]
  }

  /** Users each once and ascending: one who calls all day would fill the list. */
  #thin(): void {
    const sorted = Int32Array.from(this.#users).sort()
    this.#users = Array.from(sorted.filter((id, n) => n === 0 || id !== sorted[n - 1]))
    this.#nextThinning = Math.max(4096, 2 * this.#users.length)
  }
}

/** A call as it is added to each of its groups. */
export interface SummedCall {
  /** In the order of `measureColumns`. */
  readonly measures: readonly number[]
  readonly userId: number
  /** Buckets of the histograms. */
  readonly latency: number
  readonly ttft: number | undefined
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
