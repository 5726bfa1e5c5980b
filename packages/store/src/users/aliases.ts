import { readId } from '@spanledger/conventions'

import type { Batch, WrittenEvent } from '../batch.ts'
import { inheritTraits } from './inherited-traits.ts'
import { moveToUser, type RowKey } from './move-to-user.ts'
import { resolvedUser } from './resolved-user.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'
import { StoreError } from '../sqlite/store-error.ts'
import type { Zone } from '../zone.ts'

/** What an alias did; nothing where it was there, or gone, already. */
export interface AliasOutcome {
  readonly changed: boolean
  readonly calls: number
  readonly events: number
}

/** A line of the audit. */
export interface Alias {
  readonly from: string
  readonly to: string
  readonly madeMs: number
  /** Undefined while it is in force. */
  readonly undoneMs: number | undefined
}

export interface AliasContext {
  readonly db: Sqlite
  readonly zone: Zone
  readonly nowMs: () => number
}

interface Pair {
  readonly from: string
  readonly to: string
}

/**
 * Makes one user another: all calls and events that said `from`, and those to come, stand under `to`, who also has the traits
 * of `from` where it has none of its own. Inside a transaction.
 * @throws StoreError of kind `refused` for what is no user id, an alias of somebody else, or a circle
 */
export async function makeAlias(context: AliasContext, pair: Pair): Promise<AliasOutcome> {
  const { db, nowMs } = context
  const [fromId, toId] = await internPair(db, pair)
  const now = await aliasOf(db, fromId)
  if (now === toId) return { changed: false, calls: 0, events: 0 }
  if (now !== undefined) {
    const other = await nameOf(db, now)
    throw refused(
      `${quoted(pair.from)} is an alias of ${quoted(other)} already. Undo that first: spanledger alias ${quoted(pair.from)} ${quoted(other)} --undo`,
    )
  }
  const target = await resolveUser(db, toId)
  if (target === fromId) throw refused(`${quoted(pair.to)} is an alias of ${quoted(pair.from)} already: they would be each other's.`)
  await db.run('INSERT INTO aliases (from_user_id, to_user_id, made_ms) VALUES (?, ?, ?)', fromId, toId, nowMs())
  await inheritTraits(db, [fromId, target])
  return move(context, { rows: await rowsOfUser(db, fromId), toUserId: target, emptied: new Set([fromId]) })
}

/** Takes an alias back: what said `from` stands under it again. Inside a transaction. @throws StoreError as `makeAlias` does */
export async function undoAlias(context: AliasContext, pair: Pair): Promise<AliasOutcome> {
  const { db, nowMs } = context
  const [fromId, toId] = await internPair(db, pair)
  const now = await aliasOf(db, fromId)
  if (now === undefined) return { changed: false, calls: 0, events: 0 }
  if (now !== toId) throw refused(`${quoted(pair.from)} is an alias of ${quoted(await nameOf(db, now))}, not of ${quoted(pair.to)}.`)
  const rows = await rowsThatSaid(db, fromId)
  await db.run('UPDATE aliases SET undone_ms = ? WHERE from_user_id = ? AND undone_ms IS NULL', nowMs(), fromId)
  await inheritTraits(db, [fromId, await resolveUser(db, toId)])
  const outcome = await move(context, { rows, toUserId: fromId })
  await db.run('DELETE FROM said_users WHERE user_id = ?', fromId)
  return outcome
}

/** Every alias ever made, the latest first. */
export async function readAliases(read: <Row>(sql: string) => Promise<Row[]>): Promise<Alias[]> {
  const rows = await read<Omit<Alias, 'undoneMs'> & { undoneMs: number | null }>(
    `SELECT f.name AS "from", t.name AS "to", a.made_ms AS madeMs, a.undone_ms AS undoneMs
     FROM aliases AS a JOIN users AS f ON f.user_id = a.from_user_id JOIN users AS t ON t.user_id = a.to_user_id ORDER BY a.alias_id DESC`,
  )
  return rows.map(({ from, to, madeMs, undoneMs }) => ({ from, to, madeMs, undoneMs: undoneMs ?? undefined }))
}

