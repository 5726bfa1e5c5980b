import type { Store } from '@spanledger/store'

import { onSnapshot, readRows } from '../ledger/snapshot.ts'

/** What calls of a day and model used, in the classes that providers bill. */
export interface BilledUsage {
  /** UTC, `2026-01-31`. */
  readonly day: string
  /** What answered. */
  readonly model: string
  readonly requests: number
  readonly unpricedRequests: number
  readonly inputTokens: number
  readonly cacheReadTokens: number
  readonly cacheWriteTokens: number
  /** Reasoning included. */
  readonly outputTokens: number
  readonly webSearches: number
  readonly costNanoUsd: bigint
}

type Row = [day: string, model: string, ...sums: number[], cost: string]

/**
 * What a provider should have billed for the counted calls of a period, by UTC day and model. Cache hits, which it never saw,
 * and sample data are left out.
 */
export async function readBilled(
  store: Store,
  { provider, fromMs, toMs }: { provider: string; fromMs: number; toMs: number },
): Promise<BilledUsage[]> {
  const rows = await onSnapshot(store, () =>
    readRows<Row>(store, {
      text: `SELECT json_group_array(json_array(day, model, requests, unpriced, input, cache_read, cache_write, output, searches, cost)) AS rows FROM (
          SELECT strftime('%Y-%m-%d', c.start_ms / 1000, 'unixepoch') AS day, lower(m.model) AS model, count(*) AS requests,
            sum(c.cost_nano_usd IS NULL) AS unpriced, sum(c.input_tokens + c.audio_input_tokens + c.image_input_tokens) AS input,
            sum(c.cache_read_tokens + c.audio_cache_read_tokens) AS cache_read, sum(c.cache_write_5m_tokens + c.cache_write_1h_tokens) AS cache_write,
            sum(c.output_tokens + c.reasoning_tokens + c.audio_output_tokens + c.image_output_tokens) AS output, sum(c.web_searches) AS searches,
            CAST(coalesce(sum(c.cost_nano_usd), 0) AS TEXT) AS cost
          FROM llm_calls AS c JOIN models AS m ON m.model_id = c.model_id JOIN kinds AS k ON k.kind_id = c.kind_id
          LEFT JOIN saved_calls AS s ON s.start_ms = c.start_ms AND s.span_id = c.span_id AND s.trace_id = c.trace_id
          WHERE c.counted = 1 AND c.start_ms >= ? AND c.start_ms < ? AND m.provider = ? AND k.origin <> 'sample' AND s.start_ms IS NULL
          GROUP BY 1, 2 ORDER BY 1, 2)`,
      values: [fromMs, toMs, provider],
    }),
  )
  return rows.map(([day, model, requests, unpriced, input, cacheRead, cacheWrite, output, searches, cost]) => ({
    day,
    model,
    requests: Number(requests),
    unpricedRequests: Number(unpriced),
    inputTokens: Number(input),
    cacheReadTokens: Number(cacheRead),
    cacheWriteTokens: Number(cacheWrite),
    outputTokens: Number(output),
    webSearches: Number(searches),
    costNanoUsd: BigInt(cost ?? 0),
  }))
}
