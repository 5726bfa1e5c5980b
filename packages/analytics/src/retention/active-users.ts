import { shiftInterval, startOfInterval, type Interval, type UserHistory, type Week } from '../behavior/user-history.ts'

/** Users who called on a day, in the 7 and in the 30 days that end with it. */
export interface ActiveUsers {
  readonly day: number
  readonly dau: number
  readonly wau: number
  readonly mau: number
  /** The mean of the last 30 days' dau, as a share of mau; null where nobody was active. */
  readonly stickiness: number | null
}

export interface ActiveUsersOptions {
  /** Half-open. */
  readonly from: number
  readonly to: number
  /** 30, or 28 as some tools count. */
  readonly monthDays?: 28 | 30
}

const WEEK_DAYS = 7

/** One row a day, days without anybody too. */
export function activeUsers(histories: readonly UserHistory[], { from, to, monthDays = 30 }: ActiveUsersOptions): ActiveUsers[] {
  const first = from - monthDays + 1
  const length = Math.max(0, to - first)
  const [daily, weekly, monthly] = [new Int32Array(length + 1), new Int32Array(length + 1), new Int32Array(length + 1)]
  for (const { days } of histories) {
    for (const [n, { day }] of days.entries()) {
      const next = days[n + 1]?.day ?? Number.POSITIVE_INFINITY
      count(daily, day - first, day + 1 - first)
      // A call keeps its user in the windows that end on its day and on those after, until the user's next call takes over.
      count(weekly, day - first, Math.min(day + WEEK_DAYS, next) - first)
      count(monthly, day - first, Math.min(day + monthDays, next) - first)
    }
  }
  for (const counts of [daily, weekly, monthly]) for (let n = 1; n < counts.length; n++) counts[n] = (counts[n] ?? 0) + (counts[n - 1] ?? 0)
  const rows: ActiveUsers[] = []
  let inMonth = 0
  for (let n = 0; n < length; n++) {
    inMonth += (daily[n] ?? 0) - (daily[n - monthDays] ?? 0)
    if (n < monthDays - 1) continue
    const mau = monthly[n] ?? 0
    rows.push({
      day: first + n,
      dau: daily[n] ?? 0,
      wau: weekly[n] ?? 0,
      mau,
      stickiness: mau === 0 ? null : inMonth / monthDays / mau,
    })
  }
  return rows
}

/** Adds one to all positions of [from, to), as differences that are summed up later. */
function count(differences: Int32Array, from: number, to: number): void {
  const [start, end] = [Math.max(from, 0), Math.min(to, differences.length - 1)]
  if (start >= end) return
  differences[start] = (differences[start] ?? 0) + 1
  differences[end] = (differences[end] ?? 0) - 1
}

/** Users who called on a day, and in the week and the month of the calendar that hold it. */
export interface CalendarActiveUsers extends ActiveUsers {
  /** Whether both are over; of one that is not, what is known so far is told. */
  readonly complete: boolean
}

/**
 * One row a day, days without anybody too. A week and a month have all their days in each of their rows, also those after the row's.
 * @param asOfDay the first day that is not over
 */
export function calendarActiveUsers(
  histories: readonly UserHistory[],
  { from, to, week, asOfDay, knownTo }: { from: number; to: number; week: Week; asOfDay: number; knownTo: number },
): CalendarActiveUsers[] {
  const usersIn = { day: usersBy(histories, 'day'), week: usersBy(histories, week), month: usersBy(histories, 'month') }
  return Array.from({ length: Math.max(0, to - from) }, (_, n): CalendarActiveUsers => {
    const day = from + n
    const month = startOfInterval('month', day)
    const end = shiftInterval('month', month, 1)
    const mau = usersIn.month.get(month) ?? 0
    let userDays = 0
    for (let one = month; one < end; one++) userDays += usersIn.day.get(one) ?? 0
    return {
      day,
      dau: usersIn.day.get(day) ?? 0,
      wau: usersIn.week.get(startOfInterval(week, day)) ?? 0,
      mau,
      stickiness: mau === 0 ? null : userDays / (Math.min(end, knownTo) - month) / mau,
      complete: end <= asOfDay && shiftInterval(week, startOfInterval(week, day), 1) <= asOfDay,
    }
  })
}

/** Different users by interval, by its first day. */
function usersBy(histories: readonly UserHistory[], interval: Interval): ReadonlyMap<number, number> {
  const users = new Map<number, number>()
  for (const { days } of histories) {
    let end = Number.NEGATIVE_INFINITY
    for (const { day } of days) {
      if (day < end) continue
      const start = startOfInterval(interval, day)
      end = shiftInterval(interval, start, 1)
      users.set(start, (users.get(start) ?? 0) + 1)
    }
  }
  return users
}

/** How many users were active on exactly n of the days of [from, to), for n from 1 on. */
export function daysActive(histories: readonly UserHistory[], from: number, to: number): number[] {
  const users: number[] = Array.from({ length: to - from }, () => 0)
  for (const { days } of histories) {
    const active = days.filter(({ day }) => day >= from && day < to).length
    if (active > 0) users[active - 1] = (users[active - 1] ?? 0) + 1
  }
  return users
}
