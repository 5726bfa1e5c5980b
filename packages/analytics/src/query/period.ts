import { addDays, type Zone } from '@spanledger/store'

import { QueryError } from './query-error.ts'

/** Instants [fromMs, toMs). */
export interface Period {
  readonly fromMs: number
  readonly toMs: number
}

/** What a period may be said with; nothing said means all history up to `asOf`. */
export interface PeriodWords {
  /** A date (its first instant in the zone), a month, `today`, `yesterday`, an instant, or as `last`. */
  readonly since?: string | undefined
  /** A date (that day is included), a month, `today`, `yesterday`, or an instant (not included). */
  readonly until?: string | undefined
  /** `28d`, `12w`, `3mo`: so many local days, weeks, months up to the end, today's part included; or a word of `sinceWords`, or `yesterday`. */
  readonly last?: string | undefined
}

/** The day, month, quarter and year that holds the end of a period: from its begin. */
const sinceWords: Readonly<Record<string, (day: number) => number>> = {
  today: (day) => day,
  mtd: (day) => day - (day % 100) + 1,
  qtd: (day) => {
    const [year, month] = [Math.floor(day / 10_000), Math.floor(day / 100) % 100]
    return year * 10_000 + (month - ((month - 1) % 3)) * 100 + 1
  },
  ytd: (day) => Math.floor(day / 10_000) * 10_000 + 101,
}

/**
 * The period that words say, in a zone. Without `since` and `last` it begins with `firstMs`; `nowMs` is what `today` is of.
 * @throws QueryError for words that are no date, or a period that ends before it begins
 */
export function resolvePeriod(
  words: PeriodWords,
  { zone, asOfMs, firstMs, nowMs = asOfMs }: { zone: Zone; asOfMs: number; firstMs: number; nowMs?: number },
): Period {
  const toMs = words.until === undefined ? asOfMs : parseInstant('until', words.until, { zone, nowMs })
  if (words.last !== undefined) {
    if (words.since !== undefined) throw new QueryError('Give either since or last, not both.', { given: 'last' })
    if (words.last === 'yesterday') return dayBefore(toMs, zone)
    return { fromMs: startOfLast(words.last, toMs, zone), toMs }
  }
  if (words.since === undefined) return { fromMs: Math.min(firstMs, toMs), toMs }
  const fromMs = isLength(words.since)
    ? startOfLast(words.since, words.until === undefined ? nowMs : toMs, zone)
    : parseInstant('since', words.since, { zone, nowMs })
  if (fromMs >= toMs) {
    throw new QueryError(
      `The period ends (${new Date(toMs).toISOString()}) before it begins (${new Date(fromMs).toISOString()}). Give a "since" before "until".`,
      { given: words.since },
    )
  }
  return { fromMs, toMs }
}

/** The whole day before the one that holds the end of a period. */
function dayBefore(toMs: number, zone: Zone): Period {
  const day = zone.day(toMs - 1)
  return { fromMs: zone.startOfDay(addDays(day, -1)), toMs: zone.startOfDay(day) }
}

/** Whether a text says how long a period is rather than when it begins. */
function isLength(text: string): boolean {
  return /^\d{1,4}(?:d|w|mo)$/.test(text) || (text !== 'today' && Object.hasOwn(sinceWords, text))
}

/** What a period is compared with: as many days right before it, or the last that fall on the same weekdays. */
export const compareModes = ['previous', 'same_weekdays'] as const
export type CompareMode = (typeof compareModes)[number]

/**
 * As many local days right before a period, or, of whole weeks before, the first that do not overlap it; a period that ends
 * within a day ends at the same time of day before, so that only parts of equal length are compared.
 */
export function previousPeriod({ fromMs, toMs }: Period, zone: Zone, mode: CompareMode = 'previous'): Period {
  const length = daysBetween(zone.day(fromMs), zone.day(Math.max(toMs - 1, fromMs))) + 1
  const days = mode === 'same_weekdays' ? Math.ceil(length / 7) * 7 : length
  return { fromMs: shiftDays(fromMs, -days, zone), toMs: shiftDays(toMs, -days, zone) }
}

/** How many days the second is after the first. */
export function daysBetween(first: number, second: number): number {
  return Math.round((utcOf(second) - utcOf(first)) / 86_400_000)
}

/** The same time of a local day, `n` days later; at most that day's last instant where the day is shorter. */
function shiftDays(ms: number, n: number, zone: Zone): number {
  const day = zone.day(ms)
  const target = addDays(day, n)
  const end = zone.startOfDay(addDays(target, 1))
  return Math.min(zone.startOfDay(target) + (ms - zone.startOfDay(day)), end)
}

