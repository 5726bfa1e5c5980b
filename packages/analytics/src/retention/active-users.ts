import type { UserHistory } from '../behavior/user-history.ts'

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

/** How many users were active on exactly n of the days of [from, to), for n from 1 on. */
export function daysActive(histories: readonly UserHistory[], from: number, to: number): number[] {
  const users: number[] = Array.from({ length: to - from }, () => 0)
  for (const { days } of histories) {
    const active = days.filter(({ day }) => day >= from && day < to).length
    if (active > 0) users[active - 1] = (users[active - 1] ?? 0) + 1
  }
  return users
}
