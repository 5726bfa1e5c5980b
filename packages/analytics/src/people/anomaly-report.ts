import { activeDays, dateOf, type UserHistory } from '../retention/user-history.ts'
import { median } from '../statistics/quantiles.ts'
import { robustZ } from '../statistics/outliers.ts'
import type { PeopleAsked, Told } from './people-report.ts'
import { readHistories } from './read-histories.ts'
import { readUserNames } from './user-names.ts'

/** How far back a user's own days are looked at, and how many there must be. */
const HISTORY_DAYS = 28
const MIN_HISTORY = 7
/** Fewer requests are no anomaly, however unusual. */
const MIN_REQUESTS = 50
const ALARM_Z = 3.5
/** Where every day was the same: so many times as much. */
const ALARM_RATIO = 3

/** A day on which a user called far more than on the days before. */
export interface Anomaly {
  readonly user: string
  readonly day: number
  readonly requests: number
  /** The median of the days before. */
  readonly usual: number
  /** Robust standard deviations over the days before, of ln(1 + requests); null where those never varied. */
  readonly z: number | null
  readonly rule: 'robust_z' | 'ratio'
}

/** Days of [from, to) on which users called far more than they had. Days without a call since a user came count as 0. */
export function findAnomalies(histories: readonly UserHistory[], from: number, to: number): Anomaly[] {
  const found: Anomaly[] = []
  for (const history of histories) {
    for (const { day, requests } of activeDays(history, from, to)) {
      if (requests < MIN_REQUESTS) continue
      const since = Math.max(history.firstDay, day - HISTORY_DAYS)
      if (day - since < MIN_HISTORY) continue
      const before = Array.from({ length: day - since }, () => 0)
      for (const earlier of activeDays(history, since, day)) before[earlier.day - since] = earlier.requests
      const usual = median(before) ?? 0
      const z = robustZ(before.map(Math.log1p), Math.log1p(requests))
      if (z === null ? requests >= ALARM_RATIO * usual : z >= ALARM_Z) {
        found.push({ user: history.user, day, requests, usual, z, rule: z === null ? 'ratio' : 'robust_z' })
      }
    }
  }
  return found.sort((a, b) => b.day - a.day || b.requests - a.requests || (a.user < b.user ? -1 : 1))
}

/** Users who called far more on a day than they used to: a loop, a leaked key, a sudden success. */
export async function tellAnomalies({ frame }: PeopleAsked): Promise<Told> {
  const { histories, dayOf, knownTo } = await readHistories(frame)
  const { fromMs, toMs } = frame.period
  const found = fromMs >= toMs ? [] : findAnomalies(histories, dayOf(fromMs), Math.min(dayOf(toMs - 1) + 1, knownTo))
  const names = await readUserNames(
    frame.store,
    found.map(({ user }) => Number(user)),
  )
  return {
    columns: {
      date: ['Date', 'date', 'a local day, the running one as far as it has come'],
      user: ['User', 'string', 'who made the calls'],
      requests: ['Requests', 'int', `calls of the day, at least ${MIN_REQUESTS}`],
      usual: ['Usual', 'number', `median of the user's up to ${HISTORY_DAYS} days before, days without a call too`],
      z: [
        'z',
        'number',
        `robust standard deviations above them, of ln(1 + requests); told from ${ALARM_Z} on; null where they were all the same`,
      ],
      rule: ['Rule', 'string', `robust_z, or ratio: at least ${ALARM_RATIO} times as much as on days that were all the same`],
    },
    rows: found.map(({ user, day, requests, usual, z, rule }) => ({
      date: dateOf(day),
      user: names.get(Number(user)) ?? user,
      requests,
      usual,
      z,
      rule,
    })),
  }
}
