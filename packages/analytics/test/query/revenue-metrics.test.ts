import type { Store } from '@spanledger/store'
import { afterEach, expect, it } from 'vitest'

import { openAnalytics, type Answer } from '../../src/index.ts'
import { eventOf } from '../events.ts'
import { ledgerOf, type CallWords } from '../ledger.ts'

const open: Store[] = []
afterEach(async () => {
  for (const store of open.splice(0)) await store.close()
})

const AT = '2026-01-05T10:00:00Z'
const USD = 1_000_000_000

async function rowsOf(name: string, params = {}, { pays = true } = {}): Promise<Pick<Answer, 'rows' | 'totals' | 'other'>> {
  const call = (user: string, plan: string, costNanoUsd: number | undefined): CallWords => ({
    at: AT,
    user,
    costNanoUsd,
    properties: { plan },
  })
  const store = await ledgerOf([call('ada', 'pro', 2 * USD), call('ben', 'free', 3 * USD), call('cyd', 'pro', undefined)])
  open.push(store)
  const pay = (user: string, amount: number, id: string, at = AT) =>
    eventOf({
      at,
      kind: 'revenue',
      user,
      properties: { plan: 'pro' },
      says: { 'event.name': 'plan', 'revenue.amount': amount, 'revenue.id': id },
    })
  await store.write({
    calls: [],
    // The first payment of ada is corrected; cyd's is given back; ada pays more than a double holds to the nano-dollar.
    events: !pays
      ? []
      : [
          pay('ada', 10, 'a1'),
          pay('ada', 12, 'a1', '2026-01-06T10:00:00Z'),
          pay('ada', 9_000_000, 'a2'),
          pay('ada', 9_000_000, 'a3'),
          pay('cyd', 20, 'c1'),
          pay('cyd', -20, 'c2'),
        ],
  })
  const { rows, totals, other } = await openAnalytics(store, { now: () => Date.parse('2026-02-01T00:00:00Z') }).report(name, params)
  return { rows, totals, other }
}

it('users have what they paid and what is left of it, nothing where they did not pay, and no margin where no call has a price', async () => {
  const { rows, totals } = await rowsOf('users', { order_by: [['user', 'asc']] })
  expect(rows.map(({ user, revenue_usd, margin_usd }) => [user, revenue_usd, margin_usd])).toEqual([
    ['ada', '18000012.000000000', '18000010.000000000'],
    ['ben', '0.000000000', '-3.000000000'],
    ['cyd', '0.000000000', null],
  ])
  expect([totals['revenue_usd'], totals['margin_usd']]).toEqual(['18000012.000000000', '18000007.000000000'])
})

it('users are ranked by what is left of what they paid, which finds those who cost more than they pay', async () => {
  const { rows } = await rowsOf('users', { order_by: [['margin_usd', 'desc']] })
  expect(rows[0]?.['user']).toBe('ada')
  const { rows: losses } = await rowsOf('users', { order_by: [['margin_usd', 'asc']] })
  expect(losses[0]?.['user']).toBe('ben')
})

it('who costs money and pays nothing is found by a margin below zero, alone and among others, whatever is read first', async () => {
  const columns = ['cost_usd', 'revenue_usd', 'margin_usd']
  const loss = { user: 'ben', cost_usd: '3.000000000', revenue_usd: '0.000000000', margin_usd: '-3.000000000' }
  const { user: _, ...total } = loss
  for (const params of [{ user: 'ben' }, { having: ['lt', 'margin_usd', 0] }, { where: ['is', 'user', ['ben']] }]) {
    const { rows, totals } = await rowsOf('users', { ...params, metrics: columns })
    expect({ rows, totals }).toEqual({ rows: [loss], totals: total })
  }
  const { rows } = await rowsOf('users', { order_by: [['margin_usd', 'asc']], limit: 1, metrics: columns })
  expect(rows).toEqual([loss])
})

it('nothing is known of what anybody brought in where no payment was told', async () => {
  const columns = { metrics: ['revenue_usd', 'margin_usd'] }
  for (const [name, params] of [['users', {}] as const, ['properties', { by: ['property:plan'] }] as const]) {
    const { rows, totals } = await rowsOf(name, { ...params, ...columns }, { pays: false })
    expect(rows.length).toBeGreaterThan(1)
    expect([...rows, totals].flatMap((row) => [row['revenue_usd'], row['margin_usd']]).filter((cell) => cell !== null)).toEqual([])
  }
})

it('margins of priced users add up to the total to the nano-dollar', async () => {
  const { rows, totals, other } = await rowsOf('users', { where: ['is', 'user', ['ada', 'ben']], limit: 1, other: true })
  expect(rows.map(({ margin_usd }) => margin_usd)).toEqual(['-3.000000000'])
  expect(other?.values['margin_usd']).toBe('18000010.000000000')
  expect(totals['margin_usd']).toBe('18000007.000000000')
})

it('plans have revenue too, as far as payments carry the property', async () => {
  const { rows } = await rowsOf('properties', { by: ['property:plan'], more_metrics: ['payments', 'revenue_usd', 'margin_rate'] })
  expect(rows.map(({ plan, payments, revenue_usd, margin_rate }) => [plan, payments, revenue_usd, margin_rate])).toEqual([
    ['free', 0, '0.000000000', null],
    ['pro', 5, '18000012.000000000', expect.closeTo(1 - 2 / 18_000_012, 9)],
  ])
})
