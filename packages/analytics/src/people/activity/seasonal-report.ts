import { MIN_MONTHS, MIN_WEEKS, monthSeasons, weekdaySeasons } from '../../retention/seasonal.ts'
import { startOfInterval } from '../../behavior/user-history.ts'
import type { PeopleAsked } from '../answers/people-report.ts'
import type { Told } from '../answers/told.ts'
import { readHistories } from '../histories/read-histories.ts'

const fromMonday = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday']
const weekdays = { week: fromMonday, sunday_week: ['Sunday', ...fromMonday.slice(0, 6)] }
const months = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December']

/** Which weekdays are busy, and whether it matters in which month users come. */
export async function tellSeasonal({ frame, week: kind }: PeopleAsked): Promise<Told> {
  const { histories, dayOf, asOfDay } = await readHistories(frame)
  const { clock } = frame
  const { fromMs, toMs } = frame.period
  // Of a day that begins before the period, or ends behind it, only a part is in it.
  const period = { from: dayOf(fromMs - 1) + 1, to: Math.min(dayOf(toMs), asOfDay) }
  const firstSeen = await frame.firstSeen()
  const begin = [...firstSeen.values()].reduce((least, ms) => Math.min(least, ms), clock.asOfMs)
  // Weeks before the first call of all would be weeks in which nothing was recorded, not weeks in which nobody came.
  const week = weekdaySeasons(histories, { from: Math.max(period.from, dayOf(begin)), to: period.to }, kind)
  // All history begins with the first call, mostly within a month: that month has all the users there were.
  const first = histories.reduce((least, { firstDay }) => Math.min(least, firstDay), Number.POSITIVE_INFINITY)
  const from = period.from <= first && Number.isFinite(first) ? startOfInterval('month', first) : period.from
  const year = monthSeasons(histories, { from, to: period.to, asOfDay })
  return {
    columns,
    rows:
      histories.length === 0
        ? []
        : [
            ...week.weekdays.map((row) => ({
              ...nothing,
              season: 'weekday',
              name: weekdays[kind][row.weekday] ?? '',
              n: row.days,
              mean_users: row.meanUsers,
              users_index: row.usersIndex,
              mean_requests: row.meanRequests,
              requests_index: row.requestsIndex,
            })),
            ...year.monthsOfYear.map((row) => ({
              ...nothing,
              season: 'month_of_year',
              name: months[row.month - 1] ?? '',
              n: row.users,
              retained: row.retained,
              retention: row.retention,
              retention_index: row.index,
            })),
          ],
    warnings: [
      ...(week.weeks < MIN_WEEKS
        ? [`insufficient_data: an index of weekdays takes ${MIN_WEEKS} whole weeks, and there are ${week.weeks}`]
        : []),
      ...(year.months < MIN_MONTHS
        ? [
            `insufficient_data: an index of months takes ${MIN_MONTHS} months whose users could be seen for 28 days, and there are ${year.months}`,
          ]
        : []),
    ],
  }
}

const columns = {
  season: ['Season', 'string', 'weekday, or month_of_year'],
  name: [
    'Name',
    'string',
    'Monday to Sunday (Sunday to Saturday with --week-start sunday); January to December, as far as users were first seen in them',
  ],
  n: ['n', 'int', 'so many of the weekday, in whole weeks of the period; users first seen in the month, of any year'],
  mean_users: ['Users', 'number', 'mean of the different users on the weekday'],
  users_index: ['Users index', 'number', `mean_users / mean of all days; null of fewer than ${MIN_WEEKS} weeks`],
  mean_requests: ['Requests', 'number', 'mean of their calls on the weekday'],
  requests_index: ['Requests index', 'number', 'mean_requests / mean of all days'],
  retained: ['Retained', 'int', 'of the users first seen in the month, those active in their days 21 to 27'],
  retention: ['Retention', 'rate', 'retained / n', ['retained', 'n']],
  retention_index: ['Retention index', 'number', `retention / that of all months together; null of fewer than ${MIN_MONTHS} months`],
} as const satisfies Told['columns']

const nothing = {
  n: null,
  mean_users: null,
  users_index: null,
  mean_requests: null,
  requests_index: null,
  retained: null,
  retention: null,
  retention_index: null,
}
