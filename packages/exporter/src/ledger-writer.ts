import { appSetup } from '@spanledger/conventions'
import { StoreError, openStore, type Batch, type Store, type StoreOptions } from '@spanledger/store'

import { replaySpool, sizeOf, writeWhatFits } from './replay.ts'
import { say } from './say.ts'
import { SetupNote } from './setup-note.ts'
import type { Spool } from './spool.ts'

/** How long to leave a store alone that took nothing: doubled each time. */
const FIRST_RETRY_MS = 500
const LAST_RETRY_MS = 30_000

/** What became of calls, for `state()`. */
export interface WriterState {
  readonly storePath: string
  readonly spoolPath: string
  /** Calls of this process that are in the store. */
  readonly writtenCalls: number
  /** Calls that went to the spool because the store did not take them. */
  readonly spooledCalls: number
  readonly refusedCalls: number
  /** The last thing that went wrong with store or spool; undefined once all is well again. */
  readonly lastError: Error | undefined
}

/**
 * Puts batches where they are safe: into the store, or, while that is locked, full or cannot be opened, into the spool,
 * which is replayed as soon as the store takes writes again. Opens the store when the first batch comes, or at once where
 * a spool was left behind.
 */
export class LedgerWriter {
  readonly #store: StoreOptions | Store
  readonly #spool: Spool
  #opened: Promise<Store> | undefined
  /** True from a failed write until one succeeds: batches go to the spool at once. */
  #down = false
  #retryMs = FIRST_RETRY_MS
  #retryTimer: NodeJS.Timeout | undefined
  #replaying: Promise<void> | undefined
  #counts = new Map<string, number>()
  #closed = false
  #writtenCalls = 0
  #spooledCalls = 0
  #refusedCalls = 0
  #lastError: Error | undefined
  readonly #warned = new Set<string>()
  /** How the app is set up, for the ledger. */
  readonly setup = new SetupNote()

  constructor(store: StoreOptions | Store, spool: Spool) {
    this.#store = store
    this.#spool = spool
  }

  /**
   * Resolves when the batch is committed, or in the spool.
   * @throws the store's error when neither took it; the batch may then be placed again
   */
  async place(batch: Batch): Promise<void> {
    if (!this.#down) {
      try {
        return await this.#write(batch)
      } catch (error) {
        this.#goDown(error)
      }
    }
    try {
      await this.#spool.write(batch)
      this.#spooledCalls += batch.calls.length
    } catch (error) {
      this.#warnOnce('spool', error)
      await this.#write(batch)
    }
  }

