import { createHash } from 'node:crypto'

import { afterEach, describe, expect, it } from 'vitest'

import type { Store } from '@spanledger/store'

import { openAnalytics, QueryError, unknownUser, type AnalyticsOptions } from '../../src/index.ts'
import { ledgerOf, type CallWords } from '../ledger.ts'

const AS_OF = Date.parse('2026-03-10T00:00:00Z')
const LONG = 'x'.repeat(600)

const open: Store[] = []
afterEach(async () => {
  for (const store of open.splice(0)) await store.close()
})

/** Ids as the ledger keeps them; the exporter and the collector have read them before they write. */
async function ledgerOfKeptIds(options: AnalyticsOptions = {}) {
  const store = await ledgerOf([
    { at: '2026-01-05T10:00:00Z', user: 'padded', session: 's1' },
    { at: '2026-03-01T10:00:00Z', user: 'Zo\u00eb', session: 's\u00eb' },
    { at: '2026-02-05T10:00:00Z', user: `sha256:${createHash('sha256').update(LONG).digest('hex')}` },
    { at: '2026-03-05T10:00:00Z' },
  ])
  open.push(store)
  return openAnalytics(store, { now: () => AS_OF, ...options })
}

const spellings = [' padded ', 'Zoe\u0308', LONG]

describe('the metrics of a user', () => {
  it('are found by any spelling of the id that the ledger keeps as one', async () => {
    const analytics = await ledgerOfKeptIds()
    await analytics.loadUserMetrics()
    expect(spellings.map((user) => analytics.getUserMetrics(user)).map(({ user, known, requests }) => ({ user, known, requests }))).toEqual(
      spellings.map((user) => ({ user, known: true, requests: 1 })),
    )
    for (const nobody of ['(none)', '', 'someone']) expect(analytics.getUserMetrics(nobody)).toEqual(unknownUser(nobody))
  })

  it('are held of the maxUsers users that called last, and of no others', async () => {
    const analytics = await ledgerOfKeptIds({ maxUsers: 2 })
    await analytics.loadUserMetrics()
    expect(spellings.map((user) => analytics.getUserMetrics(user).known)).toEqual([false, true, true])
    expect(analytics.getUserMetrics('padded')).toEqual(unknownUser('padded'))
  })

  it('are refused where maxUsers is no whole number from 1', async () => {
    for (const maxUsers of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])
      await expect(ledgerOfKeptIds({ maxUsers })).rejects.toThrow(QueryError)
  })
})

describe('a user asked for in another spelling than the ledger keeps', () => {
  it('is found by every report, and by filters as text and as data', async () => {
    const analytics = await ledgerOfKeptIds()
    for (const user of spellings) {
      const answers = [
        await analytics.report('users', { user }),
        await analytics.report('models', { user }),
        await analytics.report('users', { where: `user = ${JSON.stringify(user)}` }),
        await analytics.query({ metrics: ['requests'], where: ['is', 'user', [user]] }),
      ]
      expect(answers.map(({ totals }) => totals['requests'])).toEqual([1, 1, 1, 1])
      expect((await analytics.query({ metrics: ['requests'], where: ['is_not', 'user', [user]] })).totals).toEqual({ requests: 3 })
    }
    expect((await analytics.query({ metrics: ['requests'], where: ['is', 'session', [' s1', 'se\u0308']] })).totals).toEqual({
      requests: 2,
    })
  })

  it('leaves (none) to the calls without a user', async () => {
    const analytics = await ledgerOfKeptIds()
    expect((await analytics.report('users', { user: '(none)' })).rows.map(({ user, requests }) => ({ user, requests }))).toEqual([
      { user: '(none)', requests: 1 },
    ])
    expect((await analytics.query({ metrics: ['requests'], where: ['is', 'user', ['(none)', ' padded']] })).totals).toEqual({ requests: 2 })
  })
})

describe('what a user does again and again', () => {
  const at = (day: number, time: string): string => `2026-03-0${day}T${time}:00Z`
  const call = (when: string, model: string, feature: string): CallWords => ({
    at: when,
    user: 'ada',
    latencyMs: 60_000,
    model,
    properties: { feature },
  })
  const calls = [
    call(at(1, '18:40'), 'gpt-4o', 'chat'),
    call(at(1, '18:50'), 'gpt-4o', 'chat'),
    call(at(2, '18:31'), 'gpt-4o-mini', 'search'),
    call(at(2, '09:00'), 'gpt-4o-mini', 'search'),
    call(at(3, '09:10'), 'o3', 'export'),
    call(at(4, '20:00'), 'gpt-4o', 'draw'),
    call(at(5, '21:00'), 'gpt-4o', 'chat'),
    { ...call(at(8, '12:00'), 'gpt-4o', 'chat'), user: 'grace' },
  ]

  it.each(['UTC', 'Asia/Kolkata', 'America/New_York'])('is what behavior tells of the user, in %s', async (tz) => {
    const store = await ledgerOf(calls)
    open.push(store)
    await store.closeDays()
    const analytics = openAnalytics(store, { now: () => AS_OF, timeZone: tz })
    await analytics.loadUserMetrics()
    const told = analytics.getUserMetrics('ada')
    const { rows } = await analytics.report('behavior', { user: 'ada' })
    expect({
      favorite_features: told.favorite_features.join(', '),
      preferred_models: told.preferred_models.join(', '),
      session_length_avg_s: told.session_length_avg_s,
    }).toEqual({
      favorite_features: rows[0]?.['favorite_features'],
      preferred_models: rows[0]?.['preferred_models'],
      session_length_avg_s: rows[0]?.['session_length_avg_s'],
    })
    expect(told.favorite_features).toEqual(['chat', 'search', 'draw'])
    expect(told.preferred_models).toEqual(['gpt-4o/openai', 'gpt-4o-mini/openai'])
    expect(told.session_length_avg_s).toBeGreaterThan(60)
  })
})
