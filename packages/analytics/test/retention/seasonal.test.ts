import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { Store } from '@spanledger/store'

import { openAnalytics, type Cell } from '../../src/index.ts'
import { monthSeasons, weekdaySeasons } from '../../src/retention/seasonal.ts'
import { dateOf, dayOf, type UserHistory } from '../../src/behavior/user-history.ts'
import { ledgerOf, type CallWords } from '../ledger.ts'

const MONDAY = dayOf('2024-01-01')
const user = (name: string, days: readonly number[], requests = 1): UserHistory => ({
  user: name,
  firstDay: days[0] ?? 0,
  days: days.map((day) => ({ day, requests, features: new Map() })),
})
const close = (value: number): Cell => expect.closeTo(value, 9) as Cell

describe('weekdays', () => {
  it('are compared with all days over whole weeks', () => {
    // Each Monday two users, each Tuesday one with three calls, for four weeks; the day before and the days after are in no whole week.
    const mondays = [0, 7, 14, 21, 28].map((day) => MONDAY + day)
    const histories = [
      user('a', [MONDAY - 1, ...mondays]),
      user('b', mondays),
      user(
        'c',
        mondays.map((day) => day + 1),
        3,
      ),
    ]
    const { weeks, weekdays } = weekdaySeasons(histories, { from: MONDAY - 1, to: MONDAY + 34 })
    expect(weeks).toBe(4)
    expect(weekdays.slice(0, 3)).toEqual([
      { weekday: 0, days: 4, meanUsers: 2, meanRequests: 2, usersIndex: close(14 / 3), requestsIndex: close(14 / 5) },
      { weekday: 1, days: 4, meanUsers: 1, meanRequests: 3, usersIndex: close(7 / 3), requestsIndex: close(21 / 5) },
      { weekday: 2, days: 4, meanUsers: 0, meanRequests: 0, usersIndex: 0, requestsIndex: 0 },
    ])
    expect(weekdaySeasons(histories, { from: MONDAY, to: MONDAY + 27 }).weekdays[0]).toMatchObject({
      days: 3,
      meanUsers: 2,
      usersIndex: null,
    })
    expect(weekdaySeasons(histories, { from: MONDAY + 1, to: MONDAY + 7 })).toEqual({ weeks: 0, weekdays: [] })
    expect(weekdaySeasons([], { from: MONDAY, to: MONDAY + 28 }).weekdays.every(({ usersIndex }) => usersIndex === null)).toBe(true)
  })

  it('are as counting day by day finds, and their indexes have the mean 1', () => {
    const anyUsers = fc.array(fc.uniqueArray(fc.nat(80), { minLength: 1, maxLength: 30 }), { maxLength: 12 })
    fc.assert(
      fc.property(anyUsers, fc.nat(20), fc.integer({ min: 1, max: 70 }), (found, offset, length) => {
        const histories = found.map((days, n) =>
          user(
            `u${n}`,
            days.toSorted((a, b) => a - b).map((day) => MONDAY + day),
            1 + (n % 3),
          ),
        )
        const period = { from: MONDAY + offset, to: MONDAY + offset + length }
        const { weeks, weekdays } = weekdaySeasons(histories, period)
        const all = Array.from({ length }, (_, n) => period.from + n)
        const isMonday = (day: number): boolean => new Date(day * 86_400_000).getUTCDay() === 1
        const begins = all.filter((day) => isMonday(day) && day + 7 <= period.to)
        expect(weeks).toBe(begins.length)
        for (const row of weekdays) {
          const days = new Set(begins.map((monday) => monday + row.weekday))
          const active = histories.flatMap((one) => one.days.filter(({ day }) => days.has(day)))
          expect(row.meanUsers).toBeCloseTo(active.length / weeks, 9)
          expect(row.meanRequests).toBeCloseTo(active.reduce((sum, { requests }) => sum + requests, 0) / weeks, 9)
        }
        const indexes = weekdays.map(({ usersIndex }) => usersIndex ?? 1)
        expect(indexes.reduce((a, b) => a + b, 0)).toBeCloseTo(weekdays.length, 9)
      }),
    )
  })
})

