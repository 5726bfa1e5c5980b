import { closeSync, openSync, statSync, type Stats } from 'node:fs'

import { readId } from '@spanledger/conventions'
import { openPriceBook } from '@spanledger/pricing'

import { applyAliases, makeAlias, readAliases, undoAlias, type AliasOutcome } from './users/aliases.ts'
import type { WriteOutcome } from './batch.ts'
import { openConnections } from './sqlite/connections.ts'
import { redecideNamedEvents } from './events/events.ts'
import { openInterning } from './names/interning.ts'
import { readMark, readMarks, writeMarks } from './marks.ts'
import { checkReadable, migrate } from './schema/migrate.ts'
import { readRepricings } from './reprice/reprice-log.ts'
import { undoRepricing } from './reprice/reprice-undo.ts'
import { repriceCalls, type RepriceContext } from './reprice/reprice.ts'
import { writeRepeats } from './write/repeats.ts'
import { readyBatch, type ReadyBatch } from './write/ready-batch.ts'
import { writeSaved } from './write/saved.ts'
import { openSqlite, type Sqlite } from './sqlite/sqlite.ts'
import { StoreError, toStoreError } from './sqlite/store-error.ts'
import type { EraseOptions, EraseOutcome, Store, StoreOptions } from './store.ts'
import { forgetOldTraces } from './traces/trace-spans.ts'
import { readTraits, writeTraits } from './users/traits.ts'
import { eraseUser, findErasable, readErasures } from './users/erase-user.ts'
import { optIn, optOut, readOptOut, readOptOuts, spreadOptOut } from './users/withheld-users.ts'
import { vacuum } from './sqlite/vacuum.ts'
import { quickCheck } from './sqlite/quick-check.ts'
import { closeDays, moveToZone, rebuild } from './upkeep.ts'
import { verifyLedger } from './verify.ts'
import { addCounters, writeBatch, type WriteContext } from './write/write.ts'
import { openZone, type Zone } from './zone.ts'

/** A WAL larger than this is written back and cut between two writes, so that a reader that never rests cannot grow it without end. */
const MAX_WAL_BYTES = 64 * 1024 * 1024
/** SQLite's page size, its default since 2016. */
const PAGE_KIB = 4
/** How often old trace spans are forgotten. */
const FORGET_EVERY_MS = 3_600_000
/** How often a store that is written to looks for days that can be closed. */
const CLOSE_EVERY_MS = 600_000
/** Not at once: who writes the calls of many days, as an import does, would have each day closed and opened again while it writes. */
const FIRST_CLOSE_AFTER_MS = 30_000

/**
 * Opens a ledger file, creating it where it does not exist.
 * @throws StoreError that names the path and what to do, when it cannot be opened as asked
 * @throws RangeError for a time zone the runtime does not know
 * @throws PriceBookError when the file of prices cannot be used
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { path, readOnly = false, pricesPath } = options
  // Read now, not with the first call: a fault in it is to be seen when the app starts.
  const priceBook = options.priceBook ?? (pricesPath === undefined ? undefined : openPriceBook({ overridesPath: pricesPath }))
  const zone = openZone(options.timeZone ?? 'UTC')
  checkPath(path, readOnly)
  const db = await openSqlite(path, readOnly ? 'read' : 'write')
  try {
    await db.exec(pragmas(options))
    if (readOnly) await checkReadable(db, path)
    else await migrate(db, path)
    return storeOn(db, { ...options, ...(priceBook === undefined ? {} : { priceBook }) }, await settleZone(db, zone, readOnly))
  } catch (error) {
    await db.close()
    throw toStoreError(error, path)
  }
}

/** Says what is wrong with a path before SQLite says "unable to open database file", and creates a new file for its owner only. */
function checkPath(path: string, readOnly: boolean): void {
  if (path === ':memory:') return
  const found = statOf(path)
  if (found?.isDirectory() === true)
    throw new StoreError('cannot_open', `Ledger "${path}" is a folder. Name a file in it, e.g. "${path}/spanledger.db".`)
  if (found !== undefined) return
  if (readOnly)
    throw new StoreError('cannot_open', `There is no ledger at "${path}". Name another with --store, or write calls to this one first.`)
  try {
    closeSync(openSync(path, 'a', 0o600))
  } catch (cause) {
    throw new StoreError(
      'cannot_open',
      `Ledger "${path}" cannot be created (${(cause as Error).message}). Its folder must exist and be writable.`,
      { cause },
    )
  }
}

