import type { EventKind, Identity, NamedTarget } from '@spanledger/conventions'

import type { WrittenEvent } from './batch.ts'
import type { EventKey } from './event-row.ts'
import { readSpansAbove } from './related-spans.ts'
import { settleTraces, type TraceSpan } from './settle.ts'
import { decodeIdentity, encodeIdentity } from './span-rows.ts'
import type { Sqlite } from './sqlite.ts'
import { dayOf, groupByTrace } from './trace-spans.ts'

/** An event that the spans above it may still give a user. */
export interface OpenEvent extends EventKey {
  readonly parentSpanId: string
  /** What it says itself. */
  readonly identity: Identity
  readonly resourceIdentity: Identity | undefined
}

/** The event as an open one; undefined where nothing can be above it, or the writer has looked. */
export function toOpenEvent(event: WrittenEvent): OpenEvent | undefined {
  const { startMs, spanId, traceId, parentSpanId, kind, target, user, session, properties, resourceIdentity, settled } = event
  if (settled === true || parentSpanId === undefined) return undefined
  return { startMs, spanId, traceId, parentSpanId, kind, target, identity: { user, session, properties }, resourceIdentity }
}

/** Remembers events as open. Inside a transaction. */
export async function insertOpenEvents(db: Sqlite, events: readonly OpenEvent[], nowMs: number): Promise<void> {
  if (events.length === 0) return
  await db.run(
    `INSERT OR IGNORE INTO open_events (trace_id, span_id, start_ms, parent_span_id, identity, resource_identity, seen_day)
     SELECT unhex(value->>0), unhex(value->>1), value->>2, unhex(value->>3), value->>4, value->>5, value->>6 FROM jsonb_each(?)`,
    JSON.stringify(
      events.map(({ traceId, spanId, startMs, parentSpanId, identity, resourceIdentity }) => [
        traceId,
        spanId,
        startMs,
        parentSpanId,
        encodeIdentity(identity),
        resourceIdentity === undefined ? null : encodeIdentity(resourceIdentity),
        dayOf(nowMs),
      ]),
    ),
  )
}

type OpenRow = [
  startMs: number,
  spanId: string,
  traceId: string,
  parentSpanId: string,
  kind: EventKind,
  targetKind: string,
  target: string,
  identity: string,
  resourceIdentity: string | null,
]

/** The open events of some traces. */
export async function readOpenEvents(db: Sqlite, traceIds: ReadonlySet<string>): Promise<OpenEvent[]> {
  if (traceIds.size === 0) return []
  const [row] = await db.all<{ events: string }>(
    `SELECT json_group_array(json_array(o.start_ms, lower(hex(o.span_id)), lower(hex(o.trace_id)), lower(hex(o.parent_span_id)), s.kind,
       e.target_kind, e.target, o.identity, o.resource_identity)) AS events
     FROM json_each(?) AS j CROSS JOIN open_events AS o ON o.trace_id = unhex(j.value)
     JOIN events AS e ON e.start_ms = o.start_ms AND e.span_id = o.span_id AND e.trace_id = o.trace_id
     JOIN event_subjects AS s ON s.subject_id = e.subject_id`,
    JSON.stringify([...traceIds]),
  )
  return (JSON.parse(row?.events ?? '[]') as OpenRow[]).map(
    ([startMs, spanId, traceId, parentSpanId, kind, targetKind, target, identity, resourceIdentity]) => ({
      startMs,
      spanId,
      traceId,
      parentSpanId,
      kind,
      target: namedTarget(targetKind, target),
      identity: decodeIdentity(identity),
      resourceIdentity: resourceIdentity === null ? undefined : decodeIdentity(resourceIdentity),
    }),
  )
}

/** What the event itself named; the other targets follow from whose it is. */
function namedTarget(kind: string, id: string): NamedTarget | undefined {
  return kind === 'session' || kind === 'user' || kind === 'itself' ? undefined : { kind: kind as NamedTarget['kind'], id }
}

/** Whose each event is, by the rules of calls: its own word, else that of the nearest span above, else the resource's. */
export async function decideIdentities(db: Sqlite, events: readonly OpenEvent[]): Promise<ReadonlyMap<OpenEvent, Identity>> {
  const identities = new Map<OpenEvent, Identity>()
  if (events.length === 0) return identities
  const above = groupByTrace((await readSpansAbove(db, events)).map(asOther))
  for (const event of events) {
    // Of a call it is decided whose it is, and whether it counts, which nobody asks of an event. Each alone: they pass on nothing.
    const span = asCall(event)
    const decision = settleTraces([...(above.get(event.traceId) ?? []), span]).get(span)
    if (decision !== undefined) identities.set(event, decision.identity)
  }
  return identities
}

function asCall({ traceId, spanId, parentSpanId, startMs, identity, resourceIdentity }: OpenEvent): TraceSpan {
  return { traceId, spanId, parentSpanId, startMs, role: 'call', hasUsage: false, responseId: undefined, identity, resourceIdentity }
}

function asOther(span: TraceSpan): TraceSpan {
  return { ...span, role: 'other' }
}
