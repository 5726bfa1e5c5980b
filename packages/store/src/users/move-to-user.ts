import { readCountedOf } from '../rollups/contributions.ts'
import { addContribution, emptyDelta } from '../rollups/rollup-delta.ts'
import { applyDelta, rereadBounds } from '../rollups/rollups.ts'
import { rereadSessions, widenedToSeen } from '../rollups/sessions.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'
import type { Zone } from '../zone.ts'

/** What names a call or an event. */
export type RowKey = readonly [startMs: number, spanId: string, traceId: string]

export interface Move {
  readonly calls: readonly RowKey[]
  readonly events: readonly RowKey[]
  readonly toUserId: number
  /** Users whom these rows leave nothing of, so that their bounds need not be looked up; the others' are read anew. */
  readonly emptied?: ReadonlySet<number>
}

/** Rows moved at a time: what is bound and read stays small. */
const STEP = 5000

/**
 * Puts calls and events under another user, with their sessions and their share of the rollups, and remembers whom they
 * said. Inside a transaction.
 */
export async function moveToUser(db: Sqlite, zone: Zone, { calls, events, toUserId, emptied = new Set() }: Move): Promise<void> {
  const left = new Set<number>()
  for (let at = 0; at < calls.length; at += STEP) {
    for (const userId of await moveCalls(db, zone, { keys: JSON.stringify(calls.slice(at, at + STEP)), toUserId, emptied }))
      left.add(userId)
  }
  for (let at = 0; at < events.length; at += STEP) await moveRows(db, 'events', JSON.stringify(events.slice(at, at + STEP)), toUserId)
  if (left.size > 0) await rereadSessions(db, left)
  if (emptied.size > 0) {
    await db.run(
      `UPDATE sessions SET first_ms = NULL, to_last_ms = NULL WHERE first_ms IS NOT NULL AND user_id IN (SELECT value FROM json_each(?))`,
      JSON.stringify([...emptied]),
    )
  }
}

/** @returns whom calls were taken from that still have others */
async function moveCalls(
  db: Sqlite,
  zone: Zone,
  { keys, toUserId, emptied }: { keys: string; toUserId: number; emptied: ReadonlySet<number> },
): Promise<Set<number>> {
  const before = await readCountedOf(db, keys)
  await moveRows(db, 'llm_calls', keys, toUserId)
  const after = await readCountedOf(db, keys)
  const delta = emptyDelta()
  for (const contribution of before) addContribution(delta, contribution, zone, -1)
  for (const contribution of after) addContribution(delta, contribution, zone)
  await applyDelta(db, delta)
  await widenSessions(db, keys)
  const left = new Set(before.map(({ userId }) => userId).filter((userId) => userId !== toUserId && !emptied.has(userId)))
  if (left.size > 0) await rereadBounds(db, delta, zone)
  return left
}

/**
 * Forgets whom calls or events said, because they now say somebody else and stand under that. `keys` is JSON of a list that
 * each begin with start, span and trace. Inside a transaction.
 */
export async function forgetSaidUsers(db: Sqlite, keys: string, of: 'calls' | 'events'): Promise<void> {
  await db.run(
    `DELETE FROM said_users WHERE is_event = ${of === 'events' ? 1 : 0}
       AND (start_ms, span_id, trace_id) IN (SELECT value->>0, unhex(value->>1), unhex(value->>2) FROM jsonb_each(?))`,
    keys,
  )
}

const joined = (table: string): string => `jsonb_each(?) AS j
  JOIN ${table} AS c ON c.start_ms = j.value->>0 AND c.span_id = unhex(j.value->>1) AND c.trace_id = unhex(j.value->>2)`

async function moveRows(db: Sqlite, table: 'llm_calls' | 'events', keys: string, toUserId: number): Promise<void> {
  // Whom they said first stays: aliases may be of aliases.
  await db.run(
    `INSERT OR IGNORE INTO said_users (start_ms, span_id, trace_id, is_event, user_id)
     SELECT c.start_ms, c.span_id, c.trace_id, ${table === 'events' ? 1 : 0}, c.user_id FROM ${joined(table)}`,
    keys,
  )
  await db.run(
    `INSERT OR IGNORE INTO sessions (user_id, name)
     SELECT DISTINCT CAST(? AS INTEGER), s.name FROM ${joined(table)} JOIN sessions AS s ON s.session_id = c.session_id WHERE c.session_id <> 0`,
    toUserId,
    keys,
  )
  await db.run(
    `UPDATE ${table} SET user_id = CAST(?1 AS INTEGER), session_id = coalesce((SELECT t.session_id FROM sessions AS s
         JOIN sessions AS t ON t.user_id = CAST(?1 AS INTEGER) AND t.name = s.name WHERE s.session_id = ${table}.session_id AND s.session_id <> 0), 0)
     WHERE (start_ms, span_id, trace_id) IN (SELECT value->>0, unhex(value->>1), unhex(value->>2) FROM jsonb_each(?2))`,
    toUserId,
    keys,
  )
}

/** The sessions of these calls reach at least as far as they do. */
async function widenSessions(db: Sqlite, keys: string): Promise<void> {
  await db.run(
    `UPDATE sessions SET ${widenedToSeen}
     FROM (SELECT c.session_id, min(c.start_ms) AS first_ms, max(c.start_ms) AS last_ms FROM ${joined('llm_calls')}
           WHERE c.counted = 1 AND c.session_id <> 0 GROUP BY c.session_id) AS seen
     WHERE sessions.session_id = seen.session_id`,
    keys,
  )
}
