/** How many bytes of requests may be in memory at a time, whoever sent them. */
export class Budget {
  readonly #max: number
  #used = 0

  constructor(max: number) {
    this.#max = max
  }

  get used(): number {
    return this.#used
  }

  /**
   * Takes room for a request, which holds some already where it comes piece by piece.
   * @returns false where there is no room; then nothing is taken. A request larger than all of it fits where it is alone.
   */
  take(bytes: number, held = 0): boolean {
    if (this.#used > held && this.#used + bytes > this.#max) return false
    this.#used += bytes
    return true
  }

  giveBack(bytes: number): void {
    this.#used -= bytes
  }
}
