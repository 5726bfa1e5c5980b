import { describe, expect, it } from 'vitest'

import { binomialTail, powerThreshold, standingOf } from '../../src/segments/automatic-segments.ts'
import { openAnalytics } from '../../src/index.ts'
import { ledgerOf, type CallWords } from '../ledger.ts'

const AS_OF = Date.parse('2026-06-30T12:00:00Z')
const DAY = 86_400_000
const days = { firstDay: 20260101, asOfDay: 20260630, powerFrom: 100 }

describe('a segment', () => {
  it('is the first that fits of churned, new, at_risk, power, casual', () => {
    expect(standingOf(undefined, days).segment).toBe('churned')
    expect(standingOf({ last30Days: 500, usage: 500, recent: 0, prior: 500 }, { ...days, firstDay: 20260601 }).segment).toBe('new')
    expect(standingOf({ last30Days: 500, usage: 500, recent: 0, prior: 500 }, { ...days, firstDay: 20260531 }).segment).toBe('at_risk')
    expect(standingOf({ last30Days: 500, usage: 500, recent: 250, prior: 250 }, days).segment).toBe('power')
    expect(standingOf({ last30Days: 99, usage: 99, recent: 50, prior: 49 }, days).segment).toBe('casual')
  })

  it('is at_risk only where halving is more than chance', () => {
    expect(standingOf({ last30Days: 9, usage: 9, recent: 3, prior: 6 }, days).segment).toBe('casual')
    expect(standingOf({ last30Days: 45, usage: 45, recent: 15, prior: 30 }, days).segment).toBe('at_risk')
    expect(standingOf({ last30Days: 4, usage: 4, recent: 0, prior: 4 }, days).segment).toBe('casual')
  })

  it('decides chance by the exact binomial', () => {
    expect(binomialTail(0, 5)).toBeCloseTo(1 / 32, 12)
    expect(binomialTail(3, 9)).toBeCloseTo(130 / 512, 12)
    expect(binomialTail(5, 5)).toBeCloseTo(1, 12)
    expect(binomialTail(40_000, 100_000)).toBe(0)
  })

  it('of power begins at the rank of ten percent, ties included', () => {
    const users = (...counts: number[]): Float64Array => Float64Array.from(counts)
    expect(powerThreshold(users(9, 8, 7))).toBe(9)
    expect(powerThreshold(users(...Array.from({ length: 11 }, (_, n) => n + 1)))).toBe(10)
    expect(powerThreshold(users(5, 5, 5, 0))).toBe(5)
    expect(powerThreshold(users())).toBe(Number.POSITIVE_INFINITY)
    // By cost: two of three had none, and who had none is no power user.
    expect(powerThreshold(users(0, 0, 7, 9), users(1, 1, 1, 0))).toBe(7)
    expect(powerThreshold(users(0, 0, 0), users(1, 1, 1))).toBeGreaterThan(0)
  })
})

const repeat = (user: string, counts: Readonly<Record<number, number>>): CallWords[] =>
  Object.entries(counts).flatMap(([daysAgo, count]) =>
    Array.from({ length: count }, (_, n) => ({ at: AS_OF - Number(daysAgo) * DAY + n, user })),
  )

describe('a ledger of five kinds of users', () => {
  const calls = [
    ...repeat('power', { 100: 1, 20: 40, 2: 60 }),
    ...repeat('casual', { 100: 1, 20: 4, 2: 4 }),
    ...repeat('new', { 29: 3 }),
    ...repeat('fading', { 100: 1, 20: 30, 2: 5 }),
    ...repeat('gone', { 31: 50 }),
    // A call exactly 30 days ago is within the trailing 30 days, one a millisecond earlier is not.
    { at: AS_OF - 30 * DAY, user: 'edge in' },
    { at: AS_OF - 100 * DAY, user: 'edge in' },
    { at: AS_OF - 30 * DAY - 1, user: 'edge out' },
  ]

  it('shows each in one segment, from rollups and in another zone', async () => {
    for (const timeZone of ['UTC', 'Asia/Kathmandu']) {
      const store = await ledgerOf(calls, { timeZone })
      const analytics = openAnalytics(store, { now: () => AS_OF, timeZone: 'UTC' })
      const { rows } = await analytics.report('users', { order_by: [['user', 'asc']] })
      expect(Object.fromEntries(rows.map(({ user, segment }) => [user, segment]))).toEqual({
        power: 'power',
        casual: 'casual',
        new: 'new',
        fading: 'at_risk',
        gone: 'churned',
        'edge in': 'casual',
        'edge out': 'churned',
      })
      await store.close()
    }
  })

  it('can be split by segment and restricted to one', async () => {
    const store = await ledgerOf(calls)
    const analytics = openAnalytics(store, { now: () => AS_OF })
    const split = await analytics.query({ metrics: ['users', 'requests'], by: ['segment'], order_by: [['segment', 'asc']] })
    expect(split.rows).toEqual([
      { segment: 'at_risk', users: 1, requests: 36 },
      { segment: 'casual', users: 2, requests: 11 },
      { segment: 'churned', users: 2, requests: 51 },
      { segment: 'new', users: 1, requests: 3 },
      { segment: 'power', users: 1, requests: 101 },
    ])
    expect((await analytics.report('users', { segment: 'churned' })).rows.map(({ user }) => user).toSorted()).toEqual(['edge out', 'gone'])
    expect((await analytics.report('models', { segment: 'power' })).totals['requests']).toBe(101)
    expect((await analytics.query({ metrics: ['requests'], where: ['not', ['segment', ['power', 'churned']]] })).totals).toEqual({
      requests: 50,
    })
    await expect(analytics.report('users', { segment: 'powr' })).rejects.toThrow('Did you mean "power"?')
    await store.close()
  })
})
