import { activeDays, dateOf, type UserHistory } from '../retention/user-history.ts'
import { compileAskedDays } from '../compile-users.ts'
import { scopeOf, type Frame } from '../frame.ts'
import { readRows } from '../snapshot.ts'
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

/** Users who called far more on a day than they used to: a loop, a leaked key, a sudden success. */
export async function tellAnomalies({ frame }: PeopleAsked): Promise<Told> {
  const { histories, dayOf, knownTo } = await readHistories(frame)
  const { fromMs, toMs } = frame.period
  const found = fromMs >= toMs ? [] : findAnomalies(histories, dayOf(fromMs), Math.min(dayOf(toMs - 1) + 1, knownTo))
  const repeated = findRepeated(await readAskedDays(frame))
  const names = await readUserNames(
    frame.store,
    [...found, ...repeated].map(({ user }) => Number(user)),
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
      repeated: [
        'Repeated',
        'rate',
        'of the requests with a fingerprint, those that ask what was asked on the day before; told with rule repeated',
      ],
      rule: [
        'Rule',
        'string',
        `robust_z; ratio: at least ${ALARM_RATIO} times as much as on days that were all the same; repeated: at least ${ALARM_REPEATED * 100} % ask the same again`,
      ],
    },
    rows: [
      ...found.map(({ user, day, requests, usual, z, rule }) => ({ user, day, requests, usual, z, repeated: null, rule })),
      ...repeated.map(({ user, day, requests, repeated: share }) => ({
        user,
        day,
        requests,
        usual: null,
        z: null,
        repeated: share,
        rule: 'repeated',
      })),
    ]
      .sort((a, b) => b.day - a.day || b.requests - a.requests || (a.user < b.user ? -1 : a.user > b.user ? 1 : a.rule < b.rule ? -1 : 1))
      .map(({ user, day, requests, usual, z, repeated: share, rule }) => ({
        date: dateOf(day),
        user: names.get(Number(user)) ?? user,
        requests,
        usual,
        z,
        repeated: share,
        rule,
      })),
  }
}

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
