/** On which local days a user called. Days are numbered from 1970-01-01, so that a week is seven on. */
export interface UserHistory {
  readonly user: string
  /** The local day of the first call ever, or of the sign-up where that is known; also where it lies before what was asked for. */
  readonly firstDay: number
  /** Ascending, each once. */
  readonly days: readonly ActiveDay[]
}

export interface ActiveDay {
  readonly day: number
  readonly requests: number
  /** Requests by feature; empty where no feature was named. */
  readonly features: ReadonlyMap<string, number>
}

/** Whether a user called on any day of [from, to). */
export function isActive({ days }: UserHistory, from: number, to: number): boolean {
  const first = days[firstAtOrAfter(days, from)]
  return first !== undefined && first.day < to
}

/** The days of [from, to) on which a user called. */
export function activeDays({ days }: UserHistory, from: number, to: number): readonly ActiveDay[] {
  return days.slice(firstAtOrAfter(days, from), firstAtOrAfter(days, to))
}

/** The position of the first active day that is not before `day`. */
function firstAtOrAfter(days: readonly ActiveDay[], day: number): number {
  let [low, high] = [0, days.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((days[middle]?.day ?? 0) < day) low = middle + 1
    else high = middle
  }
  return low
}

const DAY_MS = 86_400_000

/** `2026-01-31` of a day. */
export function dateOf(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10)
}

/** The day of `2026-01-31`. */
export function dayOf(date: string): number {
  return Math.round(Date.parse(`${date}T00:00:00Z`) / DAY_MS)
}

/** A week that begins on Monday, or on Sunday. */
export type Week = 'week' | 'sunday_week'

/** Steps by which users are compared over time. */
export type Interval = 'day' | Week | 'month'

/** The first day of the interval that holds a day. */
export function startOfInterval(interval: Interval, day: number): number {
  if (interval === 'day') return day
  // 1970-01-01 was a Thursday.
  if (interval === 'week') return day - ((((day + 3) % 7) + 7) % 7)
  if (interval === 'sunday_week') return day - ((((day + 4) % 7) + 7) % 7)
  const date = new Date(day * DAY_MS)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1) / DAY_MS
}

/** The first day of the interval `n` after (before, where negative) the one that starts on a day. */
export function shiftInterval(interval: Interval, start: number, n: number): number {
  if (interval === 'day') return start + n
  if (interval === 'week' || interval === 'sunday_week') return start + 7 * n
  const date = new Date(start * DAY_MS)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + n, 1) / DAY_MS
}

/** What an interval is called: weeks by the day that labels them. */
export function intervalInWords(interval: Interval): string {
  if (interval === 'week') return 'week (by its Monday)'
  return interval === 'sunday_week' ? 'week (by its Sunday)' : interval
}

/** How an interval is shown: `2026-01-31`, the first day of a week, `2026-01`. */
export function intervalLabel(interval: Interval, start: number): string {
  return interval === 'month' ? dateOf(start).slice(0, 7) : dateOf(start)
}
