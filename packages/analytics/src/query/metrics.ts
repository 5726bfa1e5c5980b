import { divideHalfEven } from '@spanledger/conventions'

import type { Durations } from '../sums/durations.ts'
import { sumNames, type Group, type Need, type SumName } from '../sums/group.ts'
import { cost, costSums, count, ratio, shareMetric, type Metric } from './metric.ts'
import { partsOfShares, sharePartNames, type SharePart } from './share-parts.ts'
import { saidMetrics } from './said-metrics.ts'

/** Tokens are unknown where no call of the group reported any usage. */
const tokens =
  (...names: readonly SumName[]) =>
  (group: Group): number | null => {
    const requests = count('requests')(group)
    if (requests > 0 && count('missing_usage_requests')(group) === requests) return null
    return names.reduce((sum, name) => sum + count(name)(group), 0)
  }

const each = (nanoUsd: bigint | null, by: number): bigint | null =>
  nanoUsd === null || by === 0 ? null : divideHalfEven(nanoUsd, BigInt(by))

/** Quantiles come from the histogram wherever the answer is read from, so that one question has one answer. */
const quantile = (durations: Durations | undefined, q: number): number | null => {
  const ms = durations?.quantile(q)
  return ms === undefined ? null : Math.round(ms * 10) / 10
}

/** Disjoint: they add up to the tokens of a call. */
export const tokenSums: readonly SumName[] = sumNames.filter((name) => name.endsWith('_tokens'))
const inputSums = ['input_tokens', 'audio_input_tokens', 'image_input_tokens'] as const
const cacheReadSums = ['cache_read_tokens', 'audio_cache_read_tokens'] as const
const cacheWriteSums = ['cache_write_5m_tokens', 'cache_write_1h_tokens'] as const
const outputSums = ['output_tokens', 'audio_output_tokens', 'image_output_tokens'] as const
const missing = 'missing_usage_requests' as const

