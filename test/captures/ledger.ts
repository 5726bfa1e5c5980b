import { readCall, type SpanRecord } from '@spanledger/conventions'
import { openCollector, type Collector } from '@spanledger/collector'
import { openStore, toLink } from '@spanledger/store'
import { onTestFinished } from 'vitest'

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

/** What a ledger says. @throws where it does not agree with itself */
export async function readSums(path: string): Promise<Sums> {
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

/** What a ledger says after these spans were written into it, in batches of so many. */
export async function sumsOfSpans(spans: readonly SpanRecord[], batchSize: number): Promise<Sums> {
  const path = tempLedger()
  const store = await openStore({ path })
  try {
    for (let at = 0; at < spans.length; at += batchSize) {
      const batch = spans.slice(at, at + batchSize)
      const calls = batch.flatMap((span) => readCall(span, 'otlp') ?? [])
      const links = batch.filter((span) => readCall(span, 'otlp') === undefined).map((span) => toLink(span))
      await store.write({ calls, links })
    }
  } finally {
    await store.close()
  }
  return readSums(path)
}

/** A body as an exporter posts it to `/v1/traces`. */
export interface OtlpRequest {
  readonly body: Buffer | string
  readonly headers: Readonly<Record<string, string>>
}

/** What a ledger says after a collector was sent these requests, one after the other. */
export async function sumsOfRequests(requests: readonly OtlpRequest[]): Promise<Sums> {
  const { path, httpUrl, close } = await startCollector()
  for (const { body, headers } of requests) {
    const answer = await fetch(`${httpUrl}/v1/traces`, { method: 'POST', body, headers })
    if (answer.status !== 200) throw new Error(`${answer.status}: ${await answer.text()}`)
  }
  await close()
  return readSums(path)
}

/** A collector on a free port, and the path of its ledger. */
export async function startCollector(): Promise<Collector & { readonly path: string }> {
  const path = tempLedger()
  const collector = await openCollector({ httpPort: 0, grpcPort: 'off', store: { path } })
  let closed: Promise<void> | undefined
  const close = (): Promise<void> => (closed ??= collector.close())
  onTestFinished(close)
  return { ...collector, close, path }
}

/** Sums as `readSums` gives them. */
export function sumUp(rows: readonly { readonly who: readonly (string | undefined)[]; readonly numbers: readonly number[] }[]): Sums {
  const byName = new Map<string, number[]>()
  for (const { who: names, numbers } of rows) {
    const key = names.map((name) => name ?? '(none)').join(' | ')
    const sum = byName.get(key)
    byName.set(key, sum === undefined ? [...numbers] : sum.map((value, n) => value + (numbers[n] ?? 0)))
  }
  return Object.fromEntries([...byName].sort(([a], [b]) => (a < b ? -1 : 1)))
}
