import { ratio } from '../behavior/session-metrics.ts'
import { activeDays, isActive, shiftInterval, startOfInterval, type UserHistory, type Week } from '../behavior/user-history.ts'

/** How a weekday compares with all days. */
export interface WeekdaySeason {
  /** 0 is the first of the week. */
  readonly weekday: number
  /** How many of them; as many of each. */
  readonly days: number
  readonly meanUsers: number
  readonly meanRequests: number
  /** The mean of the weekday / the mean of all days; null of fewer than four weeks, and where nobody called. */
  readonly usersIndex: number | null
  readonly requestsIndex: number | null
}

/** How those who were first seen in a month of the year stayed, compared with all. */
export interface MonthSeason {
  /** 1 is January. */
  readonly month: number
  readonly users: number
  readonly retained: number
  readonly retention: number | null
  /** retention / that of all users; null of fewer than 24 months. */
  readonly index: number | null
}

/** Days [from, to), numbered; all of them over. */
export interface SeasonPeriod {
  readonly from: number
  readonly to: number
}

const WEEK = 7
export const MIN_WEEKS = 4
export const MIN_MONTHS = 24

/** The whole weeks of a period; each weekday is in them as often as any other. */
export function weekdaySeasons(
  histories: readonly UserHistory[],
  period: SeasonPeriod,
  week: Week = 'week',
): { weeks: number; weekdays: WeekdaySeason[] } {
  const firstWeek = startOfInterval(week, period.from + WEEK - 1)
  const weeks = Math.max(0, Math.floor((period.to - firstWeek) / WEEK))
  const [users, requests] = [Array.from({ length: WEEK }, () => 0), Array.from({ length: WEEK }, () => 0)]
  for (const history of histories) {
    for (const active of activeDays(history, firstWeek, firstWeek + WEEK * weeks)) {
      const weekday = (active.day - firstWeek) % WEEK
      users[weekday] = (users[weekday] ?? 0) + 1
      requests[weekday] = (requests[weekday] ?? 0) + active.requests
    }
  }
  const all = { users: users.reduce((a, b) => a + b, 0), requests: requests.reduce((a, b) => a + b, 0) }
  // As many of each weekday: means compare as sums do.
  const index = (own: number, total: number): number | null => (weeks < MIN_WEEKS ? null : ratio(own * WEEK, total))
  return {
    weeks,
    weekdays:
      weeks === 0
        ? []
        : users.map((own, weekday) => ({
            weekday,
            days: weeks,
            meanUsers: own / weeks,
            meanRequests: (requests[weekday] ?? 0) / weeks,
            usersIndex: index(own, all.users),
            requestsIndex: index(requests[weekday] ?? 0, all.requests),
          })),
  }
}

/** Retained is who was active in days 21 to 27; months count once the last to join in them could have been. */
const RETAINED = { from: 21, to: 28 } as const

/** Months of the year by the users first seen in them, over whole months that begin in the period. */
export function monthSeasons(
  histories: readonly UserHistory[],
  { from, to, asOfDay }: SeasonPeriod & { readonly asOfDay: number },
): { months: number; monthsOfYear: MonthSeason[] } {
  const start = firstWholeMonth(from)
  let [end, months] = [start, 0]
  for (let next = shiftInterval('month', end, 1); next <= to && next - 1 + RETAINED.to <= asOfDay; next = shiftInterval('month', end, 1)) {
    end = next
    months++
  }
  const sums = Array.from({ length: 12 }, () => ({ users: 0, retained: 0 }))
  for (const history of histories) {
    const { firstDay } = history
    const sum = sums[new Date(firstDay * 86_400_000).getUTCMonth()]
    if (sum === undefined || firstDay < start || firstDay >= end) continue
    sum.users++
    if (isActive(history, firstDay + RETAINED.from, firstDay + RETAINED.to)) sum.retained++
  }
  const all = sums.reduce((a, b) => ({ users: a.users + b.users, retained: a.retained + b.retained }), { users: 0, retained: 0 })
  const overall = ratio(all.retained, all.users)
  return {
    months,
    monthsOfYear: sums.flatMap(({ users, retained }, n): MonthSeason[] => {
      const retention = ratio(retained, users)
      const isTold = months >= MIN_MONTHS && retention !== null && overall !== null
      return users === 0 ? [] : [{ month: n + 1, users, retained, retention, index: isTold ? ratio(retention, overall) : null }]
    }),
  }
}

function firstWholeMonth(from: number): number {
  const start = startOfInterval('month', from)
  return start === from ? start : shiftInterval('month', start, 1)
}
