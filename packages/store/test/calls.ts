import { usageOf, type Property, type Usage } from '@spanledger/conventions'
import type { PriceBook } from '@spanledger/pricing'

import type { Store, WrittenCall } from '../src/index.ts'

/** A call as the readers give it, with what a test cares about. */
export function call(more: Partial<WrittenCall> & { n?: number } = {}): WrittenCall {
  const { n = 1, ...rest } = more
  return {
    traceId: n.toString(16).padStart(32, '0'),
    spanId: n.toString(16).padStart(16, '0'),
    parentSpanId: undefined,
    role: 'call',
    startMs: Date.UTC(2026, 0, 15, 12) + n,
    durationMs: 1000,
    timeToFirstTokenMs: undefined,
    operation: 'chat',
    provider: 'openai',
    requestedModel: 'gpt-4o-mini',
    model: 'gpt-4o-mini',
    responseId: undefined,
    serviceTier: undefined,
    streamed: false,
    status: 'ok',
    errorClass: undefined,
    errorType: undefined,
    finishReason: 'stop',
    usage: usageOf({ inputTokens: 100, outputTokens: 10 }),
    usageQuality: 'reported',
    parts: undefined,
    reportedCostNanoUsd: undefined,
    user: 'ann',
    session: undefined,
    properties: new Map(),
    resourceIdentity: undefined,
    origin: 'app',
    faults: [],
    settled: true,
    ...rest,
  }
}

export function properties(values: Readonly<Record<string, string>>): ReadonlyMap<string, Property> {
  return new Map(Object.entries(values).map(([key, value]) => [key, { name: key, value }]))
}

export function tokens(inputTokens: number, outputTokens: number): Usage {
  return usageOf({ inputTokens, outputTokens })
}

const price = { provider: 'test', model: 'any', source: 'test' }

/** One nano-USD a token, so that costs can be read off tokens; no price for the model "unknown". */
export const flatPrices = {
  costOf: ({ usage, model }: { usage?: Usage | undefined; model: string }) => {
    if (usage === undefined) return { costNanoUsd: undefined, reason: 'no_usage', detail: '' }
    if (model === 'unknown') return { costNanoUsd: undefined, reason: 'unknown_model', detail: '' }
    return { costNanoUsd: usage.inputTokens + usage.outputTokens, price }
  },
} as unknown as PriceBook

/** Everything that reports may see, in an order and with names that do not depend on the order of arrival. */
export async function contents(store: Store): Promise<{ calls: unknown[]; users: unknown[]; sessions: unknown[] }> {
  return {
    calls: await store.all(`
      SELECT c.start_ms, hex(c.span_id) AS span, hex(c.trace_id) AS trace, c.counted, u.name AS user, s.name AS session, m.provider, m.model,
        k.status, k.error_class, c.cost_nano_usd, c.input_tokens, c.output_tokens,
        (SELECT group_concat(p.key || '=' || v.value, ';' ORDER BY p.key) FROM property_keys AS p JOIN property_values AS v USING (key_id)
         WHERE v.value_id IN (c.p1, c.p2, c.p3, c.p4, c.p5, c.p6, c.p7, c.p8)
           OR v.value_id IN (SELECT value_id FROM segment_values AS sv WHERE sv.segment_id = c.segment_id)) AS properties, c.overflow
      FROM llm_calls AS c JOIN users AS u USING (user_id) JOIN sessions AS s USING (session_id) JOIN models AS m USING (model_id)
        JOIN kinds AS k USING (kind_id)
      ORDER BY c.start_ms, c.span_id, c.trace_id`),
    users: await store.all(`
      SELECT bucket, name, requests, errors, cancelled, unpriced_requests, cost_nano_usd, input_tokens, output_tokens, latency_ms_sum, active_days,
        first_ms, last_ms, hex(latency) AS latency, hex(ttft) AS ttft
      FROM rollup_users JOIN users USING (user_id) ORDER BY bucket, name`),
    sessions: await store.all(`
      SELECT u.name AS user, s.name, s.first_ms, s.last_ms FROM sessions AS s JOIN users AS u USING (user_id)
      WHERE s.first_ms IS NOT NULL ORDER BY 1, 2`),
  }
}
