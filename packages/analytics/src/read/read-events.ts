import { formatUsd } from '@spanledger/conventions'
import type { Store } from '@spanledger/store'

import type { Column, Row } from '../query/answer.ts'
import { filterSql } from '../plan/compile-filter.ts'
import { raw } from '../ledger/fragment.ts'
import { openFrame, scopeOf, type Clock, type FrameWords } from './frame.ts'
import { QueryError } from '../query/query-error.ts'
import { propertiesOf } from './read-calls.ts'
import { readRows } from '../ledger/snapshot.ts'

/** The columns of an exported event; which kind fills which says docs/events.md. `properties` is a JSON object by canonical key. */
export const eventColumns: readonly Column[] = [
  { key: 'start', type: 'time', label: 'Start' },
  { key: 'trace_id', type: 'string', label: 'Trace' },
  { key: 'span_id', type: 'string', label: 'Span' },
  { key: 'kind', type: 'string', label: 'Kind' },
  { key: 'name', type: 'string', label: 'Name' },
  { key: 'source', type: 'string', label: 'Source' },
  { key: 'user', type: 'string', label: 'User' },
  { key: 'session', type: 'string', label: 'Session' },
  { key: 'target_kind', type: 'string', label: 'About' },
  { key: 'target', type: 'string', label: 'Target' },
  { key: 'outcome', type: 'string', label: 'Outcome' },
  { key: 'previous', type: 'string', label: 'Before' },
  { key: 'value', type: 'number', label: 'Value' },
  { key: 'min', type: 'number', label: 'Min' },
  { key: 'max', type: 'number', label: 'Max' },
  { key: 'amount_usd', type: 'usd', label: 'Amount' },
  { key: 'task', type: 'string', label: 'Task' },
  { key: 'step', type: 'string', label: 'Step' },
  { key: 'period', type: 'string', label: 'Period' },
  { key: 'origin', type: 'string', label: 'Origin' },
  { key: 'properties', type: 'string', label: 'Properties' },
]

/** Events read at a time. */
const STEP = 5000

type EventRow = [startMs: number, traceId: string, spanId: string, ...rest: (string | number | null)[]]

/**
 * Every event of a period that a filter lets through, in the order of start, in steps; those that later ones replace too.
 * @throws QueryError for a filter by what only calls have
 */
export async function* readEvents(store: Store, clock: Clock, words: Omit<FrameWords, 'by'>): AsyncGenerator<Row[]> {
  const frame = await openFrame(store, clock, { ...words, by: [] })
  const isBegun = words.since !== undefined || words.last !== undefined
  // All history begins with the first call; an event may have been before it.
  const scope = await scopeOf(frame, isBegun ? frame.period : { ...frame.period, fromMs: 0 })
  const where = frame.where === undefined ? raw('1') : filterSql(frame.where, 'feedback', scope)
  if (where === undefined) {
    throw new QueryError('Events are filtered by user, session, property and segment; only calls have a model, a cost, a latency.', {
      given: 'where',
    })
  }
  let after: readonly [number, string, string] = [scope.period.fromMs, '', '']
  for (;;) {
    const rows = await readRows<EventRow>(store, {
      text: `SELECT json_group_array(json_array(c.start_ms, lower(hex(c.trace_id)), lower(hex(c.span_id)), j.kind, j.name, j.source,
          iif(u.user_id = 0, NULL, u.name), iif(s.session_id = 0, NULL, s.name), c.target_kind, nullif(c.target, ''), c.outcome, c.previous,
          c.value, c.min, c.max, c.amount_nano_usd, c.task, c.step, c.period, j.origin,
          (SELECT json_group_array(json_array(pk.key, v.value)) || '' FROM property_values AS v JOIN property_keys AS pk ON pk.key_id = v.key_id
            WHERE v.value_id IN (c.p1, c.p2, c.p3, c.p4, c.p5, c.p6, c.p7, c.p8)
              OR v.value_id IN (SELECT sv.value_id FROM segment_values AS sv WHERE sv.segment_id = c.segment_id)), c.overflow)) AS rows
        FROM (SELECT * FROM events AS c WHERE (c.start_ms, c.span_id, c.trace_id) > (?, unhex(?), unhex(?)) AND c.start_ms < ? AND ${where.text}
            ORDER BY c.start_ms, c.span_id, c.trace_id LIMIT ${STEP}) AS c
        JOIN users AS u ON u.user_id = c.user_id JOIN sessions AS s ON s.session_id = c.session_id
        JOIN event_subjects AS j ON j.subject_id = c.subject_id`,
      values: [after[0], after[2], after[1], scope.period.toMs, ...where.values],
    })
    const last = rows.at(-1)
    if (last === undefined) return
    after = [last[0], last[1], last[2]]
    yield rows.map(toRow)
  }
}

function toRow([startMs, ...cells]: EventRow): Row {
  const said: (string | number | null)[] = [new Date(startMs).toISOString(), ...cells]
  const row: Record<string, string | number | null> = Object.fromEntries(eventColumns.map(({ key }, n) => [key, said[n] ?? null]))
  const amount = row['amount_usd']
  row['amount_usd'] = typeof amount === 'number' ? formatUsd(amount) : null
  row['properties'] = propertiesOf(String(said[eventColumns.length - 1] ?? '[]'), said[eventColumns.length])
  return row
}
