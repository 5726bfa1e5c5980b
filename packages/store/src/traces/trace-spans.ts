import type { SpanLink, WrittenCall } from '../batch.ts'
import { findRelated, MAX_RELATED_SPANS, readRelated, readSame } from './related-spans.ts'
import { settleAlone, settleTraces, type Decision, type TraceSpan } from './settle.ts'
import { deleteSpanRows, encodeIdentity, insertSpanRows } from './span-rows.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'

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

const DAY_MS = 86_400_000

/** What a batch brings to its traces; `start` takes what may run beside the rest of the transaction. */
interface Brought {
  readonly calls: readonly WrittenCall[]
  readonly links: readonly SpanLink[]
  readonly nowMs: number
  readonly start: (remembering: Promise<unknown>) => void
}

/** Decides the traces of a batch anew with what it brings, and starts to remember it. Inside a transaction. */
export async function growTraces(db: Sqlite, { calls, links, nowMs, start }: Brought): Promise<TraceChanges> {
  const callOfSpan = new Map(calls.map((call) => [spanOf(call), call]))
  const fresh = [...callOfSpan.keys(), ...links.map(linkSpan)]
  const related = await findRelated(db, fresh)
  const before = await readRelated(db, related)
  const overLimit = before.length >= MAX_RELATED_SPANS
  const keys = new Set([...before, ...(overLimit ? await readSame(db, related) : [])].map(keyOf))
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
  // Nothing else of the calls needs it: while SQLite has them to insert, they are priced and given their ids.
  start(insertSpanRows(db, added, dayOf(nowMs)))
  return { decisions, revised, overLimit }
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

/** Forgets the spans and open events that have had their days. Inside a transaction. */
export async function forgetOldTraces(db: Sqlite, nowMs: number): Promise<void> {
  const oldest = dayOf(nowMs) - TRACE_DAYS
  await db.run('DELETE FROM open_events WHERE seen_day < ?', oldest)
  await deleteSpanRows(db, oldest)
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
