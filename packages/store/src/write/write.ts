import type { Cost, PriceBook } from '@spanledger/pricing'

import type { Batch, SpanLink, WriteOutcome, WrittenCall } from '../batch.ts'
import { callColumns, noUsage, type CallRow } from './call-row.ts'
import { contributionColumns, toContribution, type Contribution } from '../rollups/contributions.ts'
import { writeEvents } from '../events/events.ts'
import { inTurns } from '../sqlite/in-turns.ts'
import { nobody, type Interning } from '../names/interning.ts'
import { forgetSaidUsers, type RowKey } from '../users/move-to-user.ts'
import { SLOTS } from '../names/properties.ts'
import type { NameableCall } from '../events/named-calls.ts'
import { noteReports } from '../traces/response-ids.ts'
import { addContribution, emptyDelta, type RollupDelta } from '../rollups/rollup-delta.ts'
import { applyDelta, rereadBounds } from '../rollups/rollups.ts'
import { costOfCall } from './saved.ts'
import { rereadSessions, touchSessions, widenRange, type SessionRanges } from '../rollups/sessions.ts'
import { namesOneAnswer, type Decision, type TraceSpan } from '../traces/settle.ts'
import { besides } from '../sqlite/side-by-side.ts'
import { columnsUsed, insertSparse, sparseText } from '../sqlite/sparse-rows.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'
import { dayOf, growTraces, type TraceChanges } from '../traces/trace-spans.ts'
import type { Zone } from '../zone.ts'

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

/** Calls are inserted this many at a time, within one transaction: the text of a slice is made while the one before is inserted. */
const SLICE = 1024

/** A batch that is written, and the calls that were there before and that it changed. */
interface Written {
  readonly outcome: WriteOutcome
  readonly revised: readonly RowKey[]
  readonly revisedEvents: readonly RowKey[]
}

/** Writes a batch. Inside a transaction: dedup, the verdict on its traces, calls and rollups become visible together. */
export async function writeBatch(context: WriteContext, batch: Batch): Promise<Written> {
  const { db } = context
  const counters = new Map<string, number>()
  const fresh = await freshCalls(db, batch.calls, counters)
  await context.interning.begin()

  const changes: Changes = { delta: emptyDelta(), sessions: new Map(), counters, uncounted: 0, unpriced: 0 }
  const { decisions, revised } = await besides(async (start) => {
    const decided = await decide(context, fresh, { links: batch.links ?? [], start })
    if (decided.overLimit) addTo(counters, 'trace_spans_over_limit')
    const rows = await prepareRows(context, { calls: fresh, decisions: decided.decisions })
    await insertRows(context, { rows, changes, start })
    if (decided.revised.length > 0) await revise(context, decided.revised, changes.delta)
    // In this order: SQLite widens sessions while the rows of rollups that it has read are merged.
    start(applyDelta(db, changes.delta))
    start(touchSessions(db, changes.sessions))
    return decided
  })
  if (revised.length > 0) await rereadBounds(db, changes.delta, context.zone)
  const events = await writeEvents({ ...context, maxStartMs: MAX_START_MS }, batch, {
    counters,
    calls: () => namedCalls(fresh, { decisions, revised }),
  })
  for (const [name, count] of context.interning.takeFolded()) counters.set(name, count)
  await addCounters(db, counters)
  const outcome = {
    inserted: fresh.length,
    duplicates: counters.get('duplicate_calls') ?? 0,
    uncounted: changes.uncounted,
    revised: revised.length,
    unpriced: changes.unpriced,
    insertedEvents: events.inserted,
  }
  return { outcome, revised: revised.map(({ span }) => [span.startMs, span.spanId, span.traceId]), revisedEvents: events.revised }
}

/** What events may name of the calls that are new, or somebody else's now. */
function namedCalls(fresh: readonly WrittenCall[], { decisions, revised }: Pick<TraceChanges, 'decisions' | 'revised'>): NameableCall[] {
  return [
    ...fresh.map((call): NameableCall => {
      const { startMs, spanId, traceId, responseId } = call
      return { key: [startMs, spanId, traceId], responseId, session: (decisions.get(call)?.identity ?? call).session }
    }),
    ...revised.map(({ span: { startMs, spanId, traceId, responseId }, decision }): NameableCall => ({
      key: [startMs, spanId, traceId],
      responseId,
      session: decision.identity.session,
    })),
  ]
}

/** What follows from the calls of a batch, beside their rows. */
interface Changes {
  readonly delta: RollupDelta
  readonly sessions: SessionRanges
  readonly counters: Map<string, number>
  uncounted: number
  unpriced: number
}

interface Fresh {
  readonly calls: readonly WrittenCall[]
  readonly decisions: ReadonlyMap<WrittenCall, Decision>
}

/**
 * Starts to insert rows, slice by slice. SQLite works on a thread of its own, and the statements of a connection run in order: while it
 * inserts one slice, the next is put into words. What follows from the rows is in `changes` when this returns.
 */
async function insertRows(
  { db, zone }: WriteContext,
  { rows, changes, start }: { rows: readonly CallRow[]; changes: Changes; start: (insert: Promise<unknown>) => void },
): Promise<void> {
  for (let at = 0; at < rows.length; at += SLICE) {
    const slice = rows.length <= SLICE ? rows : rows.slice(at, at + SLICE)
    const columns = columnsUsed(callColumns, slice)
    start(db.run(insertSparse('llm_calls', columns), await sparseText(columns, slice)))
    await inTurns(slice, (run) => {
      for (const row of run) addToChanges(changes, row, zone)
    })
  }
}