/** Undefined where there is nothing, and where a part of the path is no folder: creating the file then says so. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch {
    return undefined
  }
}

/**
 * WAL so that readers do not wait; IMMEDIATE transactions and a timeout, so that two writers take turns. References are not
 * checked row by row (a quarter of the cost of an insert): ids come from the tables they refer to in the same transaction,
 * and `verify` checks them all.
 */
function pragmas({ readOnly = false, cacheMiB, maxMiB, busyTimeoutMs = 5000, synchronous = 'full' }: StoreOptions): string {
  const reading = `PRAGMA busy_timeout = ${Math.trunc(busyTimeoutMs)}; PRAGMA cache_size = -${Math.trunc((cacheMiB ?? (readOnly ? 64 : 8)) * 1024)};`
  if (readOnly) return `${reading} PRAGMA query_only = 0; PRAGMA temp_store = MEMORY;`
  return `${reading} PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 8000; PRAGMA synchronous = ${synchronous === 'full' ? 'FULL' : 'NORMAL'}; PRAGMA foreign_keys = OFF;
    PRAGMA secure_delete = ON; PRAGMA journal_size_limit = ${MAX_WAL_BYTES}; PRAGMA temp_store = MEMORY;
    ${maxMiB === undefined ? '' : `PRAGMA max_page_count = ${Math.trunc((maxMiB * 1024) / PAGE_KIB)};`}`
}

/** The zone the file was made with wins over the one asked for: its rollups are by that zone's days. */
async function settleZone(db: Sqlite, asked: Zone, readOnly: boolean): Promise<Zone> {
  if (!readOnly) await db.run("INSERT OR IGNORE INTO meta (key, value) VALUES ('time_zone', ?)", asked.name)
  const [row] = await db.all<{ value: string }>("SELECT value FROM meta WHERE key = 'time_zone'")
  return row === undefined || row.value === asked.name ? asked : openZone(row.value)
}

