import type { PriceBook } from '@spanledger/pricing'

import type { Alias, AliasOutcome } from './users/aliases.ts'
import type { Batch, WriteOutcome } from './batch.ts'
import type { Repricing } from './reprice/reprice-log.ts'
import type { RepriceOptions, RepriceOutcome } from './reprice/reprice.ts'
import type { SqliteValue } from './sqlite/sqlite.ts'
import type { Erasure, ErasureRecord } from './users/erase-user.ts'
import type { KnownTrait, Trait, TraitsOutcome } from './users/traits.ts'
import type { OptOut, OptOutOutcome } from './users/withheld-users.ts'
import type { QuickCheck, QuickCheckOptions } from './sqlite/quick-check.ts'
import type { Verification, VerifyOptions } from './verify.ts'

/** Where and how to open a ledger. */
export interface StoreOptions {
  /** Path of the file; created with mode 0600 when it does not exist, unless `readOnly`. */
  readonly path: string
  /** Prices for new calls; the bundled book by default. Not loaded for `readOnly`. */
  readonly priceBook?: PriceBook
  /** A file of the user's own prices on top of the bundled ones; see docs/prices.md. Ignored where `priceBook` is given. */
  readonly pricesPath?: string | undefined
  /** IANA zone whose days are rolled up. Kept in the file: it decides for a new file only; `setTimeZone` changes it. */
  readonly timeZone?: string
  readonly readOnly?: boolean
  /** How much memory SQLite may use for pages, in MiB. Default 8 for writing, 64 for reading. */
  readonly cacheMiB?: number
  /** How large the file may grow, in MiB; by default as large as the disk. Beyond it writes fail as on a full disk. */
  readonly maxMiB?: number
  /** How long a write waits for another writer, in ms. Default 5000. */
  readonly busyTimeoutMs?: number
  /** FULL (default) survives power loss once a write resolved; NORMAL only a crash of the process. */
  readonly synchronous?: 'full' | 'normal'
  /**
   * Whether writes close days that are over, half a minute after the store was opened and then every ten minutes; default true. False
   * for who writes the calls of many days and calls `closeDays` afterwards: a day that is closed meanwhile is computed again.
   */
  readonly closesDays?: boolean
}

/** How to erase. */
export interface EraseOptions {
  /** Only says what there is. */
  readonly dryRun?: boolean
  /** Whether to write the file anew, so that no byte is left of what was deleted; default true. Needs room for a second copy. */
  readonly vacuum?: boolean
}

export interface EraseOutcome extends Erasure {
  /** Whether the file was written anew; where not, `reason` says why, and the bytes of what was deleted may still be in it. */
  readonly vacuumed: boolean
  readonly reason?: string
}

/** An open ledger. One process may hold several; several processes may write one file. */
export interface Store {
  readonly path: string
  /** IANA name of the reporting zone. */
  readonly timeZone: string
  /**
   * Writes a batch in one transaction. Writes of one store run one after the other.
   * @throws StoreError; nothing of the batch is then in the ledger, and it may be written again (`retryable` says whether that helps)
   */
  write(batch: Batch): Promise<WriteOutcome>
  /** What a batch noted under a name, as it was last committed; undefined where there is nothing. */
  mark(name: string): Promise<string | undefined>
  /** All that is noted under names that begin so. */
  marks(beginning: string): Promise<ReadonlyMap<string, string>>
  /** Runs a query. Text only from tables of names in code; every value bound. */
  all<Row>(sql: string, ...values: SqliteValue[]): Promise<Row[]>
  /** Adds to durable counters by name (drops, faults of reading, …). */
  count(counts: ReadonlyMap<string, number>): Promise<void>
  counters(): Promise<ReadonlyMap<string, number>>
  /** Computes all that is derived anew from the calls: rollups, first and last calls of sessions. */
  rebuildRollups(): Promise<void>
  /** Changes the reporting zone and rebuilds the rollups, in one transaction. @throws RangeError for an unknown zone */
  setTimeZone(timeZone: string): Promise<void>
  /**
   * Computes what is kept of days that are over, of those that lack it, and of their sessions, so that reports need not read their calls. A store that is
   * written to does so by itself half a minute after it was opened and then every ten minutes; worth asking for after an import. Answers are the same without.
   * @returns how many days were closed
   */
  closeDays(): Promise<number>
  /**
   * Prices calls anew and keeps what they cost before. Never done by anything but this. In steps that other writers may come
   * between; each call and its share of the rollups change together.
   */
  reprice(options?: RepriceOptions): Promise<RepriceOutcome>
  /** Gives the calls of a repricing their old cost and price back. @throws StoreError of kind `refused` where that cannot be */
  undoRepricing(id: number, options?: Pick<RepriceOptions, 'onProgress'>): Promise<RepriceOutcome>
  /** Every repricing, undone ones too, the latest first. */
  repricings(): Promise<readonly Repricing[]>
  /**
   * Makes one user another: all that said `from`, and will say it, stands under `to`, in every report. Doing it twice changes
   * nothing. @throws StoreError of kind `refused` for what is no user, an alias of somebody else already, or a circle
   */
  alias(from: string, to: string): Promise<AliasOutcome>
  /** Takes an alias back: what said `from` stands under it again, as if there had been none. @throws StoreError as `alias` does */
  undoAlias(from: string, to: string): Promise<AliasOutcome>
  /** Every alias ever made, those taken back too, the latest first. */
  aliases(): Promise<readonly Alias[]>
  /**
   * Takes a person, aliases too, out of the ledger: calls and payments stay as nobody's, so that every sum of money is what it was; all
   * else is gone, also from the bytes of the file, and what comes late from before is nobody's. Doing it twice changes nothing.
   * @throws StoreError of kind `refused` for what is no user id
   */
  erase(user: string, options?: EraseOptions): Promise<EraseOutcome>
  /** Every erasure, the latest first; never whose it was. */
  erasures(): Promise<readonly ErasureRecord[]>
  /** From now on the calls of a person, aliases too, are nobody's, and its events but payments are not kept. @throws StoreError as `erase` does */
  optOut(user: string): Promise<OptOutOutcome>
  /** Takes an opt-out back, for what comes. @throws StoreError as `erase` does */
  optIn(user: string): Promise<OptOutOutcome>
  /** Since when a person has opted out, in ms; undefined where it has not. @throws StoreError as `erase` does */
  optedOutSince(user: string): Promise<number | undefined>
  optOuts(): Promise<readonly OptOut[]>
  /** Writes what holds for users rather than for calls, each from an instant on. Writing the same again changes nothing. */
  writeTraits(traits: readonly Trait[]): Promise<TraitsOutcome>
  traits(): Promise<readonly KnownTrait[]>
  /** Checks the file against itself: integrity, references, costs against tokens and kept prices, rollups against calls. Reads only. */
  verify(options?: VerifyOptions): Promise<Verification>
  /** Looks for damaged pages, a table at a time, and begins with no table once `withinMs` have passed. Reads only. */
  quickCheck(options: QuickCheckOptions): Promise<QuickCheck>
  /** Waits for running writes, then closes. */
  close(): Promise<void>
}
