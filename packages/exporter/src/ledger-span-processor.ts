import { existsSync } from 'node:fs'

import { trace, type Context } from '@opentelemetry/api'
import { endOpenCalls, identityInContext, stampIdentity } from '@spanledger/conventions'
import type { Batch, Store } from '@spanledger/store'

import { onLeaving } from './exit-hooks.ts'
import { LateSpans } from './late-spans.ts'
import { LedgerWriter, type WriterState } from './ledger-writer.ts'
import { cutBatch, sizeOf } from './replay.ts'
import { say } from './say.ts'
import { readSettings, storeOptions, storeSetting, type Settings } from './settings.ts'
import { inSlices } from './slices.ts'
import { estimateBytes } from './span-bytes.ts'
import type { EndedSpan, StartedSpan } from './span-shape.ts'
import { SpanTrees, type SpanNode } from './span-tree.ts'
import { openSpool } from './spool.ts'
import { withoutTracing } from './suppress-tracing.ts'
import { parentIdOf } from './to-span-record.ts'

/** Options of the processor; those besides `store` are described in `settings`. */
export interface LedgerSpanProcessorOptions extends Partial<Settings> {
  /** Path of the ledger file, or an open store (which is then not closed here). Default: env SPANLEDGER_STORE, else `spanledger.db`. */
  readonly store?: string | Store
}

/** How the processor is doing. */
export interface LedgerSpanProcessorState extends WriterState {
  /** Spans that ended and were not read yet, and calls, links and events that were not written yet. */
  readonly queued: number
  readonly queuedBytes: number
  /** Spans of any kind that were lost because the queue was full, and calls and events that ended after `shutdown()`. */
  readonly droppedSpans: number
  /** Failures of our own that the app did not notice. */
  readonly faults: number
}

/** How far a round goes: writes all that has ended; or also what no later span will add to. */
type Goal = 'write' | 'end'

/** So many ended spans are read at once, also while a batch is being written: what is read is smaller, and lighter to collect. */
const READ_AT = 64
/** What a call, link or event that was read weighs until it is written, by estimate. */
const BYTES_PER_READ = 1200
/** An app that made no call by then may have a set-up that records none, which its ledger should say. */
const NOTE_SETUP_AFTER_MS = 30_000

/**
 * A SpanProcessor that writes the LLM calls and events among an app's spans into a ledger. For the SDKs 1.30, 2.x and 3.x.
 *
 * Stamps user, session and properties of `withUser` on every span that starts in their scope. When a span ends it only
 * keeps a reference to it; spans are read a little later, in slices of about a millisecond, and written in batches, at
 * least once a second. Sees spans that are recorded but not sampled too (see `alwaysRecord`). What happens to calls that
 * cannot be written says `LedgerWriter`; which calls are written settled says `SpanTrees`.
 *
 * Never throws, never blocks, never keeps the process alive; every span it had to drop is counted.
 */
export class LedgerSpanProcessor {
  readonly #settings: Settings
  readonly #trees: SpanTrees
  readonly #writer: LedgerWriter
  readonly #stopListening: () => void
  readonly #late: LateSpans
  #queue: SpanNode[] = []
  #head = 0
  #queuedBytes = 0
  /** Batches that were taken from the trees and are not placed yet. */
  #unplaced: Batch[] = []
  #timer: NodeJS.Timeout | undefined
  readonly #setupTimer: NodeJS.Timeout
  #isReadDue = false
  #reading: Promise<void> | undefined
  #round: Promise<void> | undefined
  #shutdown: Promise<void> | undefined
  #droppedSpans = 0
  #faults = 0

