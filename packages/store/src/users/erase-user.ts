import { encodeIdentity } from '../traces/span-rows.ts'
import { withheldIdentity } from '../names/withheld-identity.ts'
import { forgetUnusedValues, readUsedValues } from '../names/unused-values.ts'
import { SLOTS } from '../names/properties.ts'
import { readCountedOf } from '../rollups/contributions.ts'
import { addContribution, emptyDelta } from '../rollups/rollup-delta.ts'
import { applyDelta } from '../rollups/rollups.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'
import type { Zone } from '../zone.ts'
import type { RowKey } from './move-to-user.ts'
import { readPerson } from './person.ts'
import { readKey, withheldEntry, withhold } from './withheld-users.ts'

/** What was found of a person, and taken away. */
export interface Erasure {
  /** The ids by which the person was known, the one asked for first; whoever was an alias of it is the same person. */
  readonly names: readonly string[]
  /** Calls that are nobody's now. */
  readonly calls: number
  /** Events that are gone. */
  readonly events: number
  /** Payments that are nobody's now. */
  readonly payments: number
  readonly traits: number
}

/** An erasure on record. */
export interface ErasureRecord extends Omit<Erasure, 'names'> {
  readonly erasedMs: number
  readonly ids: number
}

/** Rows changed at a time: what is bound and read stays small. */
const STEP = 5000

const noProperties = ['segment_id = 0', ...Array.from({ length: SLOTS }, (_, n) => `p${n + 1} = NULL`), 'overflow = NULL'].join(', ')

type Found = Erasure & { readonly userIds: readonly number[] }

/** Finds what there is of a person. Reads every call: there is no index by user. @throws StoreError for what is no user id */
export async function findErasable(db: Pick<Sqlite, 'all'>, user: string): Promise<Found> {
  const { userIds, names } = await readPerson(db, user)
  const count = async (from: string): Promise<number> => {
    const [row] = await db.all<{ n: number }>(`SELECT count(*) AS n FROM ${from}`, JSON.stringify(userIds))
    return row?.n ?? 0
  }
  const theirs = 'user_id IN (SELECT value FROM json_each(?))'
  const payments = `events WHERE subject_id IN (SELECT subject_id FROM event_subjects WHERE kind = 'revenue') AND ${theirs}`
  return {
    userIds,
    names,
    calls: await count(`llm_calls WHERE ${theirs}`),
    events: (await count(`events WHERE ${theirs}`)) - (await count(payments)),
    payments: await count(payments),
    traits: await count(`user_traits WHERE from_user_id = 0 AND ${theirs}`),
  }
}

/**
 * Takes a person out of the ledger. Calls and payments stay as nobody's, without session and properties, so that every sum of money is what
 * it was; all else is gone, and what comes late from before is nobody's too. Inside a transaction.
 * @throws StoreError of kind `refused` for what is no user id
 */
export async function eraseUser(
  { db, zone, nowMs }: { readonly db: Sqlite; readonly zone: Zone; readonly nowMs: number },
  user: string,
): Promise<Erasure> {
  const { userIds, ...erasure } = await findErasable(db, user)
  const ids = JSON.stringify(userIds)
  await withhold(db, erasure.names, { reason: 'erased', sinceMs: nowMs })
  const used = await readUsedValues(db, ids)
  await forgetInTraces(db, erasure.names, ids)
  await takeCalls(db, zone, ids)
  await takeEvents(db, ids)
  await db.run('DELETE FROM said_users WHERE user_id IN (SELECT value FROM json_each(?))', ids)
  await db.run('DELETE FROM sessions WHERE session_id <> 0 AND user_id IN (SELECT value FROM json_each(?))', ids)
  await db.run(
    'DELETE FROM user_traits WHERE user_id IN (SELECT value FROM json_each(?1)) OR from_user_id IN (SELECT value FROM json_each(?1))',
    ids,
  )
  await db.run(
    'DELETE FROM aliases WHERE from_user_id IN (SELECT value FROM json_each(?1)) OR to_user_id IN (SELECT value FROM json_each(?1))',
    ids,
  )
  await db.run('DELETE FROM users WHERE user_id <> 0 AND user_id IN (SELECT value FROM json_each(?))', ids)
  await forgetUnusedValues(db, used)
  // What gave out the ids elsewhere looks at the last line here.
  if (userIds.length > 0) await note(db, erasure, nowMs)
  return erasure
}

/** Every erasure, the latest first. */
export async function readErasures(read: <Row>(sql: string) => Promise<Row[]>): Promise<ErasureRecord[]> {
  return read<ErasureRecord>('SELECT erased_ms AS erasedMs, ids, calls, events, payments, traits FROM erasures ORDER BY erasure_id DESC')
}

async function note(db: Sqlite, { names, calls, events, payments, traits }: Erasure, nowMs: number): Promise<void> {
  await db.run(
    'INSERT INTO erasures (erased_ms, ids, calls, events, payments, traits) VALUES (CAST(? AS INTEGER), ?, ?, ?, ?, ?)',
    String(nowMs),
    names.length,
    calls,
    events,
    payments,
    traits,
  )
}

/** Whether what is remembered in a column names one of the users bound to `?1`. */
const saying = (column: string): string => `${column} IS NOT NULL AND (${column} ->> 0) IN (SELECT value FROM json_each(?1))`

