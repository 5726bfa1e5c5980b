import { usageOf } from '@spanledger/conventions'
import type { PriceBook } from '@spanledger/pricing'

import type { Batch, WriteOutcome, WrittenCall } from './batch.ts'
import { encodeCallRow, insertCalls, type CallRow } from './call-row.ts'
import { contributionColumns, toContribution, type Contribution } from './contributions.ts'
import { writeEvents } from './events.ts'
import { nobody, type InternedCall, type Interning } from './interning.ts'
import { SLOTS } from './properties.ts'
import { addContribution, applyDelta, emptyDelta, rereadBounds, type RollupDelta } from './rollups.ts'
import { costOfCall } from './saved.ts'
import { rereadSessions, touchSessions } from './sessions.ts'
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

/**
 * Calls are taken this many at a time, within one transaction: what is made for a slice dies young, and the event loop of the
 * app gets its turn between two slices.
 */
const SLICE = 1024

/** Writes a batch. Inside a transaction: dedup, the verdict on its traces, calls and rollups become visible together. */
export async function writeBatch(context: WriteContext, batch: Batch): Promise<WriteOutcome> {
  const { db } = context
  const counters = new Map<string, number>()
  const fresh = await freshCalls(db, batch.calls, counters)
  const { decisions, revised, overLimit } = await decide(context, fresh, batch)
  if (overLimit) addTo(counters, 'trace_spans_over_limit')

  const delta = emptyDelta()
  const rows: CallRow[] = []
  // SQLite works on a thread of its own, and the statements of a connection run in order: nobody waits for an insert while
  // there is something left to make ready.
  const inserts: Promise<unknown>[] = []
  await context.interning.begin()
  for (let at = 0; at < fresh.length; at += SLICE) {
    const slice = await makeRows(context, { calls: fresh.slice(at, at + SLICE), decisions, delta })
    const insert = db.run(insertCalls, JSON.stringify(slice.map(encodeCallRow)))
    insert.catch(() => undefined) // Thrown by the await below; here it only must not count as unhandled.
    inserts.push(insert)
    for (const row of slice) rows.push(row)
  }
  await Promise.all(inserts)
  await touchSessions(db, rows)
  if (revised.length > 0) await revise(context, revised, delta)
  await applyDelta(db, delta)
  if (revised.length > 0) await rereadBounds(db, delta, context.zone)

  const insertedEvents = await writeEvents({ ...context, maxStartMs: MAX_START_MS }, batch, counters)

  for (const call of fresh) for (const fault of call.faults) addTo(counters, fault)
  await addCounters(db, counters)
  return {
    inserted: fresh.length,
    duplicates: counters.get('duplicate_calls') ?? 0,
    uncounted: rows.filter((row) => !row.counted).length,
    revised: revised.length,
    unpriced: rows.filter((row) => row.counted && row.costNanoUsd === null).length,
    insertedEvents,
  }
}

/** The calls of a batch, each once, that the ledger does not have; the others are counted. */
async function freshCalls(db: Sqlite, calls: readonly WrittenCall[], counters: Map<string, number>): Promise<WrittenCall[]> {
  const unique: WrittenCall[] = []
  // By span id first, which nearly always decides; a key of all three would be put together for every call.
  const bySpan = new Map<string, WrittenCall[]>()
  for (const call of calls) {
    if (!(call.startMs >= 0 && call.startMs < MAX_START_MS)) {
      addTo(counters, 'refused_start_time')
      continue
    }
    const same = bySpan.get(call.spanId)
    if (same?.some(({ traceId, startMs }) => traceId === call.traceId && startMs === call.startMs) === true) {
      addTo(counters, 'duplicate_calls')
      continue
    }
    if (same === undefined) bySpan.set(call.spanId, [call])
    else same.push(call)
    unique.push(call)
  }
  const known = await findKnown(db, unique)
  if (known.size > 0) counters.set('duplicate_calls', (counters.get('duplicate_calls') ?? 0) + known.size)
  return known.size === 0 ? unique : unique.filter((_, n) => !known.has(n))
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
  if (open.length === 0 && links.length === 0) return { decisions: new Map(), revised: [], overLimit: false }
  return growTraces(db, { calls: open, links, nowMs: nowMs() })
}

