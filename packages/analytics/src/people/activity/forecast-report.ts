import { readGroups } from '../../read/read-groups.ts'
import { readFirstStart } from '../../ledger/seen-users.ts'
import { scopeOf } from '../../read/frame.ts'
import type { Amount } from '../../query/metric.ts'
import { metricTable } from '../../query/metrics.ts'
import { dateOf, shiftInterval, startOfInterval } from '../../behavior/user-history.ts'
import { normalQuantile } from '../../statistics/distributions.ts'
import { mean } from '../../statistics/quantiles.ts'
import { timeKeyOfDay } from '../../query/time-bucket.ts'
import type { PeopleAsked } from '../answers/people-report.ts'
import type { Told } from '../answers/told.ts'
import { choiceOf } from '../../report-options.ts'

const WEEK = 7
/** A day is expected to be as the same weekday was in so many weeks before, on average. */
const WEEKS_BACK = 4
/** Weeks on which that is tried out, to see how far off it is. */
const WEEKS_TRIED = 4

/** What is to come, day by day, with how far off it may be. */
export interface Forecast {
  readonly day: number
  readonly expected: number
  /** The standard deviation of the error of one day. */
  readonly spread: number
}

/**
 * Expects each coming day to be as the same weekday was on average in the four weeks before the first of them.
 * `values` are consecutive days, the last one right before `from`. @returns null of less than eight weeks
 */
export function forecastDays(values: readonly number[], from: number, to: number): Forecast[] | null {
  if (values.length < WEEK * (WEEKS_BACK + WEEKS_TRIED)) return null
  const usual = (end: number): number => mean(Array.from({ length: WEEKS_BACK }, (_, k) => values[end - WEEK * (k + 1)] ?? 0)) ?? 0
  const errors: number[] = []
  for (let n = values.length - WEEK * WEEKS_TRIED; n < values.length; n++) errors.push((values[n] ?? 0) - usual(n))
  const spread = Math.sqrt(mean(errors.map((error) => error ** 2)) ?? 0)
  return Array.from({ length: Math.max(0, to - from) }, (_, n) => ({ day: from + n, expected: usual(values.length + (n % WEEK)), spread }))
}

/** The rest of the month, from what the weekdays of the last weeks were. */
export async function tellForecast({ frame, options }: PeopleAsked): Promise<Told> {
  const { clock, zone, store } = frame
  const metric = choiceOf(options, 'forecast') === 'requests' ? 'requests' : 'cost_usd'
  const today = timeKeyOfDay('day', zone.day(clock.asOfMs))
  const monthStart = startOfInterval('month', today)
  const monthEnd = shiftInterval('month', monthStart, 1)
  const firstDay = Math.min(monthStart, today - WEEK * (WEEKS_BACK + WEEKS_TRIED))
  const startOf = (day: number): number => zone.startOfDay(Number(dateOf(day).replaceAll('-', '')))
  const scope = await scopeOf(frame, { fromMs: startOf(firstDay), toMs: startOf(today) })
  const groups = await readGroups(store, scope, { dimensions: [{ kind: 'time', step: 'day' }], metrics: [metric] })
  const byDay = new Map(groups.map(({ keys, group }) => [Number(keys[0]), Number(metricTable[metric].of(group) ?? 0)]))
  const firstMs = await readFirstStart(store)
  const begun = firstMs === undefined ? today : Math.max(firstDay, timeKeyOfDay('day', zone.day(firstMs)))
  const values = Array.from({ length: today - begun }, (_, n) => byDay.get(begun + n) ?? 0)
  const coming = forecastDays(values, today, monthEnd)
  const type = metric === 'cost_usd' ? 'usd' : 'number'
  // Costs are nano-USD, and what is expected of them is as exact as it is told.
  const told = (value: number): Amount => (type === 'usd' ? BigInt(Math.round(value)) : value)
  const soFar = Array.from({ length: today - monthStart }, (_, n) => byDay.get(monthStart + n) ?? 0).reduce((sum, value) => sum + value, 0)
  const row = (date: string, { actual, expected, spread }: { actual: number | null; expected: number | null; spread: number }) => {
    const band = (level: number, sign: 1 | -1): Amount =>
      expected === null ? null : told(Math.max(actual ?? 0, expected + sign * normalQuantile((1 + level) / 2) * spread))
    return {
      date,
      actual: actual === null ? null : told(actual),
      expected: expected === null ? null : told(expected),
      low_80: band(0.8, -1),
      high_80: band(0.8, 1),
      low_95: band(0.95, -1),
      high_95: band(0.95, 1),
    }
  }
  const rest = coming?.reduce((sum, { expected }) => sum + expected, 0) ?? 0
  const spread = coming?.[0]?.spread ?? 0
  return {
    columns: {
      date: ['Date', 'date', 'a local day from today on, or the whole month'],
      actual: ['So far', type, `${metric} of the whole days of the month before today`],
      expected: [
        'Expected',
        type,
        `${metric} of the day: the mean of the same weekday in the ${WEEKS_BACK} weeks before; of the month: so far, and the days to come`,
      ],
      low_80: ['80 % from', type, 'as far off as the last four weeks were, days independent; not below what is there already'],
      high_80: ['80 % to', type, 'its upper end'],
      low_95: ['95 % from', type, 'the same, wider'],
      high_95: ['95 % to', type, 'its upper end'],
    },
    rows: [
      row(dateOf(monthStart).slice(0, 7), {
        actual: soFar,
        expected: coming === null ? null : soFar + rest,
        spread: spread * Math.sqrt(coming?.length ?? 0),
      }),
      ...(coming ?? []).map(({ day, expected }) => row(dateOf(day), { actual: null, expected, spread })),
    ],
    warnings:
      coming === null
        ? [`insufficient_data: a forecast takes ${WEEK * (WEEKS_BACK + WEEKS_TRIED)} days of history, and there are ${values.length}`]
        : [],
  }
}
