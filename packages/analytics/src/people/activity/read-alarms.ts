import {
  beyondPeers,
  brokenByDays,
  drifting,
  MIN_ADDRESSES,
  MIN_REQUESTS,
  limitVelocity,
  type BrokenRule,
  type UsedDay,
} from '../../behavior/abuse.ts'
import { activeDays, type UserHistory } from '../../behavior/user-history.ts'
import { join, sql } from '../../ledger/fragment.ts'
import { readRows } from '../../ledger/snapshot.ts'
import { compileBase } from '../../plan/compile.ts'
import { compileAskedDays } from '../../plan/compile-users.ts'
import { metricTable } from '../../query/metrics.ts'
import { scopeOf, type Frame } from '../../read/frame.ts'
import { readGroups } from '../../read/read-groups.ts'
import { readUserValues } from '../../read/read-user-values.ts'
import type { Tier } from '../../segments/tiers.ts'
import { robustZ } from '../../statistics/outliers.ts'
import { median } from '../../statistics/quantiles.ts'
import { readHistories } from '../histories/read-histories.ts'
import { readTiersOfUsers } from '../histories/read-tiers.ts'
import { tierKeys } from '../histories/tier-keys.ts'
import { readBusyDays } from './read-busy-days.ts'

/** How far back a user's own days are looked at, and how many there must be. */
export const HISTORY_DAYS = 28
const MIN_HISTORY = 7
export const ALARM_Z = 3.5
/** Where every day was the same: so many times as much. */
export const ALARM_RATIO = 3

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
export const ALARM_REPEATED = 0.8

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

/** A day of a user that broke a rule, users by id; `usual` is null for rules that do not look at it. */
export interface Alarm {
  readonly user: string
  readonly day: number
  readonly requests: number
  readonly usual: number | null
  readonly rule: Anomaly['rule'] | 'repeated' | BrokenRule['rule']
  readonly value: number
}

/**
 * Every rule that a day of the period broke, of the calls that a question is about. `tiers`: whose monthly limits are looked at;
 * those of segments where it is undefined.
 */
export async function readAlarms(frame: Frame, { tiers }: { tiers?: readonly Tier[] | undefined } = {}): Promise<Alarm[]> {
  const { histories, dayOf, knownTo } = await readHistories(frame)
  const { fromMs, toMs } = frame.period
  const [from, to] = fromMs >= toMs ? [0, 0] : [dayOf(fromMs), Math.min(dayOf(toMs - 1) + 1, knownTo)]
  const active = histories.flatMap((history) => (activeDays(history, from, to).length === 0 ? [] : [Number(history.user)]))
  const plans = await readUserValues(frame, tierKeys, { which: 'latest', beforeMs: frame.clock.asOfMs, userIds: active })
  const firstDays = new Map(histories.map(({ user, firstDay }) => [user, firstDay]))
  return [
    ...findAnomalies(histories, from, to).map(({ user, day, requests, usual, z, rule }) => ({
      user,
      day,
      requests,
      usual,
      rule,
      value: z ?? requests / usual,
    })),
    ...findRepeated(await readAskedDays(frame)).map(({ user, day, requests, repeated }) =>
      unusual({ user, day, requests, rule: 'repeated' as const, value: repeated }),
    ),
    ...brokenByDays(await readBusyDays(frame), firstDays).map(unusual),
    ...beyondPeers(histories, (user) => plans.get(Number(user)), { from, to }).map(unusual),
    ...(to > from ? drifting(histories, to).map(unusual) : []),
    ...(await readLimitVelocity(frame, tiers)).map(unusual),
    ...(await readSharedKeys(frame)).map(unusual),
  ]
}

/** Of rules that do not look at what was usual for the user. */
function unusual<Found extends { readonly rule: string }>(found: Found): Found & { readonly usual: null } {
  return { ...found, usual: null }
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

/** Days on which users used much of a monthly limit; read only where anything has limits. */
async function readLimitVelocity(frame: Frame, tiers: readonly Tier[] | undefined): Promise<BrokenRule[]> {
  const tierOfUser = await readTiersOfUsers({ ...frame, where: undefined }, tiers)
  const limited = [...tierOfUser].flatMap(([userId, { requests, tokens, costNanoUsd }]) =>
    requests === null && tokens === null && costNanoUsd === null ? [] : [userId],
  )
  if (limited.length === 0) return []
  const scope = await scopeOf(frame, frame.period, { userIds: limited })
  const groups = await readGroups(frame.store, scope, {
    dimensions: [
      { kind: 'column', name: 'user' },
      { kind: 'time', step: 'day' },
    ],
    metrics: ['requests', 'total_tokens', 'cost_usd'],
  })
  const days = groups.map(({ keys, group }): UsedDay => ({
    user: String(keys[0]),
    day: Number(keys[1]),
    requests: group.sums.get('requests') ?? 0,
    tokens: Number(metricTable.total_tokens.of(group) ?? 0),
    costNanoUsd: Number(metricTable.cost_usd.of(group) ?? 0),
  }))
  return limitVelocity(days, (user) => tierOfUser.get(Number(user)))
}

/** The property in which apps send a hash of where a call came from, canonical, the likeliest name first. */
const addressKeys = ['ip_hash', 'iphash']

/** Days on which a user called from many addresses: a key that several people share, or one that leaked. */
async function readSharedKeys(frame: Frame): Promise<BrokenRule[]> {
  const key = addressKeys.find((one) => frame.catalog.keys.has(one)) ?? addressKeys[0] ?? ''
  if (!frame.catalog.keys.has(key) && !frame.catalog.keysLeftOut) return []
  const dimensions = [
    { kind: 'time', step: 'day' },
    { kind: 'property', key },
  ] as const
  const base = compileBase({ source: 'calls', dimensions, sums: [], needs: [] }, await scopeOf(frame, frame.period))
  const address = base?.dimensions[1]
  // The calls know every dimension.
  if (base === undefined || address === undefined) throw new Error('The calls cannot answer this reading.')
  const rows = await readRows<[user: number, day: number, requests: number, addresses: number]>(
    frame.store,
    sql`SELECT json_group_array(json_array(user_id, k0, requests, addresses)) AS rows FROM (
      SELECT user_id, k0, sum(n) AS requests, count(k1) - sum(k1 IS NOT NULL AND ${address.label('k1')} = '') AS addresses FROM (
        SELECT user_id, k0, k1, count(*) AS n FROM (SELECT c.user_id AS user_id, ${join(base.keys, ', ')} ${base.from} AND c.user_id <> 0)
        GROUP BY user_id, k0, k1)
      GROUP BY user_id, k0) WHERE requests >= ${MIN_REQUESTS} AND addresses >= ${MIN_ADDRESSES}`,
  )
  return rows.map(([user, onDay, requests, addresses]) => ({
    user: String(user),
    day: onDay,
    requests,
    rule: 'shared_key',
    value: addresses,
  }))
}