/** Where a period of so many days, weeks or months, or the running one, begins. @throws QueryError for other words */
export function startOfLast(text: string, toMs: number, zone: Zone): number {
  const beginOf = Object.hasOwn(sinceWords, text) ? sinceWords[text] : undefined
  if (beginOf !== undefined) return zone.startOfDay(beginOf(zone.day(toMs - 1)))
  const match = /^(\d{1,4})(d|w|mo)$/.exec(text)
  const count = Number(match?.[1])
  if (match === null || count === 0) {
    throw new QueryError(
      `Cannot read last ${JSON.stringify(text)}. Write a number of days, weeks or months (28d, 12w, 3mo), or today, yesterday, mtd, qtd, ytd.`,
      {
        given: text,
      },
    )
  }
  const lastDay = zone.day(toMs - 1)
  const firstDay = match[2] === 'mo' ? addDays(addMonths(lastDay, -count), 1) : addDays(lastDay, 1 - count * (match[2] === 'w' ? 7 : 1))
  return zone.startOfDay(firstDay)
}

/** The same day of another month, or that month's last one. */
function addMonths(day: number, n: number): number {
  const months = Math.floor(day / 10_000) * 12 + (Math.floor(day / 100) % 100) - 1 + n
  const first = Math.floor(months / 12) * 10_000 + ((months % 12) + 1) * 100 + 1
  const nextFirst = Math.floor((months + 1) / 12) * 10_000 + (((months + 1) % 12) + 1) * 100 + 1
  const length = daysBetween(first, nextFirst)
  return first - 1 + Math.min(day % 100, length)
}

/** Where and when words are read; without `nowMs` there is no today. */
interface Here {
  readonly zone: Zone
  readonly nowMs?: number | undefined
}

/** @throws QueryError where the text is neither a date or month nor an instant with its offset */
export function parseInstant(what: 'since' | 'until' | 'as-of', text: string, here: Here): number {
  return checkReach(what, text, readInstant(what, text, here))
}

/** @throws QueryError for what no ledger holds a call of */
export function checkReach(what: string, text: string, ms: number): number {
  if (ms >= FIRST_MS && ms <= LAST_MS) return ms
  throw new QueryError(`${what} ${JSON.stringify(text)} is out of reach. A ledger holds calls from 1970 to 2199.`, { given: text })
}

/** The bounds between which a call may start (store), with a day on either side for zones. */
export const FIRST_MS = -86_400_000
const LAST_MS = Date.UTC(2200, 0, 2)

function readInstant(what: 'since' | 'until' | 'as-of', text: string, { zone, nowMs }: Here): number {
  const date = /^(\d{4})-(\d{2})(?:-(\d{2}))?$/.exec(text)
  if (date !== null) {
    const day = Number(date[1]) * 10_000 + Number(date[2]) * 100 + Number(date[3] ?? 1)
    const isThere = day % 10_000 < 1300 && new Date(utcOf(day)).toISOString().startsWith(text)
    if (isThere && what === 'since') return zone.startOfDay(day)
    if (isThere) return zone.startOfDay(date[3] === undefined ? addMonths(day, 1) : addDays(day, 1))
  } else if ((text === 'today' || text === 'yesterday') && nowMs !== undefined) {
    const day = addDays(zone.day(nowMs - 1), text === 'today' ? 0 : -1)
    return zone.startOfDay(what === 'since' ? day : addDays(day, 1))
  } else if (/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})$/.test(text)) {
    const ms = Date.parse(text)
    if (Number.isFinite(ms)) return ms
  }
  throw new QueryError(
    `Cannot read ${what} ${JSON.stringify(text)}. Write a date (2026-01-31), a month (2026-01)${nowMs === undefined ? '' : ', today, yesterday'} or an instant with its offset (2026-01-31T09:00:00Z).`,
    {
      given: text,
    },
  )
}

function utcOf(day: number): number {
  return Date.UTC(Math.floor(day / 10_000), Math.floor((day % 10_000) / 100) - 1, day % 100)
}

const FIRST_STEP_MS = 7 * 86_400_000

/** A period in parts, the latest first, each twice as long as the one after it: for who looks for the latest of something, which is mostly near its end. */
export function* backwards({ fromMs, toMs }: Period): Generator<Period> {
  let lengthMs = FIRST_STEP_MS
  for (let end = toMs; end > fromMs; lengthMs *= 2) {
    const start = Math.max(fromMs, end - lengthMs)
    yield { fromMs: start, toMs: end }
    end = start
  }
}
