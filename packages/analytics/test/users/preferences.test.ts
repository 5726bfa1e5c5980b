import type { Store } from '@spanledger/store'
import { afterEach, describe, expect, it } from 'vitest'

import { openAnalytics, unknownUser, type Analytics, type AnalyticsOptions } from '../../src/index.ts'
import { ledgerOf, type CallWords } from '../ledger.ts'

const AS_OF = Date.parse('2026-03-10T00:00:00Z')
const open: Store[] = []
afterEach(async () => {
  for (const store of open.splice(0)) await store.close()
})

/** So many calls of a model, a minute apart. */
function calls(user: string, count: number, words: Partial<CallWords> & { choice?: string; from?: string } = {}): CallWords[] {
  const { choice = 'user', from = '2026-03-01T10:00:00Z', ...others } = words
  return Array.from({ length: count }, (_, n) => ({
    at: Date.parse(from) + n * 60_000,
    user,
    ...others,
    properties: { 'model.choice': choice, ...others.properties },
  }))
}
const mini: Partial<CallWords> = { model: 'mini', latencyMs: 200, costNanoUsd: 1000 }
const middle: Partial<CallWords> = { model: 'middle', latencyMs: 900, costNanoUsd: 20_000 }
const large: Partial<CallWords> = { model: 'large', latencyMs: 3000, costNanoUsd: 90_000 }

async function analyticsOf(some: readonly CallWords[], options: AnalyticsOptions = {}): Promise<Analytics> {
  const store = await ledgerOf(some)
  open.push(store)
  const analytics = openAnalytics(store, { now: () => AS_OF, ...options })
  await analytics.loadUserMetrics()
  return analytics
}

function told(analytics: Analytics, user: string): unknown[] {
  const { prefers_speed, prefers_quality, preference } = analytics.getUserMetrics(user)
  return [prefers_speed, prefers_quality, preference]
}

