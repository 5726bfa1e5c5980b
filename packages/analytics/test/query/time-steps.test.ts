import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { Store } from '@spanledger/store'

import { openAnalytics, type Answer } from '../../src/index.ts'
import { ledgerOf } from '../ledger.ts'
import { figuresOf, groupCalls, readPlainCalls, type PlainCall } from '../naive.ts'

const DAY = 86_400_000
/** Lord Howe's clocks go back by half an hour at 2026-04-04T15:00Z, Berlin's went forward at 2026-03-29T01:00Z. */
const START = Date.parse('2026-03-27T00:00:00Z')
const AS_OF = START + 13 * DAY

let store: Store
let plain: PlainCall[]
beforeAll(async () => {
  const times = fc.sample(fc.integer({ min: 0, max: 13 * DAY - 1 }), { numRuns: 400, seed: 21 })
  const near = fc.sample(fc.integer({ min: -5_400_000, max: 5_400_000 }), { numRuns: 100, seed: 22 })
  const shift = Date.parse('2026-04-04T15:00:00Z')
  store = await ledgerOf(
    [...times.map((offset) => START + offset), ...near.map((offset) => shift + offset)].map((at, n) => ({
      at,
      user: `u${n % 5}`,
      costNanoUsd: n,
    })),
    { timeZone: 'Europe/Berlin' },
  )
  plain = await readPlainCalls(store)
})
afterAll(() => store.close())

const ask = (step: string, timeZone: string, period: object): Promise<Answer> =>
  openAnalytics(store, { timeZone, now: () => AS_OF }).query({
    metrics: ['requests', 'cost_usd', 'users'],
    by: [`time:${step}`],
    ...period,
  })

describe.each(['minute', 'hour'])('a split by %s', (step) => {
  it.each(['UTC', 'Europe/Berlin', 'America/St_Johns', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'Pacific/Chatham'])(
    'is what plain loops give in %s, in the order of time, and adds up',
    async (timeZone) => {
      const { rows, totals } = await ask(step, timeZone, { last: '13d' })
      const from = Date.parse((await ask(step, timeZone, { last: '13d' })).meta.from)
      const groups = groupCalls(
        plain.filter(({ startMs }) => startMs >= from && startMs < AS_OF),
        [`time:${step}`],
        timeZone,
      )
      const expected = [...groups]
        .map(([key, calls]) => {
          const { requests, cost_usd, users } = figuresOf(calls, timeZone)
          return { [step]: (JSON.parse(key) as string[])[0], requests, cost_usd, users }
        })
        .toSorted((a, b) => (String(a[step]) < String(b[step]) ? -1 : 1))
      expect(rows).toEqual(expected)
      expect(rows.reduce((sum, row) => sum + Number(row['requests']), 0)).toBe(totals['requests'])
    },
  )
})

describe('a split into too many parts', () => {
  it('is refused with what to ask instead', async () => {
    await expect(ask('minute', 'UTC', { since: '2026-03-01' })).rejects.toThrow(
      'time:minute would split this period into 56160 parts; at most 20160 are allowed. Split by time:hour, or give a period of at most 14 days, such as last 14d.',
    )
    await expect(ask('hour', 'UTC', { since: '2020-01-01' })).rejects.toThrow('Split by time:day, or give a period of at most 840 days')
    expect((await ask('minute', 'UTC', { last: '14d' })).rows.length).toBeGreaterThan(0)
    expect((await ask('day', 'UTC', { since: '1990-01-01' })).rows.length).toBeGreaterThan(0)
  })

  it('says whether its last minute has ended', async () => {
    const at = (ms: number): Promise<Answer> =>
      openAnalytics(store, { now: () => ms }).query({ metrics: ['requests'], by: ['time:minute'], last: '1d' })
    expect([(await at(AS_OF)).meta.complete, (await at(AS_OF + 1)).meta.complete]).toEqual([true, false])
  })
})

describe('weeks', () => {
  it.each([
    ['Europe/Berlin', 'monday', 1],
    ['Europe/Berlin', 'sunday', 0],
    ['Asia/Kathmandu', 'sunday', 0],
    ['Europe/Berlin', undefined, 1],
  ] as const)('in %s begin on %s, read from rollups or calls, and add up', async (timeZone, week_start, weekday) => {
    const analytics = openAnalytics(store, { timeZone, now: () => AS_OF })
    const { rows, columns } = await analytics.query({ metrics: ['requests'], by: ['time:week'], week_start })
    const days = await analytics.query({ metrics: ['requests'], by: ['time:day'] })
    const expected = new Map<string, number>()
    for (const { day, requests } of days.rows) {
      const date = new Date(`${String(day)}T00:00:00Z`)
      const first = new Date(date.getTime() - ((date.getUTCDay() - weekday + 7) % 7) * DAY).toISOString().slice(0, 10)
      expected.set(first, (expected.get(first) ?? 0) + Number(requests))
    }
    expect(columns[0]).toEqual({ key: 'week', type: 'date', label: 'Week' })
    expect(rows).toEqual([...expected].map(([week, requests]) => ({ week, requests })))
  })

  it('of a year with 53 of them are seven days each, also over the turn of the year', async () => {
    // 2026 has the ISO weeks 1 to 53: the last one begins on December 28 and ends in 2027.
    const ends = ['2026-12-27', '2026-12-28', '2026-12-31', '2027-01-01', '2027-01-03', '2027-01-04']
    const ledger = await ledgerOf(ends.map((day) => ({ at: `${day}T12:00:00Z`, user: 'u' })))
    const { rows } = await openAnalytics(ledger, { now: () => Date.parse('2027-01-10T00:00:00Z') }).query({
      metrics: ['requests'],
      by: ['time:week'],
    })
    await ledger.close()
    expect(rows.map(({ week, requests }) => [week, requests])).toEqual([
      ['2026-12-21', 1],
      ['2026-12-28', 4],
      ['2027-01-04', 1],
    ])
  })

  it('are compared by their number, and end where the next begins', async () => {
    const { rows, meta } = await openAnalytics(store, { timeZone: 'UTC', now: () => Date.parse('2026-04-05T00:00:00Z') }).query({
      metrics: ['requests'],
      by: ['time:week'],
      week_start: 'sunday',
      since: '2026-03-29',
      compare: 'previous',
    })
    expect([rows.map(({ week }) => week), meta.complete]).toEqual([['2026-03-29'], true])
    await expect(openAnalytics(store).query({ metrics: ['requests'], week_start: 'friday' as 'sunday' })).rejects.toThrow(
      'Unknown week_start',
    )
  })
})
