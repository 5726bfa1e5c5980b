/** Lets as many in at a time as it has places, the others in the order in which they came. */
export class MessageGate {
  #free: number
  readonly #maxWaiting: number
  readonly #waiting = new Set<() => void>()

  constructor({ places, maxWaiting }: { places: number; maxWaiting: number }) {
    this.#free = places
    this.#maxWaiting = maxWaiting
  }

  /**
   * Calls `begin` when there is a place, which may be at once.
   * @returns how to leave, also while it still waits; may be called more than once. Undefined where too many wait
   */
  enter(begin: () => void): (() => void) | undefined {
    if (this.#free === 0 && this.#waiting.size >= this.#maxWaiting) return undefined
    let state: 'waits' | 'in' | 'left' = 'waits'
    const start = (): void => {
      if (state === 'left') {
        this.#pass()
        return
      }
      state = 'in'
      begin()
    }
    const leave = (): void => {
      if (state === 'in') this.#pass()
      else this.#waiting.delete(start)
      state = 'left'
    }
    this.#waiting.add(start)
    if (this.#free > 0) {
      this.#free--
      this.#pass()
    }
    return leave
  }

  /** Hands a place on to who has waited longest. */
  #pass(): void {
    const [next] = this.#waiting
    if (next === undefined) {
      this.#free++
      return
    }
    this.#waiting.delete(next)
    // Not within the call that made room: who comes in may leave at once, and so on through all who wait.
    queueMicrotask(next)
  }
}
