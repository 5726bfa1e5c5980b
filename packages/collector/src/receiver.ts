import { contentTypes, type Rejected } from './answer.ts'
import type { Budget } from './budget.ts'
import type { Forwarder } from './forward/forwarder.ts'
import { identifySender, type Credentials, type GuardOptions, type Sender } from './guard.ts'
import type { OtlpRequest } from './ledger-items.ts'
import type { Ledgers } from './ledgers.ts'
import type { RateLimiter } from './rate-limiter.ts'
import { Refusal } from './refusal.ts'
import type { SignalName } from './signals.ts'
import { toRefusal } from './to-refusal.ts'

/** A request of any kind, as it came over the wire. */
export type ReceivedRequest = Omit<OtlpRequest, 'signal'> & { readonly signal: SignalName }

export interface ReceiverOptions {
  readonly ledgers: Ledgers
  readonly guard: GuardOptions
  readonly budget: Budget
  readonly rateLimiter: RateLimiter
  /** Undefined where nothing is sent on. */
  readonly forwarder: Forwarder | undefined
  /** Hears of faults that are not the sender's. */
  readonly onFault: (error: unknown) => void
}

/** What becomes of a request, by whichever way it came. */
export class Receiver {
  readonly budget: Budget
  readonly #options: ReceiverOptions

  constructor(options: ReceiverOptions) {
    this.budget = options.budget
    this.#options = options
  }

  /** Before anything of a body is read. @throws Refusal */
  admit(credentials: Credentials): Sender {
    const sender = identifySender(credentials, this.#options.guard)
    this.#options.rateLimiter.pass(sender.key)
    return sender
  }

  /**
   * Resolves when all of the request is committed that can be, and on disk to be sent on.
   * @throws Refusal
   */
  async take(sender: Sender, request: ReceivedRequest): Promise<Rejected> {
    const { signal, encoding, isGzip, body } = request
    const rejected = await this.#keep(sender, request)
    // After the ledger: what it refuses for now comes again, and would be sent on twice.
    await this.#options.forwarder?.add({
      signal,
      contentType: contentTypes[encoding],
      contentEncoding: isGzip ? 'gzip' : undefined,
      tenant: sender.tenant,
      body,
    })
    return rejected
  }

  /** For /healthz. */
  state(): { forward_waiting_bytes?: number } {
    const { forwarder } = this.#options
    return forwarder === undefined ? {} : { forward_waiting_bytes: forwarder.waitingBytes }
  }

  async #keep(sender: Sender, request: ReceivedRequest): Promise<Rejected> {
    const { signal } = request
    // Taken, so that whoever sends all three to one place has no errors; nothing in them is of use here.
    if (signal === 'metrics') return { count: 0, message: '' }
    try {
      return await this.#options.ledgers.use(sender.tenant, (queue) => queue.add({ ...request, signal }))
    } catch (error) {
      throw this.#refusalOf(error)
    }
  }

  #refusalOf(error: unknown): Refusal {
    const refusal = toRefusal(error)
    if (refusal.kind === 'busy' && refusal.cause !== undefined) this.#options.onFault(refusal.cause)
    return refusal
  }
}

export function overloaded(): Refusal {
  return new Refusal('busy', 'Too much is waiting to be written. Try again in a second.')
}
