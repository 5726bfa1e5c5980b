import fc from 'fast-check'
import { expect } from 'vitest'

import type { Answer, Cell, Filter } from '../src/index.ts'
import type { CallWords } from './ledger.ts'

export const AS_OF = Date.parse('2026-04-15T13:45:10.500Z')
const DAY = 86_400_000

export const exact = [
  'requests',
  'users',
  'sessions',
  'cost_usd',
  'input_tokens',
  'cache_read_tokens',
  'cache_write_tokens',
  'output_tokens',
  'reasoning_tokens',
  'total_tokens',
  'errors',
  'error_rate',
  'cancelled',
  'unpriced_requests',
  'unpriced_tokens',
  'estimated_requests',
  'missing_usage_requests',
  'sample_requests',
  'active_days',
  'latency_avg_ms',
  'rate_limited_requests',
  'reported_cost_usd',
  'reported_cost_requests',
  'cost_drift_usd',
  'cost_drift',
] as const
export const approximate = ['latency_p50_ms', 'latency_p95_ms', 'ttft_p50_ms'] as const

/** Months of calls of a few users, so that groups are small and every case of theirs occurs; deterministic. */
export const randomCalls: CallWords[] = fc.sample(
  fc.record({
    at: fc.integer({ min: AS_OF - 100 * DAY, max: AS_OF + 2 * DAY }),
    user: fc.constantFrom('ada', 'bob', 'eve', 'Zoë 😀', undefined),
    session: fc.constantFrom('1', '2', undefined),
    properties: fc.record(
      {
        Plan: fc.constantFrom('pro', 'free', '', '(none)', 'a%b_c', "it's"),
        Feature: fc.constantFrom('chat', 'doc analysis'),
        Tenant: fc.integer({ min: 1, max: 400 }).map((n) => `t${n}`),
      },
      { requiredKeys: [] },
    ) as fc.Arbitrary<Record<string, string>>,
    provider: fc.constantFrom('openai', 'anthropic'),
    model: fc.constantFrom('gpt-4o', 'claude-sonnet-4-5'),
    answeredBy: fc.constantFrom('gpt-4o', 'gpt-4o-2024-08-06'),
    operation: fc.constantFrom('chat', 'embeddings'),
    status: fc.constantFrom('ok', 'ok', 'ok', 'error', 'cancelled') as fc.Arbitrary<'ok' | 'error' | 'cancelled'>,
    errorClass: fc.constantFrom(undefined, 'rate_limit', 'truncated') as fc.Arbitrary<'rate_limit' | 'truncated' | undefined>,
    latencyMs: fc.integer({ min: 0, max: 90_000 }),
    ttftMs: fc.option(fc.integer({ min: 0, max: 5000 }), { nil: undefined }),
    usage: fc.option(
      fc.record({
        inputTokens: fc.integer({ min: 0, max: 9000 }),
        cacheReadTokens: fc.integer({ min: 0, max: 9000 }),
        cacheWrite1hTokens: fc.integer({ min: 0, max: 90 }),
        outputTokens: fc.integer({ min: 0, max: 9000 }),
        reasoningTokens: fc.integer({ min: 0, max: 900 }),
        audioInputTokens: fc.integer({ min: 0, max: 90 }),
      }),
      { nil: null, freq: 8 },
    ),
    quality: fc.constantFrom('reported', 'reported', 'partial', 'estimated') as fc.Arbitrary<'reported' | 'partial' | 'estimated'>,
    sample: fc.boolean(),
    reportedNanoUsd: fc.option(fc.integer({ min: 0, max: 60_000_000 }), { nil: undefined, freq: 1 }),
    costNanoUsd: fc.option(fc.integer({ min: 0, max: 50_000_000 }), { nil: undefined, freq: 6 }),
  }),
  { numRuns: 1500, seed: 7 },
)

export const zones = ['Europe/Berlin', 'UTC', 'America/St_Johns', 'Asia/Kathmandu', 'Pacific/Auckland']
const dimensions = [
  'user',
  'provider',
  'model',
  'response_model',
  'operation',
  'status',
  'error',
  'property:plan',
  'feature',
  'property:tenant',
  'time:hour',
  'time:day',
  'time:week',
  'time:month',
]
const textDimensions = dimensions.filter((name) => !name.startsWith('time:'))
const values = fc.array(
  fc.constantFrom('pro', 'free', '', '(none)', 'ada', 'Zoë 😀', 'gpt-4o', 'gpt-4o/openai', 'chat', 't1', 'error', '%', 'a%', 'o'),
  {
    minLength: 1,
    maxLength: 3,
  },
)
export const filters: fc.Arbitrary<Filter> = fc.letrec<{ filter: Filter; leaf: Filter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 2, withCrossShrink: true },
    tie('leaf'),
    fc.tuple(fc.constantFrom('and' as const, 'or' as const), tie('filter'), tie('filter')),
    fc.tuple(fc.constant('not' as const), tie('filter')),
  ),
  leaf: fc.oneof(
    fc.tuple(
      fc.constantFrom('is' as const, 'is_not' as const, 'contains' as const, 'not_contains' as const, 'starts_with' as const),
      fc.constantFrom(...textDimensions),
      values,
    ),
    fc.tuple(fc.constantFrom('exists' as const, 'missing' as const), fc.constantFrom(...textDimensions)),
    fc.tuple(
      fc.constantFrom('gt' as const, 'gte' as const, 'lt' as const, 'lte' as const),
      fc.constantFrom('cost_usd', 'total_tokens', 'output_tokens', 'latency_ms', 'ttft_ms'),
      fc.constantFrom(0, 0.01, 0.02, 100, 5000),
    ),
  ),
})).filter

export const periods = fc.oneof(
  fc.constant({}),
  fc.constantFrom({ last: '28d' }, { last: '2w' }, { last: '3mo' }, { last: '1d' }),
  fc
    .tuple(fc.integer({ min: AS_OF - 110 * DAY, max: AS_OF }), fc.integer({ min: 1, max: 60 * DAY }))
    .map(([from, length]) => ({ since: new Date(from).toISOString(), until: new Date(from + length).toISOString() })),
  fc.constantFrom(
    { since: '2026-02-01', until: '2026-02-28' },
    { since: '2026-01-20', until: '2026-04-02' },
    { since: '2026-03-29', until: '2026-03-29' },
  ),
)

export const bys = fc
  .uniqueArray(fc.constantFrom(...dimensions), { maxLength: 3 })
  .filter((by) => by.filter((name) => name.startsWith('time:')).length < 2)

/** Compares an answer's figures with those of plain loops. */
export function expectFigures(found: Answer['totals'], expected: Record<string, string | number | null>): void {
  expect(Object.fromEntries(exact.map((name) => [name, found[name]]))).toEqual(
    Object.fromEntries(exact.map((name) => [name, expected[name]])),
  )
  expect(approximate.filter((name) => !isNear(found[name], expected[name]))).toEqual([])
}

/** Percentiles come from a histogram whose buckets are 2.2 % wide, and are rounded to a tenth of a ms. */
function isNear(found: Cell | undefined, exactly: string | number | null | undefined): boolean {
  if (exactly === null || exactly === undefined) return found === null
  return typeof found === 'number' && Math.abs(found - Number(exactly)) <= Number(exactly) * 0.011 + 0.051
}
