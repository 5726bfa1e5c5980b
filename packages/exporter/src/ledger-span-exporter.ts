import { existsSync } from 'node:fs'

import { readCall, readEvent } from '@spanledger/conventions'
import { toLink, type SpanLink, type Store, type WrittenCall, type WrittenEvent } from '@spanledger/store'

import { LedgerWriter, type WriterState } from './ledger-writer.ts'
import { cutBatch } from './replay.ts'
import { readSettings, storeOptions, storeSetting, type Settings } from './settings.ts'
import { inSlices } from './slices.ts'
import type { EndedSpan } from './span-shape.ts'
import { openSpool } from './spool.ts'
import { withoutTracing } from './suppress-tracing.ts'
import { toSpanRecord } from './to-span-record.ts'

/** Options of the exporter; described in `settings`. The queue is that of the processor in front of it. */
export interface LedgerSpanExporterOptions extends Partial<Pick<Settings, 'spoolPath' | 'maxSpoolBytes' | 'maxBatchCalls' | 'pricesPath'>> {
  /** Path of the ledger file, or an open store (which is then not closed here). Default: env SPANLEDGER_STORE, else `spanledger.db`. */
  readonly store?: string | Store
}

/** `ExportResult` of OpenTelemetry: 0 is success, 1 is failure. */
export interface ExportResult {
  readonly code: 0 | 1
  readonly error?: Error
}

/**
 * A SpanExporter that writes into a ledger, for apps that want a BatchSpanProcessor in front of it. Of each batch it hands
 * every LLM call and event to the store unsettled and every other span as a link, so the store decides as it does on spans that came
 * from elsewhere: the ledger is the same as with `LedgerSpanProcessor`.
 *
 * It sees only what is in front of it lets through: sampled spans; and a BatchSpanProcessor drops spans when more than 2,048
 * wait, and loses those that wait when the process ends without `shutdown()`. For billing use the processor.
 */
export class LedgerSpanExporter {
  readonly #maxBatchCalls: number
  readonly #writer: LedgerWriter
  #exporting: Promise<void> = Promise.resolve()
  #shutdown: Promise<void> | undefined

  constructor(options: LedgerSpanExporterOptions = {}) {
    const store = options.store ?? (process.env[storeSetting.env] || storeSetting.default)
    const { spoolPath, maxSpoolBytes, maxBatchCalls, pricesPath } = readSettings(options, process.env)
    this.#maxBatchCalls = maxBatchCalls
    const spool = openSpool(spoolPath || `${typeof store === 'string' ? store : store.path}.spool`, maxSpoolBytes)
    this.#writer = new LedgerWriter(typeof store === 'string' ? storeOptions(store, pricesPath) : store, spool)
    if (existsSync(spool.path)) void withoutTracing(() => this.#writer.replay())
  }

  /** Reports success when the spans are in the store or in the spool, failure when neither took them. Never throws. */
  export(spans: readonly EndedSpan[], resultCallback: (result: ExportResult) => void): void {
    if (this.#shutdown !== undefined) {
      resultCallback({ code: 1, error: new Error('LedgerSpanExporter is shut down.') })
      return
    }
    this.#exporting = this.#exporting
      .then(() => withoutTracing(() => this.#write(spans)))
      .then(
        () => resultCallback({ code: 0 }),
        (error: unknown) => resultCallback({ code: 1, error: error instanceof Error ? error : new Error(String(error)) }),
      )
      // The callback is somebody else's; what it throws must not stop later exports.
      .catch(() => undefined)
  }

  forceFlush(): Promise<void> {
    return this.#exporting
  }

  shutdown(): Promise<void> {
    this.#shutdown ??= this.#exporting.then(() => withoutTracing(() => this.#writer.close()))
    return this.#shutdown
  }

  state(): WriterState {
    return this.#writer.state()
  }

  async #write(spans: readonly EndedSpan[]): Promise<void> {
    const calls: WrittenCall[] = []
    const links: SpanLink[] = []
    const events: WrittenEvent[] = []
    let n = 0
    await inSlices(
      () => spans[n++],
      (span) => {
        const record = toSpanRecord(span)
        const call = readCall(record, 'app')
        const event = call === undefined ? readEvent(record, 'app') : undefined
        if (call !== undefined) calls.push(call)
        else if (event !== undefined) events.push(event)
        else links.push(toLink(record))
      },
    )
    for (const batch of cutBatch({ calls, links, events }, this.#maxBatchCalls)) await this.#writer.place(batch)
  }
}
