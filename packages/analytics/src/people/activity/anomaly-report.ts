import {
  MIN_ADDRESSES,
  MIN_ERROR_RATE,
  MIN_HOURS,
  MIN_LIMIT_SHARE,
  MIN_PER_MINUTE,
  MIN_REQUESTS,
  NEW_ACCOUNT_DAYS,
  NEW_ACCOUNT_REQUESTS,
} from '../../behavior/abuse.ts'
import { dateOf } from '../../behavior/user-history.ts'
import { parseTiersText } from '../../segments/tiers.ts'
import type { PeopleAsked } from '../answers/people-report.ts'
import type { Told } from '../answers/told.ts'
import { ALARM_RATIO, ALARM_REPEATED, ALARM_Z, HISTORY_DAYS, readAlarms } from './read-alarms.ts'
import { readUserNames } from './user-names.ts'

/** Users who called far more on a day than they used to, or in a way that people do not: a loop, a leaked key, a sudden success. */
export async function tellAnomalies({ frame, options }: PeopleAsked): Promise<Told> {
  const found = await readAlarms(frame, { tiers: options['tiers'] === undefined ? undefined : parseTiersText(options['tiers']) })
  const names = await readUserNames(
    frame.store,
    found.map(({ user }) => Number(user)),
  )
  return {
    columns,
    rows: found
      .sort((a, b) => b.day - a.day || b.requests - a.requests || (a.user < b.user ? -1 : a.user > b.user ? 1 : a.rule < b.rule ? -1 : 1))
      .map(({ user, day, requests, usual, rule, value }) => ({
        date: dateOf(day),
        user: names.get(Number(user)) ?? user,
        requests,
        usual,
        rule,
        value: Number.isFinite(value) ? value : null,
      })),
  }
}

const columns = {
  date: ['Date', 'date', 'a local day, the running one as far as it has come'],
  user: ['User', 'string', 'who made the calls'],
  requests: ['Requests', 'int', `calls of the day, at least ${MIN_REQUESTS} but for limit_velocity`],
  usual: [
    'Usual',
    'number',
    `median of the user's up to ${HISTORY_DAYS} days before, days without a call too; null for rules that do not look at it`,
  ],
  rule: [
    'Rule',
    'string',
    [
      `robust_z: far above the user's days before`,
      `ratio: at least ${ALARM_RATIO} times as much as on days that were all the same`,
      `drift: the average of the last seven days rises above what the four weeks before allow`,
      `peers: far above others of the tier on that day`,
      `hours: calls in at least ${MIN_HOURS} hours`,
      `burst: at least ${MIN_PER_MINUTE} calls within a minute`,
      `error_storm: at least ${MIN_ERROR_RATE * 100} % failed`,
      `new_account: at least ${NEW_ACCOUNT_REQUESTS} calls on one of the first ${NEW_ACCOUNT_DAYS} days`,
      `repeated: at least ${ALARM_REPEATED * 100} % ask the same again`,
      `limit_velocity: at least ${MIN_LIMIT_SHARE * 100} % of a monthly limit of the user's tier on one day (--tiers, or segments with limits), however few the calls`,
      `shared_key: at least ${MIN_ADDRESSES} different values of property ip_hash`,
    ].join('; '),
  ],
  value: [
    'Measured',
    'number',
    `what the rule looks at: robust standard deviations of ln(1 + requests) for robust_z and peers (told from ${ALARM_Z} on), times the usual, the moving average, hours, calls in the busiest minute, the share that failed or was asked again, calls, the share of the limit, addresses`,
  ],
} as const satisfies Told['columns']
