import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { Store } from '@spanledger/store'

import { openAnalytics, QueryError, type Cell } from '../../src/index.ts'
import { isOver } from '../../src/people/money/tiers-report.ts'
import { parseTiers, useOfLimit } from '../../src/segments/tiers.ts'
import { ledgerOf, type CallWords } from '../ledger.ts'

const AS_OF = Date.parse('2026-03-20T12:00:00Z')
const DAY = 86_400_000

/** Three tiers, with the filters that tell whose they are. */
const tiers = {
  free_tier: { where: 'plan = free', monthly_request_limit: 100, features: ['basic_chat'], support_level: 'community' },
  pro_tier: { where: 'plan = pro', monthly_request_limit: 10_000, features: ['chat', 'analysis', 'summaries'], support_level: 'email' },
  enterprise_tier: { where: 'plan = enterprise', monthly_request_limit: 'unlimited', features: ['all'], support_level: 'priority' },
} as const

function calls(user: string, plan: string, days: readonly number[], feature = 'basic_chat'): CallWords[] {
  return days.map((day, n) => ({
    at: Date.parse('2026-03-01T08:00:00Z') + (day - 1) * DAY + n,
    user,
    properties: { Plan: plan, Feature: feature },
  }))
}
const days = (from: number, to: number, each: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, n) => Array.from({ length: each }, () => from + n)).flat()