const metrics = {
  requests: {
    label: 'Requests',
    type: 'int',
    says: 'calls, failed ones too; what repeats another call of its trace is not counted',
    of: count('requests'),
  },
  request_share: shareMetric(
    {
      label: 'Requests %',
      says: 'requests / requests of all rows together, before any is left out by having or limit; of values that one call has several of each counts it',
      needs: ['whole'],
    },
    (group) => (group.whole === undefined ? undefined : { successes: count('requests')(group), n: group.whole }),
  ),
  users: { label: 'Users', type: 'int', says: 'different users; calls without a user add none', needs: ['users'], of: (g) => g.users ?? 0 },
  sessions: {
    label: 'Sessions',
    type: 'int',
    says: 'different session ids; calls without one add none',
    needs: ['sessions'],
    of: (g) => g.sessions ?? 0,
  },
  cost_usd: { label: 'Cost', type: 'usd', says: 'sum over priced calls; null where none is', sums: costSums, of: cost },
  cost_per_request_usd: {
    label: 'Cost/request',
    type: 'usd',
    says: 'cost_usd / requests',
    sums: costSums,
    of: (g) => each(cost(g), count('requests')(g)),
  },
  cost_per_user_usd: {
    label: 'Cost/user',
    type: 'usd',
    says: 'cost_usd / users',
    sums: costSums,
    needs: ['users'],
    of: (g) => each(cost(g), g.users ?? 0),
  },
  input_tokens: {
    label: 'Input',
    type: 'int',
    says: 'neither read from nor written to a cache',
    sums: [...inputSums, missing],
    of: tokens(...inputSums),
  },
  cache_read_tokens: {
    label: 'Cache read',
    type: 'int',
    says: 'read from a cache',
    sums: [...cacheReadSums, missing],
    of: tokens(...cacheReadSums),
  },
  cache_write_tokens: {
    label: 'Cache write',
    type: 'int',
    says: 'written to a cache',
    sums: [...cacheWriteSums, missing],
    of: tokens(...cacheWriteSums),
  },
  output_tokens: {
    label: 'Output',
    type: 'int',
    says: 'visible output, without reasoning',
    sums: [...outputSums, missing],
    of: tokens(...outputSums),
  },
  reasoning_tokens: {
    label: 'Reasoning',
    type: 'int',
    says: 'thought, not shown',
    sums: ['reasoning_tokens', missing],
    of: tokens('reasoning_tokens'),
  },
  total_tokens: {
    label: 'Tokens',
    type: 'int',
    says: 'the sum of the five columns input, cache_read, cache_write, output, reasoning',
    sums: [...tokenSums, missing],
    of: tokens(...tokenSums),
  },
  tokens_per_request: {
    label: 'Tokens/request',
    type: 'number',
    says: 'total_tokens / requests',
    sums: [...tokenSums, missing],
    of: (g) => ratio(tokens(...tokenSums)(g), count('requests')(g)),
  },
  cache_read_share: {
    label: 'Cache read %',
    type: 'rate',
    says: 'cache_read_tokens / (input_tokens + cache_read_tokens + cache_write_tokens)',
    sums: [...inputSums, ...cacheReadSums, ...cacheWriteSums, missing],
    of: (g) => ratio(tokens(...cacheReadSums)(g), tokens(...inputSums, ...cacheReadSums, ...cacheWriteSums)(g)),
  },
  cache_hits: {
    label: 'Cache hits',
    type: 'int',
    says: 'calls that a cache in front of the provider answered; they cost nothing and used no tokens',
    needs: ['saved'],
    of: (g) => g.saved?.hits ?? 0,
  },
  saved_tokens: {
    label: 'Saved tokens',
    type: 'int',
    says: 'what the cache hits would have used; in no other column',
    needs: ['saved'],
    of: (g) => g.saved?.tokens ?? 0,
  },
  saved_cost_usd: {
    label: 'Saved cost',
    type: 'usd',
    says: 'what the cache hits would have cost at the prices of their time; null where none has a price',
    needs: ['saved'],
    of: ({ saved }) => (saved !== undefined && saved.hits > 0 && saved.unpriced === saved.hits ? null : (saved?.costNanoUsd ?? 0n)),
  },
  reported_cost_usd: {
    label: 'Reported cost',
    type: 'usd',
    says: 'what providers or gateways said their calls cost, where they said so; cost_usd is never taken from it',
    needs: ['reported'],
    of: ({ reported }) => (reported === undefined || reported.calls === 0 ? null : reported.costNanoUsd),
  },
  reported_cost_requests: {
    label: 'With reported cost',
    type: 'int',
    says: 'calls of which a provider or gateway said what they cost, 0 included',
    needs: ['reported'],
    of: (g) => g.reported?.calls ?? 0,
  },
  cost_drift_usd: {
    label: 'Drift',
    type: 'usd',
    says: 'reported less computed cost, over the calls that have both',
    needs: ['reported'],
    of: ({ reported }) => (reported === undefined || reported.priced === 0 ? null : reported.pricedNanoUsd - reported.computedNanoUsd),
  },
  cost_drift: {
    label: 'Drift %',
    type: 'rate',
    says: 'cost_drift_usd / computed cost of those calls: 0.1 is reported 10 % dearer than computed',
    needs: ['reported'],
    of: ({ reported }) =>
      reported === undefined ? null : ratio(reported.pricedNanoUsd - reported.computedNanoUsd, reported.computedNanoUsd),
  },
  web_searches: {
    label: 'Web searches',
    type: 'int',
    says: 'searches the provider ran',
    sums: ['web_searches', missing],
    of: tokens('web_searches'),
  },
  errors: { label: 'Errors', type: 'int', says: 'failed calls; cancelled ones are none', sums: ['errors'], of: count('errors') },
  error_rate: shareMetric({ label: 'Error %', says: 'errors / requests', sums: ['errors'] }, (g) => ({
    successes: count('errors')(g),
    n: count('requests')(g),
  })),
  technical_success: shareMetric(
    { label: 'Success %', says: 'calls that went well / calls that were not cancelled', sums: ['errors', 'cancelled'] },
    (g) => {
      const n = count('requests')(g) - count('cancelled')(g)
      return { successes: n - count('errors')(g), n }
    },
  ),
  messages: {
    label: 'Messages',
    type: 'int',
    says: 'requests that a message of a user stands behind: chat, text_completion and generate_content that are no retries',
    needs: ['messages'],
    of: ({ messages }) => messages ?? 0,
  },
  retries: {
    label: 'Retries',
    type: 'int',
    says: 'requests of users that ask what the same user asked up to five minutes before, or of which the app says so; null where nothing in the ledger says what was asked (fingerprints)',
    needs: ['retries'],
    of: ({ retries }) => retries?.retries ?? null,
  },
  retry_rate: shareMetric(
    { label: 'Retry %', says: 'retries / requests of users', needs: ['retries'] },
    ({ retries }) => retries && { successes: retries.retries, n: retries.requests },
  ),
  rate_limited_requests: {
    label: 'Rate limited',
    type: 'int',
    says: 'calls that a rate limit refused (HTTP 429, or an error of that class); errors among others',
    sums: ['rate_limited_requests'],
    of: count('rate_limited_requests'),
  },
  cancelled: { label: 'Cancelled', type: 'int', says: 'calls the app gave up', sums: ['cancelled'], of: count('cancelled') },
  unpriced_requests: {
    label: 'Unpriced',
    type: 'int',
    says: 'calls whose cost is unknown: no price, or no tokens',
    sums: ['unpriced_requests'],
    of: count('unpriced_requests'),
  },
  unpriced_tokens: {
    label: 'Unpriced tokens',
    type: 'int',
    says: 'tokens of calls whose cost is unknown; cost_usd leaves them out',
    needs: ['unpriced'],
    of: (g) => g.unpricedTokens ?? 0,
  },
  estimated_requests: {
    label: 'Estimated',
    type: 'int',
    says: 'calls whose tokens are partial or estimated',
    sums: ['estimated_requests'],
    of: count('estimated_requests'),
  },
  missing_usage_requests: {
    label: 'No usage',
    type: 'int',
    says: 'calls that reported no tokens, failed ones too',
    sums: [missing],
    of: count(missing),
  },
  sample_requests: { label: 'Sample', type: 'int', says: 'calls made up for a demo', sums: ['samples'], of: count('samples') },
  active_days: {
    label: 'Active days',
    type: 'int',
    says: 'local days with a call, of any status: for one user the days, for several their sum',
    needs: ['active_days'],
    of: (g) => g.activeDays ?? 0,
  },
  latency_avg_ms: {
    label: 'Latency avg',
    type: 'ms',
    says: 'mean duration, from the start of a call to its last token',
    sums: ['latency_ms_sum'],
    of: (g) => {
      const mean = ratio(count('latency_ms_sum')(g), count('requests')(g))
      return mean === null ? null : Math.round(mean * 1000) / 1000
    },
  },
  latency_p50_ms: {
    label: 'Latency p50',
    type: 'ms',
    says: 'median duration, nearest rank, within 1.1 %',
    needs: ['latency'],
    of: (g) => quantile(g.latency, 0.5),
  },
  latency_p90_ms: {
    label: 'Latency p90',
    type: 'ms',
    says: 'as long or shorter took 90 % of calls, within 1.1 %',
    needs: ['latency'],
    of: (g) => quantile(g.latency, 0.9),
  },
  latency_p95_ms: {
    label: 'Latency p95',
    type: 'ms',
    says: 'as long or shorter took 95 % of calls, within 1.1 %',
    needs: ['latency'],
    of: (g) => quantile(g.latency, 0.95),
  },
  latency_p99_ms: {
    label: 'Latency p99',
    type: 'ms',
    says: 'as long or shorter took 99 % of calls, within 1.1 %',
    needs: ['latency'],
    of: (g) => quantile(g.latency, 0.99),
  },
  ttft_p50_ms: {
    label: 'First token p50',
    type: 'ms',
    says: 'median time to first token of calls that report it, within 1.1 %',
    needs: ['ttft'],
    of: (g) => quantile(g.ttft, 0.5),
  },
  ttft_p95_ms: {
    label: 'First token p95',
    type: 'ms',
    says: 'as soon or sooner came the first token in 95 % of those calls, within 1.1 %',
    needs: ['ttft'],
    of: (g) => quantile(g.ttft, 0.95),
  },
  started_at: { label: 'Started', type: 'time', says: 'start of the first call', needs: ['extent'], of: (g) => g.firstStartMs ?? null },
  last_call_at: { label: 'Last call', type: 'time', says: 'start of the last call', needs: ['extent'], of: (g) => g.lastStartMs ?? null },
  duration_ms: {
    label: 'Duration',
    type: 'ms',
    says: 'from the start of the first call to the end of the last to end',
    needs: ['extent'],
    of: (g) => (g.firstStartMs === undefined || g.lastEndMs === undefined ? null : g.lastEndMs - g.firstStartMs),
  },
  ...saidMetrics,
} as const satisfies Record<string, Metric>

