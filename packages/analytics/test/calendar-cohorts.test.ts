import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { openAnalytics } from '../src/index.ts'
import { ledgerOf, type CallWords } from './ledger.ts'

const HOUR_MS = 3_600_000
/** New York's clocks go forward on 8 March. */
const BEGIN = Date.parse('2026-02-01T00:00:00Z')
const AS_OF = Date.parse('2026-04-10T15:00:00Z')
const ZONE = 'America/New_York'

interface Found {
  readonly user: string
  readonly hour: number
}

const local = new Intl.DateTimeFormat('en-CA', { timeZone: ZONE })
const dateOf = (ms: number): string => local.format(ms)
const plusDays = (date: string, n: number): string => new Date(Date.parse(`${date}T12:00:00Z`) + n * 86_400_000).toISOString().slice(0, 10)

/** The date that a date's week begins with, found by walking back. */
function weekOf(date: string, weekday: number): string {
  let day = date
  while (new Date(`${day}T12:00:00Z`).getUTCDay() !== weekday) day = plusDays(day, -1)
  return day
}

const weeks = [1, 2, 3, 6]

interface Options {
  readonly weekday: number
  readonly mode: string
  readonly censoring: string
}

/** The table by dates alone, one user after the other. */
function naiveTable(found: readonly Found[], { weekday, mode, censoring }: Options) {
  const today = dateOf(AS_OF)
  const datesOf = new Map<string, string[]>()
  for (const { user, hour } of found) datesOf.set(user, [...(datesOf.get(user) ?? []), dateOf(BEGIN + hour * HOUR_MS)].sort())
  const cohorts = new Map<string, string[][]>()
  for (const dates of datesOf.values()) {
    const month = (dates[0] ?? '').slice(0, 7)
    cohorts.set(month, [...(cohorts.get(month) ?? []), dates])
  }
  return [...cohorts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([month, users]) => {
      const cells = weeks.map((week) => {
        const startOf = (dates: string[], n: number): string => plusDays(weekOf(dates[0] ?? '', weekday), 7 * (n - 1))
        const isOver = (dates: string[]): boolean => startOf(dates, week + 1) <= today
        const known = users.filter(isOver)
        const isMonthOver = today.slice(0, 7) > month
        if (censoring === 'strict' ? !isMonthOver || known.length < users.length : known.length === 0) return null
        const isIn = (dates: string[], n: number): boolean =>
          dates.some((date) => date >= startOf(dates, n) && date < startOf(dates, n + 1))
        const isThere = (dates: string[]): boolean =>
          mode === 'on'
            ? isIn(dates, week)
            : mode === 'streak'
              ? Array.from({ length: week }, (_, n) => n + 1).every((n) => isIn(dates, n))
              : dates.some((date) => date >= startOf(dates, week) && date < today)
        return known.filter(isThere).length / known.length
      })
      return [month, users.length, cells]
    })
}

describe('cohorts --clock calendar', () => {
  it('has in week n who was active in the n-th local week from the one of the first call, as going by dates finds', async () => {
    const cases = fc.record({
      found: fc.array(fc.record({ user: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), hour: fc.integer({ min: 0, max: 67 * 24 }) }), {
        minLength: 1,
        maxLength: 40,
      }),
      weekday: fc.constantFrom(0, 1),
      mode: fc.constantFrom('on', 'on_or_after', 'streak'),
      censoring: fc.constantFrom('strict', 'eligible'),
    })
    await fc.assert(
      fc.asyncProperty(cases, async ({ found, weekday, mode, censoring }) => {
        const store = await ledgerOf(
          found.map(({ user, hour }): CallWords => ({ user, at: BEGIN + hour * HOUR_MS })),
          { timeZone: ZONE },
        )
        const { rows } = await openAnalytics(store, { now: () => AS_OF }).report('cohorts', {
          week_start: weekday === 0 ? 'sunday' : 'monday',
          options: { clock: 'calendar', mode, censoring, weeks: weeks.join(',') },
        })
        await store.close()
        expect(rows.map((row) => [row['cohort'], row['size'], weeks.map((week) => row[`w${week}`])])).toEqual(
          naiveTable(found, { weekday, mode, censoring }),
        )
      }),
      { numRuns: 40 },
    )
  })

  it('differs from own weeks where a week begins between two days', async () => {
    // A Sunday, and the Monday after it.
    const store = await ledgerOf(['2026-03-01T12:00:00Z', '2026-03-02T12:00:00Z'].map((at) => ({ user: 'a', at })))
    const analytics = openAnalytics(store, { now: () => AS_OF })
    const cells = async (clock: string) => (await analytics.report('cohorts', { options: { clock, weeks: '1,2' } })).rows[0]
    expect(await cells('rolling')).toMatchObject({ w1: 1, w2: 0 })
    expect(await cells('calendar')).toMatchObject({ w1: 1, w2: 1 })
    await store.close()
  })
})
