import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { Store } from '@spanledger/store'

import { openAnalytics, QueryError, type ReportParams, type Row } from '../../src/index.ts'
import { earnedBy, monthLabel, monthNumber } from '../../src/people/money/earnings.ts'
import { eventOf, type EventWords } from '../events.ts'
import { ledgerOf, type CallWords } from '../ledger.ts'

const USD = 1_000_000_000
const AS_OF = Date.parse('2026-06-15T12:00:00Z')

function payment(user: string | undefined, at: string, amount: number, period?: string, properties?: EventWords['properties']): EventWords {
  return { at, user, kind: 'revenue', properties, says: { 'revenue.amount': amount, 'revenue.period': period } }
}

async function rowsOf(store: Store, params: ReportParams = {}): Promise<readonly Row[]> {
  return (await openAnalytics(store, { now: () => AS_OF }).report('business', params)).rows
}

const lines = (rows: readonly Row[], ...keys: string[]): string[] => rows.map((row) => keys.map((key) => String(row[key])).join(' '))

it('a user worth 20 USD a month, with a margin of 60 % and a churn of 5 %, is worth 240 USD uncapped', async () => {
  const payers = Array.from({ length: 20 }, (_, n) => `payer-${n}`)
  const store = await ledgerOf([{ at: '2026-03-10T10:00:00Z', user: 'payer-1', costNanoUsd: 152 * USD }])
  await store.write({
    calls: [],
    events: [
      ...payers.map((user) => payment(user, '2026-02-05T00:00:00Z', 20, 'month')),
      ...payers.slice(1).map((user) => payment(user, '2026-03-05T00:00:00Z', 20, 'month')),
    ].map(eventOf),
  })
  const [, march] = await rowsOf(store, { since: '2026-02-01', until: '2026-03-31' })
  expect(march).toMatchObject({ arppu_usd: '20.000000000', margin_rate: 0.6, churn: 0.05, ltv_uncapped_usd: '240.000000000' })
  await store.close()
})

describe('a payment for a year', () => {
  let store: Store
  beforeAll(async () => {
    store = await ledgerOf(
      ['2026-01-10', '2026-02-10', '2026-03-10', '2026-06-10'].map((day) => ({ at: `${day}T10:00:00Z`, user: 'ann', costNanoUsd: USD })),
    )
    await store.write({
      calls: [],
      events: [
        payment('ann', '2026-01-05T00:00:00Z', 120, 'year'),
        payment('bob', '2026-01-05T00:00:00Z', 10, 'month'),
        payment('cyd', '2026-02-05T00:00:00Z', 30.000_000_001, 'quarter'),
      ].map(eventOf),
    })
  })
  afterAll(() => store.close())

  it('is earned in twelve months, in none of which its payer is gone', async () => {
    const rows = await rowsOf(store)
    expect(lines(rows, 'month', 'revenue_usd', 'received_usd', 'paying_users', 'churn')).toEqual([
      '2026-01 20.000000000 130.000000000 2 null',
      // What cannot be shared among the months is in the first.
      '2026-02 20.000000001 30.000000001 2 0.5',
      '2026-03 20.000000000 0.000000000 2 0',
      '2026-04 20.000000000 0.000000000 2 0',
      '2026-05 10.000000000 0.000000000 1 0.5',
      '2026-06 10.000000000 0.000000000 1 null',
    ])
    expect(lines(rows, 'net_revenue_retention').slice(0, 4)).toEqual(['null', '0.5', String(20 / 20.000_000_001), '1'])
  })

  it('is earned in a period after it, too, and received in that of the payment alone', async () => {
    const rows = await rowsOf(store, { since: '2026-03-15', until: '2026-04-30' })
    expect(lines(rows, 'month', 'revenue_usd', 'received_usd', 'churn')).toEqual([
      '2026-03 20.000000000 0.000000000 0',
      '2026-04 20.000000000 0.000000000 0',
    ])
  })

  it('has a lifetime value for ever only where somebody left', async () => {
    const [, february, march] = await rowsOf(store)
    // 20.000000001 / 2 payers, less 1 of cost; half of the payers left.
    expect(Number(february?.['ltv_uncapped_usd'])).toBeCloseTo(((20 / 2) * (19 / 20)) / 0.5, 6)
    expect(march).toMatchObject({ churn: 0, ltv_uncapped_usd: null, ltv_usd: expect.stringMatching(/^\d+\.\d{9}$/) as unknown })
  })
})

