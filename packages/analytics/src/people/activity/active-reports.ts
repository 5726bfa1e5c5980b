import { activeUsers, calendarActiveUsers, daysActive, type ActiveUsers } from '../../retention/active-users.ts'
import { growth } from '../../retention/growth.ts'
import { dateOf, intervalInWords } from '../../behavior/user-history.ts'
import { QueryError } from '../../query/query-error.ts'
import type { PeopleAsked } from '../answers/people-report.ts'
import type { Told } from '../answers/told.ts'
import { ofActivity } from '../histories/activity.ts'
import { readHistories } from '../histories/read-histories.ts'
import { sinceSignUp } from '../histories/since-sign-up.ts'
import { choiceOf } from '../../report-options.ts'

const DAYS_OF_STICKINESS = 28
const MAX_DAYS_OF_STICKINESS = 366

/** Users active on each day, and in the week and the month that end with it or, of the calendar, hold it. */
export async function tellActive(asked: PeopleAsked): Promise<Told> {
  const { frame, options } = asked
  const { histories, dayOf, asOfDay, knownTo } = await readHistories(ofActivity(frame, options))
  const { fromMs, toMs } = frame.period
  const lastMs = Math.min(toMs, frame.clock.asOfMs)
  const days = fromMs >= lastMs ? { from: 0, to: 0 } : { from: dayOf(fromMs), to: dayOf(lastMs - 1) + 1 }
  const isOfCalendar = choiceOf(options, 'clock') === 'calendar'
  const monthDays = isOfCalendar || choiceOf(options, 'month_days') === '30' ? 30 : 28
  const week = isOfCalendar ? intervalInWords(asked.week) : undefined
  return {
    columns: {
      date: ['Date', 'date', 'a local day'],
      dau: ['DAU', 'int', 'different users with a call on the day'],
      wau: ['WAU', 'int', `different users with a call in the ${week === undefined ? '7 days that end with it' : `${week} that holds it`}`],
      mau: [
        'MAU',
        'int',
        `different users with a call in the ${isOfCalendar ? 'month that holds it' : `${monthDays} days that end with it`}`,
      ],
      stickiness: ['Stickiness', 'rate', 'mean dau of the days of mau / mau; null where nobody was active'],
      wau_mau: ['WAU/MAU', 'rate', 'wau / mau'],
      ...(isOfCalendar && {
        complete: ['Complete', 'bool', 'whether that week and that month are over; else wau and mau are those so far'],
      }),
    },
    rows: isOfCalendar
      ? calendarActiveUsers(histories, { ...days, week: asked.week, asOfDay, knownTo }).map((row) =>
          Object.assign(activeRow(row), { complete: row.complete }),
        )
      : activeUsers(histories, { ...days, monthDays }).map(activeRow),
  }
}

function activeRow({ day, dau, wau, mau, stickiness }: ActiveUsers) {
  return { date: dateOf(day), dau, wau, mau, stickiness, wau_mau: mau === 0 ? null : wau / mau }
}

/** Who came, stayed, returned and left in each interval. */
export async function tellGrowth({ frame, options, interval = 'month' }: PeopleAsked): Promise<Told> {
  const found = await readHistories(ofActivity(frame, options))
  const { dayOf, asOfDay, knownTo } = found
  const { histories, badSignUps } = await sinceSignUp(frame, found.histories, options)
  const { fromMs, toMs } = frame.period
  const [from, to] = [dayOf(fromMs), dayOf(Math.max(fromMs, toMs - 1)) + 1]
  const compare = choiceOf(options, 'incomplete')
  const rows = fromMs >= toMs ? [] : growth(histories, { interval, from, to, asOfDay, knownTo, compare })
  return {
    columns: {
      period: ['Period', 'date', `a local ${intervalInWords(interval)}`],
      active: ['Active', 'int', 'different users with a call'],
      new: ['New', 'int', 'active, and signed up or, where that is not known, first seen in this interval'],
      returning: ['Returning', 'int', 'active in this interval and in the one before'],
      resurrected: ['Resurrected', 'int', 'active, not in the interval before, and not new'],
      dormant: ['Dormant', 'int', 'active in the interval before, not in this one'],
      growth: [
        'Growth',
        'rate',
        '(active - active before) / active before; an interval that is not over against the same part of the one before',
      ],
      churn: ['Churn', 'rate', 'dormant / active before', ['dormant', 'before']],
      quick_ratio: ['Quick ratio', 'number', '(new + resurrected) / dormant; null where nobody left'],
      complete: ['Complete', 'bool', 'whether the interval is over'],
    },
    rows: rows.map((row) => ({
      period: row.period,
      active: row.active,
      new: row.new,
      returning: row.returning,
      resurrected: row.resurrected,
      dormant: row.dormant,
      growth: row.growth,
      churn: row.churn,
      before: row.returning + row.dormant,
      quick_ratio: row.quickRatio,
      complete: row.complete,
    })),
    badSignUps,
  }
}

/** How many users were active on how many of the days of the period, or of the last 28. */
export async function tellStickiness({ frame, options, isBegun }: PeopleAsked): Promise<Told> {
  const { histories, dayOf } = await readHistories(ofActivity(frame, options))
  const to = dayOf(Math.min(frame.period.toMs, frame.clock.asOfMs) - 1) + 1
  const length = isBegun ? Math.max(0, to - dayOf(frame.period.fromMs)) : DAYS_OF_STICKINESS
  if (length > MAX_DAYS_OF_STICKINESS)
    throw new QueryError(
      `The period has ${length} days; at most ${MAX_DAYS_OF_STICKINESS} are told apart. Give a shorter one: --last 28d.`,
      {
        given: String(length),
      },
    )
  const users = daysActive(histories, to - length, to)
  const all = users.reduce((sum, one) => sum + one, 0)
  return {
    columns: {
      days: ['Days', 'int', `on exactly so many of the ${length} local days`],
      users: ['Users', 'int', 'different users with a call on so many of them'],
      share: ['Share', 'rate', 'of all users with a call on any of them', ['users', 'all']],
    },
    rows: all === 0 ? [] : users.map((count, n) => ({ days: n + 1, users: count, share: count / all, all })),
  }
}
