import { nthSmallest } from '../sums/nth-smallest.ts'

/** Smaller numbers are counted in an array. */
const DENSE = 65_536

/** Whole numbers from 0, counted: their quantiles are exact, however many there are. */
export class Numbers {
  #dense: Int32Array | undefined
  #denseTotal = 0
  /** The others, as often as each was counted. */
  #large = new Float64Array(16)
  #largeTotal = 0
  /** How often some of the others were taken away. */
  readonly #taken = new Map<number, number>()
  #takenTotal = 0

  add(value: number, times = 1): void {
    if (value < DENSE) {
      this.#dense ??= new Int32Array(DENSE)
      this.#dense[value] = (this.#dense[value] ?? 0) + times
      this.#denseTotal += times
      return
    }
    if (times < 0) {
      this.#taken.set(value, (this.#taken.get(value) ?? 0) - times)
      this.#takenTotal -= times
      return
    }
    while (this.#largeTotal + times > this.#large.length) this.#grow()
    this.#large.fill(value, this.#largeTotal, this.#largeTotal + times)
    this.#largeTotal += times
  }

  get total(): number {
    return this.#denseTotal + this.#largeTotal - this.#takenTotal
  }

  /** The q-quantile between the two nearest ranks, as `quantile` of statistics; null of nothing. */
  quantile(q: number): number | null {
    const { total } = this
    if (total === 0) return null
    const at = (total - 1) * q
    const below = Math.floor(at)
    const large = this.#largeLeft()
    const low = this.#smallest(below, large)
    return low + (this.#smallest(Math.min(below + 1, total - 1), large) - low) * (at - below)
  }

  #smallest(n: number, large: Float64Array): number {
    if (n >= this.#denseTotal) return nthSmallest(large, n - this.#denseTotal) ?? Number.NaN
    let seen = 0
    for (let value = 0; value < DENSE; value++) {
      seen += this.#dense?.[value] ?? 0
      if (seen > n) return value
    }
    return Number.NaN
  }

  #largeLeft(): Float64Array {
    const all = this.#large.slice(0, this.#largeTotal)
    if (this.#takenTotal === 0) return all
    const taken = new Map(this.#taken)
    return all.filter((value) => {
      const left = taken.get(value) ?? 0
      if (left > 0) taken.set(value, left - 1)
      return left === 0
    })
  }

  #grow(): void {
    const larger = new Float64Array(this.#large.length * 2)
    larger.set(this.#large)
    this.#large = larger
  }
}