function storeOn(db: Sqlite, options: StoreOptions, firstZone: Zone): Store {
  const { path, readOnly, closesDays = true } = options
  const interning = openInterning(db)
  const readingPragmas = pragmas({ ...options, readOnly: true })
  const connections = openConnections(db, { path, readOnly, readingPragmas, rolledBack: () => interning.forget() })
  const { inTurn, afterwards, all } = connections
  let zone = firstZone
  let context: WriteContext | undefined
  let forgottenMs = 0
  let daysClosedMs = Date.now() - CLOSE_EVERY_MS + FIRST_CLOSE_AFTER_MS

  const writing = (): WriteContext => {
    context ??= { db, interning, priceBook: options.priceBook ?? openPriceBook(), zone, nowMs: Date.now }
    return context
  }
  const writeReady = async (ready: ReadyBatch): Promise<WriteOutcome> => {
    const nowMs = Date.now()
    if (nowMs - forgottenMs > FORGET_EVERY_MS) {
      forgottenMs = nowMs
      await forgetOldTraces(db, nowMs)
    }
    const { batch, outcome, ...before } = await writeBatch(writing(), ready)
    await writeSaved(db, batch.calls, writing().priceBook)
    await writeRepeats(db, batch.calls)
    await applyAliases({ db, zone }, batch, before)
    if (batch.marks !== undefined) await writeMarks(db, batch.marks(outcome))
    return outcome
  }
  const closeDaysNowAndThen = (): void => {
    // A ledger in memory has one connection, on which this would come between the readings of one answer.
    if (!closesDays || path === ':memory:' || Date.now() - daysClosedMs < CLOSE_EVERY_MS) return
    daysClosedMs = Date.now()
    // Nobody waits for it. What fails is tried again; until then reports read those days from the calls.
    closeDays(connections, () => zone).catch(() => undefined)
  }
  const changeAlias = async (change: typeof makeAlias, pair: { from: string; to: string }): Promise<AliasOutcome> => {
    const outcome = await change({ db, zone, nowMs: Date.now }, pair)
    if (!outcome.changed) return outcome
    for (const user of [pair.from, pair.to]) await spreadOptOut(db, user)
    const revisedEvents = await redecideNamedEvents(writing(), [readId(pair.from).id ?? '', readId(pair.to).id ?? ''])
    await applyAliases({ db, zone }, { calls: [] }, { revised: [], revisedEvents })
    return outcome
  }
  const erase = async (user: string, { dryRun = false, vacuum: wanted = true }: EraseOptions = {}): Promise<EraseOutcome> => {
    if (dryRun) {
      const { names, calls, events, payments, traits } = await findErasable({ all }, user)
      return { names, calls, events, payments, traits, vacuumed: false, reason: 'nothing was changed' }
    }
    const erasure = await inTurn(() => eraseUser({ db, zone, nowMs: Date.now() }, user))
    if (!wanted) return { ...erasure, vacuumed: false, reason: 'it was not asked for' }
    try {
      const isCut = path === ':memory:' || (await afterwards(() => vacuum(db)))
      return isCut
        ? { ...erasure, vacuumed: true }
        : { ...erasure, vacuumed: false, reason: 'another program reads the ledger, so its log could not be cut' }
    } catch (error) {
      return { ...erasure, vacuumed: false, reason: toStoreError(error, path).message }
    }
  }
  const repricing: RepriceContext = {
    read: all,
    inTransaction: (work) => inTurn(() => work({ db, zone })),
    priceBook: () => writing().priceBook,
    nowMs: Date.now,
  }

  return {
    path,
    get timeZone() {
      return zone.name
    },
    write: async (batch) => {
      const outcome = await inTurn(writeReady, readyBatch(batch, { priceBook: writing().priceBook, nowMs: Date.now() }))
      if (walBytes(path) > MAX_WAL_BYTES) void afterwards(() => cutWal(db))
      closeDaysNowAndThen()
      return outcome
    },
    all,
    mark: (name) => readMark(db, name),
    marks: (beginning) => readMarks(db, beginning),
    count: (counts) => inTurn(() => addCounters(db, counts)),
    counters: () => readCounters(db),
    rebuildRollups: () => inTurn(() => rebuild(db, zone)),
    setTimeZone: (name) =>
      inTurn(async () => {
        const next = openZone(name)
        await moveToZone(db, next)
        zone = next
        context = undefined
      }),
    closeDays: () => closeDays(connections, () => zone),
    reprice: (asked = {}) => repriceCalls(repricing, asked),
    undoRepricing: (id, asked) => undoRepricing(repricing, id, asked),
    repricings: () => readRepricings(all),
    alias: (from, to) => inTurn(() => changeAlias(makeAlias, { from, to })),
    undoAlias: (from, to) => inTurn(() => changeAlias(undoAlias, { from, to })),
    aliases: () => readAliases(all),
    erase,
    erasures: () => readErasures(all),
    optOut: (user) => inTurn(() => optOut(db, user, Date.now())),
    optIn: (user) => inTurn(() => optIn(db, user)),
    optedOutSince: (user) => readOptOut({ all }, user),
    optOuts: () => readOptOuts(all),
    traits: () => readTraits(all),
    writeTraits: (traits) => inTurn(() => writeTraits(db, traits, Date.now())),
    verify: (asked) => afterwards(() => verifyLedger(db, zone, asked)),
    quickCheck: (asked) => afterwards(() => quickCheck(db, asked)),
    close: connections.close,
  }
}

async function readCounters(db: Sqlite): Promise<ReadonlyMap<string, number>> {
  const rows = await db.all<{ name: string; count: number }>('SELECT name, count FROM counters ORDER BY name')
  return new Map(rows.map(({ name, count }) => [name, count]))
}

function walBytes(path: string): number {
  return statOf(`${path}-wal`)?.size ?? 0
}

/** Best effort: with a reader in the way the file is only shortened next time. */
async function cutWal(db: Sqlite): Promise<void> {
  await db.exec('PRAGMA wal_checkpoint(TRUNCATE)').catch(() => undefined)
}
