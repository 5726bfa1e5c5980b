import { afterEach, describe, expect, it } from 'vitest'

import type { Store } from '@spanledger/store'

import { openAnalytics, type Analytics } from '../../src/index.ts'
import { ledgerOf, type CallWords } from '../ledger.ts'

let store: Store
afterEach(() => store.close())

async function analyticsOf(calls: readonly CallWords[]): Promise<Analytics> {
  store = await ledgerOf(calls)
  return openAnalytics(store, { now: () => Date.parse('2026-01-10T00:00:00Z') })
}

const at = '2026-01-05T10:00:00Z'
const metrics = ['cost_usd', 'reported_cost_usd', 'reported_cost_requests', 'cost_drift_usd', 'cost_drift']

describe('what a provider said a call cost', () => {
  it('stands beside what was computed; the difference is over the calls that have both', async () => {
    const analytics = await analyticsOf([
      { at, user: 'ada', costNanoUsd: 1000, reportedNanoUsd: 1100 },
      { at, user: 'ada', costNanoUsd: 1000 },
      { at, user: 'bob', costNanoUsd: undefined, reportedNanoUsd: 500 },
      { at, user: 'cid', costNanoUsd: 700 },
    ])
    const { rows, totals } = await analytics.report('users', { metrics, order_by: [['user', 'asc']] })
    const row = (user: string, ...cells: unknown[]): object => ({ user, ...Object.fromEntries(metrics.map((name, n) => [name, cells[n]])) })
    expect(rows).toEqual([
      row('ada', '0.000002000', '0.000001100', 1, '0.000000100', 0.1),
      row('bob', null, '0.000000500', 1, null, null),
      row('cid', '0.000000700', null, 0, null, null),
    ])
    expect(totals).toEqual({
      cost_usd: '0.000002700',
      reported_cost_usd: '0.000001600',
      reported_cost_requests: 2,
      cost_drift_usd: '0.000000100',
      cost_drift: 0.1,
    })
  })

  it('never lowers a cost: 0 is what somebody said, and drifts by all of it', async () => {
    const analytics = await analyticsOf([{ at, costNanoUsd: 1000, reportedNanoUsd: 0 }])
    expect((await analytics.query({ metrics })).totals).toEqual({
      cost_usd: '0.000001000',
      reported_cost_usd: '0.000000000',
      reported_cost_requests: 1,
      cost_drift_usd: '-0.000001000',
      cost_drift: -1,
    })
  })

  it('is exact above what a double holds', async () => {
    const most = Number.MAX_SAFE_INTEGER
    const analytics = await analyticsOf(Array.from({ length: 3 }, () => ({ at, costNanoUsd: most, reportedNanoUsd: most })))
    expect((await analytics.query({ metrics: ['reported_cost_usd', 'cost_drift_usd'] })).totals).toEqual({
      reported_cost_usd: '27021597.764222973',
      cost_drift_usd: '0.000000000',
    })
  })
})
