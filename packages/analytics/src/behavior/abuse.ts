import { activeDays, type UserHistory } from './user-history.ts'
import type { Tier } from '../segments/tiers.ts'
import { drift, robustZ } from '../statistics/outliers.ts'

/** Fewer requests on a day are no anomaly, however unusual. */
export const MIN_REQUESTS = 50
/** Sleep is missing: so many hours of a day with calls. */
export const MIN_HOURS = 20
/** So many calls within one minute of the clock. */
export const MIN_PER_MINUTE = 60
/** So much of a day failed. */
export const MIN_ERROR_RATE = 0.5
/** A user's first two days are those of an account made to be used up where they have so many calls. */
export const NEW_ACCOUNT_DAYS = 2
export const NEW_ACCOUNT_REQUESTS = 200
/** A monthly limit that is used up in five such days. */
export const MIN_LIMIT_SHARE = 0.2
/** One key in the hands of many: so many different addresses on a day. */
export const MIN_ADDRESSES = 10
/** Other users of the tier who called on the day, below whom nothing is compared. */
const MIN_PEERS = 10
const PEER_Z = 3.5

/** What a user did on a day of at least `MIN_REQUESTS` requests. */
export interface BusyDay {
  readonly user: string
  readonly day: number
  readonly requests: number
  readonly errors: number
  /** Local hours with a call. */
  readonly hours: number
  /** The most calls within one minute of the clock. */
  readonly perMinute: number
}

/** A rule that a day breaks, and what it measured. */
export interface BrokenRule {
  readonly user: string
  readonly day: number
  readonly requests: number
  readonly rule: 'hours' | 'burst' | 'error_storm' | 'new_account' | 'peers' | 'drift' | 'limit_velocity' | 'shared_key'
  readonly value: number
}

/** Rules that one day by itself breaks. `firstDays`: when users came, by user. */
export function brokenByDays(days: readonly BusyDay[], firstDays: ReadonlyMap<string, number>): BrokenRule[] {
  return days.flatMap(({ user, day, requests, errors, hours, perMinute }) => {
    const broken: BrokenRule[] = []
    const tell = (rule: BrokenRule['rule'], value: number): void => void broken.push({ user, day, requests, rule, value })
    if (hours >= MIN_HOURS) tell('hours', hours)
    if (perMinute >= MIN_PER_MINUTE) tell('burst', perMinute)
    if (errors / requests >= MIN_ERROR_RATE) tell('error_storm', errors / requests)
    if (requests >= NEW_ACCOUNT_REQUESTS && day - (firstDays.get(user) ?? -Infinity) < NEW_ACCOUNT_DAYS) tell('new_account', requests)
    return broken
  })
}

/** Days of [from, to) on which a user called far more than the others of the same tier who called on that day. */
export function beyondPeers(
  histories: readonly UserHistory[],
  tierOf: (user: string) => string | undefined,
  { from, to }: { readonly from: number; readonly to: number },
): BrokenRule[] {
  const byDayAndTier = new Map<string, { user: string; day: number; requests: number }[]>()
  for (const history of histories) {
    const tier = tierOf(history.user)
    if (tier === undefined) continue
    for (const { day, requests } of activeDays(history, from, to)) {
      const name = `${day} ${tier}`
      const peers = byDayAndTier.get(name)
      if (peers === undefined) byDayAndTier.set(name, [{ user: history.user, day, requests }])
      else peers.push({ user: history.user, day, requests })
    }
  }
  return [...byDayAndTier.values()]
    .filter(({ length }) => length > MIN_PEERS)
    .flatMap((peers) => {
      const logs = peers.map(({ requests }) => Math.log1p(requests))
      return peers.flatMap((one, n): BrokenRule[] => {
        if (one.requests < MIN_REQUESTS) return []
        const z = robustZ(logs.toSpliced(n, 1), logs[n] ?? 0)
        return z !== null && z >= PEER_Z ? [{ ...one, rule: 'peers', value: z }] : []
      })
    })
}

/** What a user used on a day. */
export interface UsedDay {
  readonly user: string
  readonly day: number
  readonly requests: number
  readonly tokens: number
  readonly costNanoUsd: number
}

/** Days on which a user used much of a monthly limit, of whichever most: however few the calls are, the month will not last. */
export function limitVelocity(days: readonly UsedDay[], tierOf: (user: string) => Limits | undefined): BrokenRule[] {
  return days.flatMap(({ user, day, requests, tokens, costNanoUsd }): BrokenRule[] => {
    const limits = tierOf(user)
    if (limits === undefined) return []
    const share = Math.max(shareOf(requests, limits.requests), shareOf(tokens, limits.tokens), shareOf(costNanoUsd, limits.costNanoUsd))
    return share >= MIN_LIMIT_SHARE ? [{ user, day, requests, rule: 'limit_velocity', value: share }] : []
  })
}

/** What may be used in a month; null is no limit. */
type Limits = Pick<Tier, 'requests' | 'tokens' | 'costNanoUsd'>

/** Of a limit of nothing, whatever is used is more than may be. */
function shareOf(used: number, limit: number | null): number {
  if (limit === null || used === 0) return 0
  return limit === 0 ? Number.POSITIVE_INFINITY : used / limit
}

/** The days of which a slow rise is told, and those before that say what is usual. */
const DRIFT_DAYS = 7
const USUAL_DAYS = 28

/**
 * Users whose calls rise slowly: the moving average of the last seven days of [.., to) alarms, on the day on which it first does. Of
 * users known for five weeks whose last day has enough calls.
 */
export function drifting(histories: readonly UserHistory[], to: number): BrokenRule[] {
  return histories.flatMap((history): BrokenRule[] => {
    const since = to - DRIFT_DAYS - USUAL_DAYS
    if (history.firstDay > since) return []
    const requests = Array.from({ length: DRIFT_DAYS + USUAL_DAYS }, () => 0)
    for (const active of activeDays(history, since, to)) requests[active.day - since] = active.requests
    const steps = drift(requests.slice(0, USUAL_DAYS), requests.slice(USUAL_DAYS)) ?? []
    const at = steps.findIndex(({ alarm }) => alarm)
    const told = requests[USUAL_DAYS + at] ?? 0
    if (at < 0 || told < MIN_REQUESTS) return []
    return [{ user: history.user, day: since + USUAL_DAYS + at, requests: told, rule: 'drift', value: steps[at]?.average ?? 0 }]
  })
}
