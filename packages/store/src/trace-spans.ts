import type { Identity } from '@spanledger/conventions'

import type { SpanLink, WrittenCall } from './batch.ts'
import { MAX_REPORTS, settleAlone, settleTraces, type Decision, type TraceSpan } from './settle.ts'
import { columnsUsed, insertSparse, nothing, sparseText, zero, type SparseColumn } from './sparse-rows.ts'
import type { Sqlite } from './sqlite.ts'

/** What a batch means for the traces it touches. */
export interface TraceChanges {
  /** The verdict on each unsettled call of the batch. */
  readonly decisions: ReadonlyMap<WrittenCall, Decision>
  /** Calls already in the ledger whose verdict is another one now. */
  readonly revised: readonly { readonly span: TraceSpan; readonly decision: Decision }[]
  /** Whether there were more related spans than are looked at. */
  readonly overLimit: boolean
}

/** Spans are kept this long after they came in; what arrives later for their trace is decided on its own. */
export const TRACE_DAYS = 7
/** A batch is decided with at most so many spans that came before; what is beyond is counted as `trace_spans_over_limit`. */
const MAX_RELATED_SPANS = 100_000

const DAY_MS = 86_400_000

/** Decides the traces of a batch anew with what it brings, and remembers it. Inside a transaction. */
export async function growTraces(
  db: Sqlite,
  { calls, links, nowMs }: { calls: readonly WrittenCall[]; links: readonly SpanLink[]; nowMs: number },
): Promise<TraceChanges> {
  const callOfSpan = new Map(calls.map((call) => [spanOf(call), call]))
  const fresh = [...callOfSpan.keys(), ...links.map(linkSpan)]
  const related = await findRelated(db, fresh)
  const before = await readRelated(db, related)
  const keys = new Set(before.map(keyOf))
  const added = fresh.filter((span) => !keys.has(keyOf(span)) && keys.add(keyOf(span)))
  const { alone, together } = partAlone(added, new Set(related))
  const decisions = new Map<WrittenCall, Decision>()
  const revised: { span: TraceSpan; decision: Decision }[] = []
  for (const span of alone) {
    const call = callOfSpan.get(span)
    if (call !== undefined) decisions.set(call, settleAlone(span))
  }
  const was = settleTraces(before)
  for (const [span, decision] of settleTraces([...before, ...together])) {
    const call = callOfSpan.get(span)
    if (call !== undefined) decisions.set(call, decision)
    const earlier = was.get(span)
    if (earlier !== undefined && !sameDecision(earlier, decision)) revised.push({ span, decision })
  }
  await insertSpans(db, added, dayOf(nowMs))
  return { decisions, revised, overLimit: before.length >= MAX_RELATED_SPANS }
}

/** Spans that nothing else has to do with, neither of those that came before nor of the batch; most of what a collector gets. */
function partAlone(spans: readonly TraceSpan[], related: ReadonlySet<TraceSpan>): { alone: TraceSpan[]; together: TraceSpan[] } {
  const times = new Map<string, number>()
  const count = (id: string): void => void times.set(id, (times.get(id) ?? 0) + 1)
  for (const { traceId, responseId } of spans) {
    count(traceId)
    if (responseId !== undefined) count(responseId)
  }
  const isAlone = (span: TraceSpan): boolean =>
    !related.has(span) && times.get(span.traceId) === 1 && (span.responseId === undefined || times.get(span.responseId) === 1)
  const parts: { alone: TraceSpan[]; together: TraceSpan[] } = { alone: [], together: [] }
  for (const span of spans) parts[isAlone(span) ? 'alone' : 'together'].push(span)
  return parts
}

/** The day of an instant, as `seen_day` counts. */
export function dayOf(nowMs: number): number {
  return Math.floor(nowMs / DAY_MS)
}

/** How many rows are forgotten at a time. */
const FORGET_STEP = 5000

