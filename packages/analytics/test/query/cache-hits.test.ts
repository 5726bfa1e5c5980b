import { expect, it } from 'vitest'

import { openAnalytics, type Answer, type Filter } from '../../src/index.ts'
import { ledgerOf, type CallWords } from '../ledger.ts'

const calls: CallWords[] = [
  { at: '2026-01-05T10:00:00Z', user: 'ada', properties: { plan: 'pro' }, costNanoUsd: 700 },
  { at: '2026-01-05T11:00:00Z', user: 'ada', properties: { plan: 'pro' }, costNanoUsd: 700, cacheHit: true },
  { at: '2026-01-06T11:00:00Z', user: 'ada', properties: { plan: 'pro' }, costNanoUsd: 300, cacheHit: true, model: 'gpt-4o-mini' },
  { at: '2026-01-06T12:00:00Z', user: 'bob', properties: { plan: 'free' }, costNanoUsd: undefined, cacheHit: true },
  { at: '2026-01-07T12:00:00Z', user: 'cid', properties: { plan: 'free' }, costNanoUsd: 500 },
]

const metrics = ['requests', 'cost_usd', 'unpriced_requests', 'total_tokens', 'cache_hits', 'saved_tokens', 'saved_cost_usd']

async function ask(query: (analytics: ReturnType<typeof openAnalytics>) => Promise<Answer>): Promise<Answer> {
  const store = await ledgerOf(calls)
  const answer = await query(openAnalytics(store, { now: () => Date.parse('2026-01-10T00:00:00Z') }))
  await store.close()
  return answer
}

const row = (cells: readonly unknown[]): unknown => Object.fromEntries(metrics.map((name, n) => [name, cells[n]]))

it('counts cache hits and what they saved beside what was used, by user', async () => {
  const { rows, totals } = await ask((analytics) => analytics.report('users', { metrics }))
  expect(rows.map(({ user, ...cells }) => [user, cells])).toEqual([
    ['ada', row([3, '0.000000700', 0, 15, 2, 30, '0.000001000'])],
    ['cid', row([1, '0.000000500', 0, 15, 0, 0, '0.000000000'])],
    ['bob', row([1, '0.000000000', 0, 0, 1, 15, null])],
  ])
  expect(totals).toEqual(row([5, '0.000001200', 0, 30, 3, 45, '0.000001000']))
})

it.each<[string[], Filter | undefined, number]>([
  [['property:plan'], undefined, 2],
  [['model'], undefined, 2],
  [['time:day'], undefined, 3],
  [['user', 'time:day'], ['is', 'property:plan', ['pro']], 2],
  [[], ['gt', 'latency_ms', 5], 1],
])('adds up to the same when split by %j where %j', async (by, where, groups) => {
  const { rows, totals } = await ask((analytics) =>
    analytics.query({ metrics, by, ...(where !== undefined && { where }), since: '2026-01-01' }),
  )
  expect(rows).toHaveLength(groups)
  expect(rows.reduce((sum, one) => sum + Number(one['cache_hits']), 0)).toBe(totals['cache_hits'])
  expect(totals['cache_hits']).toBe(by.includes('user') ? 2 : 3)
})

it('takes hits into the period in which they were', async () => {
  const { totals } = await ask((analytics) => analytics.query({ metrics, since: '2026-01-06', until: '2026-01-06' }))
  expect(totals).toEqual(row([2, '0.000000000', 0, 0, 2, 30, '0.000000300']))
})

it('is counted in what the listed rows leave', async () => {
  for (const other of [
    (await ask((analytics) => analytics.report('users', { metrics, limit: 1, other: true }))).other,
    (await ask((analytics) => analytics.query({ metrics, by: ['user'], order_by: [['cost_usd', 'desc']], limit: 1, other: true }))).other,
  ])
    expect(other).toEqual({ rows: 2, values: row([2, '0.000000500', 0, 15, 1, 15, null]) })
})
