import { readCall, readSpanIdentity, type SpanRecord } from '@spanledger/conventions'
import { openStore } from '@spanledger/store'

import { tempLedger } from '../app.ts'

/**
 * Sums by everything that a call belongs to: `user | session | model | status | plan | region` -> requests, those of them
 * without usage, and tokens: input, cache read, cache write, output, reasoning.
 */
export type Sums = Readonly<Record<string, readonly number[]>>

const property = (key: string): string => `coalesce((
  SELECT v.value FROM property_values AS v JOIN property_keys AS k USING (key_id) JOIN segment_values AS s USING (value_id)
  WHERE k.key = '${key}' AND s.segment_id = c.segment_id), '(none)')`

const sums = `
  SELECT u.name || ' | ' || s.name || ' | ' || m.model || ' | ' || k.status || ' | ' || ${property('plan')} || ' | ' || ${property('region')} AS who,
    json_array(count(*), sum(k.usage_quality = 'missing'), sum(c.input_tokens), sum(c.cache_read_tokens),
      sum(c.cache_write_5m_tokens + c.cache_write_1h_tokens), sum(c.output_tokens), sum(c.reasoning_tokens)) AS numbers
  FROM llm_calls AS c JOIN users AS u USING (user_id) JOIN sessions AS s USING (session_id) JOIN models AS m USING (model_id)
    JOIN kinds AS k USING (kind_id)
  WHERE c.counted GROUP BY 1 ORDER BY 1`

/** What a ledger says after these spans were written into it, in batches of so many. */
export async function sumsOf(spans: readonly SpanRecord[], batchSize = 512): Promise<Sums> {
  const path = tempLedger()
  await write(path, spans, batchSize)
  const store = await openStore({ path, readOnly: true })
  try {
    const { checks } = await store.verify()
    const wrong = checks.filter(({ ok }) => !ok)
    if (wrong.length > 0) throw new Error(`the ledger does not agree with itself: ${JSON.stringify(wrong)}`)
    const rows = await store.all<{ who: string; numbers: string }>(sums)
    return Object.fromEntries(rows.map((row) => [row.who, JSON.parse(row.numbers)]))
  } finally {
    await store.close()
  }
}

async function write(path: string, spans: readonly SpanRecord[], batchSize: number): Promise<void> {
  const store = await openStore({ path })
  try {
    for (let at = 0; at < spans.length; at += batchSize) {
      const batch = spans.slice(at, at + batchSize)
      const calls = batch.flatMap((span) => readCall(span, 'otlp') ?? [])
      const known = new Set(calls.map(({ spanId }) => spanId))
      const links = batch
        .filter(({ spanId }) => !known.has(spanId))
        .map((span) => {
          const { traceId, spanId, parentSpanId, startMs } = span
          return { traceId, spanId, parentSpanId, startMs: Math.floor(startMs), identity: readSpanIdentity(span) }
        })
      await store.write({ calls, links })
    }
  } finally {
    await store.close()
  }
}

/** Sums as `sumsOf` gives them. */
export function sumUp(rows: readonly { readonly who: readonly (string | undefined)[]; readonly numbers: readonly number[] }[]): Sums {
  const byName = new Map<string, number[]>()
  for (const { who: names, numbers } of rows) {
    const key = names.map((name) => name ?? '(none)').join(' | ')
    const sum = byName.get(key)
    byName.set(key, sum === undefined ? [...numbers] : sum.map((value, n) => value + (numbers[n] ?? 0)))
  }
  return Object.fromEntries([...byName].sort(([a], [b]) => (a < b ? -1 : 1)))
}
