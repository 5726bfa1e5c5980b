import {
  beyondPeers,
  brokenByDays,
  drifting,
  MIN_ERROR_RATE,
  MIN_HOURS,
  MIN_PER_MINUTE,
  MIN_REQUESTS,
  NEW_ACCOUNT_DAYS,
  NEW_ACCOUNT_REQUESTS,
} from '../../behavior/abuse.ts'
import { activeDays, dateOf, type UserHistory } from '../../behavior/user-history.ts'
import { compileAskedDays } from '../../plan/compile-users.ts'
import { scopeOf, type Frame } from '../../read/frame.ts'
import { readRows } from '../../ledger/snapshot.ts'
import { median } from '../../statistics/quantiles.ts'
import { robustZ } from '../../statistics/outliers.ts'
import type { PeopleAsked } from '../answers/people-report.ts'
import type { Told } from '../answers/told.ts'
import { readBusyDays } from './read-busy-days.ts'
import { readHistories } from '../histories/read-histories.ts'
import { readUserValues } from '../../read/read-user-values.ts'
import { tierKeys } from '../histories/tier-keys.ts'
import { readUserNames } from './user-names.ts'

/** How far back a user's own days are looked at, and how many there must be. */
const HISTORY_DAYS = 28
const MIN_HISTORY = 7
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

/** Of the requests of a day that have a fingerprint, at least so many ask what was asked on that day before: a loop, or a script. */
const ALARM_REPEATED = 0.8

/** What a user asked on a day. */
interface AskedDay {
  readonly user: string
  readonly day: number
  readonly requests: number
  /** Those with a fingerprint, and how many different ones these are. */
  readonly asked: number
  readonly different: number
}

/** Days on which users asked the same over and over: at least 50 requests with a fingerprint. */
function findRepeated(days: readonly AskedDay[]): (AskedDay & { readonly repeated: number })[] {
  return days
    .map((day) => Object.assign({ repeated: day.asked === 0 ? 0 : 1 - day.different / day.asked }, day))
    .filter(({ asked, repeated }) => asked >= MIN_REQUESTS && repeated >= ALARM_REPEATED)
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

/** Users who called far more on a day than they used to, or in a way that people do not: a loop, a leaked key, a sudden success. */
export async function tellAnomalies({ frame }: PeopleAsked): Promise<Told> {
  const { histories, dayOf, knownTo } = await readHistories(frame)
  const { fromMs, toMs } = frame.period
  const [from, to] = fromMs >= toMs ? [0, 0] : [dayOf(fromMs), Math.min(dayOf(toMs - 1) + 1, knownTo)]
  const tiers = await readUserValues(frame, tierKeys, { which: 'latest', beforeMs: frame.clock.asOfMs })
  const firstDays = new Map(histories.map(({ user, firstDay }) => [user, firstDay]))
  const found = [
    ...findAnomalies(histories, from, to).map(({ user, day, requests, usual, z, rule }) => ({
      user,
      day,
      requests,
      usual,
      rule,
      value: z ?? requests / usual,
    })),
    ...findRepeated(await readAskedDays(frame)).map(({ user, day, requests, repeated }) =>
      unusual({ user, day, requests, rule: 'repeated', value: repeated }),
    ),
    ...brokenByDays(await readBusyDays(frame), firstDays).map(unusual),
    ...beyondPeers(histories, (user) => tiers.get(Number(user)), { from, to }).map(unusual),
    ...(to > from ? drifting(histories, to).map(unusual) : []),
  ]
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

/** Of rules that do not look at what was usual for the user. */
function unusual<Found extends { readonly rule: string }>(found: Found): Found & { readonly usual: null } {
  return { ...found, usual: null }
}

const columns = {
  date: ['Date', 'date', 'a local day, the running one as far as it has come'],
  user: ['User', 'string', 'who made the calls'],
  requests: ['Requests', 'int', `calls of the day, at least ${MIN_REQUESTS}`],
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
    ].join('; '),
  ],
  value: [
    'Measured',
    'number',
    `what the rule looks at: robust standard deviations of ln(1 + requests) for robust_z and peers (told from ${ALARM_Z} on), times the usual, the moving average, hours, calls in the busiest minute, the share that failed or was asked again, calls`,
  ],
} as const satisfies Told['columns']

/** What users asked on each day of the period, as far as calls have fingerprints. */
async function readAskedDays(frame: Frame): Promise<AskedDay[]> {
  // Most ledgers have none, and to look for some is to read every call.
  const [any] = await frame.store.all<{ found: number }>("SELECT EXISTS (SELECT 1 FROM meta WHERE key = 'fingerprints') AS found")
  if (any?.found !== 1) return []
  const rows = await readRows<[user: number, day: number, requests: number, asked: number, different: number]>(
    frame.store,
    compileAskedDays(await scopeOf(frame, frame.period)),
  )
  return rows.map(([user, day, requests, asked, different]) => ({ user: String(user), day, requests, asked, different }))
}
