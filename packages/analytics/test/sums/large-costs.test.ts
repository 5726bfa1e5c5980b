import { expect, it } from 'vitest'

import { openAnalytics } from '../../src/index.ts'
import { ledgerOf } from '../ledger.ts'

it('costs that come to more than a double holds are exact, by property too, from the calls and from closed days', async () => {
  const store = await ledgerOf(
    Array.from({ length: 3 }, (_, n) => ({
      at: Date.parse('2026-03-01T10:00:00Z') + n,
      user: `u${n}`,
      properties: { plan: 'pro' },
      costNanoUsd: Number.MAX_SAFE_INTEGER,
    })),
  )
  const analytics = openAnalytics(store, { now: () => Date.parse('2026-04-01T00:00:00Z') })
  const ask = async (): Promise<unknown> => (await analytics.query({ metrics: ['cost_usd', 'users'], by: ['property:plan'] })).rows
  const expected = [{ plan: 'pro', cost_usd: '27021597.764222973', users: 3 }]
  await store.closeDays()
  expect(await ask()).toEqual(expected)
  await store.all('DELETE FROM closed_days')
  expect(await ask()).toEqual(expected)
  await store.close()
})

it('the costs of segments that come to more than a double holds are exact, with cheap calls and unpriced ones among them', async () => {
  const costs = [Number.MAX_SAFE_INTEGER, 1, Number.MAX_SAFE_INTEGER - 1, 3, Number.MAX_SAFE_INTEGER, undefined, 5]
  const store = await ledgerOf(
    costs.map((costNanoUsd, n) => ({
      at: Date.parse('2026-03-20T10:00:00Z') + n,
      user: `u${n}`,
      costNanoUsd,
    })),
  )
  const { rows, totals, meta } = await openAnalytics(store, { now: () => Date.parse('2026-04-01T00:00:00Z') }).report('segments')
  expect(rows.find(({ segment }) => segment === 'new')).toMatchObject({ users: 7, requests: 7, cost_usd: '27021597.764222981' })
  expect(totals).toEqual({ users: 7, requests: 7, cost_usd: '27021597.764222981' })
  expect(meta.users).toBe(7)
  await store.close()
})