interface Fresh {
  readonly calls: readonly WrittenCall[]
  readonly decisions: ReadonlyMap<WrittenCall, Decision>
  readonly delta: RollupDelta
}

/** The rows of calls, priced and with ids; what those that count add to the rollups goes into the delta. */
async function makeRows({ interning, priceBook, zone }: WriteContext, { calls, decisions, delta }: Fresh): Promise<CallRow[]> {
  const priced = calls.map((call) => {
    return { call, cost: costOfCall(call, priceBook), identity: decisions.get(call)?.identity ?? call }
  })
  const interned = await interning.intern(priced)
  return interned.map((one) => {
    const { call } = one
    // A call that was not decided with its trace counts, unless it may only repeat what others used and used nothing.
    const row = rowOf(one, decisions.get(call)?.counted ?? (call.role === 'call' || call.usage !== undefined))
    if (row.counted) addContribution(delta, contributionOf(row, one), zone)
    return row
  })
}

const nothing = usageOf({})

function rowOf({ call, cost, userId, sessionId, modelId, kindId, priceId, placed }: InternedCall, counted: boolean): CallRow {
  return {
    startMs: call.startMs,
    spanId: call.spanId,
    traceId: call.traceId,
    userId,
    sessionId,
    modelId,
    kindId,
    priceId,
    segmentId: placed.segmentId,
    counted,
    latencyMs: call.durationMs,
    ttftMs: call.timeToFirstTokenMs ?? null,
    costNanoUsd: cost.costNanoUsd ?? null,
    reportedCostNanoUsd: call.reportedCostNanoUsd ?? null,
    usage: call.usage ?? nothing,
    slots: placed.slots,
    overflow: placed.overflow,
    parts: call.parts === undefined ? null : JSON.stringify(call.parts),
  }
}

function contributionOf(row: CallRow, { call, placed }: InternedCall): Contribution {
  return {
    startMs: row.startMs,
    userId: row.userId,
    modelId: row.modelId,
    featureId: placed.featureId,
    status: call.status,
    quality: call.usageQuality,
    origin: call.origin,
    latencyMs: row.latencyMs,
    ttftMs: row.ttftMs,
    costNanoUsd: row.costNanoUsd,
    usage: row.usage,
  }
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
  const rows = revised.map(({ span, decision }, n) => {
    const { userId, sessionId, placed } = ids[n] ?? nobody
    const slots = placed.slots ?? Array.from({ length: SLOTS }, () => null)
    return [
      span.startMs,
      span.spanId,
      span.traceId,
      Number(decision.counted),
      userId,
      sessionId,
      placed.segmentId,
      ...slots,
      placed.overflow,
    ]
  })
  await db.run(updateCalls, JSON.stringify(rows))
  const after = await readContributionsOf(db, keys)
  for (const { counted, contribution } of before) if (counted) addContribution(delta, contribution, zone, -1)
  for (const { counted, contribution } of after) if (counted) addContribution(delta, contribution, zone)
  await rereadSessions(db, new Set([...before, ...after].map(({ contribution }) => contribution.userId)))
}

const slotColumns = Array.from({ length: SLOTS }, (_, n) => `p${n + 1}`)
const revisedColumns = ['counted', 'user_id', 'session_id', 'segment_id', ...slotColumns, 'overflow']
const updateCalls = `UPDATE llm_calls SET ${revisedColumns.map((column) => `${column} = j.${column}`).join(', ')}
  FROM (SELECT value->>0 AS start_ms, unhex(value->>1) AS span_id, unhex(value->>2) AS trace_id,
      ${revisedColumns.map((column, n) => `value->>${n + 3} AS ${column}`).join(', ')} FROM jsonb_each(?)) AS j
  WHERE llm_calls.start_ms = j.start_ms AND llm_calls.span_id = j.span_id AND llm_calls.trace_id = j.trace_id`

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
