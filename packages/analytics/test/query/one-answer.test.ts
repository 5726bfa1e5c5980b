import { afterEach, describe, expect, it } from 'vitest'

import type { LedgerEvent } from '@spanledger/conventions'
import type { Store } from '@spanledger/store'

import { openAnalytics, QueryError, type Analytics, type Filter } from '../../src/index.ts'
import { eventOf, scoreFacts } from '../events.ts'
import { ledgerOf, type CallWords } from '../ledger.ts'

const AS_OF = Date.parse('2026-03-31T00:00:00Z')
const opened: Store[] = []
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close()
})

async function analyticsOf(calls: readonly CallWords[], events: readonly LedgerEvent[] = []): Promise<Analytics> {
  const store = await ledgerOf(calls)
  opened.push(store)
  await store.write({ calls: [], events: [...events] })
  return openAnalytics(store, { now: () => AS_OF })
}

const call = (user: string, day: number, properties: Record<string, string> = {}, more: Partial<CallWords> = {}): CallWords => ({
  at: Date.parse('2026-03-01T10:00:00Z') + (day - 1) * 86_400_000,
  user,
  properties,
  ...more,
})

describe('all history', () => {
  const said = [
    eventOf({ kind: 'nps', user: 'ada', at: '2026-02-01T00:00:00Z', says: { 'nps.score': 9 } }),
    eventOf({ kind: 'revenue', user: 'ada', at: '2026-02-01T00:00:00Z', says: { 'revenue.amount': 20 } }),
    eventOf({ kind: 'feedback', user: 'ada', at: '2026-02-02T00:00:00Z', says: scoreFacts({ name: 'stars', value: 5, min: 1, max: 5 }) }),
  ]

  it('begins with what was said before the first call, wherever that is asked for', async () => {
    const analytics = await analyticsOf([call('ada', 5)], said)
    const metrics = ['nps_answers', 'revenue_usd', 'feedback_count', 'requests']
    expect((await analytics.query({ metrics, by: ['user'] })).rows).toEqual([
      { user: 'ada', nps_answers: 1, revenue_usd: '20.000000000', feedback_count: 1, requests: 1 },
    ])
    expect((await analytics.report('users')).rows).toMatchObject([{ user: 'ada', revenue_usd: '20.000000000', feedback_count: 1 }])
    expect((await analytics.report('nps')).rows).toMatchObject([{ month: '2026-02', nps_answers: 1 }, { month: '2026-03' }])
    // What looks at calls alone begins with the first of them.
    expect((await analytics.report('models')).meta.from).toBe('2026-03-05T00:00:00.000Z')
  })

  it('of people who answered and never called has their answers', async () => {
    expect((await (await analyticsOf([], said)).report('nps')).rows).toMatchObject([{ month: '2026-02', nps_answers: 1 }])
  })
})

it('a month without a payment earned nothing where others earned something: in business as in a query', async () => {
  const calls = ['2026-01-05', '2026-02-05', '2026-03-05'].map((day) => ({ at: `${day}T10:00:00Z`, user: 'ada', costNanoUsd: 1e9 }))
  const paid = eventOf({ kind: 'revenue', user: 'ada', at: '2026-02-07T00:00:00Z', says: { 'revenue.amount': 20 } })
  const analytics = await analyticsOf(calls, [paid])
  const months = (await analytics.report('business')).rows.map((row) => [row['month'], row['revenue_usd'], row['margin_usd']])
  const asked = await analytics.query({ metrics: ['revenue_usd', 'margin_usd'], by: ['time:month'], order_by: [['month', 'asc']] })
  expect(months).toEqual([
    ['2026-01', '0.000000000', '-1.000000000'],
    ['2026-02', '20.000000000', '19.000000000'],
    ['2026-03', '0.000000000', '-1.000000000'],
  ])
  expect(asked.rows.map((row) => [row['month'], row['revenue_usd'], row['margin_usd']])).toEqual(months)
})

it.each(['full', 'split'] as const)(
  'what was said of users is told by lists too, of some rows and of the others: %s',
  async (attribution) => {
    const tags = ['["a","b"]', '["b"]', '["c","a"]']
    const calls = tags.flatMap((list, n) => [call(`u${n}`, 1, { tags: list }), call(`u${n}`, 2, { tags: list })])
    const events = tags.map((list, n) =>
      eventOf({
        kind: 'feedback',
        user: `u${n}`,
        at: '2026-03-03T00:00:00Z',
        properties: { tags: list },
        says: scoreFacts({ name: 'stars', value: 5, min: 1, max: 5 }),
      }),
    )
    const analytics = await analyticsOf(calls, events)
    const ask = (more: object) =>
      analytics.query({ metrics: ['requests', 'feedback_count'], by: ['property:tags'], attribution, order_by: [['tags', 'asc']], ...more })
    const whole = await ask({})
    expect(whole.rows.map((row) => [row['tags'], row['feedback_count']])).toEqual([
      ['a', 2],
      ['b', 2],
      ['c', 1],
    ])
    const first = await ask({ limit: 1, other: true })
    expect(first.rows).toEqual(whole.rows.slice(0, 1))
    // Each of them has a value that is not listed.
    expect(first.other?.values['feedback_count']).toBe(3)
    expect((await ask({ having: 'requests > 3' })).rows.length).toBeLessThan(3)
    expect((await ask({ last: '29d', compare: 'previous', limit: 2 })).rows).toHaveLength(2)
  },
)

