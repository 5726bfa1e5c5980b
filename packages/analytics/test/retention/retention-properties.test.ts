import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { activeUsers, calendarActiveUsers } from '../../src/retention/active-users.ts'
import { adoption } from '../../src/retention/adoption.ts'
import { cohorts } from '../../src/retention/cohorts.ts'
import { growth } from '../../src/retention/growth.ts'
import { shiftInterval, startOfInterval, type Interval, type UserHistory } from '../../src/behavior/user-history.ts'

const START = 19_700

const someHistories: fc.Arbitrary<UserHistory[]> = fc
  .array(fc.uniqueArray(fc.nat(120), { minLength: 1, maxLength: 30 }), { maxLength: 25 })
  .map((users) =>
    users.map((days, n) => {
      const sorted = days.toSorted((a, b) => a - b)
      return {
        user: `u${n}`,
        firstDay: START + (sorted[0] ?? 0),
        days: sorted.map((day) => ({
          day: START + day,
          requests: 1 + (day % 3),
          features: new Map([[day % 2 === 0 ? 'even' : 'odd', 1]]),
        })),
      }
    }),
  )
const interval = fc.constantFrom<Interval>('day', 'week', 'month')

function monthOf(day: number): string {
  return new Date(day * 86_400_000).toISOString().slice(0, 7)
}

/** Whether a user called in [from, to), one day at a time. */
function called(history: UserHistory, from: number, to: number): boolean {
  return history.days.some(({ day }) => day >= from && day < to)
}

