import { Refusal } from './refusal.ts'

/** How many requests each sender may make, evenly over a second. */
export class RateLimiter {
  readonly #perSecond: number
  readonly #now: () => number
  /** When the sender has all of its second again. */
  readonly #paidUntilMs = new Map<string, number>()

  /** `perSecond` 0 sets no limit. */
  constructor(perSecond: number, now: () => number = () => performance.now()) {
    this.#perSecond = perSecond
    this.#now = now
  }

  /** @throws Refusal where the sender has had its requests of this second */
  pass(sender: string): void {
    if (this.#perSecond === 0) return
    const nowMs = this.#now()
    const untilMs = Math.max(this.#paidUntilMs.get(sender) ?? 0, nowMs) + 1000 / this.#perSecond
    if (untilMs > nowMs + 1000)
      throw new Refusal('too_often', `More than ${this.#perSecond} requests in a second. Send fewer, larger ones.`)
    this.#paidUntilMs.set(sender, untilMs)
  }
}
