import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { activeUsers } from '../../src/retention/active-users.ts'
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
