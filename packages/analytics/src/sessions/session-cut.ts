import type { Store } from '@spanledger/store'

import { raw, sql, type Fragment } from '../ledger/fragment.ts'
import type { Period } from '../query/period.ts'
import { readRows } from '../ledger/snapshot.ts'

/** A session of a user, as the app named it, or all calls of a user without one: ids of the ledger. */
export interface SessionKey {
  readonly userId: number
  readonly sessionId: number
}

/** Sessions that had begun when a period did, and went on in it: of them its calls are read, up to an instant after which they begin anew. */
export interface SessionCut {
  readonly keys: readonly SessionKey[]
  readonly untilMs: number
}

/** Cuts kept sessions at the beginning of a period. @returns undefined where their calls are a large part of the period */
export async function cutSessions(store: Store, { fromMs, toMs }: Period, holds: Fragment): Promise<SessionCut | undefined> {
  const rows = await readRows<[userId: number, sessionId: number, lastMs: number]>(
    store,
    sql`SELECT json_group_array(json_array(u, s, l)) AS rows FROM (
      SELECT k.user_id AS u, k.session_id AS s, max(k.last_ms) AS l FROM kept_sessions AS k
      WHERE k.start_ms < ${fromMs} AND k.last_ms >= ${fromMs} AND ${holds} GROUP BY k.user_id, k.session_id)`,
  )
  const keys = rows.map(([userId, sessionId]) => ({ userId, sessionId }))
  let untilMs = rows.reduce((latest, [, , lastMs]) => Math.max(latest, lastMs + 1), fromMs)
  // Until none of their later parts begins before it and ends after it.
  for (;;) {
    if (untilMs - fromMs > (toMs - fromMs) / 3) return undefined
    const [row] = await store.all<{ ms: number | null }>(
      `SELECT max(k.last_ms) AS ms FROM json_each(?) AS j CROSS JOIN kept_sessions AS k ON k.user_id = j.value->>0 AND k.session_id = j.value->>1
       WHERE k.start_ms >= ? AND k.start_ms < ?`,
      listOf(keys),
      fromMs,
      untilMs,
    )
    const latest = row?.ms ?? 0
    if (latest < untilMs) return { keys, untilMs }
    untilMs = latest + 1
  }
}

/** Whether a row of `kept_sessions`, alias `k`, lies in a period, and is no part of a session that is cut. */
export function isWhole({ fromMs }: Period, { keys, untilMs }: SessionCut): Fragment {
  return sql`(k.start_ms >= ${untilMs} OR k.start_ms >= ${fromMs} AND NOT ${isAmong('k', keys)})`
}

/** Whether a row is of one of some sessions. */
export function isAmong(alias: 'k' | 'c', keys: readonly SessionKey[]): Fragment {
  return sql`(${raw(alias)}.user_id, ${raw(alias)}.session_id) IN (SELECT value->>0, value->>1 FROM json_each(${listOf(keys)}))`
}

function listOf(keys: readonly SessionKey[]): string {
  return JSON.stringify(keys.map(({ userId, sessionId }) => [userId, sessionId]))
}
