import { afterAll, beforeAll, expect, it } from 'vitest'

import type { Store } from '@spanledger/store'

import { openAnalytics, type Analytics, type Answer } from '../../src/index.ts'
import { ledgerOf, type CallWords } from '../ledger.ts'

const START = Date.parse('2026-03-02T10:00:00Z')
const DAY = 86_400_000

/** Ten calls of a day: six for chat, three for search, one for export; the day before four for chat. */
const calls: CallWords[] = [
  ...['chat', 'chat', 'chat', 'chat', 'chat', 'chat', 'search', 'search', 'search', 'export'].map((feature, n): CallWords => ({
    at: START + n * 60_000,
    user: `u${n % 3}`,
    properties: { feature },
  })),
  ...Array.from({ length: 4 }, (_, n): CallWords => ({ at: START - DAY + n * 60_000, user: 'u9', properties: { feature: 'chat' } })),
]

let store: Store
let analytics: Analytics
beforeAll(async () => {
  store = await ledgerOf(calls)
  analytics = openAnalytics(store, { now: () => START + DAY })
})
afterAll(() => store.close())

const day = { since: '2026-03-02', until: '2026-03-03', metrics: ['requests', 'request_share'] }
const sharesOf = ({ rows }: Answer, key: string): unknown[] => rows.map((row) => [row[key], row['request_share']])

it('shares of requests are of all rows, also of those that are left out', async () => {
  const ask = { ...day, by: ['property:feature'] }
  const whole = await analytics.query(ask)
  expect(sharesOf(whole, 'feature')).toEqual([
    ['chat', 0.6],
    ['search', 0.3],
    ['export', 0.1],
  ])
  expect(whole.totals['request_share']).toBe(1)
  const top = await analytics.query({ ...ask, limit: 1, other: true })
  expect(sharesOf(top, 'feature')).toEqual([['chat', 0.6]])
  expect(top.other?.values['request_share']).toBeCloseTo(0.4, 12)
  const few = await analytics.query({ ...ask, having: ['lt', 'request_share', 0.5] })
  expect(sharesOf(few, 'feature')).toEqual([
    ['search', 0.3],
    ['export', 0.1],
  ])
  expect(few.totals['request_share']).toBeCloseTo(0.4, 12)
})

it('a filter is the whole, and so is the period before of what is compared', async () => {
  const search = await analytics.query({ ...day, by: ['property:feature'], where: ['is_not', 'property:feature', ['chat']] })
  expect(sharesOf(search, 'feature')).toEqual([
    ['search', 0.75],
    ['export', 0.25],
  ])
  const { rows } = await analytics.query({ ...day, by: ['property:feature'], compare: 'previous' })
  expect(rows.find(({ feature }) => feature === 'chat')).toMatchObject({ request_share: 0.6, request_share_previous: 1 })
})

it('of users, models and sessions it is told too, by page and by user', async () => {
  const users = await analytics.report('users', { ...day, limit: 2 })
  expect(users.rows.map(({ request_share: share }) => share)).toEqual([0.4, 0.3])
  const one = await analytics.report('users', { ...day, user: 'u1' })
  expect(sharesOf(one, 'user')).toEqual([['u1', 0.3]])
  const models = await analytics.report('models', day)
  expect(models.rows.map(({ request_share: share }) => share)).toEqual([1])
})

it('of nothing it is null', async () => {
  const { totals } = await analytics.query({ ...day, since: '2026-01-01', until: '2026-01-02' })
  expect(totals['request_share']).toBeNull()
})