describe('a filter', () => {
  it('lets the payments of those through whose calls it lets through, and none where only calls can tell', async () => {
    const store = await ledgerOf([
      { at: '2026-05-10T10:00:00Z', user: 'ann', properties: { plan: 'pro' }, costNanoUsd: 3 * USD },
      { at: '2026-05-10T10:00:00Z', user: 'bob', properties: { plan: 'free' }, costNanoUsd: USD },
    ])
    await store.write({
      calls: [],
      events: [
        payment('ann', '2026-05-05T00:00:00Z', 20, 'month', { plan: 'pro' }),
        payment('bob', '2026-05-05T00:00:00Z', 7, 'once', { plan: 'free' }),
      ].map(eventOf),
    })
    const told = async (params: ReportParams) => lines(await rowsOf(store, params), 'revenue_usd', 'cost_usd', 'margin_usd')
    expect(await told({})).toEqual(['27.000000000 4.000000000 23.000000000'])
    expect(await told({ user: 'ann' })).toEqual(['20.000000000 3.000000000 17.000000000'])
    expect(await told({ where: 'plan = free' })).toEqual(['7.000000000 1.000000000 6.000000000'])
    expect(await told({ where: 'model = gpt-4o' })).toEqual(['null 4.000000000 null'])
    const { meta } = await openAnalytics(store, { now: () => AS_OF }).report('business', { where: 'model = gpt-4o' })
    expect(meta.warnings.join()).toContain('payments are filtered by user, session')
    await store.close()
  })
})

describe('a price list', () => {
  let store: Store
  beforeAll(async () => {
    const call = (user: string, day: string, plan?: string): CallWords => ({
      at: `2026-${day}T10:00:00Z`,
      user,
      costNanoUsd: USD,
      ...(plan === undefined ? {} : { properties: { plan } }),
    })
    store = await ledgerOf([
      // Only calls say it: of several in a month the last, and of months without one nothing.
      call('ann', '03-01', 'pro'),
      call('ann', '03-20', 'team'),
      call('ann', '05-20', 'pro'),
      // A trait holds until another does, called or not.
      call('bob', '03-01', 'pro'),
      // The change that was told goes before what calls say; before the first it is the plan that was changed from.
      call('cyd', '03-01', 'team'),
      call('cyd', '05-01', 'team'),
      // Who was told to have paid has no price.
      call('dan', '03-01', 'team'),
      call('dan', '05-01', 'team'),
      call('eve', '05-01', 'free'),
      call('fay', '05-01'),
    ])
    await store.writeTraits([
      { user: 'bob', name: 'plan', value: 'pro', validFromMs: Date.parse('2026-03-10T00:00:00Z') },
      { user: 'bob', name: 'plan', value: 'free', validFromMs: Date.parse('2026-05-10T00:00:00Z') },
    ])
    await store.write({
      calls: [],
      events: [
        { at: '2026-04-10T00:00:00Z', kind: 'plan_change' as const, user: 'cyd', says: { 'plan.from': 'pro', 'plan.to': 'free' } },
        payment('dan', '2026-03-05T00:00:00Z', 3, 'month'),
      ].map(eventOf),
    })
  })
  afterAll(() => store.close())

  const prices = { options: { plan_prices: 'free:0, pro:20,team:99.5' } }

  it('charges each month whole by the plan that a user has when it ends, of users without a payment', async () => {
    expect(lines(await rowsOf(store, prices), 'month', 'revenue_usd', 'basis', 'paying_users', 'received_usd')).toEqual([
      // ann 99.5, bob 20, cyd 20, and the 3 that dan paid.
      '2026-03 142.500000000 told, plan_prices 4 3.000000000',
      // bob.
      '2026-04 20.000000000 plan_prices 1 0.000000000',
      // ann; bob and cyd are free, eve too.
      '2026-05 20.000000000 plan_prices 1 0.000000000',
      '2026-06 0.000000000 plan_prices 0 0.000000000',
    ])
  })

  it('is not looked at where it is not given', async () => {
    expect(lines(await rowsOf(store), 'month', 'revenue_usd', 'basis')).toEqual(['2026-03 3.000000000 told', '2026-05 0.000000000 null'])
  })

  it('is of one user, where one is asked for', async () => {
    expect(lines(await rowsOf(store, { ...prices, user: 'ann' }), 'month', 'revenue_usd', 'basis')).toEqual([
      '2026-03 99.500000000 plan_prices',
      '2026-05 20.000000000 plan_prices',
    ])
  })

  it('that names no plan of anybody says so, and one that is none is refused', async () => {
    const analytics = openAnalytics(store, { now: () => AS_OF })
    const { rows, meta } = await analytics.report('business', { options: { plan_prices: 'gold:5' } })
    expect(lines(rows, 'revenue_usd')).toEqual(['3.000000000', '0.000000000'])
    expect(meta.warnings.join()).toContain('no user is on a plan of --plan-prices (gold)')
    for (const text of ['pro', 'pro:', ':5', 'pro:-1', 'pro:1e30', 'pro:x', 'pro:1,pro:2', ''])
      await expect(analytics.report('business', { options: { plan_prices: text } })).rejects.toThrow(QueryError)
  })
})

