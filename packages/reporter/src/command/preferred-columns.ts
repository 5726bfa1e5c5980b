import type { Answer } from '@spanledger/analytics'

/** What fits on a screen; the other columns are there for the asking. */
const preferred: Readonly<Record<string, readonly string[]>> = {
  users: [
    'user',
    'segment',
    'requests',
    'cost_usd',
    'total_tokens',
    'error_rate',
    'active_days',
    'sparkline',
    'last_seen',
    'top_model',
    'top_feature',
  ],
  user: ['part', 'name', 'requests', 'share', 'cost_usd', 'total_tokens', 'error_rate', 'latency_avg_ms', 'last_call_at'],
  onboarding: [
    'cohort',
    'step',
    'users',
    'of',
    'rate',
    'drop_off',
    'time_p50_s',
    'time_p90_s',
    'features_avg',
    'messages_avg',
    'basis',
    'reason',
  ],
  milestones: [
    'cohort',
    'milestone',
    'users',
    'of',
    'rate',
    'time_p50_s',
    'survival_rate',
    'days_to_half',
    'in_order',
    'drop_off',
    'reason',
  ],
  funnel: ['cohort', 'n', 'step', 'users', 'rate', 'conversion', 'drop_off', 'time_p50_s', 'time_p90_s', 'total_p50_s', 'reason'],
  tasks: [
    'cohort',
    'kind',
    'name',
    'step',
    'tasks',
    'completed',
    'failed',
    'timed_out',
    'open',
    'completion_rate',
    'chain_rate',
    'drop_off',
    'duration_p50_s',
  ],
  lifecycle: [
    'stage',
    'metric',
    'name',
    'users',
    'of',
    'share',
    'rate',
    'value',
    'previous',
    'unit',
    'moved_in',
    'moved_out',
    'at_risk',
    'churned',
    'basis',
    'reason',
  ],
  overview: ['requests', 'users', 'cost_usd', 'total_tokens', 'error_rate', 'latency_p95_ms', 'satisfaction'],
  sessions: ['session', 'user', 'requests', 'cost_usd', 'total_tokens', 'started_at', 'duration_ms', 'errors'],
  bias: ['group', 'measure', 'flag', 'users', 'value', 'rest_value', 'ratio', 'ci_low', 'ci_high', 'q', 'mix_explains'],
  benchmark: [
    'user',
    'tier',
    'tenure',
    'peers',
    'requests',
    'requests_percentile',
    'requests_to_median',
    'requests_per_goal',
    'peer_requests_per_goal',
    'features_to_median',
    'satisfaction_delta',
  ],
}

/** Reports with all metrics of calls, more than fit. */
const breakdowns: ReadonlySet<string> = new Set(['properties', 'models', 'providers', 'operations', 'errors'])
const breakdownColumns: readonly string[] = [
  'requests',
  'users',
  'cost_usd',
  'cost_per_request_usd',
  'total_tokens',
  'latency_avg_ms',
  'latency_p95_ms',
  'error_rate',
]

/** The columns that people are shown of a report where they choose none; of a comparison how much they changed comes with each. */
export function preferredColumns(report: string, { columns }: Pick<Answer, 'columns'>): readonly string[] {
  const keys = columns.map(({ key }) => key)
  const chosen = breakdowns.has(report)
    ? [...keys.slice(0, Math.max(0, keys.indexOf('requests'))), ...breakdownColumns]
    : (preferred[report] ?? keys.filter((key) => !/_(?:previous|change)$/.test(key)))
  // Who asks for intervals is shown them, beside what they are of.
  const withBounds = chosen.flatMap((key) => [key, `${key}_low`, `${key}_high`])
  return [...new Set(withBounds)].filter((key) => keys.includes(key))
}
