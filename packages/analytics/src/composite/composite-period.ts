import { zoneOf } from '../query/buckets.ts'
import type { Clock } from '../read/frame.ts'
import { checkReach, FIRST_MS, resolvePeriod, type Period } from '../query/period.ts'
import { QueryError } from '../query/query-error.ts'
import { dateOf, dayOf, shiftInterval, startOfInterval, type Interval } from '../behavior/user-history.ts'
import { timeKeyOfDay, type WeekStart } from '../query/time-bucket.ts'
import type { CompositeStep } from './composites.ts'
import type { SectionPeriod } from './sections.ts'

/** What a composite is about: when, and how far it is known. */
export interface CompositePeriod extends SectionPeriod, Period {
  /** The end of the period, or `as_of` where that comes first: the state of which every section tells. */
  readonly knownToMs: number
}

interface Words {
  readonly date: string | undefined
  readonly since: string | undefined
  readonly until: string | undefined
  readonly last: string | undefined
  readonly weekStart: WeekStart | undefined
}

const DEFAULT_LAST = '28d'

/**
 * The day, week, month or quarter that holds a date, or the last one that is over; for dashboards a period as reports take it.
 * @throws QueryError for a date that is none, or has not come yet
 */
export function compositePeriod(kind: CompositeStep | undefined, words: Words, { asOfMs, timeZone }: Clock): CompositePeriod {
  const step = kind === 'week' && words.weekStart === 'sunday' ? 'sunday_week' : kind
  const zone = zoneOf(timeZone)
  const today = timeKeyOfDay('day', zone.day(asOfMs))
  const startMs = (day: number): number => zone.startOfDay(Number(dateOf(day).replaceAll('-', '')))
  if (step === undefined) {
    if (words.date !== undefined)
      throw new QueryError('A dashboard takes no date. Give a period: last, or since and until.', { given: words.date })
    const { since, until, last = since === undefined ? DEFAULT_LAST : undefined } = words
    const period = resolvePeriod({ since, until, last }, { zone, asOfMs, firstMs: asOfMs })
    const lastDay = timeKeyOfDay('day', zone.day(Math.max(period.toMs - 1, period.fromMs)))
    return wordsOf(period, asOfMs, (steps) => startMs(shiftInterval('month', startOfInterval('month', lastDay), -steps)))
  }
  for (const name of ['since', 'until', 'last'] as const) {
    if (words[name] !== undefined)
      throw new QueryError(`This report is about one ${kind}: choose it with date (--date 2026-01-31), not with ${name}.`, { given: name })
  }
  if (words.date !== undefined) checkReach('date', words.date, dayOfDate(words.date) * 86_400_000)
  const current = startOfStep(step, words.date === undefined ? today : dayOfDate(words.date))
  const start = words.date === undefined ? shiftStep(step, current, -1) : current
  const period = { fromMs: startMs(start), toMs: startMs(shiftStep(step, start, 1)) }
  if (period.fromMs >= asOfMs)
    throw new QueryError(`The ${kind} of ${words.date} has not begun at ${new Date(asOfMs).toISOString()}. Give an earlier date.`, {
      given: String(words.date),
    })
  return wordsOf(period, asOfMs, (steps) => startMs(shiftStep(step, start, -steps)))
}

function wordsOf(period: Period, asOfMs: number, beforeMs: (steps: number) => number): CompositePeriod {
  const knownToMs = Math.min(period.toMs, asOfMs)
  return {
    ...period,
    knownToMs,
    since: instant(period.fromMs),
    // A part is compared with as long a part.
    until: instant(knownToMs),
    before: (steps) => instant(beforeMs(steps)),
  }
}

/** As the reports of the sections take it: before there can be calls there is nothing to ask for. */
function instant(ms: number): string {
  return new Date(Math.max(ms, FIRST_MS)).toISOString()
}

function dayOfDate(text: string): number {
  const day = /^\d{4}-\d{2}-\d{2}$/.test(text) ? dayOf(text) : Number.NaN
  if (Number.isNaN(day) || dateOf(day) !== text)
    throw new QueryError(`Cannot read date ${JSON.stringify(text)}. Write it as 2026-01-31.`, { given: text })
  return day
}

const QUARTER = 3

function startOfStep(step: Interval | 'quarter', day: number): number {
  if (step !== 'quarter') return startOfInterval(step, day)
  const month = startOfInterval('month', day)
  return shiftInterval('month', month, -(new Date(month * 86_400_000).getUTCMonth() % QUARTER))
}

function shiftStep(step: Interval | 'quarter', start: number, n: number): number {
  return step === 'quarter' ? shiftInterval('month', start, QUARTER * n) : shiftInterval(step, start, n)
}