  /** Adds to the durable counters with the next write. */
  count(name: string, by = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + by)
  }

  /** Spools without waiting for anything: for a process that ends now. @throws when the spool cannot be written */
  placeNow(batch: Batch): void {
    const isEmpty = sizeOf(batch) + this.#counts.size === 0
    this.#spool.writeNow({ ...batch, counts: this.#counts, notes: isEmpty ? undefined : this.setup.next(Date.now(), true) })
    this.#counts = new Map()
  }

  /** Brings what an earlier process or an outage left in the spool into the store, in the background. Never throws. */
  replay(): Promise<void> {
    if (this.#closed) return Promise.resolve()
    this.#replaying ??= this.#replayOnce().finally(() => (this.#replaying = undefined))
    return this.#replaying
  }

  state(): WriterState {
    return {
      storePath: typeof this.#store === 'string' ? this.#store : this.#store.path,
      spoolPath: this.#spool.path,
      writtenCalls: this.#writtenCalls,
      spooledCalls: this.#spooledCalls,
      refusedCalls: this.#refusedCalls,
      lastError: this.#lastError,
    }
  }

  /** Ends work in the background and closes the store, if it was opened here. Never throws. */
  async close(): Promise<void> {
    await this.noteSetup(true)
    this.#closed = true
    clearTimeout(this.#retryTimer)
    await this.#replaying
    await this.#writeCounts()
    if (isOpen(this.#store) || this.#opened === undefined) return
    await this.#opened.then((store) => store.close()).catch((error: unknown) => this.#warnOnce('close', error))
  }

  /** Writes what was counted after `close`. Never throws. @returns whether nothing is left to write */
  async countLate(): Promise<boolean> {
    const counts = this.#counts
    this.#counts = new Map()
    if (counts.size === 0) return true
    try {
      if (isOpen(this.#store)) await this.#store.count(counts)
      else await countIn(this.#store, counts)
      return this.#counts.size === 0
    } catch {
      for (const [name, count] of counts) this.count(name, count)
      return false
    }
  }

  async #write(batch: Batch): Promise<void> {
    const store = await this.#open()
    const { refused } = await writeWhatFits(store, this.#spool, batch)
    this.#writtenCalls += batch.calls.length - refused
    this.#refusedCalls += refused
    if (refused > 0) this.#warnOnce('refused', new Error(`the store refused ${refused} calls; they are kept in "${this.#spool.path}"`))
    this.#comeUp()
    await this.#writeCounts()
    await this.#noteSetup(store)
  }

  /** Notes how the app is set up, also where no call ever came: opens the store for it. Never throws. */
  async noteSetup(isLast = false): Promise<void> {
    if (this.#closed || this.#down || appSetup() === undefined) return
    try {
      await this.#noteSetup(await this.#open(), isLast)
    } catch (error) {
      this.#goDown(error)
    }
  }

  async #noteSetup(store: Store, isLast = false): Promise<void> {
    const marks = this.setup.next(Date.now(), isLast)
    if (marks === undefined) return
    try {
      await store.write({ calls: [], marks: () => marks })
    } catch {
      this.setup.missed() // It goes with the next batch; that one's failures are the ones to tell.
    }
  }

  async #open(): Promise<Store> {
    if (isOpen(this.#store)) return this.#store
    if (this.#opened === undefined) {
      this.#opened = openStore(this.#store)
      this.#opened.then(
        () => this.replay(),
        // The one who waits for it is told.
        () => (this.#opened = undefined),
      )
    }
    return this.#opened
  }

  #goDown(error: unknown): void {
    this.#lastError = toError(error)
    const kind = error instanceof StoreError ? error.kind : 'other'
    if (!this.#down) {
      this.#down = true
      const text = `${this.#lastError.message} Calls go to "${this.#spool.path}" until then.`
      // A lock goes away by itself; the others wait for somebody.
      say(kind === 'busy' ? 'warn' : 'error', text)
    }
    if (this.#closed) return
    clearTimeout(this.#retryTimer)
    this.#retryTimer = setTimeout(() => void this.replay(), this.#retryMs).unref()
    this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS)
  }

  #comeUp(): void {
    if (!this.#down) return
    clearTimeout(this.#retryTimer)
    this.#down = false
    this.#retryMs = FIRST_RETRY_MS
    this.#lastError = undefined
    say('info', 'the store takes calls again.')
  }

  async #replayOnce(): Promise<void> {
    try {
      const store = await this.#open()
      const { files, calls } = await replaySpool(store, this.#spool, () => this.#closed)
      this.#writtenCalls += calls
      if (files > 0) this.#comeUp()
      // Somebody else has replayed all of it: the next batch will tell.
      else this.#down = false
    } catch (error) {
      this.#goDown(error)
    }
  }

  async #writeCounts(): Promise<void> {
    if (this.#counts.size === 0 || (typeof this.#store === 'string' && this.#opened === undefined)) return
    const counts = this.#counts
    this.#counts = new Map()
    try {
      await (await this.#open()).count(counts)
    } catch {
      // They wait for the next write.
      for (const [name, count] of counts) this.count(name, count)
    }
  }

  #warnOnce(what: string, error: unknown): void {
    this.#lastError = toError(error)
    if (this.#warned.has(what)) return
    this.#warned.add(what)
    say('warn', this.#lastError.message)
  }
}

async function countIn(options: StoreOptions, counts: ReadonlyMap<string, number>): Promise<void> {
  const store = await openStore(options)
  try {
    await store.count(counts)
  } finally {
    await store.close()
  }
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

function isOpen(store: StoreOptions | Store): store is Store {
  return 'write' in store
}
