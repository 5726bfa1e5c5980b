import type { Filter } from '../query/filter.ts'
import type { ReportOptionName } from '../report-options.ts'
import type { ReportParams } from '../report-params.ts'

/** When a section is asked about, as instants. */
export interface SectionPeriod {
  readonly since: string
  readonly until: string
  /** The begin of the step so many before. */
  readonly before: (steps: number) => string
}

/** An ordinary report that stands in a composite. */
export interface SectionPlan {
  /** Once in each composite. */
  readonly name: string
  readonly report: string
  readonly title: string
  readonly params?: (period: SectionPeriod) => ReportParams
  /** What the composite must be given for it; without, the section is left out, and the answer says so. */
  readonly needs?: 'tiers' | 'property'
  /** It tells of weeks, which begin when the composite's do. */
  readonly hasWeeks?: boolean
  /** Options of the composite that it is asked with. */
  readonly takes?: readonly ReportOptionName[]
  /** Some filters cannot be asked of it, as of events those by model; then it is left out, and the answer says why. */
  readonly mayRefuseFilters?: boolean
  /** Asked at the last instant of the period, for reports about the month that is running then. */
  readonly atLastInstant?: boolean
}

export const within = ({ since, until }: SectionPeriod): ReportParams => ({ since, until })
export const comparedBefore = (period: SectionPeriod): ReportParams => ({ ...within(period), compare: 'previous' })

/** Groups that changed by a fifth, or are new, of at least thirty requests now or before. */
const moved: Filter = [
  'and',
  ['or', ['gte', 'requests_change', 0.2], ['lte', 'requests_change', -0.2], ['lte', 'requests_previous', 0]],
  ['or', ['gte', 'requests', 30], ['gte', 'requests_previous', 30]],
]
const moverMetrics = ['requests', 'users', 'cost_usd', 'error_rate', 'latency_p95_ms']
const LATEST_SESSIONS = 20
const nearLimit: Filter = ['or', ['gte', 'used_share', 0.8], ['is', 'is_over', ['true']], ['gte', 'feature_violations', 1]]

export const overview: SectionPlan = { name: 'overview', report: 'overview', title: 'Against as many days before', params: comparedBefore }
export const active: SectionPlan = { name: 'active', report: 'active', title: 'Active users by day', params: within }
export const growthBy = (step: 'day' | 'week' | 'month', steps: number): SectionPlan => ({
  name: 'growth',
  report: 'growth',
  title: `Who came, stayed and left, by ${step}`,
  params: ({ until, before }) => ({ since: before(steps - 1), until, by: [`time:${step}`] }),
  hasWeeks: step === 'week',
})
export const sessions: SectionPlan = { name: 'session_metrics', report: 'session_metrics', title: 'Sessions', params: within }
export const features: SectionPlan = {
  name: 'features',
  report: 'properties',
  title: 'Features that moved by a fifth',
  params: (period) => ({ ...comparedBefore(period), by: ['property:feature'], metrics: moverMetrics, having: moved }),
}
export const models: SectionPlan = {
  name: 'models',
  report: 'models',
  title: 'Models that moved by a fifth',
  params: (period) => ({ ...comparedBefore(period), metrics: moverMetrics, having: moved }),
}
export const quality: SectionPlan = { name: 'quality', report: 'quality', title: 'Errors and what users say, by feature', params: within }
export const nps: SectionPlan = { name: 'nps', report: 'nps', title: 'Net promoter score by month', params: within }
export const friction: SectionPlan = { name: 'friction', report: 'friction', title: 'Where users struggle', params: within }
export const errors: SectionPlan = { name: 'errors', report: 'errors', title: 'Errors by class', params: within }
export const anomalies: SectionPlan = {
  name: 'anomalies',
  report: 'anomalies',
  title: 'Unusual days of users',
  params: within,
  takes: ['tiers'],
}
export const limits: SectionPlan = {
  name: 'limits',
  report: 'tiers',
  title: 'Users near or over the limits of their tier',
  params: () => ({ having: nearLimit }),
  needs: 'tiers',
  takes: ['tiers'],
  atLastInstant: true,
}
export const cohorts: SectionPlan = {
  name: 'cohorts',
  report: 'cohorts',
  title: 'Cohorts: who is still there',
  params: ({ until, before }) => ({ since: before(5), until }),
}
export const segments: SectionPlan = { name: 'segments', report: 'segments', title: 'Segments, and who moved' }
export const insights: SectionPlan = { name: 'retention_insights', report: 'retention_insights', title: 'What goes together with staying' }
export const thresholds: SectionPlan = { name: 'thresholds', report: 'thresholds', title: 'How much use in the first week tells who stays' }
export const adoption: SectionPlan = {
  name: 'adoption',
  report: 'adoption',
  title: 'How far users have come with each feature',
  hasWeeks: true,
}
export const seasonal: SectionPlan = { name: 'seasonal', report: 'seasonal', title: 'Weekdays and months of the year', hasWeeks: true }
/** Who left in a month is told by who was there in the one before. */
export const business: SectionPlan = {
  name: 'business',
  report: 'business',
  title: 'Revenue, cost, churn and lifetime value',
  params: ({ until, before }) => ({ since: before(2), until }),
}
export const forecast: SectionPlan = {
  name: 'forecast',
  report: 'forecast',
  title: 'What is to come: cost of the month that is running at the end',
}