it('friction under a filter is of the power users whose calls it lets through', async () => {
  const busy = (user: string, plan: string, isLimited: boolean): CallWords[] => [
    { at: '2026-01-05T10:00:00Z', user, properties: { plan } },
    ...Array.from({ length: 40 }, (_, n) =>
      call(user, 20 + (n % 8), { plan }, isLimited && n === 0 ? { status: 'error', errorClass: 'rate_limit' } : {}),
    ),
  ]
  const others = Array.from({ length: 20 }, (_, n) => call(`x${n}`, 20, { plan: 'free' }))
  const analytics = await analyticsOf([...busy('p1', 'pro', true), ...busy('p2', 'free', true), ...busy('p3', 'pro', false), ...others])
  const limitsOf = async (params: object) => {
    const { rows } = await analytics.report('friction', params)
    const row = rows.find((one) => one['friction'] === 'rate_limits')
    return [row?.['share'], row?.['n'], row?.['of']]
  }
  expect(await limitsOf({})).toEqual([2 / 3, 2, 3])
  expect(await limitsOf({ where: 'plan = pro' })).toEqual([1 / 2, 1, 2])
  // Of nobody who is one nothing is told.
  expect(await limitsOf({ user: 'x3' })).toEqual([null, 0, 0])
  const { seed } = await analytics.report('friction', { user: 'x3', options: { shape: 'seed' } })
  expect(seed).toMatchObject({ friction_analysis: { error_hotspots: { rate_limits: null } } })
})

it.each([
  ['["is","plan",["pro"],["free"]]', '"is" takes 2 operands; here are 3'],
  ['["not",["is","plan",["pro"]],["is","plan",["free"]]]', '"not" takes one operand; here are 2'],
  ['["segment",["power"],["new"]]', '"segment" takes one operand'],
  ['["gt","cost_usd",0.01,5]', '"gt" takes 2 operands'],
  ['["exists","plan","x"]', '"exists" takes one operand'],
])('a filter with more operands than are looked at is refused: %s', async (text, why) => {
  const analytics = await analyticsOf([call('ada', 1, { plan: 'pro' })])
  await expect(analytics.query({ metrics: ['requests'], where: JSON.parse(text) as Filter })).rejects.toThrow(why)
})

it('options may be lists and numbers in code, and what is no object is refused in words', async () => {
  const analytics = await analyticsOf([call('ada', 1)])
  const weeks = { options: { weeks: [1, 2] as unknown as string } }
  expect((await analytics.report('cohorts', weeks)).columns.map(({ key }) => key)).toEqual(['cohort', 'size', 'w1', 'w2', 'reason'])
  for (const odd of [null, [], 'x', 5]) await expect(analytics.report('users', odd as never)).rejects.toThrow(QueryError)
  await expect(analytics.report('cohorts', { options: { weeks: {} as never } })).rejects.toThrow(/weeks must be a text, a number or a list/)
})

it('a zone that is none is told the nearest', () => {
  const store = {} as Store
  expect(() => openAnalytics(store, { timeZone: 'Europe/Berln' })).toThrow(/Did you mean "Europe\/Berlin"\?/)
})

it('a feature that nobody has is said to be none', async () => {
  const { meta } = await (await analyticsOf([call('ada', 1, { feature: 'chat' })])).report('adoption', { options: { feature: 'chta' } })
  expect(meta.warnings).toContain('no call has the feature "chta"; did you mean "chat"?')
})

it('tiers that say of nobody who is in them are of the users whose plan is called so, as the seed writes them', async () => {
  const tiers = {
    free_tier: { monthly_request_limit: 1000, features: ['basic_chat'], support_level: 'community' },
    pro_tier: { monthly_request_limit: 10_000, features: ['chat', 'analysis', 'summaries'], support_level: 'email' },
    enterprise_tier: { monthly_request_limit: 'unlimited' as const, features: ['all'], support_level: 'priority' },
  }
  const store = await ledgerOf([
    call('ada', 28, { UserTier: 'free' }),
    call('ben', 28, { plan: 'pro' }),
    call('cyd', 28, { 'User-Tier': 'Enterprise' }),
    call('dan', 28, { tier: 'pro_tier' }),
    call('eve', 28),
  ])
  opened.push(store)
  const told = async (analytics: Analytics, options: Record<string, string>) =>
    (await analytics.report('tiers', { options, order_by: [['user', 'asc']] })).rows.map((row) => `${row['user']} ${row['tier']}`)
  const expected = ['ada free_tier', 'ben pro_tier', 'cyd enterprise_tier', 'dan pro_tier']
  expect(await told(openAnalytics(store, { now: () => AS_OF }), { tiers: JSON.stringify(tiers) })).toEqual(expected)
  expect(await told(openAnalytics(store, { now: () => AS_OF, segments: tiers }), {})).toEqual(expected)
  // A ledger that knows one of these properties only will do.
  const plain = await ledgerOf([call('ada', 28, { plan: 'free' }), call('eve', 28, { plan: 'gold' })])
  opened.push(plain)
  const segmented = openAnalytics(plain, { now: () => AS_OF, segments: tiers })
  expect(await told(segmented, {})).toEqual(['ada free_tier'])
  expect((await segmented.report('users', { segment: 'free_tier' })).rows.map(({ user }) => user)).toEqual(['ada'])
  // One alone is for everybody.
  expect(
    await told(openAnalytics(store, { now: () => AS_OF }), { tiers: JSON.stringify({ all: { monthly_request_limit: 5 } }) }),
  ).toHaveLength(5)
})
