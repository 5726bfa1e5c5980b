import { expect, it } from 'vitest'

import { beyondPeers, brokenByDays, drifting, type BusyDay } from '../../src/behavior/abuse.ts'
import { openAnalytics } from '../../src/index.ts'
import type { UserHistory } from '../../src/behavior/user-history.ts'
import { ledgerOf, type CallWords } from '../ledger.ts'

const busy: BusyDay = { user: 'u', day: 10, requests: 100, errors: 0, hours: 8, perMinute: 5 }
const rulesOf = (day: Partial<BusyDay>, firstDay = 0): unknown[] =>
  brokenByDays([{ ...busy, ...day }], new Map([['u', firstDay]])).map(({ rule, value }) => [rule, value])

it('a day breaks rules by its hours, its busiest minute, its failures, and by coming right after the first call', () => {
  expect(rulesOf({})).toEqual([])
  expect(rulesOf({ hours: 20 })).toEqual([['hours', 20]])
  expect(rulesOf({ hours: 19, perMinute: 59, errors: 49 })).toEqual([])
  expect(rulesOf({ perMinute: 60 })).toEqual([['burst', 60]])
  expect(rulesOf({ errors: 50 })).toEqual([['error_storm', 0.5]])
  expect(rulesOf({ requests: 200 }, 9)).toEqual([['new_account', 200]])
  expect(rulesOf({ requests: 200 }, 8)).toEqual([])
})

function history(user: string, requests: readonly number[], firstDay = 0): UserHistory {
  const days = requests.flatMap((count, n) =>
    count === 0 ? [] : [{ day: firstDay + n, requests: count, features: new Map<string, number>() }],
  )
  return { user, firstDay, days }
}

it('a user far above the others of the tier on a day is told, whatever the user did before', () => {
  const peers = Array.from({ length: 10 }, (_, n) => history(`p${n}`, [8 + (n % 5)]))
  const heavy = history('heavy', [400])
  const all = { from: 0, to: 1 }
  expect(beyondPeers([...peers, heavy], () => 'pro', all)).toEqual([
    { user: 'heavy', day: 0, requests: 400, rule: 'peers', value: expect.toSatisfy((z: number) => z > 3.5) as number },
  ])
  // Of another tier there is nobody to compare with; and nine others are too few.
  expect(beyondPeers([...peers, heavy], (user) => (user === 'heavy' ? 'free' : 'pro'), all)).toEqual([])
  expect(beyondPeers([...peers.slice(1), heavy], () => 'pro', all)).toEqual([])
  expect(beyondPeers([...peers, heavy], () => undefined, all)).toEqual([])
})

it('a slow rise is told on the day on which the moving average leaves what four weeks allow', () => {
  const usual = Array.from({ length: 28 }, (_, n) => 50 + (n % 3))
  expect(drifting([history('u', [...usual, 52, 53, 54, 55, 56, 57, 58])], 35)).toMatchObject([{ user: 'u', rule: 'drift' }])
  expect(drifting([history('u', [...usual, 51, 50, 52, 51, 50, 52, 51])], 35)).toEqual([])
  // Known for less than five weeks: nothing says what is usual.
  expect(drifting([history('u', [...usual.slice(1), 52, 53, 54, 55, 56, 57, 58], 1)], 35)).toEqual([])
  expect(drifting([], 35)).toEqual([])
})

it('the report counts hours and minutes of the local day, over the ledger', async () => {
  const start = Date.parse('2026-03-10T00:00:00Z')
  // Three calls in each of 22 hours; and 61 within one minute, of which 40 failed.
  const steady = Array.from({ length: 66 }, (_, n): CallWords => ({
    at: start + Math.floor(n / 3) * 3_600_000 + (n % 3) * 60_000,
    user: 'script',
  }))
  const burst = Array.from({ length: 61 }, (_, n): CallWords => ({ at: start + n * 900, user: 'loop', status: n < 40 ? 'error' : 'ok' }))
  const store = await ledgerOf([...steady, ...burst])
  const analytics = openAnalytics(store, { now: () => start + 2 * 86_400_000 })
  const lines = async (params: object): Promise<unknown[]> =>
    (await analytics.report('anomalies', params)).rows.map(({ date, user, requests, rule, value }) => [date, user, requests, rule, value])
  const loop = (rule: string, value: unknown) => ['2026-03-10', 'loop', 61, rule, value]
  expect(await lines({})).toEqual([
    ['2026-03-10', 'script', 66, 'hours', 22],
    loop('burst', 61),
    loop('error_storm', expect.closeTo(40 / 61, 12)),
  ])
  await store.close()
})