/** The rows of calls, priced and with ids. */
async function prepareRows({ interning, priceBook }: WriteContext, { calls, decisions }: Fresh): Promise<CallRow[]> {
  const rows: CallRow[] = []
  for (const call of calls) rows.push(rowOf(call, decisions.get(call)))
  await interning.intern(rows, () =>
    inTurns(rows, (run) => {
      for (const row of run) row.cost = costOfCall(row.call, priceBook)
    }),
  )
  return rows
}

/** Until the price book was asked. */
const notPriced: Cost = { costNanoUsd: undefined, reason: 'unknown_model', detail: '' }

function rowOf(call: WrittenCall, decision: Decision | undefined): CallRow {
  return {
    call,
    identity: decision?.identity ?? call,
    // A call that was not decided with its trace counts, unless it may only repeat what others used and used nothing.
    counted: decision?.counted ?? (call.role === 'call' || call.usage !== undefined),
    cost: notPriced,
    userId: 0,
    sessionId: 0,
    modelId: 0,
    kindId: 0,
    priceId: 0,
    placed: nobody.placed,
  }
}

function addToChanges(changes: Changes, row: CallRow, zone: Zone): void {
  for (const fault of row.call.faults) addTo(changes.counters, fault)
  if (!row.counted) {
    changes.uncounted++
    return
  }
  if (row.cost.costNanoUsd === undefined) changes.unpriced++
  widenRange(changes.sessions, row.sessionId, row.call.startMs)
  addContribution(changes.delta, contributionOf(row), zone)
}

function contributionOf({ call, cost, userId, modelId, placed }: CallRow): Contribution {
  return {
    startMs: call.startMs,
    userId,
    modelId,
    featureId: placed.featureId,
    status: call.status,
    quality: call.usageQuality,
    origin: call.origin,
    rateLimited: call.errorClass === 'rate_limit',
    latencyMs: call.durationMs,
    ttftMs: call.timeToFirstTokenMs ?? null,
    costNanoUsd: cost.costNanoUsd ?? null,
    usage: call.usage ?? noUsage,
  }
}

/** The calls of a batch, each once, that the ledger does not have; the others are counted. */
async function freshCalls(db: Sqlite, calls: readonly WrittenCall[], counters: Map<string, number>): Promise<WrittenCall[]> {
  const unique: WrittenCall[] = []
  // By span id first, which nearly always decides; a key of all three would be put together for every call.
  const firstOfSpan = new Map<string, WrittenCall>()
  const others = new Set<string>()
  for (const call of calls) {
    if (!(call.startMs >= 0 && call.startMs < MAX_START_MS)) {
      addTo(counters, 'refused_start_time')
      continue
    }
    const first = firstOfSpan.get(call.spanId)
    if (first === undefined) firstOfSpan.set(call.spanId, call)
    else {
      const key = `${call.spanId} ${call.traceId} ${call.startMs}`
      if ((first.traceId === call.traceId && first.startMs === call.startMs) || others.has(key)) {
        addTo(counters, 'duplicate_calls')
        continue
      }
      others.add(key)
    }
    unique.push(call)
  }
  const known = await findKnown(db, unique)
  if (known.size > 0) counters.set('duplicate_calls', (counters.get('duplicate_calls') ?? 0) + known.size)
  return known.size === 0 ? unique : unique.filter((call) => !known.has(call))
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

/** Those calls that the ledger has. One that started after all of the ledger cannot be among them, and is not looked for. */
async function findKnown(db: Sqlite, calls: readonly WrittenCall[]): Promise<ReadonlySet<WrittenCall>> {
  const [latest] = await db.all<{ ms: number | null }>('SELECT max(start_ms) AS ms FROM llm_calls')
  const latestMs = latest?.ms ?? -1
  const older = calls.filter(({ startMs }) => startMs <= latestMs)
  if (older.length === 0) return new Set()
  const [row] = await db.all<{ found: string }>(
    `SELECT json_group_array(j.key) AS found FROM jsonb_each(?) AS j
     JOIN llm_calls AS c ON c.start_ms = j.value->>0 AND c.span_id = unhex(j.value->>1) AND c.trace_id = unhex(j.value->>2)`,
    JSON.stringify(older.map((call) => [call.startMs, call.spanId, call.traceId])),
  )
  return new Set((JSON.parse(row?.found ?? '[]') as number[]).flatMap((n) => older[n] ?? []))
}

/** Calls that are settled count as they stand; the others, and what they change, are decided with their traces. */
async function decide(
  { db, nowMs }: WriteContext,
  fresh: readonly WrittenCall[],
  { links, start }: { links: readonly SpanLink[]; start: (remembering: Promise<unknown>) => void },
): Promise<TraceChanges> {
  const today = dayOf(nowMs())
  const isMixed = await noteReports(db, fresh, today)
  const open = fresh.filter((call) => call.settled !== true || (isMixed && namesOneAnswer(call.responseId)))
  if (open.length === 0 && links.length === 0) return { decisions: new Map(), revised: [], overLimit: false }
  return growTraces(db, { calls: open, links, nowMs: nowMs(), start })
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
    const { startMs, spanId, traceId } = span
    return [startMs, spanId, traceId, Number(decision.counted), userId, sessionId, placed.segmentId, ...slots, placed.overflow]
  })
  await db.run(updateCalls, JSON.stringify(rows))
  await forgetSaidUsers(db, keys, 'calls')
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