describe('any payments', () => {
  it('are earned to the nano-USD, each in as many months as it is for', () => {
    const payments = fc.record({
      userId: fc.nat(3),
      month: fc.integer({ min: 24_000, max: 24_400 }),
      nanoUsd: fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }),
      period: fc.constantFrom(null, 'once', 'week', 'month', 'quarter', 'year'),
    })
    fc.assert(
      fc.property(payments, (paid) => {
        const parts = earnedBy(paid)
        expect(parts.reduce((sum, { nanoUsd }) => sum + nanoUsd, 0n)).toBe(paid.nanoUsd)
        expect(parts.map(({ month }) => month - paid.month)).toEqual([...Array(parts.length).keys()])
        const [first, ...rest] = parts
        for (const { nanoUsd } of rest) expect((first?.nanoUsd ?? 0n) - nanoUsd).toBe((first?.nanoUsd ?? 0n) - (rest[0]?.nanoUsd ?? 0n))
        expect(parts.length).toBe(paid.period === 'year' ? 12 : paid.period === 'quarter' ? 3 : 1)
      }),
    )
    expect([monthLabel(monthNumber(2026, 12)), monthLabel(monthNumber(2027, 1))]).toEqual(['2026-12', '2027-01'])
  })

  it('come to what adding them up one by one by user and month finds', async () => {
    const months = ['2026-01', '2026-02', '2026-03', '2026-04', '2026-05']
    const some = fc.array(
      fc.record({
        user: fc.constantFrom('ann', 'bob', 'cyd'),
        month: fc.nat(4),
        amount: fc.integer({ min: -20, max: 60 }),
        isYear: fc.boolean(),
      }),
      { minLength: 1, maxLength: 12 },
    )
    await fc.assert(
      fc.asyncProperty(some, async (paid) => {
        const store = await ledgerOf(months.map((month) => ({ at: `${month}-03T00:00:00Z`, user: 'zoe', costNanoUsd: USD })))
        const events = paid.map(({ user, month, amount, isYear }, n) =>
          eventOf(payment(user, `${months[month]}-05T00:00:${String(n).padStart(2, '0')}Z`, 12 * amount, isYear ? 'year' : 'month')),
        )
        await store.write({ calls: [], events })
        const rows = await rowsOf(store, { since: '2026-01-01', until: '2026-05-31' })
        await store.close()
        const earnedIn = (user: string, n: number): number =>
          paid
            .filter((one) => one.user === user && (one.isYear ? one.month <= n : one.month === n))
            .reduce((sum, { amount, isYear }) => sum + (isYear ? amount : 12 * amount), 0)
        const payers = (n: number): string[] => ['ann', 'bob', 'cyd'].filter((user) => earnedIn(user, n) > 0)
        for (const [n, row] of rows.entries()) {
          const total = ['ann', 'bob', 'cyd'].reduce((sum, user) => sum + earnedIn(user, n), 0)
          expect(row['revenue_usd']).toBe(`${total}.000000000`)
          expect(row['margin_usd']).toBe(`${total - 1}.000000000`)
          expect(row['paying_users']).toBe(payers(n).length)
          const before = n === 0 ? [] : payers(n - 1)
          expect(row['churn']).toBe(before.length === 0 ? null : before.filter((user) => !payers(n).includes(user)).length / before.length)
        }
        expect(rows).toHaveLength(5)
      }),
      { numRuns: 25 },
    )
  })
})

