import { durationBucket, mergeCounts } from '../rollups/counts.ts'
import type { KeptCalls } from './kept-calls.ts'
import { measureColumns } from '../rollups/measures.ts'
import { plainMeasures, rareOf } from '../rollups/rare-measures.ts'
import type { RollupSchema } from '../rollups/rollups.ts'
import type { SessionFacts } from './session-fold.ts'
import { columnsUsed, insertSparse, noBytes, nothing, readList, sparseText, zero, type SparseColumn } from '../sqlite/sparse-rows.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'

/** The sums over the calls of a session. */
export interface SessionSums {
  /** In the order of `measureColumns`; the cost is beside them, exact. */
  readonly measures: number[]
  costNanoUsd: bigint
  /** Packed counts of latencies, in hex, without those of `added`. */
  latency: string
  readonly added: number[]
}

/** A session with its sums. */
export interface KeptSession {
  readonly facts: SessionFacts
  readonly sums: SessionSums
}

const COST = measureColumns.indexOf('cost_nano_usd')

export function noSums(): SessionSums {
  return { measures: measureColumns.map(() => 0), costNanoUsd: 0n, latency: '', added: [] }
}

/** Adds the n-th of some calls, which took so long. */
export function addToSums(sums: SessionSums, calls: KeptCalls, n: number, latencyMs: number): void {
  const { measures, added } = sums
  calls.measures(n, (measure, amount) => {
    if (measure === COST) sums.costNanoUsd += BigInt(amount)
    else measures[measure] = (measures[measure] ?? 0) + amount
  })
  added.push(durationBucket(latencyMs))
}

/** Rows are written this many at a time. */
const PART = 2048

/** Inserts sessions that are over. */
export async function insertKept(db: Sqlite, schema: RollupSchema, sessions: readonly KeptSession[]): Promise<void> {
  for (let at = 0; at < sessions.length; at += PART) {
    const part = sessions.slice(at, at + PART)
    const used = columnsUsed(columns, part)
    await db.run(insertSparse(`${schema}.kept_sessions`, used), await sparseText(used, part))
  }
}

const columns: readonly SparseColumn<KeptSession>[] = [
  { name: 'user_id', of: ({ facts }) => facts.userId },
  { name: 'session_id', of: ({ facts }) => facts.sessionId },
  { name: 'start_ms', of: ({ facts }) => facts.startMs },
  { name: 'to_last_ms', of: ({ facts }) => facts.lastMs - facts.startMs },
  { name: 'to_end_ms', of: ({ facts }) => facts.endMs - facts.lastMs },
  { name: 'to_next_ms', of: ({ facts: { nextMs, endMs } }) => (nextMs === undefined ? null : nextMs - endMs), empty: nothing },
  { name: 'idle_ms', of: ({ facts }) => facts.endMs - facts.startMs - facts.activeMs },
  { name: 'messages', of: ({ facts }) => facts.messages },
  { name: 'follow_ups', of: ({ facts }) => facts.followUps, empty: zero },
  { name: 'last_kind_id', of: ({ facts }) => facts.lastKindId },
  { name: 'last_wait_ms', of: ({ facts }) => facts.lastWaitMs },
  { name: 'last_feature_id', of: ({ facts }) => facts.lastFeatureId, empty: zero },
  ...plainMeasures.map((name): SparseColumn<KeptSession> => {
    const n = measureColumns.indexOf(name)
    return n === COST
      ? { name, of: ({ sums }) => costText(sums.costNanoUsd), empty: zero, read: (json) => `CAST(${json} AS INTEGER)` }
      : { name, of: ({ sums }) => sums.measures[n] ?? 0, empty: zero }
  }),
  { name: 'rare', of: ({ sums }) => rareOf(sums.measures), empty: nothing, read: readList },
  {
    name: 'latency',
    of: ({ sums }) => mergeCounts(sums.latency, sums.added),
    empty: noBytes,
    read: (json) => `unhex(${json})`,
  },
]

/** Text where a number would not be exact. */
function costText(costNanoUsd: bigint): number | string {
  return costNanoUsd <= Number.MAX_SAFE_INTEGER ? Number(costNanoUsd) : String(costNanoUsd)
}

/** The sessions of some users that are over and began at an instant or later. */
export async function readKept(db: Pick<Sqlite, 'all'>, userIds: Iterable<number>, fromMs: number): Promise<KeptSession[]> {
  const [row] = await db.all<{ rows: string }>(
    `SELECT json_group_array(json_array(s.user_id, s.session_id, s.start_ms, s.last_ms, s.end_ms, s.next_ms, s.active_ms, s.messages, s.follow_ups,
       s.last_kind_id, s.last_wait_ms, s.last_feature_id, hex(s.latency), CAST(s.cost_nano_usd AS TEXT),
       ${measureColumns.map((name, n) => (n === COST ? '0' : `s.${name}`)).join(', ')})) AS rows
     FROM json_each(?) AS u JOIN kept_sessions AS s ON s.user_id = u.value WHERE s.start_ms >= ?`,
    JSON.stringify([...userIds]),
    fromMs,
  )
  return (JSON.parse(row?.rows ?? '[]') as SessionRow[]).map(toSession)
}

/** The sessions that may go on, from the text they are kept as. */
export function parseOpen(text: string): KeptSession[] {
  return (JSON.parse(text) as SessionRow[]).map(toSession)
}

/** Sessions that may go on as text; the same sessions always give the same. */
export function formatOpen(sessions: readonly KeptSession[]): string {
  const inOrder = sessions.toSorted(
    ({ facts: a }, { facts: b }) => a.userId - b.userId || a.sessionId - b.sessionId || a.startMs - b.startMs,
  )
  return JSON.stringify(inOrder.map(toRow))
}

type SessionRow = [
  userId: number,
  sessionId: number,
  startMs: number,
  lastMs: number,
  endMs: number,
  nextMs: number | null,
  activeMs: number,
  messages: number,
  followUps: number,
  lastKindId: number,
  lastWaitMs: number,
  lastFeatureId: number,
  latency: string,
  cost: string,
  ...measures: number[],
]

function toRow({ facts, sums }: KeptSession): SessionRow {
  return [
    facts.userId,
    facts.sessionId,
    facts.startMs,
    facts.lastMs,
    facts.endMs,
    facts.nextMs ?? null,
    facts.activeMs,
    facts.messages,
    facts.followUps,
    facts.lastKindId,
    facts.lastWaitMs,
    facts.lastFeatureId,
    mergeCounts(sums.latency, sums.added),
    String(sums.costNanoUsd),
    ...sums.measures,
  ]
}

function toSession(row: SessionRow): KeptSession {
  const [userId, sessionId, startMs, lastMs, endMs, nextMs, activeMs, messages, followUps, lastKindId, lastWaitMs, lastFeatureId] = row
  const measures = row.slice(14) as number[]
  return {
    facts: {
      userId,
      sessionId,
      startMs,
      lastMs,
      endMs,
      nextMs: nextMs ?? undefined,
      requests: measures[0] ?? 0,
      messages,
      followUps,
      activeMs,
      lastKindId,
      lastWaitMs,
      lastFeatureId,
    },
    sums: { measures, costNanoUsd: BigInt(row[13]), latency: row[12], added: [] },
  }
}
