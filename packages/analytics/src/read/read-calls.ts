import { formatUsd } from '@spanledger/conventions'
import type { Store } from '@spanledger/store'

import type { Column, Row } from '../query/answer.ts'
import { filterSql } from '../plan/compile-filter.ts'
import { sql } from '../ledger/fragment.ts'
import { openFrame, scopeOf, type Clock, type FrameWords } from './frame.ts'
import { NONE } from '../query/dimensions.ts'
import { readRows } from '../ledger/snapshot.ts'

/** The columns of an exported call; `properties` is a JSON object by canonical key. */
export const callColumns: readonly Column[] = [
  { key: 'start', type: 'time', label: 'Start' },
  { key: 'trace_id', type: 'string', label: 'Trace' },
  { key: 'span_id', type: 'string', label: 'Span' },
  { key: 'user', type: 'string', label: 'User' },
  { key: 'session', type: 'string', label: 'Session' },
  { key: 'provider', type: 'string', label: 'Provider' },
  { key: 'requested_model', type: 'string', label: 'Requested model' },
  { key: 'response_model', type: 'string', label: 'Response model' },
  { key: 'operation', type: 'string', label: 'Operation' },
  { key: 'status', type: 'string', label: 'Status' },
  { key: 'error', type: 'string', label: 'Error' },
  { key: 'finish_reason', type: 'string', label: 'Finish reason' },
  { key: 'service_tier', type: 'string', label: 'Service tier' },
  { key: 'usage_quality', type: 'string', label: 'Usage quality' },
  { key: 'origin', type: 'string', label: 'Origin' },
  { key: 'latency_ms', type: 'ms', label: 'Latency' },
  { key: 'ttft_ms', type: 'ms', label: 'First token' },
  { key: 'cost_usd', type: 'usd', label: 'Cost' },
  { key: 'input_tokens', type: 'int', label: 'Input' },
  { key: 'cache_read_tokens', type: 'int', label: 'Cache read' },
  { key: 'cache_write_tokens', type: 'int', label: 'Cache write' },
  { key: 'output_tokens', type: 'int', label: 'Output' },
  { key: 'reasoning_tokens', type: 'int', label: 'Reasoning' },
  { key: 'cache_verdict', type: 'string', label: 'Cached tokens' },
  { key: 'properties', type: 'string', label: 'Properties' },
]

/** Calls read at a time. */
const STEP = 5000

type CallRow = [startMs: number, traceId: string, spanId: string, ...rest: (string | number | null)[]]

/** Every counted call of a period that a filter lets through, in the order of start, in steps. */
export async function* readCalls(store: Store, clock: Clock, words: Omit<FrameWords, 'by'>): AsyncGenerator<Row[]> {
  const frame = await openFrame(store, clock, { ...words, by: [] })
  const scope = await scopeOf(frame, frame.period)
  const where = frame.where === undefined ? sql`1` : (filterSql(frame.where, 'calls', scope) ?? sql`1`)
  let after: readonly [number, string, string] = [scope.period.fromMs, '', '']
  for (;;) {
    const rows = await readRows<CallRow>(store, {
      text: `SELECT json_group_array(json_array(c.start_ms, lower(hex(c.trace_id)), lower(hex(c.span_id)), iif(u.user_id = 0, NULL, u.name),
          iif(s.session_id = 0, NULL, s.name), m.provider, m.requested_model, m.model, k.operation, k.status, nullif(k.error_class, ''),
          nullif(k.finish_reason, ''), nullif(k.service_tier, ''), k.usage_quality, k.origin, c.latency_ms, c.ttft_ms, c.cost_nano_usd,
          c.input_tokens + c.audio_input_tokens + c.image_input_tokens, c.cache_read_tokens + c.audio_cache_read_tokens,
          c.cache_write_5m_tokens + c.cache_write_1h_tokens, c.output_tokens + c.audio_output_tokens + c.image_output_tokens, c.reasoning_tokens,
          nullif(k.cache_verdict, ''),
          (SELECT json_group_array(json_array(pk.key, v.value)) || '' FROM property_values AS v JOIN property_keys AS pk ON pk.key_id = v.key_id
            WHERE v.value_id IN (c.p1, c.p2, c.p3, c.p4, c.p5, c.p6, c.p7, c.p8)
              OR v.value_id IN (SELECT sv.value_id FROM segment_values AS sv WHERE sv.segment_id = c.segment_id)), c.overflow)) AS rows
        FROM (SELECT * FROM llm_calls AS c WHERE (c.start_ms, c.span_id, c.trace_id) > (?, unhex(?), unhex(?)) AND c.start_ms < ?
            AND c.counted = 1 AND ${where.text} ORDER BY c.start_ms, c.span_id, c.trace_id LIMIT ${STEP}) AS c
        JOIN users AS u ON u.user_id = c.user_id JOIN sessions AS s ON s.session_id = c.session_id
        JOIN models AS m ON m.model_id = c.model_id JOIN kinds AS k ON k.kind_id = c.kind_id`,
      values: [after[0], after[2], after[1], scope.period.toMs, ...where.values],
    })
    const last = rows.at(-1)
    if (last === undefined) return
    after = [last[0], last[1], last[2]]
    yield rows.map(toRow)
  }
}

function toRow([startMs, traceId, spanId, ...rest]: CallRow): Row {
  const cells: (string | number | null)[] = [new Date(startMs).toISOString(), traceId, spanId, ...rest]
  const row: Record<string, string | number | null> = Object.fromEntries(callColumns.map(({ key }, n) => [key, cells[n] ?? null]))
  const cost = row['cost_usd']
  row['cost_usd'] = typeof cost === 'number' ? formatUsd(cost) : null
  if (row['usage_quality'] === 'missing') {
    for (const { key } of callColumns) if (key.endsWith('_tokens')) row[key] = null
  }
  row['properties'] = propertiesOf(String(cells[callColumns.length - 1] ?? '[]'), cells[callColumns.length])
  return row
}

/** Properties as JSON, from the interned ones as pairs and those that overflowed. */
export function propertiesOf(interned: string, overflow: string | number | null | undefined): string {
  const pairs = [
    ...(JSON.parse(interned) as [string, string][]),
    ...Object.entries(JSON.parse(typeof overflow === 'string' ? overflow : '{}') as Record<string, string>),
  ]
  return JSON.stringify(Object.fromEntries(pairs.filter(([, value]) => value !== NONE).sort(([a], [b]) => (a < b ? -1 : 1))))
}
