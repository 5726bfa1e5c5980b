import type { CallRow } from './call-row.ts'
import type { Sqlite } from './sqlite.ts'

type Range = [id: number, firstMs: number, lastMs: number]

/** Widens first_ms and last_ms of users and sessions to the counted rows of a batch. Inside a transaction. */
export async function touchSeen(db: Sqlite, rows: readonly CallRow[]): Promise<void> {
  const users = new Map<number, Range>()
  const sessions = new Map<number, Range>()
  for (const row of rows) {
    if (!row.counted) continue
    widen(users, row.userId, row.startMs)
    widen(sessions, row.sessionId, row.startMs)
  }
  await update(db, 'users', users)
  await update(db, 'sessions', sessions)
}

/** Computes first_ms and last_ms of users and their sessions anew: for when a counted call was taken away. Inside a transaction. */
export async function rereadSeen(db: Sqlite, userIds: ReadonlySet<number>): Promise<void> {
  const ids = JSON.stringify([...userIds])
  await db.run(
    `UPDATE users SET first_ms = (SELECT start_ms FROM llm_calls AS c WHERE c.user_id = users.user_id AND counted = 1 ORDER BY start_ms LIMIT 1),
       last_ms = (SELECT start_ms FROM llm_calls AS c WHERE c.user_id = users.user_id AND counted = 1 ORDER BY start_ms DESC LIMIT 1)
     WHERE user_id IN (SELECT value FROM json_each(?))`,
    ids,
  )
  await db.run(
    `UPDATE sessions SET first_ms = seen.first_ms, last_ms = seen.last_ms
     FROM (SELECT s.session_id, min(c.start_ms) AS first_ms, max(c.start_ms) AS last_ms
           FROM sessions AS s LEFT JOIN llm_calls AS c ON c.user_id = s.user_id AND c.session_id = s.session_id AND c.counted = 1
           WHERE s.user_id IN (SELECT value FROM json_each(?)) AND s.session_id <> 0 GROUP BY s.session_id) AS seen
     WHERE sessions.session_id = seen.session_id`,
    ids,
  )
}

function widen(ranges: Map<number, Range>, id: number, ms: number): void {
  const range = ranges.get(id)
  if (range === undefined) ranges.set(id, [id, ms, ms])
  else {
    if (ms < range[1]) range[1] = ms
    if (ms > range[2]) range[2] = ms
  }
}

async function update(db: Sqlite, table: 'users' | 'sessions', ranges: ReadonlyMap<number, Range>): Promise<void> {
  if (ranges.size === 0) return
  const id = table === 'users' ? 'user_id' : 'session_id'
  await db.run(
    `UPDATE ${table} SET first_ms = min(coalesce(${table}.first_ms, seen.first_ms), seen.first_ms),
       last_ms = max(coalesce(${table}.last_ms, seen.last_ms), seen.last_ms)
     FROM (SELECT value->>0 AS id, value->>1 AS first_ms, value->>2 AS last_ms FROM jsonb_each(?)) AS seen WHERE ${table}.${id} = seen.id`,
    JSON.stringify([...ranges.values()]),
  )
}
