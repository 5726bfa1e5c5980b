import { usageBuckets, usageOf } from '@spanledger/conventions'
import type { PriceBook } from '@spanledger/pricing'

import type { Batch, WriteOutcome, WrittenCall } from './batch.ts'
import { encodeCallRow, insertCalls, type CallRow } from './call-row.ts'
import type { Interning } from './interning.ts'
import { addContribution, applyDelta, contributionColumns, emptyDelta, toContribution, type Contribution, type RollupDelta } from './rollups.ts'
import { touchSeen, rereadSeen } from './seen.ts'
import type { Decision, TraceSpan } from './settle.ts'
import type { Sqlite } from './sqlite.ts'
import { growTraces } from './trace-spans.ts'
import type { Zone } from './zone.ts'

/** What writing leans on, opened once per store. */
export interface WriteContext {
  readonly db: Sqlite
  readonly interning: Interning
  readonly priceBook: PriceBook
  readonly zone: Zone
  readonly nowMs: () => number
}

/** Starts beyond these are no clock's answer; such a call is refused and counted. */
const MAX_START_MS = Date.UTC(2200, 0, 1)

/** Writes a batch. Inside a transaction: dedup, the verdict on its traces, calls and rollups become visible together. */
export async function writeBatch(context: WriteContext, batch: Batch): Promise<WriteOutcome> {
  const { db } = context
  const unique = new Map<string, WrittenCall>()
  const counters = new Map<string, number>()
  for (const call of batch.calls) {
    if (!(call.startMs >= 0 && call.startMs < MAX_START_MS)) addTo(counters, 'refused_start_time')
    else if (!unique.has(keyOf(call))) unique.set(keyOf(call), call)
  }
  const calls = [...unique.values()]
  const known = await findKnown(db, calls)
  const fresh = calls.filter((_, n) => !known.has(n))
  const { decisions, revised } = await decide(context, fresh, batch)

  const delta = emptyDelta()
  const uncounted = await insertFresh(context, { fresh, decisions, delta })
  if (revised.length > 0) await revise(context, revised, delta)
  await applyDelta(db, delta)

  const duplicates = batch.calls.length - (counters.get('refused_start_time') ?? 0) - fresh.length
  for (const call of fresh) for (const fault of call.faults) addTo(counters, fault)
  if (duplicates > 0) counters.set('duplicate_calls', duplicates)
  await addCounters(db, counters)
  return { inserted: fresh.length, duplicates, uncounted, revised: revised.length }
}

/** Adds to the durable counters. Inside a transaction. */
export async function addCounters(db: Sqlite, counts: ReadonlyMap<string, number>): Promise<void> {
  if (counts.size === 0) return
  await db.run(
    `INSERT INTO counters (name, count) SELECT value->>0, value->>1 FROM jsonb_each(?) WHERE true
     ON CONFLICT (name) DO UPDATE SET count = count + excluded.count`,
    JSON.stringify([...counts]),
  )
}

