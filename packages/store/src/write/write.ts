import type { PriceBook } from '@spanledger/pricing'

import type { Batch, WriteOutcome, WrittenCall } from '../batch.ts'
import { callColumns, noUsage, type CallRow } from './call-row.ts'
import { readContributionsOf, type Contribution } from '../rollups/contributions.ts'
import { writeEvents } from '../events/events.ts'
import { inTurns } from '../sqlite/in-turns.ts'
import { nobody, type Interning } from '../names/interning.ts'
import { forgetSaidUsers, type RowKey } from '../users/move-to-user.ts'
import { NOBODY } from '../names/withheld-identity.ts'
import { withoutWithheld } from '../users/withheld-users.ts'
import { SLOTS } from '../names/properties.ts'
import type { NameableCall } from '../events/named-calls.ts'
import { noteReports } from '../traces/response-ids.ts'
import { addContribution, emptyDelta, type RollupDelta } from '../rollups/rollup-delta.ts'
import { applyDelta, rereadBounds } from '../rollups/rollups.ts'
import { MAX_START_MS, readyBatch, type ReadyBatch } from './ready-batch.ts'
import { rereadSessions, touchSessions, widenRange, type SessionRanges } from '../rollups/sessions.ts'
import { namesOneAnswer, type Decision, type TraceSpan } from '../traces/settle.ts'
import { besides } from '../sqlite/side-by-side.ts'
import { columnsUsed, insertSparse, sparseText } from '../sqlite/sparse-rows.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'
import { readStanding, type Standing } from '../traces/standing.ts'
import { dayOf, growTraces, readyTraces, type TraceChanges } from '../traces/trace-spans.ts'
import type { Zone } from '../zone.ts'

/** What writing leans on, opened once per store. */
export interface WriteContext {
  readonly db: Sqlite
  readonly interning: Interning
  readonly priceBook: PriceBook
  readonly zone: Zone
  readonly nowMs: () => number
}

/** Calls are inserted this many at a time, within one transaction: the text of a slice is made while the one before is inserted. */
const SLICE = 1024

/** A batch that is written, and the calls that were there before and that it changed. */
interface Written {
  /** As it was written: without what it said of users of whom nothing is kept. */
  readonly batch: Batch
  readonly outcome: WriteOutcome
  readonly revised: readonly RowKey[]
  readonly revisedEvents: readonly RowKey[]
}

/** Writes a batch. Inside a transaction: dedup, the verdict on its traces, calls and rollups become visible together. */
export async function writeBatch(context: WriteContext, given: ReadyBatch): Promise<Written> {
  const { db } = context
  const standing = await readStanding(db)
  const ready = standing.withholds ? await withhold(context, given) : given
  const { batch } = ready
  const counters = new Map(ready.counters)
  await context.interning.begin(standing)
  const rows = await freshRows(db, ready, standing, counters)
  const fresh = rows === ready.rows ? ready.calls : rows.map(({ call }) => call)

  const changes: Changes = { delta: emptyDelta(), sessions: new Map(), counters, uncounted: 0, unpriced: 0 }
  const { decisions, revised } = await besides(async (start) => {
    const decided = await decide(context, { fresh, ready, standing, start })
    if (decided.overLimit) addTo(counters, 'trace_spans_over_limit')
    takeVerdicts(rows, decided.decisions)
    await context.interning.intern(rows, ready.priced)
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
  return { batch, outcome, revised: revised.map(({ span }) => [span.startMs, span.spanId, span.traceId]), revisedEvents: events.revised }
}

/** The batch without what it says of users of whom nothing is to be kept: few batches have such, which are made ready once more. */
async function withhold({ db, priceBook, nowMs }: WriteContext, ready: ReadyBatch): Promise<ReadyBatch> {
  const batch = await withoutWithheld(db, ready.batch)
  return batch === ready.batch ? ready : readyBatch(batch, { priceBook, nowMs: nowMs() })
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

/** A call that was decided with its trace is whose the trace says, and counts if it says so. */
function takeVerdicts(rows: readonly CallRow[], decisions: ReadonlyMap<WrittenCall, Decision>): void {
  if (decisions.size === 0) return
  for (const row of rows) {
    const decision = decisions.get(row.call)
    if (decision === undefined) continue
    row.identity = decision.identity
    row.counted = decision.counted
  }
}

function addToChanges(changes: Changes, row: CallRow, zone: Zone): void {
  for (const fault of row.call.faults) addTo(changes.counters, fault)
  if (!row.counted) {
    changes.uncounted++
    return
  }
  if (row.cost.costNanoUsd === undefined) changes.unpriced++
  if (row.call.user === NOBODY) addTo(changes.counters, 'withheld_calls')
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

/** The rows of those calls of a batch that the ledger does not have; the others are counted. */
async function freshRows(
  db: Sqlite,
  { calls, rows }: ReadyBatch,
  { latestMs }: Standing,
  counters: Map<string, number>,
): Promise<readonly CallRow[]> {
  const known = await findKnown(db, calls, latestMs)
  if (known.size === 0) return rows
  counters.set('duplicate_calls', (counters.get('duplicate_calls') ?? 0) + known.size)
  return rows.filter(({ call }) => !known.has(call))
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
async function findKnown(db: Sqlite, calls: readonly WrittenCall[], latestMs: number): Promise<ReadonlySet<WrittenCall>> {
  const older = calls.filter(({ startMs }) => startMs <= latestMs)
  if (older.length === 0) return new Set()
  const [row] = await db.all<{ found: string }>(
    `SELECT json_group_array(j.key) AS found FROM jsonb_each(?) AS j
     JOIN llm_calls AS c ON c.start_ms = j.value->>0 AND c.span_id = unhex(j.value->>1) AND c.trace_id = unhex(j.value->>2)`,
    JSON.stringify(older.map((call) => [call.startMs, call.spanId, call.traceId])),
  )
  return new Set((JSON.parse(row?.found ?? '[]') as number[]).flatMap((n) => older[n] ?? []))
}

/** Calls that the ledger does not have, of a batch that was made ready. */
interface Undecided {
  readonly fresh: readonly WrittenCall[]
  readonly ready: ReadyBatch
  readonly standing: Standing
  readonly start: (remembering: Promise<unknown>) => void
}

/** Calls that are settled count as they stand; the others, and what they change, are decided with their traces. */
async function decide({ db, nowMs }: WriteContext, { fresh, ready, standing, start }: Undecided): Promise<TraceChanges> {
  const today = dayOf(nowMs())
  const isMixed = await noteReports(db, fresh, { today, lastDay: standing.lastDayOfReports })
  const open = fresh.filter((call) => call.settled !== true || (isMixed && namesOneAnswer(call.responseId)))
  const { links = [] } = ready.batch
  if (open.length === 0 && links.length === 0) return { decisions: new Map(), revised: [], overLimit: false }
  const isAsReady = open.length === ready.traces.calls.length && open.every((call, n) => call === ready.traces.calls[n])
  const traces = isAsReady ? ready.traces : await readyTraces(open, links, nowMs())
  return growTraces(db, traces, { lastRow: standing.lastSpanRow, start })
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
