import type { ColumnType } from '../../query/metric.ts'
import type { ExposedUser, Reading } from './exposed-user.ts'

const USD = 1e9

/** How a metric is computed of the users of an arm: which test fits follows from it. */
type Computed =
  /** The mean over users of a number; null of users of whom it is not known. */
  | { readonly kind: 'mean'; readonly of: (user: ExposedUser) => number | null }
  /** The share of users of whom something holds. */
  | { readonly kind: 'share'; readonly of: (user: ExposedUser) => boolean }
  /** A sum over a sum of the same users; null where nobody can know it. */
  | { readonly kind: 'ratio'; readonly part: (user: ExposedUser) => number | null; readonly whole: (user: ExposedUser) => number }
  /** A quantile of all values of all users. */
  | { readonly kind: 'quantile'; readonly q: number; readonly of: (user: ExposedUser) => readonly number[] }

/** What variants can be compared by. */
export type ExperimentMetric = Computed & {
  readonly says: string
  readonly type: ColumnType
  readonly better: 'more' | 'less'
  readonly reads?: Reading
}

/** By name, as `--metric` and `--secondary` take them. */
export const experimentMetrics = {
  requests: {
    kind: 'mean',
    says: 'mean requests of a user after the first exposure',
    type: 'number',
    better: 'more',
    of: ({ requests }) => requests,
  },
  cost_usd: {
    kind: 'mean',
    says: 'mean cost of a user after the first exposure, in USD',
    type: 'number',
    better: 'less',
    of: ({ costNanoUsd }) => costNanoUsd / USD,
  },
  cost_per_request_usd: {
    kind: 'ratio',
    says: 'cost / requests after the first exposure, in USD',
    type: 'number',
    better: 'less',
    part: ({ costNanoUsd }) => costNanoUsd / USD,
    whole: ({ requests }) => requests,
  },
  error_rate: {
    kind: 'ratio',
    says: 'errors / requests after the first exposure',
    type: 'rate',
    better: 'less',
    part: ({ errors }) => errors,
    whole: ({ requests }) => requests,
  },
  retry_rate: {
    kind: 'ratio',
    says: 'retries / requests after the first exposure; null where no call has a fingerprint',
    type: 'rate',
    better: 'less',
    reads: 'retries',
    part: ({ retries }) => retries,
    whole: ({ requests }) => requests,
  },
  active: {
    kind: 'share',
    says: 'share of users with a call after the first exposure',
    type: 'rate',
    better: 'more',
    of: ({ requests }) => requests > 0,
  },
  goals: {
    kind: 'share',
    says: 'share of users who reached a goal after the first exposure',
    type: 'rate',
    better: 'more',
    of: ({ reachedGoal }) => reachedGoal,
  },
  satisfaction: {
    kind: 'mean',
    says: 'feedback after the first exposure from 0 to 10: the mean over users who gave any of the mean of each',
    type: 'number',
    better: 'more',
    reads: 'feedback',
    of: ({ satisfaction }) => satisfaction,
  },
  latency_p50_ms: {
    kind: 'quantile',
    says: 'as long or shorter took half of the calls after the first exposure',
    type: 'ms',
    better: 'less',
    reads: 'latencies',
    q: 0.5,
    of: ({ latenciesMs }) => latenciesMs,
  },
  latency_p95_ms: {
    kind: 'quantile',
    says: 'as long or shorter took 95 % of the calls after the first exposure',
    type: 'ms',
    better: 'less',
    reads: 'latencies',
    q: 0.95,
    of: ({ latenciesMs }) => latenciesMs,
  },
} as const satisfies Record<string, ExperimentMetric>

export type ExperimentMetricName = keyof typeof experimentMetrics
