import type { Store } from '@spanledger/store'

import type { Answer, Asked } from './answer.ts'
import type { Clock } from './frame.ts'
import type { MetricName } from './metrics.ts'
import { QueryError, unknownName } from './query-error.ts'
import { parseMetricNames } from './query.ts'
import { parseReportParams, wholeWhere, type ReportParams, type ReportQuery } from './report-params.ts'
import { runQuery } from './run-query.ts'
import { refuseBy, usersReport } from './users-report.ts'

interface Report {
  /** One line for lists. */
  readonly says: string
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

/** A report that is one question, split by one dimension and any others asked for. */
function breakdown(
  says: string,
  { by, metrics = callMetrics, only }: { by: readonly string[]; metrics?: readonly MetricName[]; only?: ReportQuery['where'] },
): Report {
  return {
    says,
    run: (store, clock, query, asked) => {
      const where = wholeWhere(query)
      return runQuery(
        store,
        clock,
        {
          ...query,
          by: [...by, ...query.by],
          metrics: query.metrics === undefined ? metrics : parseMetricNames(query.metrics),
          where: only === undefined ? where : where === undefined ? only : { kind: 'group', operator: 'and', parts: [only, where] },
          orderBy: query.orderBy.length > 0 ? query.orderBy : ordered(query, by),
        },
        asked,
      )
    },
  }
}

/** The dearest first; where time is a dimension the answer's own order holds. */
function ordered({ metrics, by }: ReportQuery, own: readonly string[]): ReportQuery['orderBy'] {
  const byTime = [...own, ...by].some((name) => name.toLowerCase().startsWith('time:'))
  return byTime || (metrics !== undefined && !metrics.includes('cost_usd')) ? [] : [['cost_usd', 'desc']]
}

const reports: Readonly<Record<string, Report>> = {
  users: {
    says: 'what each user used and cost',
    run: (store, clock, query, asked) => {
      refuseBy(query.by)
      return usersReport(store, clock, query, asked)
    },
  },
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
  }),
  errors: breakdown('failed, cancelled and cut off calls by class', {
    by: ['error'],
    only: { kind: 'presence', operator: 'exists', name: 'error' },
  }),
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
  ],
})

/** Reports by name, each with what it says. */
export const reportList: readonly { readonly name: string; readonly says: string }[] = Object.entries(reports).map(([name, { says }]) => ({
  name,
  says,
}))

/** Reports of later versions, so that asking for one says so. */
const laterReports = new Set(['active', 'growth', 'cohorts', 'segments', 'segment_members'])

/** @throws QueryError for a name or a param that is unknown */
export async function runReport(store: Store, clock: Clock, name: string, params: ReportParams): Promise<Answer> {
  const report = Object.hasOwn(reports, name) ? reports[name] : undefined
  if (report === undefined) {
    const allowed = Object.keys(reports)
    if (laterReports.has(name)) {
      throw new QueryError(`Report ${JSON.stringify(name)} is not available in this version. Available: ${allowed.join(', ')}.`, {
        given: name,
        allowed,
      })
    }
    throw unknownName('report', name, { allowed })
  }
  return report.run(store, clock, parseReportParams(params), { schema: `${name}/v1`, params: withoutUndefined(params) })
}

function withoutUndefined(params: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(params).filter(([, value]) => value !== undefined))
}
