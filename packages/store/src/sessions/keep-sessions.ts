import { compareTables, type Compared } from '../sqlite/compare-tables.ts'
import { readKeptCalls } from './kept-calls.ts'
import { addToSums, formatOpen, insertKept, noSums, type KeptSession } from './kept-rows.ts'
import { keptSchema, keptSessionsTable } from './kept-schema.ts'
import type { RollupSchema } from '../rollups/rollups.ts'
import { isOver, SessionFold, type SessionFacts } from './session-fold.ts'
import { addSession, applySessionDelta, emptySessionDelta } from './session-sums.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'
import { findRefold, readKeptState, type KeptState } from './stale-sessions.ts'
import { addDays, type Zone } from '../zone.ts'

/** More than this is no handful of late calls: all is kept anew, day by day. */
const MAX_MARKS = 5000

/**
 * Keeps the sessions of one more day, or first puts right what later writes touched. Inside a transaction of its own.
 * @returns whether there may be more to do before `beforeDay`
 */
export async function keepNext(db: Sqlite, zone: Zone, beforeDay: number): Promise<boolean> {
  const state = await readKeptState(db)
  if (state.marks > MAX_MARKS) {
    await clearKept(db)
    return true
  }
  if (state.marks > 0) {
    await putRight(db, zone, state)
    return true
  }
  const day = await nextDay(db, zone, state.untilDay)
  if (day === undefined || day >= beforeDay) return false
  await keepDay(db, zone, { day, open: state.open, schema: 'main' })
  return true
}

/** Keeps the sessions of all days before one. Inside a transaction. */
export async function keepUntil(db: Sqlite, zone: Zone, beforeDay: number): Promise<void> {
  while (await keepNext(db, zone, beforeDay));
}

/** The first day with calls of which nothing is kept. */
async function nextDay(db: Sqlite, zone: Zone, untilDay: number | undefined): Promise<number | undefined> {
  const fromMs = untilDay === undefined ? -1 : zone.startOfDay(untilDay)
  const [row] = await db.all<{ start_ms: number }>(
    'SELECT start_ms FROM llm_calls WHERE start_ms >= ? AND counted = 1 ORDER BY start_ms LIMIT 1',
    fromMs,
  )
  return row === undefined ? undefined : zone.day(row.start_ms)
}

interface Day {
  readonly day: number
  readonly open: readonly KeptSession[]
  readonly schema: RollupSchema
}

/** Goes on from the open sessions with the calls of a day; those that are over then are kept and summed. @returns the others */
async function keepDay(db: Sqlite, zone: Zone, { day, open, schema }: Day): Promise<readonly KeptSession[]> {
  const untilDay = addDays(day, 1)
  const sessions = await foldCalls(db, { fromMs: zone.startOfDay(day), toMs: zone.startOfDay(untilDay), open })
  return putSessions(db, zone, { sessions, untilDay, removed: [], schema })
}

interface Folding {
  readonly fromMs: number
  readonly toMs: number
  readonly open: readonly KeptSession[]
  readonly userIds?: ReadonlySet<number>
}

/** The open sessions, and those that began since. */
async function foldCalls(db: Sqlite, { open, ...asked }: Folding): Promise<KeptSession[]> {
  const fold = new SessionFold(open.map(({ facts }) => facts))
  const sumsOf = new Map<SessionFacts, KeptSession>(open.map((session) => [session.facts, session]))
  for await (const calls of readKeptCalls(db, { ...asked, sums: true })) {
    for (let n = 0; n < calls.count; n++) {
      const call = calls.call(n)
      const facts = fold.add(call)
      let session = sumsOf.get(facts)
      if (session === undefined) sumsOf.set(facts, (session = { facts, sums: noSums() }))
      addToSums(session.sums, calls, n, call.endMs - call.startMs)
    }
  }
  return [...sumsOf.values()]
}

interface Put {
  readonly sessions: readonly KeptSession[]
  /** The first day of which no call was looked at. */
  readonly untilDay: number
  /** Sessions whose rows were taken away. */
  readonly removed: readonly KeptSession[]
  readonly schema: RollupSchema
}

/** Keeps sessions that are over, and those that are not apart. @returns these */
async function putSessions(db: Sqlite, zone: Zone, { sessions, untilDay, removed, schema }: Put): Promise<readonly KeptSession[]> {
  const untilMs = zone.startOfDay(untilDay)
  const over = sessions.filter(({ facts }) => isOver(facts, untilMs))
  const open = sessions.filter(({ facts }) => !isOver(facts, untilMs))
  const delta = emptySessionDelta()
  for (const { facts } of removed) addSession(delta, facts, zone, -1)
  for (const { facts } of over) addSession(delta, facts, zone)
  await insertKept(db, schema, over)
  await applySessionDelta(db, delta, schema)
  await db.exec(`DELETE FROM ${schema}.open_sessions`)
  await db.run(`INSERT INTO ${schema}.open_sessions (kept_until, sessions) VALUES (?, ?)`, untilDay, formatOpen(open))
  return open
}

/** Computes what is kept of stale users again from their calls. */
async function putRight(db: Sqlite, zone: Zone, state: KeptState): Promise<void> {
  const { staleUsers, untilDay = 0 } = state
  const { fromMs, over } = await findRefold(db, state, zone)
  await db.run(
    'DELETE FROM kept_sessions WHERE user_id IN (SELECT value FROM json_each(?)) AND start_ms >= ?',
    JSON.stringify([...staleUsers]),
    fromMs,
  )
  const theirs = await foldCalls(db, { fromMs, toMs: zone.startOfDay(untilDay), open: [], userIds: staleUsers })
  const others = state.open.filter(({ facts }) => !staleUsers.has(facts.userId))
  await putSessions(db, zone, { sessions: [...others, ...theirs], untilDay, removed: over, schema: 'main' })
  await db.exec('DELETE FROM stale_sessions')
}

const tables = ['kept_sessions', 'open_sessions', 'session_days', 'session_endings'] as const

/** Forgets all that is kept: it is then computed anew. Inside a transaction. @returns the first day of which nothing was kept */
export async function clearKept(db: Sqlite): Promise<number | undefined> {
  const { untilDay } = await readKeptState(db)
  await db.exec(`${tables.map((table) => `DELETE FROM ${table};`).join(' ')} DELETE FROM stale_sessions`)
  return untilDay
}

/**
 * Computes what is kept of sessions anew beside it. @returns by table how many rows differ; of stale users nothing is said.
 * Writes temporary tables.
 */
export async function compareKept(db: Sqlite, zone: Zone): Promise<ReadonlyMap<string, Compared>> {
  const state = await readKeptState(db)
  await db.exec(`${keptSchema}; DROP TABLE temp.kept_sessions; ${keptSessionsTable}`.replaceAll('CREATE TABLE ', 'CREATE TEMP TABLE '))
  let open: readonly KeptSession[] = []
  for (let from: number | undefined; ;) {
    const day = await nextDay(db, zone, from)
    if (day === undefined || day >= (state.untilDay ?? 0)) break
    open = await keepDay(db, zone, { day, open, schema: 'temp' })
    from = addDays(day, 1)
  }
  // The last days may have lost all of their calls.
  if (state.untilDay !== undefined) await putSessions(db, zone, { sessions: open, untilDay: state.untilDay, removed: [], schema: 'temp' })
  // The others hold what was kept of stale users until they are put right.
  if (state.marks > 0) return compareTables(db, ['kept_sessions'], 'user_id NOT IN (SELECT user_id FROM main.stale_sessions)')
  return compareTables(db, tables)
}