/** Of who came in the step before too: of those of the last days it is not known yet. */
const lately = ({ until, before }: SectionPeriod): ReportParams => ({ since: before(1), until })
export const onboarding: SectionPlan = {
  name: 'onboarding',
  report: 'onboarding',
  title: 'How users who came lately begin',
  params: lately,
}
export const milestones: SectionPlan = {
  name: 'milestones',
  report: 'milestones',
  title: 'What users who came lately reach, and where they get lost',
  params: lately,
  takes: ['advanced_features'],
}
export const lifecycle: SectionPlan = {
  name: 'lifecycle',
  report: 'lifecycle',
  title: 'How far users have come, and who moved',
  params: within,
  takes: ['advanced_features', 'onboarding', 'free_plans'],
}
export const tasks: SectionPlan = { name: 'tasks', report: 'tasks', title: 'Tasks and goals', params: within, mayRefuseFilters: true }
export const behavior: SectionPlan = { name: 'behavior', report: 'behavior', title: 'When and how users use it', params: within }
export const retries: SectionPlan = { name: 'retries', report: 'retries', title: 'What users ask again, by feature', params: within }
export const scores: SectionPlan = {
  name: 'scores',
  report: 'scores',
  title: 'Scores of answers, by who gave them',
  params: within,
  mayRefuseFilters: true,
}
export const churnIndicators: SectionPlan = {
  name: 'churn_indicators',
  report: 'churn_indicators',
  title: 'What goes before leaving',
}
export const requestPatterns: SectionPlan = {
  name: 'request_patterns',
  report: 'request_patterns',
  title: 'How often and how much users ask',
  params: within,
}

/** What is told of one user. */
export const profileSections: readonly SectionPlan[] = [
  { name: 'user', report: 'user', title: 'Models, features, errors, sessions, days', params: within },
  { name: 'segment', report: 'segment_members', title: 'The segment, and what led to it', params: within },
  behavior,
  { name: 'evolution', report: 'evolution', title: 'Week by week since the user came' },
  sessions,
  {
    name: 'sessions',
    report: 'sessions',
    title: 'The latest sessions',
    params: (period) => ({ ...within(period), order_by: [['last_call_at', 'desc']], limit: LATEST_SESSIONS }),
  },
  { name: 'preferences', report: 'preferences', title: 'Fast or good' },
  { name: 'benchmark', report: 'benchmark', title: 'Beside users of the same tier and tenure', params: within, takes: ['tiers'] },
  scores,
  retries,
  anomalies,
  { ...limits, title: 'The limits of the tier', params: () => ({}) },
]
export const privacy: SectionPlan = {
  name: 'privacy',
  report: 'privacy',
  title: 'What the ledger holds of people, as it is',
  mayRefuseFilters: true,
}
