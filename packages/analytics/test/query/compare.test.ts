import { afterEach, describe, expect, it } from 'vitest'

import type { Store } from '@spanledger/store'

import { openAnalytics, type Analytics, type Query } from '../../src/index.ts'
import { ledgerOf, type CallWords } from '../ledger.ts'

const open: Store[] = []
afterEach(async () => {
  for (const store of open.splice(0)) await store.close()
})

async function analyticsOf(calls: readonly CallWords[], asOf: string, timeZone = 'UTC'): Promise<Analytics> {
  const store = await ledgerOf(calls, { timeZone })
  open.push(store)
  return openAnalytics(store, { now: () => Date.parse(asOf) })
}

const live = { Plan: 'pro', Environment: 'production' }

describe('a question split by time, compared with the period before', () => {
  it('is answered as the contract writes it: day by day from the start of each period', async () => {
    // 2026-01-01 to 2026-02-01 are 32 days; those before begin with 2025-11-30.
    const analytics = await analyticsOf(
      [
        { at: '2025-11-30T08:00:00Z', user: 'ada', properties: live, costNanoUsd: 20_000_000 },
        { at: '2025-11-30T09:00:00Z', user: 'bob', properties: live, costNanoUsd: 20_000_000 },
        { at: '2025-12-31T09:00:00Z', user: 'bob', properties: { ...live, Plan: 'free' }, costNanoUsd: 30_000_000 },
        { at: '2026-01-01T08:00:00Z', user: 'ada', properties: live, costNanoUsd: 50_000_000 },
        { at: '2026-01-02T08:00:00Z', user: 'ada', properties: live, costNanoUsd: 40_000_000 },
        { at: '2026-01-02T09:00:00Z', user: 'ada', properties: live, costNanoUsd: 9_000_000 },
        { at: '2026-01-03T09:00:00Z', user: 'ada', properties: { ...live, Environment: 'staging' }, costNanoUsd: 50_000_000 },
        { at: '2026-02-01T23:00:00Z', user: 'bob', properties: { ...live, Plan: 'free' }, costNanoUsd: 15_000_000 },
      ],
      '2026-03-01T00:00:00Z',
    )
    const asked = `{"metrics":["requests","users","cost_usd","latency_p95_ms"],"by":["property:plan","time:day"],"since":"2026-01-01","until":"2026-02-01",
     "where":["and",["is","property:environment",["production"]],["gt","cost_usd",0.01]],"order_by":[["cost_usd","desc"]],"limit":100,"compare":"previous"}`
    const { rows, totals } = await analytics.query(JSON.parse(asked) as Query)
    expect(rows).toEqual([
      {
        plan: 'pro',
        day: '2026-01-01',
        requests: 1,
        requests_previous: 2,
        requests_change: -0.5,
        users: 1,
        users_previous: 2,
        users_change: -0.5,
        cost_usd: '0.050000000',
        cost_usd_previous: '0.040000000',
        cost_usd_change: 0.25,
        latency_p95_ms: 99.8,
        latency_p95_ms_previous: 99.8,
        latency_p95_ms_change: 0,
      },
      {
        plan: 'pro',
        day: '2026-01-02',
        requests: 1,
        requests_previous: 0,
        requests_change: null,
        users: 1,
        users_previous: 0,
        users_change: null,
        cost_usd: '0.040000000',
        cost_usd_previous: '0.000000000',
        cost_usd_change: null,
        latency_p95_ms: 99.8,
        latency_p95_ms_previous: null,
        latency_p95_ms_change: null,
      },
      {
        plan: 'free',
        day: '2026-02-01',
        requests: 1,
        requests_previous: 1,
        requests_change: 0,
        users: 1,
        users_previous: 1,
        users_change: 0,
        cost_usd: '0.015000000',
        cost_usd_previous: '0.030000000',
        cost_usd_change: -0.5,
        latency_p95_ms: 99.8,
        latency_p95_ms_previous: 99.8,
        latency_p95_ms_change: 0,
      },
    ])
    expect(totals).toMatchObject({ requests: 3, requests_previous: 3, requests_change: 0 })
  })

  it('has the same number before whichever step of time, and null where the period before has no such step', async () => {
    // 2026-02-23 is a Monday; the 14 days before begin with one too. March has 31 days, the 31 before lie in two months.
    const calls: CallWords[] = [
      { at: '2026-01-29T10:00:00Z' },
      { at: '2026-02-10T10:00:00Z' },
      { at: '2026-02-24T10:30:00Z' },
      { at: '2026-02-24T10:40:00Z' },
    ]
    const analytics = await analyticsOf(calls, '2026-05-01T00:00:00Z')
    const ask = async (step: string, since: string, until: string) =>
      (await analytics.query({ metrics: ['requests'], by: [`time:${step}`], since, until, compare: 'previous' })).rows
    const figures = { requests: 2, requests_previous: 1, requests_change: 1 }
    expect(await ask('hour', '2026-02-23', '2026-03-08')).toEqual([{ hour: '2026-02-24T10:00:00.000Z', ...figures }])
    expect(await ask('day', '2026-02-23', '2026-03-08')).toEqual([{ day: '2026-02-24', ...figures }])
    expect(await ask('week', '2026-02-23', '2026-03-08')).toEqual([{ week: '2026-02-23', ...figures }])
    // 2026-02-01 to 28, and the 28 days before, 2026-01-04 to 31: one month each.
    expect(await ask('month', '2026-02-01', '2026-02-28')).toEqual([
      { month: '2026-02', requests: 3, requests_previous: 1, requests_change: 2 },
    ])
    // 2026-01-31 to 02-28 touch two months, the 29 days before only one.
    expect(await ask('month', '2026-01-31', '2026-02-28')).toEqual([
      { month: '2026-02', requests: 3, requests_previous: null, requests_change: null },
    ])
    expect(await ask('month', '2026-02-23', '2026-03-01')).toEqual([
      { month: '2026-02', requests: 2, requests_previous: 0, requests_change: null },
    ])
  })

  it('counts the hours that clocks skip and repeat', async () => {
    // In Berlin 2026-10-25 has 25 hours, and begins at 22:00Z.
    const analytics = await analyticsOf(
      [{ at: '2026-10-24T02:30:00Z' }, { at: '2026-10-25T02:30:00Z' }, { at: '2026-10-25T22:30:00Z' }],
      '2026-12-01T00:00:00Z',
      'Europe/Berlin',
    )
    const { rows } = await analytics.query({
      metrics: ['requests'],
      by: ['time:hour'],
      since: '2026-10-25',
      until: '2026-10-25',
      compare: 'previous',
    })
    expect(rows).toEqual([
      { hour: '2026-10-25T02:00:00.000Z', requests: 1, requests_previous: 1, requests_change: 0 },
      { hour: '2026-10-25T22:00:00.000Z', requests: 1, requests_previous: null, requests_change: null },
    ])
  })
})

