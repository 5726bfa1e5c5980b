import fc from 'fast-check'
import { expect, it } from 'vitest'

import { openAnalytics } from '../src/index.ts'
import { callOf, ledgerOf } from './ledger.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const AS_OF = Date.parse('2026-04-15T00:00:00Z')
/** What is looked at: the 28 days before the last 30. */
const FROM = AS_OF - 58 * DAY_MS
const TO = AS_OF - 30 * DAY_MS

interface Found {
  readonly user: number
  readonly at: number
  readonly asks: number
}

/** Users with more retries per request than the median user, and how many of them left: each call beside each other. */
function naive(found: readonly Found[]) {
  const before = found.filter(({ at }) => at >= FROM && at < TO)
  const isRetry = (call: Found): boolean =>
    found.some(
      (one) => one !== call && one.user === call.user && one.asks === call.asks && call.at - one.at >= 100 && call.at - one.at <= 300_100,
    )
  const users = [...new Set(before.map(({ user }) => user))].map((user) => {
    const own = before.filter((call) => call.user === user)
    return { rate: own.filter(isRetry).length / own.length, left: !found.some((call) => call.user === user && call.at >= TO) }
  })
  const rates = users.map(({ rate }) => rate).sort((a, b) => a - b)
  const half = rates.length / 2
  const median = rates.length === 0 ? 0 : ((rates[Math.ceil(half) - 1] ?? 0) + (rates[Math.floor(half)] ?? 0)) / 2
  const [above, others] = [users.filter(({ rate }) => rate > median), users.filter(({ rate }) => rate <= median)]
  const share = (of: typeof users): number => of.filter(({ left }) => left).length / of.length
  return above.length === 0 || others.length === 0
    ? undefined
    : { n: users.length, churned_with: share(above), churned_without: share(others) }
}

it('churn_indicators: who asks the same again more than the median user, and who left since', async () => {
  const calls = fc.array(
    fc.record({
      user: fc.nat(7),
      // Minutes of a few hours of a few days, so that much is asked again.
      at: fc.tuple(fc.constantFrom(-1, 0, 3, 27, 28, 40), fc.nat(20)).map(([day, minute]) => FROM + day * DAY_MS + minute * MINUTE_MS),
      asks: fc.nat(2),
    }),
    { minLength: 1, maxLength: 80 },
  )
  await fc.assert(
    fc.asyncProperty(calls, async (found) => {
      // A user's calls of one instant overlap: none of them repeats another.
      const apart = [...new Map(found.map((one) => [`${one.user} ${one.at}`, one])).values()]
      const store = await ledgerOf([])
      await store.write({
        calls: apart.map(({ user, at, asks }) => Object.assign(callOf({ user: `u${user}`, at }), { fingerprint: 1000 + asks })),
      })
      const { rows } = await openAnalytics(store, { now: () => AS_OF }).report('churn_indicators')
      await store.close()
      const row = rows.find(({ factor }) => factor === 'retry_rate')
      const told = row && { n: row['n'], churned_with: row['churned_with'], churned_without: row['churned_without'] }
      expect(told).toEqual(naive(apart))
    }),
    { numRuns: 30 },
  )
})
