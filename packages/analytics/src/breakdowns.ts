import type { Store } from '@spanledger/store'

import type { Answer, Asked, DefinedColumn } from './query/answer.ts'
import { readSessionEndings } from './people/behavior/session-endings.ts'
import type { Clock } from './read/frame.ts'
import { both } from './query/filter.ts'
import type { MetricName } from './query/metrics.ts'
import { choiceOf, type ReportOptionName } from './report-options.ts'
import { QueryError } from './query/query-error.ts'
import { parseMetricNames } from './query/query.ts'
import { wholeWhere, type ReportQuery } from './report-params.ts'
import { runQuery, type RowColumn } from './run-query.ts'

/** A report that is one table. */
export interface Report {
  /** One line for lists. */
  readonly says: string
  /** Options it takes beside those that all reports take. */
  readonly takes?: readonly ReportOptionName[]
  /** What it is about whatever the period: then it takes none. */
  readonly isAbout?: string | undefined
  readonly run: (store: Store, clock: Clock, query: ReportQuery, asked: Asked) => Promise<Answer>
}

const tokenMetrics = [
  'input_tokens',
  'cache_read_tokens',
  'cache_write_tokens',
  'output_tokens',
  'reasoning_tokens',
  'total_tokens',
] as const satisfies readonly MetricName[]

const callMetrics: readonly MetricName[] = [
  'requests',
  'users',
  'cost_usd',
  'cost_per_request_usd',
  ...tokenMetrics,
  'latency_avg_ms',
  'latency_p50_ms',
  'latency_p95_ms',
  'ttft_p50_ms',
  'errors',
  'error_rate',
  'unpriced_requests',
  'cache_hits',
  'saved_tokens',
  'saved_cost_usd',
]

const overviewMetrics: readonly MetricName[] = [
  'requests',
  'users',
  'sessions',
  'cost_usd',
  'total_tokens',
  'error_rate',
  'latency_p50_ms',
  'latency_p95_ms',
  'ttft_p50_ms',
  'satisfaction',
  'unpriced_requests',
]

const qualityMetrics: readonly MetricName[] = [
  'requests',
  'users',
  'error_rate',
  'technical_success',
  'outcome_success',
  'outcome_coverage',
  'goals_told',
  'goal_success',
  'feedback_count',
  'feedback_positive',
  'csat',
  'satisfaction',
  'satisfaction_users',
  'latency_p95_ms',
]

/** A report that is one question, split by one dimension and any others asked for, or by these in its place. */
function breakdown(says: string, { by: ownBy, instead = false, metrics = callMetrics, only, takes, own }: Breakdown): Report {
  return {
    says,
    ...(takes === undefined ? {} : { takes }),
    run: (store, clock, query, asked) => {
      const column = own?.(query)
      const asMetrics = query.metrics?.filter((name) => name !== column?.column.key)
      const isOwnShown = asMetrics === undefined || asMetrics.length < (query.metrics?.length ?? 0)
      const named = asMetrics === undefined ? metrics : parseMetricNames(asMetrics.length === 0 ? ['requests'] : asMetrics)
      const where = wholeWhere(query)
      const by = instead && query.by.length > 0 ? [] : ownBy
      return runQuery(
        store,
        clock,
        {
          ...query,
          by: [...by, ...query.by],
          metrics: [...new Set([...named, ...query.moreMetrics])],
          where: both(only, where),
          orderBy: query.orderBy.length > 0 ? query.orderBy : ordered(query, by, metrics),
        },
        asked,
        isOwnShown ? column : undefined,
      )
    },
  }
}

interface Breakdown {
  readonly by: readonly string[]
  readonly instead?: boolean
  readonly metrics?: readonly MetricName[]
  readonly only?: ReportQuery['where']
  readonly takes?: readonly ReportOptionName[]
  /** A column that is no metric. */
  readonly own?: (query: ReportQuery) => RowColumn
}

const outcomeColumn: DefinedColumn = {
  key: 'outcome',
  type: 'string',
  label: 'Outcome',
  says: 'completed or abandoned, as the app said, else as the last call and what the user said of it tell (--outcomes strict: unknown); open as long as the session may go on',
}

/** The dearest first; where time is a dimension the answer's own order holds. */
function ordered({ metrics, by }: ReportQuery, own: readonly string[], ownMetrics: readonly string[]): ReportQuery['orderBy'] {
  const byTime = [...own, ...by].some((name) => name.toLowerCase().startsWith('time:'))
  return byTime || !(metrics ?? ownMetrics).includes('cost_usd') ? [] : [['cost_usd', 'desc']]
}

const propertiesReport = breakdown('', {
  by: [],
  metrics: [
    'requests',
    'users',
    'cost_usd',
    'cost_per_request_usd',
    'cost_per_user_usd',
    ...tokenMetrics,
    'latency_avg_ms',
    'latency_p95_ms',
    'errors',
    'error_rate',
    'unpriced_requests',
    'feedback_count',
    'satisfaction',
  ],
})

/** The reports whose rows are groups of calls, by name. */
export const breakdowns: Readonly<Record<string, Report>> = {
  properties: {
    says: 'what each value of a property cost, or of several: --by property:plan,property:feature',
    run: (store, clock, query, asked) => {
      if (query.by.length === 0) {
        throw new QueryError('The properties report needs --by property:KEY[,property:KEY2…], e.g. --by property:plan.', { given: '' })
      }
      return propertiesReport.run(store, clock, query, asked)
    },
  },
  models: breakdown('requests, tokens, cost and latency of each model', { by: ['model'] }),
  providers: breakdown('the same by provider', { by: ['provider'] }),
  operations: breakdown('the same by operation: chat, embeddings, …', { by: ['operation'] }),
  sessions: breakdown('each session: who, when, how long, what it cost', {
    by: ['session', 'user'],
    metrics: [
      'requests',
      'users',
      'cost_usd',
      ...tokenMetrics,
      'started_at',
      'last_call_at',
      'duration_ms',
      'latency_avg_ms',
      'latency_p95_ms',
      'errors',
      'error_rate',
      'unpriced_requests',
    ],
    takes: ['outcomes'],
    own: ({ options }) => ({
      column: outcomeColumn,
      read: (frame, groups) => readSessionEndings(frame, groups, choiceOf(options, 'outcomes')),
    }),
  }),
  errors: breakdown('failed, cancelled and cut off calls by class', {
    by: ['error'],
    only: { kind: 'presence', operator: 'exists', name: 'error' },
  }),
  overview: breakdown('all calls in one line; --compare previous says what changed', { by: [], metrics: overviewMetrics }),
  quality: breakdown('errors, goals and what users say of each feature, or of what --by names', {
    by: ['feature'],
    instead: true,
    metrics: qualityMetrics,
  }),
  nps: breakdown('how likely users recommend the app, by month', {
    by: ['time:month'],
    metrics: ['users', 'nps_answers', 'nps', 'nps_low', 'nps_high'],
  }),
}
