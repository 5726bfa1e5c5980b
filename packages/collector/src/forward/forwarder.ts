import { setTimeout as sleep } from 'node:timers/promises'

import { CollectorError } from '../collector-error.ts'
import { signals } from '../signals.ts'
import { DiskQueue } from './disk-queue.ts'
import type { ForwardedRequest } from './frame.ts'
import { post } from './post.ts'
import type { QueuedRequest } from './segment.ts'

export interface ForwardOptions {
  /** The endpoint of another receiver; `/v1/traces` and the like are put behind it. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly folder: string
  readonly maxBytes: number
}

/** What becomes of requests that are sent on and are not taken, and of the queue. */
export interface ForwardEvents {
  /** The queue could not be read or tidied up, and is tried again. */
  onFault(error: Error): void
  /** The other endpoint will never take it, the queue was full, or its file is damaged. */
  onLost(counter: 'forward_refused' | 'forward_dropped' | 'forward_damaged', tenant: string | undefined, message: string): void
}

const REQUEST_TIMEOUT_MS = 10_000
const FIRST_RETRY_MS = 500
const LAST_RETRY_MS = 30_000
/** A Retry-After that is longer is taken for this. */
const MAX_RETRY_AFTER_MS = 300_000
/** The statuses after which OTLP wants a request to be sent again (https://opentelemetry.io/docs/specs/otlp/, read 2026-11-20). */
const retryableStatuses: ReadonlySet<number> = new Set([429, 502, 503, 504])

/**
 * Passes requests on to another OTLP/HTTP endpoint, byte for byte and in order, from a queue on disk: through outages of
 * either side, a request that was put into the queue arrives at least once, unless the endpoint says that it never will take it.
 */
export class Forwarder {
  readonly #queue: DiskQueue
  readonly #options: ForwardOptions
  readonly #events: ForwardEvents
  readonly #stop = new AbortController()
  readonly #sending: Promise<void>

  private constructor(queue: DiskQueue, options: ForwardOptions, events: ForwardEvents) {
    this.#queue = queue
    this.#options = options
    this.#events = events
    this.#sending = this.#send()
  }

  /** @throws CollectorError */
  static async open(options: ForwardOptions, events: ForwardEvents): Promise<Forwarder> {
    if (!/^https?:\/\//.test(options.url) || !URL.canParse(options.url)) {
      throw new CollectorError(
        'bad_option',
        `--forward "${options.url}" is no http or https URL. Example: --forward http://127.0.0.1:14318`,
      )
    }
    const onDamage = (bytes: number): void =>
      events.onLost('forward_damaged', undefined, `${bytes} bytes of the forward queue are damaged: the requests in them are not sent on.`)
    return new Forwarder(await DiskQueue.open({ ...options, onDamage }), options, events)
  }

  /** Bytes that wait. */
  get waitingBytes(): number {
    return this.#queue.bytes
  }

  /** Resolves when the request is on disk, or could not be put there, which is counted and said. */
  async add(request: ForwardedRequest): Promise<void> {
    if (await this.#queue.add(request)) return
    this.#events.onLost('forward_dropped', request.tenant, 'The forward queue is full: what comes is kept here and not sent on.')
  }

  /** Stops sending; what waits is sent by the next process. */
  async close(): Promise<void> {
    this.#stop.abort()
    this.#queue.wake()
    await this.#sending
    await this.#queue.close()
  }

  /** Never rejects: a fault of the queue's disk is said, and tried again. */
  async #send(): Promise<void> {
    let retryMs = FIRST_RETRY_MS
    while (!this.#stop.signal.aborted) {
      try {
        await this.#sendNext()
        retryMs = FIRST_RETRY_MS
      } catch (cause) {
        this.#events.onFault(new Error(`The forward queue has a fault (${(cause as Error).message}) and is tried again.`, { cause }))
        await this.#pause(retryMs)
        retryMs = Math.min(retryMs * 2, LAST_RETRY_MS)
      }
    }
  }

  async #sendNext(): Promise<void> {
    // Before the look: what is added in between is not missed.
    const added = this.#queue.added()
    const request = await this.#queue.peek()
    if (request === undefined) return added
    await this.#sendUntilTaken(request)
    if (!this.#stop.signal.aborted) await this.#queue.shift()
  }

  async #sendUntilTaken(request: QueuedRequest): Promise<void> {
    const { signal } = this.#stop
    for (let retryMs = FIRST_RETRY_MS; !signal.aborted; retryMs = Math.min(retryMs * 2, LAST_RETRY_MS)) {
      const answer = await this.#post(request)
      if (answer === 'taken') return
      if (answer.kind === 'refused') {
        this.#events.onLost('forward_refused', request.tenant, `The endpoint of --forward refuses a request for good: ${answer.why}.`)
        return
      }
      // Half of it by chance, so that several that wait for one endpoint do not come back together.
      await this.#pause(Math.max(answer.afterMs ?? 0, retryMs * (0.5 + Math.random() / 2)))
    }
  }

  /** Ends early when sending is to stop. */
  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stop.signal }).catch(() => undefined)
  }

  async #post({ signal, contentType, contentEncoding, bodyBytes, body }: QueuedRequest): Promise<Answer> {
    const headers: Record<string, string> = {
      ...this.#options.headers,
      'content-type': contentType,
      'content-length': String(bodyBytes),
    }
    if (contentEncoding !== undefined) headers['content-encoding'] = contentEncoding
    try {
      const { status, headers: answered } = await post(`${this.#options.url.replace(/\/+$/, '')}${signals[signal].path}`, {
        headers,
        body: body(),
        signal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
      })
      if (status >= 200 && status < 300) return 'taken'
      if (!retryableStatuses.has(status)) return { kind: 'refused', why: `status ${status}` }
      return { kind: 'later', afterMs: retryAfterMs(answered['retry-after']) }
    } catch {
      // No answer: it is down, or slow, or we are to stop.
      return { kind: 'later', afterMs: undefined }
    }
  }
}

type Answer =
  | 'taken'
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'later'; readonly afterMs: number | undefined }

/** Seconds, or a date. */
function retryAfterMs(value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS)
}
