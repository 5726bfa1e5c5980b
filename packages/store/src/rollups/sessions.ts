import type { Sqlite } from '../sqlite/sqlite.ts'

/** What is kept is the way from first_ms to last_ms: most sessions are short. */
export const slimSessionNamesSchema = `
  ALTER TABLE sessions ADD COLUMN to_last_ms INTEGER;
  UPDATE sessions SET to_last_ms = last_ms - first_ms WHERE first_ms IS NOT NULL;
  ALTER TABLE sessions DROP COLUMN last_ms;
  ALTER TABLE sessions ADD COLUMN last_ms INTEGER AS (first_ms + to_last_ms) VIRTUAL;
`

/** The starts of the first and last counted call of sessions, by session_id. */
export type SessionRanges = Map<number, [sessionId: number, firstMs: number, lastMs: number]>

export function widenRange(ranges: SessionRanges, sessionId: number, startMs: number): void {
  if (sessionId === 0) return
  const range = ranges.get(sessionId)
  if (range === undefined) ranges.set(sessionId, [sessionId, startMs, startMs])
  else if (startMs < range[1]) range[1] = startMs
  else if (startMs > range[2]) range[2] = startMs
}

/** What is set so that a session reaches from `seen.first_ms` to `seen.last_ms` at least. */
export const widenedToSeen = `first_ms = min(coalesce(sessions.first_ms, seen.first_ms), seen.first_ms),
  to_last_ms = max(coalesce(sessions.last_ms, seen.last_ms), seen.last_ms) - min(coalesce(sessions.first_ms, seen.first_ms), seen.first_ms)`

/** Widens first_ms and last_ms of sessions to what a batch brought. Inside a transaction. */
export async function touchSessions(db: Sqlite, ranges: SessionRanges): Promise<void> {
  if (ranges.size === 0) return
  await db.run(
    `UPDATE sessions SET ${widenedToSeen}
     FROM (SELECT value->>0 AS id, value->>1 AS first_ms, value->>2 AS last_ms FROM jsonb_each(?)) AS seen
     WHERE sessions.session_id = seen.id`,
    JSON.stringify([...ranges.values()]),
  )
}

/** Computes first_ms and last_ms of sessions anew, of these users or of all: for when a call was taken from one. Inside a transaction. */
export async function rereadSessions(db: Sqlite, userIds?: ReadonlySet<number>): Promise<void> {
  // A session is of one user, as its calls are: looking at theirs alone leaves out an index over all calls, made for this once.
  const [ofCalls, ofSessions] =
    userIds === undefined
      ? ['', '']
      : ['AND c.user_id IN (SELECT value FROM json_each(?1))', 'AND s.user_id IN (SELECT value FROM json_each(?1))']
  await db.run(
    `UPDATE sessions SET first_ms = seen.first_ms, to_last_ms = seen.last_ms - seen.first_ms
     FROM (SELECT s.session_id, c.first_ms, c.last_ms FROM sessions AS s
           LEFT JOIN (SELECT c.session_id, min(c.start_ms) AS first_ms, max(c.start_ms) AS last_ms FROM llm_calls AS c
                      WHERE c.counted = 1 AND c.session_id <> 0 ${ofCalls} GROUP BY c.session_id) AS c ON c.session_id = s.session_id
           WHERE s.session_id <> 0 ${ofSessions}) AS seen
     WHERE sessions.session_id = seen.session_id`,
    ...(userIds === undefined ? [] : [JSON.stringify([...userIds])]),
  )
}
