import fc from 'fast-check'
import { expect, it } from 'vitest'

import { openAnalytics, type Row } from '../../src/index.ts'
import { callOf, ledgerOf } from '../ledger.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const AS_OF = Date.parse('2026-04-15T00:00:00Z')

interface Asked {
  readonly user: number
  readonly at: number
  readonly asks: number | undefined
  readonly feature: string
  readonly plan: string
}

const asked = fc.array(
  fc.record({
    // Nobody is 0.
    user: fc.nat(2),
    // Minutes of a few hours around some midnights, so that much is asked again, also over the begin of the period.
    at: fc
      .tuple(fc.constantFrom(8, 9), fc.integer({ min: -9, max: 9 }))
      .map(([days, minute]) => AS_OF - days * DAY_MS + minute * MINUTE_MS),
    asks: fc.constantFrom(1, 2, undefined),
    feature: fc.constantFrom('chat', 'search'),
    plan: fc.constantFrom('free', 'pro'),
  }),
  { minLength: 10, maxLength: 60 },
)

/** Each call beside each other: calls take 100 ms. */
function naive(all: readonly Asked[], group: readonly Asked[]) {
  const isRetry = (call: Asked): boolean =>
    call.asks !== undefined &&
    all.some(
      ({ user, asks, feature, at }) =>
        user === call.user && asks === call.asks && feature === call.feature && call.at - at >= 100 && call.at - at <= 300_100,
    )
  const ofUsers = group.filter(({ user }) => user > 0)
  const retries = ofUsers.filter(isRetry).length
  return { retries, retry_rate: ofUsers.length === 0 ? null : retries / ofUsers.length }
}

it('retries and retry_rate of any group are those of every call beside every other, whatever a question is restricted to', async () => {
  let found = 0
  await fc.assert(
    fc.asyncProperty(asked, fc.constantFrom('free', 'pro', undefined), async (drawn, plan) => {
      // A user's calls of one instant overlap: none of them repeats another.
      const calls = [...new Map(drawn.map((one) => [`${one.user} ${one.at}`, one])).values()]
      const fromMs = AS_OF - 9 * DAY_MS
      const chosen = calls.filter((call) => call.at >= fromMs && (plan === undefined || call.plan === plan))
      fc.pre(calls.some(({ asks }) => asks !== undefined) && chosen.some(({ user }) => user > 0))
      const store = await ledgerOf([])
      await store.write({
        calls: calls.map(({ user, at, asks, feature, plan: of }) =>
          Object.assign(callOf({ at, user: user === 0 ? undefined : `u${user}`, properties: { feature, plan: of } }), {
            fingerprint: asks === undefined ? undefined : 1000 + asks,
          }),
        ),
      })
      const analytics = openAnalytics(store, { now: () => AS_OF })
      const words = { since: '2026-04-06', until: '2026-04-14', ...(plan === undefined ? {} : { where: `plan = ${plan}` }) }
      const metrics = ['requests', 'retries', 'retry_rate'] as const
      const byFeature = await analytics.query({ ...words, metrics, by: ['feature', 'time:day'] })
      for (const row of byFeature.rows) {
        const own = chosen.filter(
          (call) => call.feature === row['feature'] && new Date(call.at).toISOString().startsWith(String(row['day'])),
        )
        expect(row).toMatchObject({ requests: own.length, ...naive(calls, own) })
      }
      expect(byFeature.totals).toMatchObject(naive(calls, chosen))
      const users = await analytics.report('users', { ...words, metrics, limit: 1, other: true, order_by: [['retries', 'desc']] })
      const ofUser = (row: Row): Asked[] => chosen.filter(({ user }) => (user === 0 ? '(none)' : `u${user}`) === row['user'])
      for (const row of users.rows) expect(row).toMatchObject(naive(calls, ofUser(row)))
      const listed = new Set(users.rows.flatMap(ofUser))
      const others = chosen.filter((call) => !listed.has(call))
      const { retries = null, retry_rate: rate = null } = users.other?.values ?? {}
      expect({ retries, retry_rate: rate }).toEqual(others.length === 0 ? { retries: null, retry_rate: null } : naive(calls, others))
      // The report about retries counts the same.
      const { totals } = await analytics.report('retries', words)
      expect(totals).toMatchObject(naive(calls, chosen))
      found += naive(calls, chosen).retries
      await store.close()
    }),
    { numRuns: 60 },
  )
  expect(found).toBeGreaterThan(0)
})

it('are null, and the answer says why, where nothing in the ledger says what was asked', async () => {
  const store = await ledgerOf([{ at: AS_OF - DAY_MS, user: 'u1' }])
  const analytics = openAnalytics(store, { now: () => AS_OF })
  const { rows, meta } = await analytics.query({ metrics: ['requests', 'retries', 'retry_rate'] })
  expect(rows).toEqual([{ requests: 1, retries: null, retry_rate: null }])
  expect(meta.warnings.join()).toContain('repeated requests are not told')
  const users = await analytics.report('users', { metrics: ['requests', 'retry_rate'] })
  expect(users.rows).toEqual([{ user: 'u1', requests: 1, retry_rate: null }])
  expect(users.meta.warnings.join()).toContain('repeated requests are not told')
  expect((await analytics.report('users')).meta.warnings.join()).not.toContain('repeated')
  await store.close()
})

it('what the app says is asked again counts whenever that began, and nothing is known to be 0 where calls are missing', async () => {
  const first = callOf({ at: AS_OF - 6 * DAY_MS, user: 'ada' })
  const again = Object.assign(callOf({ at: AS_OF - 3 * DAY_MS, user: 'ada' }), {
    retryOf: `${first.traceId}-${first.spanId}`,
  })
  const store = await ledgerOf([{ at: AS_OF - 6 * DAY_MS, user: 'bob' }])
  await store.write({ calls: [first, again] })
  const segments = { calm: { having: 'retries < 1', last: '4d' } }
  const analytics = openAnalytics(store, { now: () => AS_OF, segments })
  for (const period of [{ last: '30d' }, { since: '2026-04-12', until: '2026-04-12' }, { last: '4d' }]) {
    const { totals } = await analytics.query({ metrics: ['retries'], ...period })
    expect([period, totals]).toEqual([period, { retries: 1 }])
    expect((await analytics.report('retries', period)).totals).toMatchObject({ retries: 1 })
  }
  const members = (await analytics.report('segment_members')).rows
  expect(Object.fromEntries(members.map((row) => [row['user'], row['custom_segments']]))).toEqual({ ada: null, bob: 'calm' })
  const { rows } = await analytics.report('users', { metrics: ['requests', 'retries'], last: '4d', compare: 'previous' })
  expect(rows).toMatchObject([{ user: 'ada', retries: 1, retries_previous: 0, requests_previous: 1 }])
  const since = await analytics.report('users', { metrics: ['requests', 'retries'], last: '2d', compare: 'previous' })
  expect(since.rows).toEqual([])
  await store.close()
})