describe('what a user prefers', () => {
  it('is told by the models the user chose in the last 30 days: fast ones answer soonest, good ones cost most', async () => {
    const analytics = await analyticsOf([
      ...calls('ada', 12, mini),
      ...calls('ada', 8, large),
      ...calls('bob', 5, mini),
      ...calls('bob', 15, large),
      ...calls('cyd', 11, mini),
      ...calls('cyd', 9, large),
      ...calls('dan', 20, middle),
    ])
    const evidence = (requests: number, fast: number, quality: number) => ({
      basis: 'choices',
      requests,
      fast_share: fast,
      quality_share: quality,
    })
    expect(told(analytics, 'ada')).toEqual([true, false, evidence(20, 0.6, 0.4)])
    expect(told(analytics, 'bob')).toEqual([false, true, evidence(20, 0.25, 0.75)])
    expect(told(analytics, 'cyd')).toEqual([false, false, evidence(20, 0.55, 0.45)])
    expect(told(analytics, 'dan')).toEqual([false, false, evidence(20, 0, 0)])
  })

  it('is not told by fewer than 20 choices, by older ones, nor by what the app chose', async () => {
    const analytics = await analyticsOf([
      ...calls('few', 19, mini),
      ...calls('old', 30, { ...mini, from: '2026-01-01T10:00:00Z' }),
      ...calls('app', 30, { ...mini, choice: 'app' }),
      ...calls('tried', 20, { ...mini, choice: 'exploration' }),
      ...calls('others', 1, middle),
      ...calls('others', 1, large),
    ])
    expect(told(analytics, 'few')).toEqual([false, false, { basis: 'none', requests: 19, fast_share: 1, quality_share: 0 }])
    const none = { basis: 'none', requests: 0, fast_share: null, quality_share: null }
    expect(told(analytics, 'old')).toEqual([false, false, none])
    expect(told(analytics, 'app')).toEqual([false, false, none])
    expect(told(analytics, 'tried').slice(0, 2)).toEqual([true, false])
  })

  it('is the property "preference" where the latest call has one, whatever was chosen', async () => {
    const analytics = await analyticsOf([...calls('ada', 20, { ...mini, properties: { preference: 'Quality' } })])
    expect(told(analytics, 'ada').slice(0, 2)).toEqual([false, true])
    expect(analytics.getUserMetrics('ada').preference).toMatchObject({ basis: 'property', requests: 20 })
  })

  it('how a user writes is what most of at least five requests of the last 30 days were', async () => {
    const styled = (user: string, style: string, count: number, from = '2026-03-01T10:00:00Z'): CallWords[] =>
      Array.from({ length: count }, (_, n) => ({
        at: Date.parse(from) + n * 60_000,
        user,
        properties: { communication_style: style },
      }))
    const analytics = await analyticsOf([
      ...styled('ada', 'formal', 6),
      ...styled('ada', 'casual', 4, '2026-03-02T10:00:00Z'),
      ...styled('ada', 'unknown', 30, '2026-03-03T10:00:00Z'),
      ...styled('bob', 'casual', 5),
      ...styled('cyd', 'casual', 4),
      ...styled('dan', 'formal', 5),
      ...styled('dan', 'casual', 5, '2026-03-02T10:00:00Z'),
      ...styled('eve', 'formal', 9, '2026-01-01T10:00:00Z'),
    ])
    const expected = { ada: 'formal', bob: 'casual', cyd: null, dan: null, eve: null, nobody: null }
    const styles = Object.keys(expected).map((user) => [user, analytics.getUserMetrics(user).communication_style])
    expect(Object.fromEntries(styles)).toEqual(expected)
    const { rows } = await analytics.report('preferences', { ci: true })
    expect(rows.map((row) => [row['user'], row['communication_style'], row['styled_requests'], row['formal_share'], row['basis']])).toEqual(
      [
        ['ada', 'formal', 10, 0.6, 'none'],
        ['dan', null, 10, 0.5, 'none'],
        ['bob', 'casual', 5, 0, 'none'],
        ['cyd', null, 4, 0, 'none'],
      ],
    )
    expect(rows[0]).toMatchObject({ formal_share_numerator: 6, formal_share_denominator: 10, fast_share: null, fast_share_numerator: null })
  })

  it('is told by the report of preferences as to the app, of the users that it is asked about', async () => {
    const some = [
      ...calls('ada', 12, mini),
      ...calls('ada', 8, large),
      ...calls('few', 19, mini),
      ...calls('said', 20, { ...mini, properties: { preference: 'Quality' } }),
      ...calls('gone', 20, { ...large, from: '2026-02-12T10:00:00Z' }),
      ...calls('app', 30, { ...middle, choice: 'app' }),
    ]
    for (const modelTiers of [undefined, { fast: ['large'], quality: ['mini'] }]) {
      const analytics = await analyticsOf(some, { modelTiers })
      const { rows } = await analytics.report('preferences')
      expect(rows.map(({ user }) => user)).toEqual(['ada', 'gone', 'said', 'few'])
      for (const { user, prefers, basis, chosen_requests: requests, fast_share, quality_share } of rows) {
        const [speed, quality, preference] = told(analytics, String(user))
        expect([prefers === 'speed', prefers === 'quality', { basis, requests, fast_share, quality_share }]).toEqual([
          speed,
          quality,
          preference,
        ])
      }
      // Who did not call in the period has no row; what is told of the others is of the 30 days before as_of all the same.
      expect((await analytics.report('preferences', { since: '2026-03-01' })).rows).toEqual(rows.filter(({ user }) => user !== 'gone'))
      expect((await analytics.report('preferences', { user: 'few' })).rows).toEqual(rows.filter(({ user }) => user === 'few'))
    }
    expect((await (await analyticsOf([])).report('preferences')).rows).toEqual([])
  })

  it('goes by the tiers that the app names, with the provider or without', async () => {
    const modelTiers = { fast: ['large'], quality: ['mini/openai'] }
    const analytics = await analyticsOf([...calls('ada', 20, mini), ...calls('bob', 20, large)], { modelTiers })
    expect(told(analytics, 'ada').slice(0, 2)).toEqual([false, true])
    expect(told(analytics, 'bob').slice(0, 2)).toEqual([true, false])
  })

  it('is read anew of one user, alias or not, whom the copy has no room for', async () => {
    const analytics = await analyticsOf([...calls('ada', 20, mini), ...calls('bob', 1, { ...large, at: AS_OF - 1000 })], { maxUsers: 1 })
    expect(analytics.getUserMetrics('ada').known).toBe(false)
    expect(await analytics.getUserMetricsAsync(' ada ')).toMatchObject({ known: true, requests: 20, preference: { requests: 20 } })
    await open[0]?.alias('ann', 'ada')
    expect(await analytics.getUserMetricsAsync('ann')).toMatchObject({ known: true, requests: 20 })
    expect(await analytics.getUserMetricsAsync('nobody')).toEqual(unknownUser('nobody'))
  })
})