  constructor(given?: LedgerSpanProcessorOptions | null) {
    const options = given ?? {}
    const store = options.store ?? (process.env[storeSetting.env] || storeSetting.default)
    this.#settings = readSettings(options, process.env)
    this.#trees = new SpanTrees(this.#settings)
    const storePath = typeof store === 'string' ? store : store.path
    const spool = openSpool(this.#settings.spoolPath || `${storePath}.spool`, this.#settings.maxSpoolBytes)
    this.#writer = new LedgerWriter(typeof store === 'string' ? storeOptions(store, this.#settings.pricesPath) : store, spool)
    const { maxDelayMs, handleSignals } = this.#settings
    const flushNow = (): void => this.#flushNow()
    this.#late = new LateSpans({ writer: this.#writer, maxDelayMs, handleSignals, drop: () => this.#drop(), flushNow })
    this.#stopListening = onLeaving({
      flush: () => this.forceFlush(),
      flushNow,
      waiting: () => this.#waiting(),
      handleSignals,
    })
    if (existsSync(spool.path)) void withoutTracing(() => this.#writer.replay())
    this.#setupTimer = setTimeout(() => void withoutTracing(() => this.#writer.noteSetup()), NOTE_SETUP_AFTER_MS).unref()
  }

  onStart(span: StartedSpan, parentContext: Context): void {
    try {
      // Before anything else sets attributes: an SDK keeps the first 128.
      const identity = identityInContext(parentContext)
      if (identity !== undefined) stampIdentity(span, identity)
      this.#trees.start(span, parentIdsOf(span, parentContext))
    } catch (error) {
      this.#fault(error)
    }
  }

  onEnd(span: EndedSpan): void {
    try {
      if (this.#shutdown !== undefined) {
        this.#late.miss(span, this.#shutdown)
        return
      }
      this.#writer.setup.noticeService(span.resource?.attributes)
      const node = this.#trees.end(span)
      const bytes = estimateBytes(span)
      if (this.#queuedBytes + bytes > this.#settings.maxQueueBytes) {
        this.#trees.miss(node)
        this.#drop()
        return
      }
      node.bytes = bytes
      this.#queuedBytes += bytes
      this.#queue.push(node)
      if (this.#queue.length - this.#head >= READ_AT) this.#readSoon()
      this.#writeLater()
    } catch (error) {
      this.#fault(error)
    }
  }

  /** Resolves when everything that ended before is in the store or in the spool, or when neither takes it. Never rejects. */
  async forceFlush(): Promise<void> {
    // What is going on may have begun before the last span ended.
    await this.#round
    await this.#startRound('write')
  }

  /**
   * Writes what waits and closes the store. Calls whose span started here and which are not over end first, with what is known of them:
   * nobody will take them later. Calls and events that end after it are dropped and counted. Never rejects.
   */
  shutdown(): Promise<void> {
    this.#shutdown ??= this.#shutDown()
    return this.#shutdown
  }

  state(): LedgerSpanProcessorState {
    return {
      ...this.#writer.state(),
      queued: this.#waiting(),
      queuedBytes: this.#queuedBytes,
      droppedSpans: this.#droppedSpans,
      faults: this.#faults,
    }
  }

  async #shutDown(): Promise<void> {
    endOpenCalls((span) => this.#trees.has(span as StartedSpan))
    clearTimeout(this.#timer)
    clearTimeout(this.#setupTimer)
    // Whoever waited for the same round may have started the next one, which does not go as far as ours.
    do await this.#round
    while (this.#round !== undefined)
    await this.#startRound('end')
    // What neither store nor spool took is lost with the process: better to say so than to wait for ever.
    for (const { calls, events = [] } of this.#unplaced) for (let n = 0; n < calls.length + events.length; n++) this.#drop()
    this.#unplaced = []
    this.#queuedBytes = 0
    this.#stopListening()
    await withoutTracing(() => this.#writer.close())
  }

  #waiting(): number {
    const unplaced = this.#unplaced.reduce((sum, batch) => sum + sizeOf(batch), 0)
    return this.#queue.length - this.#head + this.#trees.waiting + unplaced
  }

  #readSoon(): void {
    if (this.#isReadDue) return
    this.#isReadDue = true
    setImmediate(() => void this.#readAhead())
  }

  /** Never rejects. */
  async #readAhead(): Promise<void> {
    await this.#readAll()
    this.#isReadDue = false
    this.#writeWhenFull()
  }

  #writeWhenFull(): void {
    if (this.#trees.waiting >= this.#settings.maxBatchCalls) void this.#startRound('write')
  }

  #writeLater(): void {
    if (this.#timer !== undefined) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      void this.#startRound('write')
    }, this.#settings.maxDelayMs)
    this.#timer.unref()
  }

  /** One round at a time. Never rejects. */
  #startRound(goal: Goal): Promise<void> {
    this.#round ??= withoutTracing(() => this.#guardedRound(goal))
    return this.#round
  }

  async #guardedRound(goal: Goal): Promise<void> {
    try {
      await this.#readAndWrite(goal)
    } catch (error) {
      this.#fault(error)
    }
    this.#round = undefined
    if (goal === 'end') return
    this.#writeWhenFull()
    if (this.#waiting() > 0) this.#writeLater()
  }

  async #readAndWrite(goal: Goal): Promise<void> {
    // A reading that was going on may have found the queue empty just before the last span ended.
    do await this.#readAll()
    while (this.#queue.length > this.#head)
    this.#takeBatches(goal === 'end')
    while (this.#unplaced[0] !== undefined) {
      const batch = this.#unplaced[0]
      try {
        await this.#writer.place(batch)
      } catch {
        // The writer has said it. The batch stays; the next round tries again.
        return
      }
      this.#unplaced.shift()
      this.#queuedBytes -= sizeOf(batch) * BYTES_PER_READ
    }
  }

  /** Reads until nothing waits to be read; one reading at a time. Never rejects. */
  #readAll(): Promise<void> {
    this.#reading ??= inSlices(
      () => this.#next(),
      (node) => this.#read(node),
    ).finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  #next(): SpanNode | undefined {
    const node = this.#queue[this.#head++]
    if (node !== undefined) return node
    this.#queue = []
    this.#head = 0
    return undefined
  }

  #read(node: SpanNode): void {
    const before = this.#trees.waiting
    try {
      this.#trees.read(node)
    } catch (error) {
      this.#trees.miss(node)
      this.#fault(error)
    }
    this.#queuedBytes += (this.#trees.waiting - before) * BYTES_PER_READ - node.bytes
  }