describe('months of the year', () => {
  const starts = Array.from({ length: 26 }, (_, n) => dayOf(`${2024 + Math.floor(n / 12)}-${String((n % 12) + 1).padStart(2, '0')}-10`))
  // Two users come a month; both stay, but in July, when one does.
  const histories = starts.flatMap((day, n) => [
    user(`a${n}`, [day, day + 21]),
    user(`b${n}`, n % 12 === 6 ? [day, day + 28] : [day, day + 27]),
  ])

  it('are compared by how their users stayed, once there are two years', () => {
    const all = { from: dayOf('2024-01-01'), to: dayOf('2026-03-01') }
    const { months, monthsOfYear } = monthSeasons(histories, { ...all, asOfDay: dayOf('2026-03-27') })
    // February 28 is seen for 28 days on March 27; a day before it is not.
    expect(months).toBe(25)
    expect(monthSeasons(histories, { ...all, asOfDay: dayOf('2026-03-28') }).months).toBe(26)
    expect(monthsOfYear[0]).toEqual({ month: 1, users: 6, retained: 6, retention: 1, index: close(50 / 48) })
    expect(monthsOfYear[6]).toEqual({ month: 7, users: 4, retained: 2, retention: 0.5, index: close(0.5 / (48 / 50)) })
    expect(monthSeasons(histories, { from: dayOf('2024-01-02'), to: dayOf('2025-12-31'), asOfDay: dayOf('2026-03-27') })).toMatchObject({
      months: 22,
    })
  })

  it('have no index of less, and no users who are too new', () => {
    const { months, monthsOfYear } = monthSeasons(histories, {
      from: dayOf('2024-01-01'),
      to: dayOf('2026-01-01'),
      asOfDay: dayOf('2026-01-27'),
    })
    expect(months).toBe(23)
    expect(monthsOfYear.map(({ index }) => index)).toEqual(monthsOfYear.map(() => null))
    expect(monthsOfYear[11]).toMatchObject({ month: 12, users: 2 })
    expect(monthSeasons([], { from: 0, to: 1000, asOfDay: 1000 }).monthsOfYear).toEqual([])
  })
})

describe('the report', () => {
  let store: Store
  beforeAll(async () => {
    const days = Array.from({ length: 35 }, (_, n) => MONDAY + 3 + n)
    const calls = (at: string, by: string | undefined, only = days): CallWords[] =>
      only.map((day) => ({ at: `${dateOf(day)}${at}`, user: by }))
    const mondays = days.filter((_, n) => n % 7 === 4)
    store = await ledgerOf([...calls('T12:00:00Z', 'ann'), ...calls('T13:00:00Z', 'bob', mondays), ...calls('T14:00:00Z', undefined)])
  })
  afterAll(() => store.close())

  it('leaves the running day out, and says where there is too little to tell', async () => {
    const at = (time: string) => openAnalytics(store, { now: () => Date.parse(time) }).report('seasonal')
    // 2024-01-04 was a Thursday: the whole weeks begin on the 8th. Bob calls on Mondays.
    const { rows, meta } = await at('2024-02-05T00:00:00Z')
    expect(rows.slice(0, 2)).toMatchObject([
      { season: 'weekday', name: 'Monday', n: 4, mean_users: 2, users_index: 14 / 8, mean_requests: 2, retention: null },
      { season: 'weekday', name: 'Tuesday', n: 4, mean_users: 1, users_index: 7 / 8 },
    ])
    expect(meta.warnings.join()).toContain('there are 0')
    const early = await at('2024-02-04T23:00:00Z')
    expect(early.rows[0]).toMatchObject({ n: 3, users_index: null })
    expect(early.meta.warnings.join()).toContain('takes 4 whole weeks, and there are 3')
    // The first month counts from its begin, though nobody called on its first days.
    const later = await at('2024-02-28T00:00:00Z')
    expect(later.rows.at(-1)).toMatchObject({
      season: 'month_of_year',
      name: 'January',
      n: 2,
      retained: 2,
      retention: 1,
      retention_index: null,
    })
    expect(later.meta.warnings.join()).toContain('there are 1')
  })

  it('counts no weeks before the first call of all, and none of which a part lies outside of the period', async () => {
    const at = async (params: object) =>
      (await openAnalytics(store, { now: () => Date.parse('2024-02-05T00:00:00Z') }).report('seasonal', params)).rows[0]
    expect(await at({ since: '2020-01-01' })).toMatchObject({ n: 4, mean_users: 2 })
    expect(await at({ since: '2020-01-01', where: 'user = bob' })).toMatchObject({ n: 4, mean_users: 1, users_index: 7 })
    expect(await at({ since: '2024-01-08' })).toMatchObject({ n: 4, mean_users: 2 })
    expect(await at({ since: '2024-01-08T12:00:00Z' })).toMatchObject({ n: 3, users_index: null })
    expect(await at({ until: '2024-02-04T12:00:00Z' })).toMatchObject({ n: 3, users_index: null })
    expect(await at({ until: '2024-02-04' })).toMatchObject({ n: 4 })
  })

  it('has no rows in an empty ledger', async () => {
    const empty = await ledgerOf([])
    const answer = await openAnalytics(empty).report('seasonal')
    expect(answer.rows).toEqual([])
    expect(answer.meta.warnings).toHaveLength(2)
    await empty.close()
  })
})