/**
 * Puts what a batch wrote for users with an alias under whom they are. Inside the transaction of the batch, after it: it
 * wrote everything under whom it said. `revised`, `revisedEvents`: those that were there before, and that it put under whom they say now.
 */
export async function applyAliases(
  { db, zone }: Omit<AliasContext, 'nowMs'>,
  batch: Batch,
  { revised, revisedEvents }: { readonly revised: readonly RowKey[]; readonly revisedEvents: readonly RowKey[] },
): Promise<void> {
  const [any] = await db.all<{ found: number }>('SELECT EXISTS (SELECT 1 FROM aliases WHERE undone_ms IS NULL) AS found')
  if (any?.found !== 1) return
  const calls = JSON.stringify([...keysOf(batch.calls), ...revised])
  const events = JSON.stringify([...keysOf(batch.events ?? []), ...revisedEvents])
  const traces = JSON.stringify([
    ...new Set([...(batch.links ?? []), ...batch.calls.filter(({ settled }) => settled !== true)].map(({ traceId }) => traceId)),
  ])
  const rows = await readRows<[...RowKey, isEvent: 0 | 1, fromId: number, toId: number]>(
    db,
    `${touched} SELECT json_group_array(json_array(r.start_ms, lower(hex(r.span_id)), lower(hex(r.trace_id)), r.is_event, r.user_id,
       (${resolvedUser('r.user_id')}))) AS rows FROM touched AS r JOIN aliases AS a ON a.from_user_id = r.user_id AND a.undone_ms IS NULL`,
    [calls, events, traces],
  )
  for (const toUserId of new Set(rows.map((row) => row[5]))) {
    const own = rows.filter((row) => row[5] === toUserId)
    await moveToUser(db, zone, { ...split(own), toUserId, emptied: new Set(own.map((row) => row[4])) })
  }
}

type Named = Pick<WrittenEvent, 'startMs' | 'spanId' | 'traceId'>

function keysOf(rows: readonly Named[]): RowKey[] {
  return rows.map(({ startMs, spanId, traceId }) => [startMs, spanId, traceId])
}

const keysIn = (parameter: string): string =>
  `SELECT value->>0 AS start_ms, unhex(value->>1) AS span_id, unhex(value->>2) AS trace_id FROM jsonb_each(${parameter})`

/** Calls and events that a batch wrote or changed, each once: of the traces that it brings spans of, all events that are open. */
const touched = `WITH touched AS (
    SELECT c.start_ms, c.span_id, c.trace_id, 0 AS is_event, c.user_id
    FROM (SELECT DISTINCT * FROM (${keysIn('?1')})) AS k
    CROSS JOIN llm_calls AS c ON c.start_ms = k.start_ms AND c.span_id = k.span_id AND c.trace_id = k.trace_id
    UNION ALL
    SELECT e.start_ms, e.span_id, e.trace_id, 1, e.user_id
    FROM (${keysIn('?2')} UNION SELECT o.start_ms, o.span_id, o.trace_id
          FROM json_each(?3) AS j CROSS JOIN open_events AS o ON o.trace_id = unhex(j.value)) AS k
    CROSS JOIN events AS e ON e.start_ms = k.start_ms AND e.span_id = k.span_id AND e.trace_id = k.trace_id)`

async function move(
  { db, zone }: AliasContext,
  { rows, toUserId, emptied }: { rows: readonly FoundRow[]; toUserId: number; emptied?: ReadonlySet<number> },
): Promise<AliasOutcome> {
  const { calls, events } = split(rows)
  await moveToUser(db, zone, { calls, events, toUserId, ...(emptied === undefined ? {} : { emptied }) })
  return { changed: true, calls: calls.length, events: events.length }
}

type FoundRow = readonly [...RowKey, isEvent: 0 | 1, ...rest: number[]]

function split(rows: readonly FoundRow[]): { calls: RowKey[]; events: RowKey[] } {
  const keys = (wanted: 0 | 1): RowKey[] =>
    rows.filter(([, , , isEvent]) => isEvent === wanted).map(([startMs, spanId, traceId]) => [startMs, spanId, traceId])
  return { calls: keys(0), events: keys(1) }
}