describe('a question compared with the same weekdays before', () => {
  const day = (n: number): string => new Date(Date.UTC(2026, 1, n, 10)).toISOString()

  it('looks a week back for a day, and whole weeks back for more, over all clocks', async () => {
    // One call on the first of February, two on the second, …
    const calls = Array.from({ length: 28 }, (_, n) =>
      Array.from({ length: n + 1 }, (): CallWords => ({ at: day(n + 1), user: 'ada' })),
    ).flat()
    const analytics = await analyticsOf(calls, '2026-03-01T00:00:00Z')
    const before = async (since: string, until: string): Promise<unknown[]> => {
      const words = { since, until, compare: 'same_weekdays' } as const
      const { totals } = await analytics.query({ metrics: ['requests'], ...words })
      const { totals: ofUsers, rows } = await analytics.report('users', { ...words, metrics: ['requests'] })
      expect([ofUsers['requests_previous'], rows[0]?.['requests_previous']]).toEqual([
        totals['requests_previous'],
        totals['requests_previous'],
      ])
      return [totals['requests'], totals['requests_previous']]
    }
    expect(await before('2026-02-20', '2026-02-20')).toEqual([20, 13])
    expect(await before('2026-02-16', '2026-02-22')).toEqual([133, 84])
    expect(await before('2026-02-15', '2026-02-22')).toEqual([148, 36])
    // Up to the same time of day.
    expect(await before('2026-02-20T00:00:00Z', '2026-02-20T10:00:00.001Z')).toEqual([20, 13])
  })

  it('keeps to the local day where clocks change', async () => {
    const analytics = await analyticsOf(
      [{ at: '2026-10-18T22:30:00Z' }, { at: '2026-10-25T22:30:00Z' }],
      '2026-12-01T00:00:00Z',
      'Europe/Berlin',
    )
    const { totals } = await analytics.query({ metrics: ['requests'], since: '2026-10-25', until: '2026-10-25', compare: 'same_weekdays' })
    // Half past ten on the evening of the 18th was already the 19th in summer time.
    expect(totals).toMatchObject({ requests: 1, requests_previous: 0 })
  })

  it('is one of two ways, and another is refused with the nearest', async () => {
    const analytics = await analyticsOf([], '2026-12-01T00:00:00Z')
    await expect(analytics.query({ metrics: ['requests'], last: '1d', compare: 'same_weekday' as 'previous' })).rejects.toThrow(
      'Did you mean "same_weekdays"?',
    )
    await expect(analytics.query({ metrics: ['requests'], compare: 'same_weekdays' })).rejects.toThrow('give one: since or last')
  })
})