function addTo(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

function keyOf(call: WrittenCall): string {
  return call.traceId + call.spanId + String(call.startMs)
}

/** The positions of those calls that the ledger has. */
async function findKnown(db: Sqlite, calls: readonly WrittenCall[]): Promise<ReadonlySet<number>> {
  if (calls.length === 0) return new Set()
  const [row] = await db.all<{ found: string }>(
    `SELECT json_group_array(j.key) AS found FROM jsonb_each(?) AS j
     JOIN llm_calls AS c ON c.start_ms = j.value->>0 AND c.span_id = unhex(j.value->>1) AND c.trace_id = unhex(j.value->>2)`,
    JSON.stringify(calls.map((call) => [call.startMs, call.spanId, call.traceId])),
  )
  return new Set(JSON.parse(row?.found ?? '[]') as number[])
}

/** Calls that are settled count as they stand; the others, and what they change, are decided with their traces. */
async function decide(
  { db, nowMs }: WriteContext,
  fresh: readonly WrittenCall[],
  { links = [] }: Batch,
): Promise<Awaited<ReturnType<typeof growTraces>>> {
  const open = fresh.filter((call) => call.settled !== true)
  if (open.length === 0 && links.length === 0) return { decisions: new Map(), revised: [] }
  return growTraces(db, { calls: open, links, nowMs: nowMs() })
}

async function insertFresh(
  context: WriteContext,
  { fresh, decisions, delta }: { fresh: readonly WrittenCall[]; decisions: ReadonlyMap<WrittenCall, Decision>; delta: RollupDelta },
): Promise<number> {
  if (fresh.length === 0) return 0
  const { db, interning, priceBook, zone } = context
  const settled = fresh.map((call) => {
    const { counted, identity } = decisions.get(call) ?? { counted: call.role === 'call' || call.usage !== undefined, identity: call }
    const cost = priceBook.costOf({ ...call, at: call.startMs })
    return { call, counted, identity, cost }
  })
  const ids = await interning.intern(settled)
  const rows: CallRow[] = []
  const counted: Contribution[] = []
  for (const { call, counted: counts, identity, cost } of settled) {
    const placed = ids.place(identity)
    const usage = call.usage ?? usageOf({})
    const row: CallRow = {
      startMs: call.startMs,
      spanId: call.spanId,
      traceId: call.traceId,
      ...ids.ofIdentity(identity),
      ...ids.ofCall(call, cost),
      segmentId: placed.segmentId,
      counted: counts,
      latencyMs: call.durationMs,
      ttftMs: call.timeToFirstTokenMs ?? null,
      costNanoUsd: cost.costNanoUsd ?? null,
      reportedCostNanoUsd: call.reportedCostNanoUsd ?? null,
      usage,
      slots: placed.slots,
      overflow: placed.overflow,
      parts: call.parts === undefined ? null : JSON.stringify(call.parts),
    }
    rows.push(row)
    if (!counts) continue
    counted.push({
      ...row,
      featureId: placed.featureId,
      status: call.status,
      quality: call.usageQuality,
      origin: call.origin,
      tokens: usageBuckets.map((bucket) => usage[bucket]),
    })
  }
  await db.run(insertCalls, JSON.stringify(rows.map(encodeCallRow)))
  for (const contribution of counted) addContribution(delta, contribution, zone, 1)
  await touchSeen(db, rows)
  return fresh.length - counted.length
}

/** Calls in the ledger that now count otherwise, or for somebody else: their row and their share of the rollups change. */
async function revise(
  { db, interning, zone }: WriteContext,
  revised: readonly { readonly span: TraceSpan; readonly decision: Decision }[],
  delta: RollupDelta,
): Promise<void> {
  const keys = JSON.stringify(revised.map(({ span }) => [span.startMs, span.spanId, span.traceId]))
  const before = await readContributionsOf(db, keys)
  const ids = await interning.internIdentities(revised.map(({ decision }) => decision.identity))
  await db.run(
    `UPDATE llm_calls SET counted = j.counted, user_id = j.user_id, session_id = j.session_id, segment_id = j.segment_id,
       ${Array.from({ length: 8 }, (_, n) => `p${n + 1} = j.p${n + 1}`).join(', ')}, overflow = j.overflow
     FROM (SELECT value->>0 AS start_ms, unhex(value->>1) AS span_id, unhex(value->>2) AS trace_id, value->>3 AS counted, value->>4 AS user_id,
       value->>5 AS session_id, value->>6 AS segment_id, ${Array.from({ length: 8 }, (_, n) => `value->>${n + 7} AS p${n + 1}`).join(', ')},
       value->>15 AS overflow FROM jsonb_each(?)) AS j
     WHERE llm_calls.start_ms = j.start_ms AND llm_calls.span_id = j.span_id AND llm_calls.trace_id = j.trace_id`,
    JSON.stringify(
      revised.map(({ span, decision }) => {
        const placed = ids.place(decision.identity)
        const { userId, sessionId } = ids.ofIdentity(decision.identity)
        return [
          span.startMs,
          span.spanId,
          span.traceId,
          decision.counted ? 1 : 0,
          userId,
          sessionId,
          placed.segmentId,
          ...placed.slots,
          placed.overflow,
        ]
      }),
    ),
  )
  const after = await readContributionsOf(db, keys)
  for (const { counted, contribution } of before) if (counted) addContribution(delta, contribution, zone, -1)
  for (const { counted, contribution } of after) if (counted) addContribution(delta, contribution, zone, 1)
  await rereadSeen(db, new Set([...before, ...after].map(({ contribution }) => contribution.userId)))
}

async function readContributionsOf(db: Sqlite, keys: string): Promise<{ counted: boolean; contribution: Contribution }[]> {
  const [row] = await db.all<{ rows: string }>(
    `SELECT json_group_array(json_array(${contributionColumns})) AS rows FROM jsonb_each(?) AS j
     JOIN llm_calls AS c ON c.start_ms = j.value->>0 AND c.span_id = unhex(j.value->>1) AND c.trace_id = unhex(j.value->>2)
     JOIN kinds AS k ON k.kind_id = c.kind_id`,
    keys,
  )
  return (JSON.parse(row?.rows ?? '[]') as (number | string | null)[][]).map((found) => ({
    counted: found[3] === 1,
    contribution: toContribution(found),
  }))
}
