import { usageBuckets, type Usage } from '@spanledger/conventions'

import { usageColumns } from './measures.ts'
import { SLOTS } from './properties.ts'

/** A row of llm_calls, ids as hex. */
export interface CallRow {
  readonly startMs: number
  readonly spanId: string
  readonly traceId: string
  readonly userId: number
  readonly sessionId: number
  readonly modelId: number
  readonly kindId: number
  readonly priceId: number
  readonly segmentId: number
  readonly counted: boolean
  readonly latencyMs: number
  readonly ttftMs: number | null
  readonly costNanoUsd: number | null
  readonly reportedCostNanoUsd: number | null
  /** All 0 where nothing was reported. */
  readonly usage: Usage
  /** All null where undefined. */
  readonly slots: readonly (number | null)[] | undefined
  readonly overflow: string | null
  readonly parts: string | null
}

const columns = [
  'start_ms',
  'span_id',
  'trace_id',
  'user_id',
  'session_id',
  'model_id',
  'kind_id',
  'price_id',
  'segment_id',
  'counted',
  'latency_ms',
  'ttft_ms',
  'cost_nano_usd',
  'reported_cost_nano_usd',
  ...usageBuckets.map((bucket) => usageColumns[bucket]),
  ...Array.from({ length: SLOTS }, (_, n) => `p${n + 1}`),
  'overflow',
  'parts',
]

/** Binds a JSON array of rows from `encodeCallRow`. */
export const insertCalls = `INSERT INTO llm_calls (${columns.join(', ')})
  SELECT ${columns.map((column, n) => (column.endsWith('_id') && n < 3 ? `unhex(value->>${n})` : `value->>${n}`)).join(', ')}
  FROM jsonb_each(?)`

/** A row's values, in the order of the columns. */
export function encodeCallRow(row: CallRow): (string | number | null)[] {
  const { usage } = row
  const values = [
    row.startMs,
    row.spanId,
    row.traceId,
    row.userId,
    row.sessionId,
    row.modelId,
    row.kindId,
    row.priceId,
    row.segmentId,
    row.counted ? 1 : 0,
    row.latencyMs,
    row.ttftMs,
    row.costNanoUsd,
    row.reportedCostNanoUsd,
  ]
  for (const bucket of usageBuckets) values.push(usage[bucket])
  for (let n = 0; n < SLOTS; n++) values.push(row.slots?.[n] ?? null)
  values.push(row.overflow, row.parts)
  return values
}
