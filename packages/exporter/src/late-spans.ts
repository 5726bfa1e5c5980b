import { readCall, readEvent } from '@spanledger/conventions'

import { onLeaving } from './exit-hooks.ts'
import type { LedgerWriter } from './ledger-writer.ts'
import type { EndedSpan } from './span-shape.ts'
import { withoutTracing } from './suppress-tracing.ts'
import { toSpanRecord } from './to-span-record.ts'

export interface LateSpansOptions {
  readonly writer: LedgerWriter
  /** How long counts may wait to be written. */
  readonly maxDelayMs: number
  readonly handleSignals: boolean
  /** Counts one span in `writer`, and says so where it is the first. */
  readonly drop: () => void
  /** Spools what waits, counts included; for a process that ends now. Never throws. */
  readonly flushNow: () => void
}

/**
 * Counts, after `shutdown()`, the calls and events that the ledger should have had. The store is closed by then and the
 * process no longer watched: both are taken up again for as long as there are new counts to write.
 */
export class LateSpans {
  readonly #options: LateSpansOptions
  /** Set while counts wait to be written. */
  #stopListening: (() => void) | undefined

  constructor(options: LateSpansOptions) {
    this.#options = options
  }

  /** @param closing resolves when the shutdown is done */
  miss(span: EndedSpan, closing: Promise<void>): void {
    const { drop, flushNow, handleSignals, maxDelayMs } = this.#options
    const record = toSpanRecord(span)
    if (readCall(record, 'app') === undefined && readEvent(record, 'app') === undefined) return
    drop()
    if (this.#stopListening !== undefined) return
    const flush = (): Promise<void> => withoutTracing(() => this.#write(closing))
    const timer = setTimeout(() => void flush(), maxDelayMs).unref()
    const stop = onLeaving({ flush, flushNow, waiting: () => (this.#stopListening === undefined ? 0 : 1), handleSignals })
    this.#stopListening = () => {
      clearTimeout(timer)
      stop()
      this.#stopListening = undefined
    }
  }

  /** Never rejects. What the store does not take goes to the spool when the process ends. */
  async #write(closing: Promise<void>): Promise<void> {
    await closing
    if (await this.#options.writer.countLate()) this.#stopListening?.()
  }
}