describe('the users report', () => {
  let store: Store
  beforeAll(async () => {
    store = await ledgerOf([
      { at: '2026-06-01T10:00:00Z', user: 'ann', costNanoUsd: 2 * USD },
      { at: '2026-06-02T10:00:00Z', user: 'bob', costNanoUsd: USD },
      { at: '2026-06-03T10:00:00Z', user: 'bob', costNanoUsd: USD },
    ])
    await store.write({
      calls: [],
      events: [
        payment('ann', '2026-06-05T00:00:00Z', 20),
        payment('cyd', '2026-06-05T00:00:00Z', 7, undefined, { plan: 'pro' }),
        payment('dan', '2026-06-06T00:00:00Z', 3),
      ].map(eventOf),
    })
  })
  afterAll(() => store.close())
  const users = async (params: ReportParams = {}) => openAnalytics(store, { now: () => AS_OF }).report('users', params)

  it('has a row for who paid without a call, and only those with a call are counted as users', async () => {
    const { rows, totals, meta } = await users({ more_metrics: ['users'] })
    expect(lines(rows, 'user', 'requests', 'cost_usd', 'revenue_usd', 'margin_usd', 'cost_percentile', 'active_days', 'segment')).toEqual([
      'ann 1 2.000000000 20.000000000 18.000000000 50 1 new',
      'bob 2 2.000000000 0.000000000 -2.000000000 50 2 new',
      'cyd 0 0.000000000 7.000000000 7.000000000 null 0 null',
      'dan 0 0.000000000 3.000000000 3.000000000 null 0 null',
    ])
    expect(totals).toMatchObject({ users: 2, requests: 3, revenue_usd: '30.000000000', margin_usd: '26.000000000' })
    expect(meta.rows).toBe(4)
  })

  it('adds rows and others up to the totals, sorts by what was paid, and turns its pages over all of them', async () => {
    const first = await users({ order_by: [['revenue_usd', 'desc']], limit: 2, other: true })
    expect(lines(first.rows, 'user', 'revenue_usd')).toEqual(['ann 20.000000000', 'cyd 7.000000000'])
    expect(first.other).toMatchObject({ rows: 2, values: { requests: 2, revenue_usd: '3.000000000' } })
    const second = await users({ order_by: [['revenue_usd', 'desc']], limit: 2, after: first.meta.next ?? '' })
    expect(lines(second.rows, 'user', 'revenue_usd')).toEqual(['dan 3.000000000', 'bob 0.000000000'])
  })

  it('chooses payers as it chooses callers', async () => {
    expect(lines((await users({ user: 'dan' })).rows, 'user', 'revenue_usd')).toEqual(['dan 3.000000000'])
    expect(lines((await users({ where: 'plan = pro' })).rows, 'user', 'revenue_usd')).toEqual(['cyd 7.000000000'])
    expect(lines((await users({ having: 'requests = 0' })).rows, 'user')).toEqual(['cyd', 'dan'])
    expect(lines((await users({ metrics: ['requests'] })).rows, 'user')).toEqual(['ann', 'bob'])
  })
})
