import type { SpanLink, WrittenCall } from '../batch.ts'
import { tellable } from '../names/withheld-identity.ts'
import { findRelated, isNew, MAX_RELATED_SPANS, readRelated, readSame, readySearch, type Searched } from './related-spans.ts'
import { settleAlone, settleTraces, type Decision, type TraceSpan } from './settle.ts'
import { deleteSpanRows, encodeIdentity, insertSpanRows, readyRows, type ReadyRows } from './span-rows.ts'
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

/** What a batch brings to its traces, with all that is known of it before the transaction begins. */
export interface ReadyTraces {
  readonly calls: readonly WrittenCall[]
  /** The spans of the calls, then those of the links. */
  readonly search: Searched
  /** The verdict on each span with which nothing else of the batch has to do, as is most of what a collector gets. */
  readonly alone: readonly (Decision | undefined)[]
  /** How they are remembered, if all of them are new, as they nearly always are. */
  readonly rows: ReadyRows
  readonly seenDay: number
}

export async function readyTraces(calls: readonly WrittenCall[], links: readonly SpanLink[], nowMs: number): Promise<ReadyTraces> {
  const spans = [...calls.map(spanOf), ...links.map(linkSpan)]
  const seenDay = dayOf(nowMs)
  return { calls, search: await readySearch(spans), alone: settleThoseAlone(spans), rows: await readyRows(spans, seenDay), seenDay }
}

function settleThoseAlone(spans: readonly TraceSpan[]): (Decision | undefined)[] {
  const times = new Map<string, number>()
  const count = (id: string): void => void times.set(id, (times.get(id) ?? 0) + 1)
  for (const { traceId, responseId } of spans) {
    count(traceId)
    if (responseId !== undefined) count(responseId)
  }
  const isAlone = ({ traceId, responseId }: TraceSpan): boolean =>
    times.get(traceId) === 1 && (responseId === undefined || times.get(responseId) === 1)
  return spans.map((span) => (isAlone(span) ? settleAlone(span) : undefined))
}

/** Where traces are remembered: behind the last row, beside the rest of the transaction. */
interface Remembering {
  readonly lastRow: number
  readonly start: (remembering: Promise<unknown>) => void
}

/** Decides the traces of a batch anew with what it brings, and starts to remember it. Inside a transaction. */
export async function growTraces(
  db: Sqlite,
  { calls, search, alone, rows, seenDay }: ReadyTraces,
  { lastRow, start }: Remembering,
): Promise<TraceChanges> {
  const { spans } = search
  const related = await findRelated(db, search)
  const before = await readRelated(db, related)
  const overLimit = before.length >= MAX_RELATED_SPANS
  const keys = new Set([...before, ...(overLimit ? await readSame(db, related) : [])].map(keyOf))
  const isRelated = new Set(related)
  const decisions = new Map<WrittenCall, Decision>()
  const together = new Map<TraceSpan, WrittenCall | undefined>()
  const remembered = new Set<TraceSpan>()
  for (const [n, span] of spans.entries()) {
    const call = calls[n]
    const decision = isRelated.has(span) ? undefined : alone[n]
    if (decision === undefined) {
      if (isNew(keys, keyOf(span))) together.set(span, call)
      else remembered.add(span)
    } else if (call !== undefined) decisions.set(call, tellableOf(decision))
  }
  const revised: { span: TraceSpan; decision: Decision }[] = []
  const was = settleTraces(before)
  for (const [span, decision] of settleTraces([...before, ...together.keys()])) {
    const call = together.get(span)
    if (call !== undefined) decisions.set(call, tellableOf(decision))
    const earlier = was.get(span)
    if (earlier !== undefined && !sameDecision(earlier, decision)) revised.push({ span, decision: tellableOf(decision) })
  }
  // Nothing else of the calls needs it: while SQLite has them to insert, they are given their ids.
  const isAsReady = remembered.size === 0
  start(
    insertSpanRows(
      db,
      isAsReady
        ? rows
        : await readyRows(
            spans.filter((span) => !remembered.has(span)),
            seenDay,
          ),
      lastRow,
    ),
  )
  return { decisions, revised, overLimit }
}

function tellableOf({ counted, identity }: Decision): Decision {
  return { counted, identity: tellable(identity) }
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
