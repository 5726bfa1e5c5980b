import { measureColumns, type KeptSession } from '@spanledger/store'

import { callSum, needsKinds } from '../plan/call-columns.ts'
import { raw, sql, type Fragment } from '../ledger/fragment.ts'
import type { Frame } from '../read/frame.ts'
import { isAmong, type SessionKey } from './session-cut.ts'
import type { CallsPart, SessionRanking } from './session-ranking.ts'
import { readRows } from '../ledger/snapshot.ts'

/** When the calls of a session began, and when they ended. */
export interface Extent {
  readonly firstStartMs: number
  readonly lastStartMs: number
  readonly lastEndMs: number
}

/** A session with what ranks it. */
export interface RankedSession extends SessionKey {
  readonly rank: number
}

export interface ChangedSession extends RankedSession, Extent {}

type PartRow = [userId: number, sessionId: number, sum: number | null, firstMs: number, lastMs: number, endMs: number]

/** The first sessions by what is kept of them alone. */
export async function rankKept({ store }: Frame, ranking: SessionRanking, limit: number): Promise<RankedSession[]> {
  const rows = await readRows<[number, number, number]>(
    store,
    sql`SELECT json_group_array(json_array(user_id, session_id, v)) AS rows FROM (
      SELECT k.user_id, k.session_id, ${raw(rankSql(ranking))} AS v FROM kept_sessions AS k WHERE ${ranking.holds}
      GROUP BY k.user_id, k.session_id ORDER BY v ${raw(ranking.rank.direction)} LIMIT ${limit})`,
  )
  return rows.map(([userId, sessionId, rank]) => ({ userId, sessionId, rank }))
}

/** All sessions with calls that are not in kept rows, whole; and how many of them have kept rows too. */
export async function rankChanged(frame: Frame, ranking: SessionRanking): Promise<{ sessions: ChangedSession[]; kept: number }> {
  const found = new Map<string, SessionKey & Extent & { sum: number }>()
  const add = (rows: readonly PartRow[]): void => {
    for (const [userId, sessionId, sum, firstMs, lastMs, endMs] of rows) {
      const known = found.get(`${userId} ${sessionId}`)
      found.set(`${userId} ${sessionId}`, {
        userId,
        sessionId,
        sum: (known?.sum ?? 0) + (sum ?? 0),
        firstStartMs: Math.min(known?.firstStartMs ?? firstMs, firstMs),
        lastStartMs: Math.max(known?.lastStartMs ?? lastMs, lastMs),
        lastEndMs: Math.max(known?.lastEndMs ?? endMs, endMs),
      })
    }
  }
  add(ranking.open.map((session) => openRow(ranking, session)))
  for (const part of ranking.since) add(await readSince(frame, ranking, part))
  const keys = [...found.values()].map(({ userId, sessionId }) => [userId, sessionId])
  const kept = await readRows<PartRow>(
    frame.store,
    asRows(sql`SELECT ${raw(`k.user_id, k.session_id, ${sumSql(ranking)}, min(k.start_ms), max(k.last_ms), max(k.end_ms)`)}
      FROM json_each(${JSON.stringify(keys)}) AS j CROSS JOIN kept_sessions AS k ON k.user_id = j.value->>0 AND k.session_id = j.value->>1
      WHERE ${ranking.holds} GROUP BY k.user_id, k.session_id`),
  )
  add(kept)
  return { sessions: [...found.values()].map((one) => Object.assign(one, { rank: rankOf(ranking, one) })), kept: kept.length }
}

/** How many sessions have kept rows. */
export async function countKept({ store }: Frame, { holds }: SessionRanking): Promise<number> {
  const { text, values } = sql`SELECT count(*) AS n FROM (SELECT DISTINCT k.user_id, k.session_id FROM kept_sessions AS k WHERE ${holds})`
  const [row] = await store.all<{ n: number }>(text, ...values)
  return row?.n ?? 0
}

/** When the calls in kept rows began and ended, but for some sessions; undefined where there are none. */
export async function readKeptExtent(
  { store }: Frame,
  { holds }: SessionRanking,
  without: readonly SessionKey[],
): Promise<Extent | undefined> {
  const keys = JSON.stringify(without.map(({ userId, sessionId }) => [userId, sessionId]))
  const { text, values } = sql`SELECT min(k.start_ms) AS firstMs, max(k.last_ms) AS lastMs, max(k.end_ms) AS endMs FROM kept_sessions AS k
    WHERE ${holds} AND (k.user_id, k.session_id) NOT IN (SELECT value->>0, value->>1 FROM json_each(${keys}))`
  const [row] = await store.all<{ firstMs: number | null; lastMs: number; endMs: number }>(text, ...values)
  if (row === undefined || row.firstMs === null) return undefined
  return { firstStartMs: row.firstMs, lastStartMs: row.lastMs, lastEndMs: row.endMs }
}

function sumSql({ rank }: SessionRanking): string {
  return rank.sums.length === 0 ? '0' : rank.sums.map((name) => `sum(k.${name})`).join(' + ')
}

function rankSql(ranking: SessionRanking): string {
  switch (ranking.rank.bound) {
    case 'started_at':
      return 'min(k.start_ms)'
    case 'last_call_at':
      return 'max(k.last_ms)'
    case 'duration_ms':
      return 'max(k.end_ms) - min(k.start_ms)'
    default:
      return sumSql(ranking)
  }
}

function rankOf({ rank: { bound } }: SessionRanking, { sum, firstStartMs, lastStartMs, lastEndMs }: Extent & { sum: number }): number {
  if (bound === 'started_at') return firstStartMs
  if (bound === 'last_call_at') return lastStartMs
  return bound === 'duration_ms' ? lastEndMs - firstStartMs : sum
}

function openRow({ rank }: SessionRanking, { facts, sums }: KeptSession): PartRow {
  const amountOf = (name: string): number =>
    name === 'cost_nano_usd' ? Number(sums.costNanoUsd) : (sums.measures[measureColumns.indexOf(name)] ?? 0)
  const sum = rank.sums.reduce((all, name) => all + amountOf(name), 0)
  return [facts.userId, facts.sessionId, sum, facts.startMs, facts.lastMs, facts.endMs]
}

async function readSince(frame: Frame, { rank }: SessionRanking, part: CallsPart): Promise<PartRow[]> {
  const sums = rank.sums.length === 0 ? '0' : rank.sums.map((name) => callSum(name).text).join(' + ')
  const kinds = rank.sums.some(needsKinds) ? 'JOIN kinds ON kinds.kind_id = c.kind_id' : ''
  const { fromMs, toMs } = part.period
  const only = part.userIds === undefined ? raw('true') : sql`c.user_id IN (SELECT value FROM json_each(${JSON.stringify(part.userIds)}))`
  const among = part.keys === undefined ? raw('true') : isAmong('c', part.keys)
  return readRows<PartRow>(
    frame.store,
    asRows(sql`SELECT c.user_id, c.session_id, ${raw(sums)}, min(c.start_ms), max(c.start_ms), max(c.start_ms + c.latency_ms)
      FROM llm_calls AS c ${raw(kinds)} WHERE c.counted = 1 AND c.start_ms >= ${fromMs} AND c.start_ms < ${toMs} AND ${only} AND ${among}
      GROUP BY c.user_id, c.session_id`),
  )
}

/** A statement of six columns as one of a JSON text of rows. */
function asRows(statement: Fragment): Fragment {
  return sql`WITH parts (u, s, v, a, b, c) AS (${statement}) SELECT json_group_array(json_array(u, s, v, a, b, c)) AS rows FROM parts`
}
