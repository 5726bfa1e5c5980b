import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { Store } from '@spanledger/store'

import { openAnalytics, type Answer, type ReportParams } from '../../src/index.ts'
import { ledgerOf } from '../ledger.ts'
import { readPlainCalls, valueOf, type PlainCall } from '../naive.ts'
import { AS_OF, randomCalls } from '../random-ledger.ts'

let store: Store
let plain: PlainCall[]
beforeAll(async () => {
  store = await ledgerOf(randomCalls.slice(0, 600), { timeZone: 'Europe/Berlin' })
  plain = await readPlainCalls(store)
})
afterAll(() => store.close())

const ask = (timeZone: string, params: ReportParams): Promise<Answer> =>
  openAnalytics(store, { timeZone, now: () => AS_OF }).report('users', { metrics: ['sparkline'], ...params })

/** The 14 local days that end with the one of `lastDate`. */
function datesUpTo(lastDate: string): string[] {
  const last = Date.parse(lastDate)
  return Array.from({ length: 14 }, (_, n) => new Date(last - (13 - n) * 86_400_000).toISOString().slice(0, 10))
}

describe("a user's sparkline", () => {
  it.each([
    ['Europe/Berlin', {}, '2026-04-15'],
    ['Asia/Kathmandu', { last: '3d' }, '2026-04-15'],
    ['UTC', { where: 'latency_ms > 30000', last: '60d' }, '2026-04-15'],
    ['Europe/Berlin', { since: '2026-03-20', until: '2026-04-01' }, '2026-04-01'],
    ['Europe/Berlin', { since: '2026-03-31T00:00:00+02:00', until: '2026-03-31T13:00:00+02:00' }, '2026-03-31'],
  ] as [string, ReportParams, string][])('has the requests of 14 days in %s of %j', async (timeZone, params, lastDate) => {
    const { rows, meta, columns } = await ask(timeZone, params)
    const to = Math.min(Date.parse(meta.to), AS_OF)
    expect(columns).toContainEqual({ key: 'sparkline', type: 'counts', label: 'Last 14 days' })
    expect(rows.length).toBeGreaterThan(1)
    for (const { user, sparkline } of rows) {
      const of = plain.filter(
        (call) => (call.user ?? '(none)') === user && call.startMs < to && (params.where === undefined || call.latencyMs > 30_000),
      )
      expect(sparkline).toEqual(datesUpTo(lastDate).map((date) => of.filter((call) => valueOf(call, 'time:day', timeZone) === date).length))
    }
  })

  it('is sorted by what it comes to', async () => {
    const { rows } = await ask('UTC', { order_by: [['sparkline', 'desc']] })
    const sums = rows.map(({ sparkline }) => (sparkline as number[]).reduce((sum, count) => sum + count, 0))
    expect(sums).toEqual(sums.toSorted((a, b) => b - a))
    await expect(ask('UTC', { having: 'sparkline > 3' })).rejects.toThrow('is a list of numbers')
  })
})
