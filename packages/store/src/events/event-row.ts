import { targetOf, type Identity, type LedgerEvent } from '@spanledger/conventions'

import type { IdentityIds } from '../names/interning.ts'
import { SLOTS } from '../names/properties.ts'

const slotColumns = Array.from({ length: SLOTS }, (_, n) => `p${n + 1}`)
const keyColumns = ['start_ms', 'span_id', 'trace_id']
/** What depends on whose the event is, so that it may change when more of its trace is known. */
const identityColumns = ['user_id', 'session_id', 'segment_id', 'target_kind', 'target', ...slotColumns, 'overflow']
const factColumns = [
  'start_fraction',
  'subject_id',
  'outcome',
  'previous',
  'value',
  'min',
  'max',
  'amount_nano_usd',
  'task',
  'step',
  'period',
]

const columns = [...keyColumns, ...identityColumns, ...factColumns]

/** Binds a JSON array of rows from `encodeEventRow`. */
export const insertEvents = `INSERT INTO events (${columns.join(', ')}) SELECT ${columns.map(bound).join(', ')} FROM jsonb_each(?)`

/** Binds a JSON array of rows from `encodeIdentityRow`. */
export const updateEventIdentities = `UPDATE events SET ${identityColumns.map((column) => `${column} = j.${column}`).join(', ')}
  FROM (SELECT ${[...keyColumns, ...identityColumns].map((column, n) => `${bound(column, n)} AS ${column}`).join(', ')} FROM jsonb_each(?)) AS j
  WHERE events.start_ms = j.start_ms AND events.span_id = j.span_id AND events.trace_id = j.trace_id`

function bound(column: string, n: number): string {
  return column === 'span_id' || column === 'trace_id' ? `unhex(value->>${n})` : `value->>${n}`
}

type Value = string | number | null

/** What names an event, and what it says it is about. */
export type EventKey = Pick<LedgerEvent, 'startMs' | 'spanId' | 'traceId' | 'kind' | 'target'>

/** The key of an event and what depends on whose it is, in the order of the columns. */
export function encodeIdentityRow(event: EventKey, identity: Identity, { userId, sessionId, placed }: IdentityIds): Value[] {
  const target = targetOf(event, identity)
  const slots = placed.slots ?? Array.from({ length: SLOTS }, () => null)
  return [
    event.startMs,
    event.spanId,
    event.traceId,
    userId,
    sessionId,
    placed.segmentId,
    target.kind,
    target.id,
    ...slots,
    placed.overflow,
  ]
}

/** An event's values, in the order of the columns. */
export function encodeEventRow(event: LedgerEvent, identity: Identity, ids: IdentityIds & { readonly subjectId: number }): Value[] {
  return [
    ...encodeIdentityRow(event, identity, ids),
    event.startFraction,
    ids.subjectId,
    event.outcome ?? null,
    event.previous ?? null,
    event.value ?? null,
    event.min ?? null,
    event.max ?? null,
    event.amountNanoUsd ?? null,
    event.task ?? null,
    event.step ?? null,
    event.period ?? null,
  ]
}