/** Forgets the spans and open events that have had their days. Inside a transaction. */
export async function forgetOldTraces(db: Sqlite, nowMs: number): Promise<void> {
  const oldest = dayOf(nowMs) - TRACE_DAYS
  await db.run('DELETE FROM open_events WHERE seen_day < ?', oldest)
  // The rows that were seen first are in front: this looks at no more of the young ones than a step.
  const step = `DELETE FROM trace_spans WHERE rowid IN (SELECT rowid FROM trace_spans ORDER BY rowid LIMIT ${FORGET_STEP}) AND seen_day < ?`
  for (let deleted = FORGET_STEP; deleted === FORGET_STEP;) deleted = await db.run(step, oldest)
}

function spanOf(call: WrittenCall): TraceSpan {
  return {
    traceId: call.traceId,
    spanId: call.spanId,
    parentSpanId: call.parentSpanId,
    startMs: call.startMs,
    role: call.role,
    hasUsage: call.usage !== undefined,
    responseId: call.responseId,
    ...(call.responseId === undefined ? {} : { provider: call.provider, durationMs: call.durationMs }),
    identity: call,
    resourceIdentity: call.resourceIdentity,
  }
}

function linkSpan(link: SpanLink): TraceSpan {
  return { resourceIdentity: undefined, ...link, role: 'other', hasUsage: false, responseId: undefined }
}

function keyOf(span: TraceSpan): string {
  return `${span.traceId} ${span.spanId} ${span.startMs}`
}

export function groupByTrace<Span extends { readonly traceId: string }>(spans: readonly Span[]): Map<string, Span[]> {
  const groups = new Map<string, Span[]>()
  for (const span of spans) {
    const group = groups.get(span.traceId)
    if (group === undefined) groups.set(span.traceId, [span])
    else group.push(span)
  }
  return groups
}

function sameDecision(a: Decision, b: Decision): boolean {
  return a.counted === b.counted && encodeIdentity(a.identity) === encodeIdentity(b.identity)
}

type SpanRow = [
  traceId: string,
  spanId: string,
  startMs: number,
  parentSpanId: string | null,
  role: TraceSpan['role'],
  hasUsage: 0 | 1,
  responseId: string | null,
  identity: string | null,
  resourceIdentity: string | null,
  provider: string | null,
  durationMs: number | null,
]

const spansAsJson = `json_group_array(json_array(lower(hex(t.trace_id)), lower(hex(t.span_id)), t.start_ms, lower(hex(t.parent_span_id)),
    t.role, t.has_usage, t.response_id, t.identity, t.resource_identity, t.provider, t.duration_ms)) AS spans`

/**
 * How far the spans with one response id are looked at in other traces, in the order of traces: where there are more than may
 * report one answer, that there are is all that matters.
 */
const reachOf = (responseId: string): string => `ifnull((SELECT s.trace_id FROM trace_spans AS s WHERE s.response_id = ${responseId}
    ORDER BY s.trace_id LIMIT 1 OFFSET ${MAX_REPORTS}), x'ffffffffffffffffffffffffffffffffff')`

/** At least what `namesOneAnswer` lets through. */
const isLong = (responseId: string): string => `octet_length(${responseId}) >= 16`

/**
 * The spans that came before and that new ones may change, or be changed by: all above a span; all below one that is new or a
 * call; all with the same response id, long ones in other traces too; and so on from each of these. The siblings below a root that is no call, which are
 * most of a long trace, are not among them. CROSS JOIN keeps SQLite from starting each step with all spans of the trace.
 */
