import { mergeIdentities, type EventKind, type Identity, type NamedTarget } from '@spanledger/conventions'

import type { WrittenEvent } from '../batch.ts'
import type { EventKey } from './event-row.ts'
import type { RowKey } from '../users/move-to-user.ts'
import { findNamedCalls, namedBy, readCallIdentities, readPersons, readSessionUsers, withNamed } from './named-calls.ts'
import { readSpansAbove } from '../traces/related-spans.ts'
import { resolvedUser } from '../users/resolved-user.ts'
import { settleTraces, type TraceSpan } from '../traces/settle.ts'
import { decodeIdentity, encodeIdentity } from '../traces/span-rows.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'
import { dayOf, groupByTrace } from '../traces/trace-spans.ts'

/** An event that the spans above it, or the call or session that it names, may still give a user. */
export interface OpenEvent extends EventKey {
  readonly parentSpanId: string | undefined
  /** What it says itself. */
  readonly identity: Identity
  readonly resourceIdentity: Identity | undefined
  /** What it may learn from whose it is, see `namedBy`. */
  readonly named: string | undefined
  /** The call that was found by that. */
  readonly namedCall: RowKey | undefined
}

/** The event as an open one; undefined where nothing can be above it, or the writer has looked, and it names nothing. */
export function toOpenEvent(event: WrittenEvent): OpenEvent | undefined {
  const { startMs, spanId, traceId, kind, target, user, session, properties, resourceIdentity, settled } = event
  const parentSpanId = settled === true ? undefined : event.parentSpanId
  const identity = { user, session, properties }
  const named = namedBy(target, identity)
  if (parentSpanId === undefined && named === undefined) return undefined
  return { startMs, spanId, traceId, parentSpanId, kind, target, identity, resourceIdentity, named, namedCall: undefined }
}

/** Remembers events as open. Inside a transaction. */
export async function insertOpenEvents(db: Sqlite, events: readonly OpenEvent[], nowMs: number): Promise<void> {
  if (events.length === 0) return
  await db.run(
    `INSERT OR IGNORE INTO open_events (trace_id, span_id, start_ms, parent_span_id, identity, resource_identity, seen_day, named)
     SELECT unhex(value->>0), unhex(value->>1), value->>2, unhex(value->>3), value->>4, value->>5, value->>6, value->>7 FROM jsonb_each(?)`,
    JSON.stringify(
      events.map(({ traceId, spanId, startMs, parentSpanId, identity, resourceIdentity, named }) => [
        traceId,
        spanId,
        startMs,
        parentSpanId ?? null,
        encodeIdentity(identity),
        resourceIdentity === undefined ? null : encodeIdentity(resourceIdentity),
        dayOf(nowMs),
        named ?? null,
      ]),
    ),
  )
}

type OpenRow = [
  startMs: number,
  spanId: string,
  traceId: string,
  parentSpanId: string | null,
  kind: EventKind,
  targetKind: string,
  target: string,
  identity: string,
  resourceIdentity: string | null,
  named: string | null,
  namedCall: string | null,
]

/** Whether any event waits for what it names; there is an index of those. */
export async function isAnyNamed(db: Sqlite): Promise<boolean> {
  const [row] = await db.all<{ found: number }>('SELECT EXISTS (SELECT 1 FROM open_events WHERE named IS NOT NULL) AS found')
  return row?.found === 1
}

/** What events name whose answer may be another one when some users become one, or are two again: sessions, and calls of these users. */
export async function readNamesOfUsers(db: Sqlite, users: readonly string[]): Promise<readonly string[]> {
  const rows = await db.all<{ named: string }>(
    `WITH concerned (user_id) AS (SELECT user_id FROM users WHERE name IN (SELECT value FROM json_each(?))),
       persons (user_id) AS (SELECT user_id FROM concerned UNION SELECT (${resolvedUser('concerned.user_id')}) FROM concerned)
     SELECT DISTINCT o.named FROM open_events AS o JOIN events AS e ON e.start_ms = o.start_ms AND e.span_id = o.span_id AND e.trace_id = o.trace_id
     WHERE o.named IS NOT NULL AND (o.named LIKE 'session %' OR e.user_id IN (SELECT user_id FROM persons))`,
    JSON.stringify(users),
  )
  return rows.map(({ named }) => named)
}

/** The open events of some traces, and those that name any of some calls and sessions. */
export async function readOpenEvents(
  db: Sqlite,
  { traceIds, names }: { traceIds: ReadonlySet<string>; names: Iterable<string> },
): Promise<OpenEvent[]> {
  const sought = [...names]
  if (traceIds.size === 0 && sought.length === 0) return []
  const [row] = await db.all<{ events: string }>(
    `WITH found AS (
       SELECT o.trace_id, o.span_id, o.start_ms FROM json_each(?1) AS j CROSS JOIN open_events AS o ON o.trace_id = unhex(j.value)
       UNION
       SELECT o.trace_id, o.span_id, o.start_ms FROM json_each(?2) AS j CROSS JOIN open_events AS o ON o.named = j.value)
     SELECT json_group_array(json_array(o.start_ms, lower(hex(o.span_id)), lower(hex(o.trace_id)), lower(hex(o.parent_span_id)), s.kind,
       e.target_kind, e.target, o.identity, o.resource_identity, o.named, o.named_call)) AS events
     FROM found AS f CROSS JOIN open_events AS o ON o.trace_id = f.trace_id AND o.span_id = f.span_id AND o.start_ms = f.start_ms
     JOIN events AS e ON e.start_ms = o.start_ms AND e.span_id = o.span_id AND e.trace_id = o.trace_id
     JOIN event_subjects AS s ON s.subject_id = e.subject_id`,
    JSON.stringify([...traceIds]),
    JSON.stringify(sought),
  )
  return (JSON.parse(row?.events ?? '[]') as OpenRow[]).map(
    ([startMs, spanId, traceId, parentSpanId, kind, targetKind, target, identity, resourceIdentity, named, namedCall]) => ({
      startMs,
      spanId,
      traceId,
      parentSpanId: parentSpanId === null || parentSpanId === '' ? undefined : parentSpanId,
      kind,
      target: namedTarget(targetKind, target),
      identity: decodeIdentity(identity),
      resourceIdentity: resourceIdentity === null ? undefined : decodeIdentity(resourceIdentity),
      named: named ?? undefined,
      namedCall: namedCall === null ? undefined : (JSON.parse(namedCall) as RowKey),
    }),
  )
}