  #takeBatches(final: boolean): void {
    const before = this.#trees.waiting
    const batch = this.#trees.take(final)
    const parts = cutBatch(batch, this.#settings.maxBatchCalls)
    this.#unplaced.push(...parts)
    this.#queuedBytes += (sizeOf(batch) - before) * BYTES_PER_READ
  }

  /** The last resort of a process that ends now. What a running write has in hand is spooled too: once more changes nothing. */
  #flushNow(): void {
    try {
      for (let node = this.#next(); node !== undefined; node = this.#next()) this.#read(node)
      this.#takeBatches(true)
      const calls = this.#unplaced.flatMap((batch) => batch.calls)
      const links = this.#unplaced.flatMap((batch) => batch.links ?? [])
      const events = this.#unplaced.flatMap((batch) => batch.events ?? [])
      this.#unplaced = []
      this.#queuedBytes = 0
      this.#writer.placeNow({ calls, links, events })
    } catch (error) {
      this.#fault(error)
    }
  }

  #drop(): void {
    this.#writer.count('spans_dropped')
    if (this.#droppedSpans++ > 0) return
    const why =
      this.#shutdown === undefined ? `more than ${this.#settings.maxQueueBytes} bytes waited to be written` : 'the processor is shut down'
    say('warn', `spans are dropped, because ${why}. They are counted in the ledger (spans_dropped).`)
  }

  #fault(error: unknown): void {
    this.#writer.count('processor_faults')
    if (this.#faults++ === 0) say('error', error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
}

/** The object that stands for a span's parent: nobody's where the parent is not known; undefined for the root of a trace. */
function parentIdsOf(span: StartedSpan, parentContext: Context): object | undefined {
  if (parentIdOf(span) === undefined) return undefined
  return span.parentSpanContext ?? trace.getSpan(parentContext)?.spanContext() ?? {}
}