type OwnName = keyof typeof metrics
type ShareName = { [Name in OwnName]: (typeof metrics)[Name] extends { share: unknown } ? Name : never }[OwnName]
type PartName = `${ShareName}_${SharePart}`

export type MetricName = OwnName | PartName

/** The metrics that have names of their own; each share has its parts and bounds beside these. */
export const metricNames = Object.keys(metrics) as OwnName[]

/** Every metric a question may ask for. */
export const metricTable: Readonly<Record<MetricName, Metric>> = { ...metrics, ...(partsOfShares(metrics) as Record<PartName, Metric>) }

export function isMetric(name: string): name is MetricName {
  return Object.hasOwn(metricTable, name)
}

/** Whether a metric is a share of what is counted one by one. */
export function isShare(name: string): name is ShareName {
  return isMetric(name) && metricTable[name].share !== undefined
}

/** The metrics that tell what a share rests on, and its bounds. */
export function partsOf(name: ShareName): MetricName[] {
  return sharePartNames.map((part): PartName => `${name}_${part}`)
}

/** What has to be read to compute some metrics. */
export function requirements(names: readonly MetricName[]): { sums: ReadonlySet<SumName>; needs: ReadonlySet<Need> } {
  const chosen = names.map((name) => metricTable[name])
  return {
    sums: new Set<SumName>(['requests', ...chosen.flatMap(({ sums = [] }) => sums)]),
    needs: new Set(chosen.flatMap(({ needs = [] }) => needs)),
  }
}