/** What the event itself named; the other targets follow from whose it is. */
function namedTarget(kind: string, id: string): NamedTarget | undefined {
  return kind === 'session' || kind === 'user' || kind === 'itself' ? undefined : { kind: kind as NamedTarget['kind'], id }
}

/**
 * Whose each event is: its own word, else that of the nearest span above, else that of the call or session that it names, else
 * the resource's.
 */
export async function decideIdentities(
  db: Sqlite,
  events: readonly OpenEvent[],
  { fresh, waiting }: { fresh: ReadonlyMap<string, readonly RowKey[]>; waiting: ReadonlySet<OpenEvent> },
): Promise<ReadonlyMap<OpenEvent, Identity>> {
  const identities = new Map<OpenEvent, Identity>()
  if (events.length === 0) return identities
  const below = events.flatMap(({ traceId, parentSpanId }) => (parentSpanId === undefined ? [] : [{ traceId, parentSpanId }]))
  const above = groupByTrace((await readSpansAbove(db, below)).map(asOther))
  const namedOf = await readNamed(db, events, { fresh, waiting })
  const said = new Map<OpenEvent, Identity>()
  for (const event of events) {
    const spans = above.get(event.traceId) ?? []
    identities.set(event, decideAlone(event, spans))
    if (namedOf(event) !== undefined) said.set(event, decideAlone({ ...event, resourceIdentity: undefined }, spans.map(withoutResource)))
  }
  const others = [...said].flatMap(([event, { user }]) =>
    user === undefined || user === namedOf(event)?.user ? [] : [user, namedOf(event)?.user ?? ''],
  )
  const areOne = await readPersons(db, [...new Set(others)])
  for (const [event, own] of said) {
    identities.set(event, mergeIdentities([withNamed(own, namedOf(event), areOne), identities.get(event) ?? own]))
  }
  return identities
}

/** Of a call it is decided whose it is, and whether it counts, which nobody asks of an event. Each alone: they pass on nothing. */
function decideAlone(event: OpenEvent, above: readonly TraceSpan[]): Identity {
  const span = asCall(event)
  return settleTraces([...above, span]).get(span)?.identity ?? event.identity
}

/** Whose the call or session is that each event names; remembers the calls that were found. */
async function readNamed(
  db: Sqlite,
  events: readonly OpenEvent[],
  { fresh, waiting }: { fresh: ReadonlyMap<string, readonly RowKey[]>; waiting: ReadonlySet<OpenEvent> },
): Promise<(event: OpenEvent) => Identity | undefined> {
  const naming = events.filter((event): event is OpenEvent & { named: string } => event.named !== undefined)
  if (naming.length === 0) return () => undefined
  const calls = await findNamedCalls(db, naming, { fresh, isKnown: (event) => waiting.has(event) })
  const identityOf = await readCallIdentities(db, [...calls.values()])
  const users = await readSessionUsers(db, naming)
  const changed = naming.filter((event) => JSON.stringify(calls.get(event)) !== JSON.stringify(event.namedCall))
  await rememberCalls(
    db,
    changed.map((event) => [event, calls.get(event)]),
  )
  return (event) => {
    const key = calls.get(event as OpenEvent & { named: string })
    if (key !== undefined) return identityOf.get(JSON.stringify(key))
    const user = users.get(event.named?.slice('session '.length) ?? '')
    return event.named?.startsWith('session ') === true && user !== undefined
      ? { user, session: undefined, properties: new Map() }
      : undefined
  }
}

async function rememberCalls(db: Sqlite, found: readonly (readonly [OpenEvent, RowKey | undefined])[]): Promise<void> {
  if (found.length === 0) return
  await db.run(
    `UPDATE open_events SET named_call = j.value->>3 FROM jsonb_each(?) AS j
     WHERE open_events.trace_id = unhex(j.value->>0) AND open_events.span_id = unhex(j.value->>1) AND open_events.start_ms = j.value->>2`,
    JSON.stringify(
      found.map(([{ traceId, spanId, startMs }, key]) => [traceId, spanId, startMs, key === undefined ? null : JSON.stringify(key)]),
    ),
  )
}

function asCall({ traceId, spanId, parentSpanId, startMs, identity, resourceIdentity }: OpenEvent): TraceSpan {
  return { traceId, spanId, parentSpanId, startMs, role: 'call', hasUsage: false, responseId: undefined, identity, resourceIdentity }
}

function asOther(span: TraceSpan): TraceSpan {
  return { ...span, role: 'other' }
}

function withoutResource(span: TraceSpan): TraceSpan {
  return { ...span, resourceIdentity: undefined }
}