const relatedSpans = `
  WITH RECURSIVE
    fresh AS (SELECT unhex(value->>0) AS trace_id, unhex(value->>1) AS span_id, unhex(value->>2) AS parent_span_id, value->>3 AS response_id
      FROM jsonb_each(?)),
    related (trace_id, span_id, downwards) AS (
      SELECT t.trace_id, t.span_id, 1 FROM fresh AS f JOIN trace_spans AS t ON t.trace_id = f.trace_id AND t.span_id = f.span_id
      UNION SELECT t.trace_id, t.span_id, t.role <> 'other' FROM fresh AS f JOIN trace_spans AS t ON t.trace_id = f.trace_id AND t.span_id = f.parent_span_id
      UNION SELECT t.trace_id, t.span_id, 1 FROM fresh AS f JOIN trace_spans AS t ON t.trace_id = f.trace_id AND t.parent_span_id = f.span_id
      UNION SELECT t.trace_id, t.span_id, 1 FROM fresh AS f JOIN trace_spans AS t ON t.trace_id = f.trace_id AND t.response_id = f.response_id
      UNION SELECT t.trace_id, t.span_id, 1 FROM fresh AS f JOIN trace_spans AS t ON t.response_id = f.response_id
        AND t.trace_id <= ${reachOf('f.response_id')} WHERE ${isLong('f.response_id')}
      UNION SELECT above.trace_id, above.span_id, above.role <> 'other' FROM related AS r
        CROSS JOIN trace_spans AS t ON t.trace_id = r.trace_id AND t.span_id = r.span_id
        CROSS JOIN trace_spans AS above ON above.trace_id = t.trace_id AND above.span_id = t.parent_span_id
      UNION SELECT below.trace_id, below.span_id, 1 FROM related AS r
        JOIN trace_spans AS below ON below.trace_id = r.trace_id AND below.parent_span_id = r.span_id WHERE r.downwards
      UNION SELECT same.trace_id, same.span_id, 1 FROM related AS r
        CROSS JOIN trace_spans AS t ON t.trace_id = r.trace_id AND t.span_id = r.span_id
        CROSS JOIN trace_spans AS same ON same.trace_id = t.trace_id AND same.response_id = t.response_id
      UNION SELECT same.trace_id, same.span_id, 1 FROM related AS r
        CROSS JOIN trace_spans AS t ON t.trace_id = r.trace_id AND t.span_id = r.span_id
        CROSS JOIN trace_spans AS same ON same.response_id = t.response_id AND same.trace_id <= ${reachOf('t.response_id')}
        WHERE ${isLong('t.response_id')}
      LIMIT ${MAX_RELATED_SPANS})
  SELECT ${spansAsJson} FROM (SELECT DISTINCT trace_id, span_id FROM related) AS r JOIN trace_spans AS t ON t.trace_id = r.trace_id AND t.span_id = r.span_id`

/** Those spans of a batch of whose trace, or with whose response id, some span came before. The others are related to none. */
async function findRelated(db: Sqlite, fresh: readonly TraceSpan[]): Promise<TraceSpan[]> {
  const [row] = await db.all<{ found: string }>(
    `SELECT json_group_array(j.key) AS found FROM jsonb_each(?) AS j
     WHERE EXISTS (SELECT 1 FROM trace_spans AS t WHERE t.trace_id = unhex(j.value->>0))
       OR EXISTS (SELECT 1 FROM trace_spans AS t WHERE t.response_id = j.value->>1)`,
    JSON.stringify(fresh.map(({ traceId, responseId }) => (responseId === undefined ? [traceId] : [traceId, responseId]))),
  )
  return (JSON.parse(row?.found ?? '[]') as number[]).flatMap((n) => fresh[n] ?? [])
}

async function readRelated(db: Sqlite, fresh: readonly TraceSpan[]): Promise<TraceSpan[]> {
  if (fresh.length === 0) return []
  return readSpans(
    db,
    relatedSpans,
    JSON.stringify(
      fresh.map(({ traceId, spanId, parentSpanId, responseId }) => [traceId, spanId, parentSpanId ?? null, responseId ?? null]),
    ),
  )
}

/** All spans above some. UNION ends at a circle. */
const spansAbove = `
  WITH RECURSIVE
    below AS (SELECT unhex(value->>0) AS trace_id, unhex(value->>1) AS parent_span_id FROM jsonb_each(?)),
    above (trace_id, span_id) AS (
      SELECT trace_id, parent_span_id FROM below
      UNION SELECT t.trace_id, t.parent_span_id FROM above AS a
        CROSS JOIN trace_spans AS t ON t.trace_id = a.trace_id AND t.span_id = a.span_id WHERE t.parent_span_id IS NOT NULL
      LIMIT ${MAX_RELATED_SPANS})
  SELECT ${spansAsJson} FROM above AS a CROSS JOIN trace_spans AS t ON t.trace_id = a.trace_id AND t.span_id = a.span_id`