describe('tiers', () => {
  let store: Store
  beforeAll(async () => {
    store = await ledgerOf([
      // 93 of 100 by March 20, five a day in the last seven whole days.
      ...calls('ann', 'free', [...days(1, 12, 4), ...days(13, 19, 5), ...days(20, 20, 10)]),
      ...calls('bob', 'free', days(1, 10, 10)),
      ...calls('bob', 'free', [12], 'analysis'),
      // Moved from free to pro on the fifteenth.
      ...calls('cyd', 'free', days(1, 14, 2)),
      ...calls('cyd', 'pro', days(15, 16, 1), 'chat'),
      ...calls('eve', 'enterprise', days(1, 20, 30), 'anything'),
      ...calls('nobody', 'trial', [3]),
      // Of the month before: no part of this month's use.
      { at: '2026-02-27T10:00:00Z', user: 'ann', properties: { plan: 'free' } },
    ])
  })
  afterAll(() => store.close())

  it('count months from their billing_anchor_day, whatever day of the month it is, and the clamped one of a short month', async () => {
    const anchored = { free: { where: 'plan = free', monthly_request_limit: 100, billing_anchor_day: 13 }, all: { billing_anchor_day: 31 } }
    const { rows } = await openAnalytics(store, { now: () => AS_OF }).report('tiers', { options: { tiers: JSON.stringify(anchored) } })
    const columns = ['user', 'month_from', 'requests', 'projected'] as const
    // Ann: five on each of seven days, ten today, and 23 days until April 13. Bob has no call since March 13; Cyd is of the tier by calls as free.
    expect(rows.map((row) => columns.map((column) => row[column]))).toEqual([
      ['ann', '2026-03-13', 45, expect.closeTo(45 + 5 * 23, 9)],
      ['cyd', '2026-03-13', 4 + 2, expect.anything()],
      ['eve', '2026-02-28', 600, expect.anything()],
      ['nobody', '2026-02-28', 1, 1],
    ])
  })

  it('say what is used, what is left, and when it will be used up', async () => {
    const { rows } = await openAnalytics(store, { now: () => AS_OF }).report('tiers', { options: { tiers: JSON.stringify(tiers) } })
    const columns = ['user', 'tier', 'requests', 'request_limit', 'remaining', 'is_over', 'exhausted_on', 'feature_violations'] as const
    expect(rows.map((row) => columns.map((column) => row[column]))).toEqual([
      // On the day of the hundredth call.
      ['bob', 'free_tier', 101, 100, 0, true, '2026-03-10', 1],
      ['ann', 'free_tier', 93, 100, 7, false, '2026-03-22', 0],
      ['cyd', 'pro_tier', 30, 10_000, 9970, false, null, 28],
      ['eve', 'enterprise_tier', 600, null, null, false, null, 0],
    ])
    expect(rows[1]).toMatchObject({ used_share: 0.93, projected: expect.closeTo(93 + 5 * 11, 12) as Cell })
  })

  it('answer an app at once whether a user may go on', async () => {
    const analytics = openAnalytics(store, { now: () => AS_OF, tiers })
    expect(analytics.checkLimit('bob')).toMatchObject({ user: 'bob', tier: null, allowed: true })
    await analytics.loadLimits()
    expect(analytics.checkLimit('bob')).toMatchObject({
      tier: 'free_tier',
      allowed: false,
      used: 101,
      limit: 100,
      remaining: 0,
      share: 1.01,
    })
    expect(analytics.checkLimit('ann')).toMatchObject({ tier: 'free_tier', allowed: true, remaining: 7, exhaustedInDays: 2 })
    expect(analytics.checkLimit('eve')).toMatchObject({ tier: 'enterprise_tier', allowed: true, limit: null, remaining: null })
    expect(analytics.checkLimit('a stranger')).toMatchObject({ tier: null, allowed: true })
  })

  it('may be limited by cost and tokens, and found by segment', async () => {
    const limited = { everybody: { where: 'segment in (new, power, casual)', monthly_cost_limit: 0.00005, monthly_token_limit: 100_000 } }
    const { rows } = await openAnalytics(store, { now: () => AS_OF }).report('tiers', { options: { tiers: JSON.stringify(limited) } })
    const over = rows.filter((row) => row.is_over === true).map(({ user }) => user)
    // 1,000 nano-USD a call.
    expect(over.toSorted()).toEqual(['ann', 'bob', 'eve'])
  })

  it('that cannot be meant are refused', async () => {
    const analytics = openAnalytics(store, { now: () => AS_OF })
    const report = (words: unknown): Promise<unknown> => analytics.report('tiers', { options: { tiers: JSON.stringify(words) } })
    await expect(report({ free: { monthly_request_limits: 5 } })).rejects.toThrow(/Did you mean "monthly_request_limit"/)
    await expect(report({ free: { monthly_request_limit: -1 } })).rejects.toThrow('must be a number from 0')
    for (const day of [0, 32, 1.5, '13']) {
      await expect(report({ free: { billing_anchor_day: day } })).rejects.toThrow('must be a day of the month, 1 to 31')
    }
    await expect(report([1])).rejects.toThrow(QueryError)
    await expect(analytics.report('tiers')).rejects.toThrow('--tiers FILE')
    await expect(report(Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`t${n}`, {}])))).rejects.toThrow('At most 100 tiers')
    await expect(analytics.report('tiers', { options: { tiers: '{' } })).rejects.toThrow('no JSON')
    expect(() => openAnalytics(store, { tiers: { x: { where: 'plan ==' } } })).toThrow(QueryError)
  })
})

it('a limit of cost is reached at exactly that cost, where binary fractions are not', () => {
  // 1.07 * 1e9 is 1070000000.0000001.
  const [tier] = parseTiers({ all: { monthly_cost_limit: 1.07 } })
  const over = (costNanoUsd: bigint): boolean => isOver({ tier: tier!, requests: 1, tokens: 1, costNanoUsd })
  expect([over(1_069_999_999n), over(1_070_000_000n)]).toEqual([false, true])
})

it('a limit is reached after as many days as the last seven say', () => {
  // 930 of 1,000 on March 20, 35 a day: two days, and 1,315 by the end of the month.
  expect(useOfLimit({ limit: 1000, used: 930, lastSevenDays: 245, daysLeft: 11 })).toEqual({
    limit: 1000,
    used: 930,
    remaining: 70,
    share: 0.93,
    projected: 1315,
    exhaustedInDays: 2,
  })
  expect(useOfLimit({ limit: 0, used: 0, lastSevenDays: 0, daysLeft: 1 })).toMatchObject({ share: null, remaining: 0, exhaustedInDays: 0 })
  expect(useOfLimit({ limit: null, used: 5, lastSevenDays: 7, daysLeft: 1 })).toMatchObject({
    remaining: null,
    projected: 6,
    exhaustedInDays: null,
  })
})
