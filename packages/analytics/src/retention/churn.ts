import { median } from '../statistics/quantiles.ts'
import { associations, type Association, type Observed } from './associations.ts'

/** What a user did and met in the days that are looked at, and whether the user left after them. */
export interface ChurnUser {
  readonly requests: number
  readonly errorRate: number | null
  /** Null where nothing says what is asked again. */
  readonly retryRate: number | null
  readonly latencyP95Ms: number | null
  readonly rateLimited: number
  readonly sessions: number
  /** Features that were named; 0 where none was. */
  readonly features: number
  /** Ratings and thumbs that were not positive. */
  readonly negativeFeedback: number
  readonly churned: boolean
}

/**
 * What holds of those who left, one row an indicator, the most telling first. Numbers are split at the median of the users: above it, or
 * below it where little is what may tell. An indicator that holds of all or of none is left out.
 */
export function churnIndicators(users: readonly ChurnUser[], minUsers?: number): Association[] {
  const middle = (of: (user: ChurnUser) => number | null): number =>
    median(users.map(of).filter((value): value is number => value !== null)) ?? 0
  const [errorRate, retryRate] = [middle((user) => user.errorRate), middle((user) => user.retryRate)]
  const latency = middle((user) => user.latencyP95Ms)
  const [requests, sessions] = [middle((user) => user.requests), middle((user) => user.sessions)]
  const indicators: Readonly<Record<string, (user: ChurnUser) => boolean>> = {
    error_rate: (user) => (user.errorRate ?? 0) > errorRate,
    retry_rate: (user) => (user.retryRate ?? 0) > retryRate,
    latency_p95: (user) => (user.latencyP95Ms ?? 0) > latency,
    rate_limited: (user) => user.rateLimited > 0,
    few_requests: (user) => user.requests < requests,
    few_sessions: (user) => user.sessions < sessions,
    single_feature: (user) => user.features === 1,
    negative_feedback: (user) => user.negativeFeedback > 0,
  }
  const names = Object.keys(indicators)
  const observed = users.map((user): Observed => ({
    has: new Set(names.filter((name) => indicators[name]?.(user) === true)),
    outcome: user.churned,
    activity: user.requests,
  }))
  const telling = names.filter((name) => {
    const holds = observed.filter(({ has }) => has.has(name)).length
    return holds > 0 && holds < observed.length
  })
  return associations(observed, telling, minUsers)
}
