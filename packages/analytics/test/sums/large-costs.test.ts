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
