import { nthSmallest } from '../sums/nth-smallest.ts'
import { daysBetween } from '../query/period.ts'

/** Each user is in exactly one of these at any time; the first that fits, in this order. */
export const segments = ['churned', 'new', 'at_risk', 'power', 'casual'] as const
export type Segment = (typeof segments)[number]

/** The order in which they are listed. */
export const shownSegments = ['power', 'casual', 'new', 'at_risk', 'churned'] as const satisfies readonly Segment[]

/** What a user's segment is decided from. Days are 24 hours before `as_of`. */
export interface UserActivity {
  /** Calls in the last 30 days. */
  readonly last30Days: number
  /** What power users have most of, in the last 30 days: calls, unless the rules say otherwise; in the unit of its measure. */
  readonly usage: number
  /** Calls, or local days with one, in the last 14 days. */
  readonly recent: number
  /** The same in the 14 days before those. */
  readonly prior: number
}

const DAY_MS = 86_400_000
/** Where the windows of `UserActivity` begin, in ms before `as_of`. */
export const activityWindows = { last30Days: 30 * DAY_MS, prior: 28 * DAY_MS, recent: 14 * DAY_MS } as const

/** A user is new in the first so many local days. */
export const NEW_DAYS = 30
export const AT_RISK_TENURE_DAYS = 28
const AT_RISK_PRIOR = 5
const AT_RISK_SHARE = 0.5
const AT_RISK_P = 0.05
const POWER_SHARE = 0.1

/**
 * The least usage in 30 days that makes a power user: that of the user at rank ⌈10 %⌉ of all active ones; users with as much are power
 * users too. Infinite where nobody was active. Who was active and used nothing (a model without a price, by cost) is never one.
 */
export function powerThreshold(usage: Float64Array, callsIn30Days: Float64Array = usage): number {
  const ofActive = usage.filter((_, userId) => (callsIn30Days[userId] ?? 0) > 0)
  const atRank = nthSmallest(ofActive, ofActive.length - Math.ceil(POWER_SHARE * ofActive.length))
  return atRank === undefined ? Number.POSITIVE_INFINITY : Math.max(atRank, Number.MIN_VALUE)
}

/** Where a user stands: one segment, and what of each it has on its own. */
export interface Standing {
  readonly segment: Segment
  readonly isPower: boolean
  readonly isNew: boolean
  readonly isAtRisk: boolean
  readonly last30Days: number
  readonly usage: number
  /** Local days since the first call, or the sign-up. */
  readonly tenureDays: number
  /** 1 - (recent + 1) / (prior + 1): near 1 for those who used to call and no longer do; below 0 for those who call more. */
  readonly riskScore: number
}

/** Where a user stands, given local days as `yyyymmdd`; `firstDay` is that of the first call, or of the sign-up. */
export function standingOf(
  activity: UserActivity = { last30Days: 0, usage: 0, recent: 0, prior: 0 },
  { firstDay, asOfDay, powerFrom }: { firstDay: number; asOfDay: number; powerFrom: number },
): Standing {
  const { last30Days, usage, recent, prior } = activity
  const tenureDays = daysBetween(firstDay, asOfDay)
  const isNew = tenureDays < NEW_DAYS
  const isAtRisk = tenureDays >= AT_RISK_TENURE_DAYS && isFalling(activity)
  const isPower = usage >= powerFrom
  return {
    segment: segmentOf(activity, { isNew, isPower }),
    isPower,
    isNew,
    isAtRisk,
    last30Days,
    usage,
    tenureDays,
    riskScore: 1 - (recent + 1) / (prior + 1),
  }
}

/** The segment alone. Who is new no more has been there for long enough to be at risk. */
export function segmentOf(activity: UserActivity, { isNew, isPower }: { isNew: boolean; isPower: boolean }): Segment {
  if (activity.last30Days === 0) return 'churned'
  if (isNew) return 'new'
  if (isFalling(activity)) return 'at_risk'
  return isPower ? 'power' : 'casual'
}

function isFalling({ recent, prior }: UserActivity): boolean {
  return prior >= AT_RISK_PRIOR && recent <= AT_RISK_SHARE * prior && binomialTail(recent, recent + prior) < AT_RISK_P
}

/** P(X <= k) of n fair coins; exact up to rounding. Terms are summed as logarithms because 2^-n alone underflows. */
export function binomialTail(k: number, n: number): number {
  let logTerm = -n * Math.LN2
  let tail = Math.exp(logTerm)
  for (let i = 1; i <= k; i++) {
    logTerm += Math.log((n - i + 1) / i)
    tail += Math.exp(logTerm)
  }
  return Math.min(tail, 1)
}