describe('users over time, in any history', () => {
  it('active users are as counting them one day at a time finds', () => {
    fc.assert(
      fc.property(someHistories, fc.nat(100), fc.integer({ min: 1, max: 40 }), (histories, offset, length) => {
        const from = START + offset
        const rows = activeUsers(histories, { from, to: from + length })
        const users = (since: number, until: number): number => histories.filter((history) => called(history, since, until)).length
        expect(rows).toEqual(
          Array.from({ length }, (_, n) => {
            const day = from + n
            const mau = users(day - 29, day + 1)
            const inMonth = Array.from({ length: 30 }, (_day, back) => users(day - back, day - back + 1)).reduce((a, b) => a + b, 0)
            return {
              day,
              dau: users(day, day + 1),
              wau: users(day - 6, day + 1),
              mau,
              stickiness: mau === 0 ? null : inMonth / 30 / mau,
            }
          }),
        )
      }),
    )
  })

  it('active users by the calendar are as counting those of each week and month finds', () => {
    const cases = fc.record({ offset: fc.nat(100), length: fc.integer({ min: 1, max: 40 }), late: fc.nat(20) })
    fc.assert(
      fc.property(someHistories, cases, fc.constantFrom('week' as const, 'sunday_week' as const), (all, { offset, length, late }, week) => {
        const from = START + offset
        const knownTo = from + length + late
        const histories = all.map(({ days, ...history }) => Object.assign(history, { days: days.filter(({ day }) => day < knownTo) }))
        const rows = calendarActiveUsers(histories, { from, to: from + length, week, asOfDay: knownTo - 1, knownTo })
        const users = (since: number, until: number): number => histories.filter((history) => called(history, since, until)).length
        expect(rows).toEqual(
          Array.from({ length }, (_, n) => {
            const day = from + n
            const date = new Date(day * 86_400_000)
            const monday = day - (week === 'week' ? (date.getUTCDay() + 6) % 7 : date.getUTCDay())
            const first = day - date.getUTCDate() + 1
            const next = Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1) / 86_400_000
            const mau = users(first, next)
            let userDays = 0
            for (let one = first; one < next; one++) userDays += users(one, one + 1)
            return {
              day,
              dau: users(day, day + 1),
              wau: users(monday, monday + 7),
              mau,
              stickiness: mau === 0 ? null : userDays / (Math.min(next, knownTo) - first) / mau,
              complete: Math.max(next, monday + 7) < knownTo,
            }
          }),
        )
      }),
    )
  })

  it('active now is active before, and new, and resurrected, less dormant', () => {
    fc.assert(
      fc.property(someHistories, interval, (histories, by) => {
        const rows = growth(histories, { interval: by, from: START, to: START + 125, asOfDay: START + 121 })
        let before = 0
        for (const row of rows) {
          expect(row.active).toBe(before + row.new + row.resurrected - row.dormant)
          expect(row.active).toBe(row.new + row.returning + row.resurrected)
          before = row.active
        }
      }),
    )
  })

  it('a cohort table is as going through its users one by one finds', () => {
    fc.assert(
      fc.property(
        someHistories,
        fc.constantFrom<'week' | 'month'>('week', 'month'),
        fc.integer({ min: 60, max: 160 }),
        (histories, by, asOf) => {
          const asOfDay = START + asOf
          const known = histories.filter(({ firstDay }) => firstDay < asOfDay)
          const rows = cohorts(histories, { by, from: START, to: asOfDay, asOfDay })
          expect(rows.reduce((sum, { size }) => sum + size, 0)).toBe(known.length)
          for (const { size, weeks } of rows) {
            for (const { share, of } of weeks) expect(share === null || of === size).toBe(true)
          }
          const starts = [...new Set(known.map(({ firstDay }) => startOfInterval(by, firstDay)))].sort((a, b) => a - b)
          const slow = starts.map((start) => {
            const members = known.filter(({ firstDay }) => startOfInterval(by, firstDay) === start)
            const isOver = shiftInterval(by, start, 1) <= asOfDay
            return [1, 2, 4, 8, 12].map((week) => {
              if (!isOver || members.some(({ firstDay }) => firstDay + 7 * week > asOfDay)) return null
              return members.filter((one) => called(one, one.firstDay + 7 * week - 7, one.firstDay + 7 * week)).length / members.length
            })
          })
          expect(rows.map(({ weeks }) => weeks.map(({ share }) => share))).toEqual(slow)
        },
      ),
    )
  })

  it('of those active in their first week, a cohort table is as going through these alone finds', () => {
    fc.assert(
      fc.property(someHistories, fc.integer({ min: 60, max: 160 }), fc.nat(9), (all, asOf, shift) => {
        const asOfDay = START + asOf
        // Some signed up before they first called, so that not all of a cohort are there in week 1.
        const histories = all.map((history, n) => Object.assign({}, history, { firstDay: history.firstDay - ((n * shift) % 30) }))
        const table = (some: UserHistory[], base: 'all' | 'week1_active') =>
          cohorts(some, { by: 'month', from: START - 60, to: asOfDay, asOfDay, censoring: 'eligible', base })
        const there = histories.filter((one) => called(one, one.firstDay, one.firstDay + 7))
        const slow = new Map(table(there, 'all').map(({ cohort, weeks }) => [cohort, weeks]))
        for (const { cohort, size, weeks } of table(histories, 'week1_active')) {
          const told = weeks.map(({ week, share, retained, of }) => ({ week, share, retained, of }))
          const ofThese = slow.get(cohort) ?? weeks.map(({ week }) => ({ week, share: null, retained: null, of: 0 }))
          expect(told).toEqual(ofThese.map(({ week, share, retained, of }) => ({ week, share, retained, of })))
          for (const { share, reason, week } of weeks) {
            // Too early for all of them, or nobody was there in week 1.
            const isEarly = histories.every(({ firstDay }) => monthOf(firstDay) !== cohort || firstDay + 7 * week > asOfDay)
            expect(reason).toBe(share !== null ? null : isEarly ? 'censored' : 'no_users')
          }
          expect(weeks[0]?.share ?? 1).toBe(1)
          expect(size).toBe(table(histories, 'all').find((row) => row.cohort === cohort)?.size)
        }
      }),
    )
  })

  it('the stages of adoption nest', () => {
    fc.assert(
      fc.property(someHistories, fc.integer({ min: 1, max: 130 }), (histories, asOf) => {
        const { aware, tried, adopted, power, firstUse } = adoption(histories, 'even', { asOfDay: START + asOf })
        expect([aware, tried, adopted, power]).toEqual([aware, tried, adopted, power].toSorted((a, b) => b - a))
        const shares = firstUse.map(({ share }) => share)
        expect(shares).toEqual(shares.toSorted((a, b) => a - b))
      }),
    )
  })
})