async function readRows<Row>(db: Sqlite, sql: string, values: readonly (string | number)[]): Promise<Row[]> {
  const [row] = await db.all<{ rows: string }>(sql, ...values)
  return JSON.parse(row?.rows ?? '[]') as Row[]
}

const keyText = (is: 0 | 1): string => `json_array(start_ms, lower(hex(span_id)), lower(hex(trace_id)), ${is})`

/** All that stands under a user. Reads every call: there is no index by user. */
async function rowsOfUser(db: Sqlite, userId: number): Promise<FoundRow[]> {
  const calls = await readRows<FoundRow>(db, `SELECT json_group_array(${keyText(0)}) AS rows FROM llm_calls WHERE user_id = ?`, [userId])
  const events = await readRows<FoundRow>(db, `SELECT json_group_array(${keyText(1)}) AS rows FROM events WHERE user_id = ?`, [userId])
  return [...calls, ...events]
}

/** All that said a user, or one who is an alias of that user. */
async function rowsThatSaid(db: Sqlite, userId: number): Promise<FoundRow[]> {
  return readRows<FoundRow>(
    db,
    `WITH RECURSIVE same (user_id) AS (SELECT CAST(? AS INTEGER)
       UNION SELECT a.from_user_id FROM same JOIN aliases AS a ON a.to_user_id = same.user_id AND a.undone_ms IS NULL)
     SELECT json_group_array(json_array(s.start_ms, lower(hex(s.span_id)), lower(hex(s.trace_id)), s.is_event)) AS rows
     FROM same CROSS JOIN said_users AS s ON s.user_id = same.user_id`,
    [userId],
  )
}

async function internPair(db: Sqlite, { from, to }: Pair): Promise<[fromId: number, toId: number]> {
  const names = [from, to].map((given) => {
    const { id } = readId(given)
    if (id === undefined) throw refused(`${quoted(given)} is no user id: it is empty, a word for none, or holds control characters.`)
    return id
  })
  if (names[0] === names[1]) throw refused(`${quoted(from)} and ${quoted(to)} are one user already.`)
  await db.run('INSERT OR IGNORE INTO users (name) SELECT value FROM json_each(?)', JSON.stringify(names))
  const ids = await db.all<{ user_id: number; name: string }>(
    'SELECT user_id, name FROM users WHERE name IN (SELECT value FROM json_each(?))',
    JSON.stringify(names),
  )
  const idOf = (name: string | undefined): number => ids.find((row) => row.name === name)?.user_id ?? 0
  return [idOf(names[0]), idOf(names[1])]
}

async function aliasOf(db: Sqlite, userId: number): Promise<number | undefined> {
  const [row] = await db.all<{ to_user_id: number }>('SELECT to_user_id FROM aliases WHERE from_user_id = ? AND undone_ms IS NULL', userId)
  return row?.to_user_id
}

async function resolveUser(db: Sqlite, userId: number): Promise<number> {
  const [row] = await db.all<{ at: number }>(resolvedUser('CAST(? AS INTEGER)'), userId)
  return row?.at ?? userId
}

async function nameOf(db: Sqlite, userId: number): Promise<string> {
  const [row] = await db.all<{ name: string }>('SELECT name FROM users WHERE user_id = ?', userId)
  return row?.name ?? ''
}

function quoted(name: string): string {
  return JSON.stringify(name)
}

function refused(message: string): StoreError {
  return new StoreError('refused', message)
}

/** How many calls and events stand under a user that is an alias, or are remembered as having said one that they cannot have. */
export async function countAliasFaults(db: Sqlite): Promise<number> {
  const [row] = await db.all<{ faults: number }>(
    `SELECT (SELECT count(*) FROM aliases AS a JOIN rollup_users AS r ON r.user_id = a.from_user_id WHERE a.undone_ms IS NULL)
       + (SELECT count(*) FROM aliases AS a JOIN events AS e ON e.user_id = a.from_user_id WHERE a.undone_ms IS NULL)
       + (SELECT count(*) FROM said_users AS s JOIN llm_calls AS c
            ON s.is_event = 0 AND c.start_ms = s.start_ms AND c.span_id = s.span_id AND c.trace_id = s.trace_id
          WHERE c.user_id <> (${resolvedUser('s.user_id')})) AS faults`,
  )
  return row?.faults ?? 0
}