/** The spans that stand above some, as far as they are remembered. */
export async function readSpansAbove(db: Sqlite, spans: readonly { traceId: string; parentSpanId: string }[]): Promise<TraceSpan[]> {
  return readSpans(db, spansAbove, JSON.stringify(spans.map(({ traceId, parentSpanId }) => [traceId, parentSpanId])))
}

async function readSpans(db: Sqlite, sql: string, bound: string): Promise<TraceSpan[]> {
  const [row] = await db.all<{ spans: string }>(sql, bound)
  return (JSON.parse(row?.spans ?? '[]') as SpanRow[]).map(
    ([
      traceId,
      spanId,
      startMs,
      parentSpanId,
      role,
      hasUsage,
      responseId,
      identity,
      resourceIdentity,
      provider,
      durationMs,
    ]): TraceSpan => ({
      traceId,
      spanId,
      startMs,
      parentSpanId: parentSpanId === null || parentSpanId === '' ? undefined : parentSpanId,
      role,
      hasUsage: hasUsage === 1,
      responseId: responseId ?? undefined,
      provider: provider ?? undefined,
      durationMs: durationMs ?? undefined,
      identity: identity === null ? undefined : decodeIdentity(identity),
      resourceIdentity: resourceIdentity === null ? undefined : decodeIdentity(resourceIdentity),
    }),
  )
}

/** A span to be remembered. */
interface SeenSpan {
  readonly span: TraceSpan
  readonly seenDay: number
}

const unhex = (json: string): string => `unhex(${json})`

const columns: readonly SparseColumn<SeenSpan>[] = [
  { name: 'trace_id', of: ({ span }) => span.traceId, read: unhex },
  { name: 'span_id', of: ({ span }) => span.spanId, read: unhex },
  { name: 'start_ms', of: ({ span }) => span.startMs },
  { name: 'parent_span_id', of: ({ span }) => span.parentSpanId ?? null, read: unhex, empty: nothing },
  { name: 'role', of: ({ span }) => span.role },
  { name: 'has_usage', of: ({ span }) => (span.hasUsage ? 1 : 0), empty: zero },
  { name: 'response_id', of: ({ span }) => span.responseId ?? null, empty: nothing },
  { name: 'identity', of: ({ span }) => identityText(span.identity), empty: nothing },
  { name: 'resource_identity', of: ({ span }) => identityText(span.resourceIdentity), empty: nothing },
  { name: 'seen_day', of: ({ seenDay }) => seenDay },
  { name: 'provider', of: ({ span }) => span.provider ?? null, empty: nothing },
  { name: 'duration_ms', of: ({ span }) => span.durationMs ?? null, empty: nothing },
]

async function insertSpans(db: Sqlite, spans: readonly TraceSpan[], seenDay: number): Promise<void> {
  if (spans.length === 0) return
  const seen = spans.map((span): SeenSpan => ({ span, seenDay }))
  const sparse = columnsUsed(columns, seen)
  // What is known is not among them, unless it was beyond the limit of what is looked at.
  await db.run(insertSparse('trace_spans', sparse).replace('INSERT', 'INSERT OR IGNORE'), await sparseText(sparse, seen))
}

function identityText(identity: Identity | undefined): string | null {
  if (identity === undefined) return null
  const isEmpty = identity.user === undefined && identity.session === undefined && identity.properties.size === 0
  return isEmpty ? null : encodeIdentity(identity)
}

/** Properties in the order of their keys, so that equal identities are equal texts. */
export function encodeIdentity({ user, session, properties }: Identity): string {
  const sorted = [...properties].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, { name, value }]) => [key, name, value])
  return JSON.stringify([user ?? null, session ?? null, sorted])
}

export function decodeIdentity(text: string): Identity {
  const [user, session, properties] = JSON.parse(text) as [string | null, string | null, [string, string, string][]]
  return {
    user: user ?? undefined,
    session: session ?? undefined,
    properties: new Map(properties.map(([key, name, value]) => [key, { name, value }])),
  }
}