/** What the spans of traces say of users, and those of their calls whatever they say. Before the calls are nobody's. */
async function forgetInTraces(db: Sqlite, names: readonly string[], ids: string): Promise<void> {
  const list = JSON.stringify(names)
  const withheld = encodeIdentity(withheldIdentity)
  await db.run(
    `UPDATE trace_spans AS t SET identity = ?2 WHERE t.identity IS NOT NULL AND EXISTS (SELECT 1 FROM llm_calls AS c
       WHERE c.start_ms = t.start_ms AND c.span_id = t.span_id AND c.trace_id = t.trace_id AND c.user_id IN (SELECT value FROM json_each(?1)))`,
    ids,
    withheld,
  )
  await db.run(`UPDATE trace_spans SET identity = ?2 WHERE ${saying('identity')}`, list, withheld)
  await db.run(`UPDATE trace_spans SET resource_identity = ?2 WHERE ${saying('resource_identity')}`, list, withheld)
  await db.run(`DELETE FROM open_events WHERE (${saying('identity')}) OR (${saying('resource_identity')})`, list)
}

/** The keys of what stands under users, some at a time, as JSON; each once, though it stands under nobody afterwards. */
async function* keysOf(db: Sqlite, table: 'llm_calls' | 'events', ids: string): AsyncGenerator<string> {
  for (let after: RowKey = [-1, '', '']; ;) {
    const [row] = await db.all<{ keys: string }>(
      `SELECT json_group_array(json_array(start_ms, lower(hex(span_id)), lower(hex(trace_id)))) AS keys FROM (
         SELECT start_ms, span_id, trace_id FROM ${table} WHERE (start_ms, span_id, trace_id) > (?, unhex(?), unhex(?))
           AND user_id <> 0 AND user_id IN (SELECT value FROM json_each(?)) ORDER BY start_ms, span_id, trace_id LIMIT ${STEP})`,
      ...after,
      ids,
    )
    const last = (JSON.parse(row?.keys ?? '[]') as RowKey[]).at(-1)
    if (row === undefined || last === undefined) return
    yield row.keys
    after = last
  }
}

/** Whether a row is one of those whose keys are bound. */
const isOneOf = '(start_ms, span_id, trace_id) IN (SELECT value->>0, unhex(value->>1), unhex(value->>2) FROM jsonb_each(?))'

async function takeCalls(db: Sqlite, zone: Zone, ids: string): Promise<void> {
  for await (const keys of keysOf(db, 'llm_calls', ids)) {
    const delta = emptyDelta()
    for (const contribution of await readCountedOf(db, keys)) addContribution(delta, contribution, zone, -1)
    await db.run(`UPDATE llm_calls SET user_id = 0, session_id = 0, ${noProperties}, fingerprint = NULL WHERE ${isOneOf}`, keys)
    for (const contribution of await readCountedOf(db, keys)) addContribution(delta, contribution, zone)
    await applyDelta(db, delta)
    await forgetSaid(db, keys, 0)
  }
}

async function takeEvents(db: Sqlite, ids: string): Promise<void> {
  const revenue = `SELECT subject_id FROM event_subjects WHERE kind = 'revenue'`
  for await (const keys of keysOf(db, 'events', ids)) {
    await renameEntries(db, keys)
    await forgetSaid(db, keys, 1)
    await db.run(`DELETE FROM open_events WHERE ${isOneOf}`, keys)
    await db.run(`DELETE FROM events WHERE subject_id NOT IN (${revenue}) AND ${isOneOf}`, keys)
    await db.run(`UPDATE events SET user_id = 0, session_id = 0, ${noProperties}, task = NULL, step = NULL WHERE ${isOneOf}`, keys)
  }
}

/** Of two payments of nobody with one name the later would replace the other. */
async function renameEntries(db: Sqlite, keys: string): Promise<void> {
  const key = (await readKey(db)) ?? ''
  const rows = await db.all<{ start: number; span: string; trace: string; target: string; user: string }>(
    `SELECT e.start_ms AS start, hex(e.span_id) AS span, hex(e.trace_id) AS trace, e.target, u.name AS user FROM jsonb_each(?) AS j
     JOIN events AS e ON e.start_ms = j.value->>0 AND e.span_id = unhex(j.value->>1) AND e.trace_id = unhex(j.value->>2)
     LEFT JOIN said_users AS s ON s.is_event = 1 AND s.start_ms = e.start_ms AND s.span_id = e.span_id AND s.trace_id = e.trace_id
     JOIN users AS u ON u.user_id = coalesce(s.user_id, e.user_id) WHERE e.target_kind = 'entry'`,
    keys,
  )
  await db.run(
    `UPDATE events SET target = j.value->>3 FROM jsonb_each(?) AS j
     WHERE events.start_ms = j.value->>0 AND events.span_id = unhex(j.value->>1) AND events.trace_id = unhex(j.value->>2)`,
    JSON.stringify(rows.map(({ start, span, trace, target, user }) => [start, span, trace, withheldEntry(user, target, key)])),
  )
}

async function forgetSaid(db: Sqlite, keys: string, isEvent: 0 | 1): Promise<void> {
  await db.run(`DELETE FROM said_users WHERE is_event = ${isEvent} AND ${isOneOf}`, keys)
}
