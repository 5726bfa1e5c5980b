import {
  active,
  adoption,
  anomalies,
  behavior,
  business,
  churnIndicators,
  cohorts,
  comparedBefore,
  errors,
  features,
  forecast,
  friction,
  growthBy,
  insights,
  lifecycle,
  limits,
  milestones,
  models,
  nps,
  onboarding,
  overview,
  profileSections,
  privacy,
  quality,
  requestPatterns,
  retries,
  scores,
  seasonal,
  segments,
  sessions,
  tasks,
  thresholds,
  within,
  type SectionPlan,
} from './sections.ts'

/** How long a composite that goes by the calendar is about; the others take a period as reports do. */
export type CompositeStep = 'day' | 'week' | 'month' | 'quarter'

export interface CompositePlan {
  readonly says: string
  readonly step: CompositeStep | undefined
  /** It must be said who. */
  readonly isOfOneUser?: boolean
  readonly sections: readonly SectionPlan[]
}

/** By name. Each section is what the report of that name answers by itself. */
export const composites = {
  daily: {
    says: 'a day: active users, key figures against the same weekday, errors, anomalies, limits',
    step: 'day',
    sections: [
      {
        name: 'overview',
        report: 'overview',
        title: 'Against the same weekday of the week before',
        params: (period) => ({ ...within(period), compare: 'same_weekdays' }),
      },
      active,
      growthBy('day', 7),
      errors,
      anomalies,
      limits,
    ],
  },
  weekly: {
    says: 'a week: the same, sessions, features and models that moved, where users struggle',
    step: 'week',
    sections: [
      overview,
      active,
      growthBy('week', 4),
      behavior,
      sessions,
      tasks,
      features,
      models,
      quality,
      retries,
      friction,
      errors,
      anomalies,
      limits,
    ],
  },
  monthly: {
    says: 'a month: the same, cohorts, segments, what goes together with staying, NPS, business, recommendations',
    step: 'month',
    sections: [
      overview,
      active,
      growthBy('month', 6),
      behavior,
      requestPatterns,
      sessions,
      tasks,
      features,
      models,
      quality,
      scores,
      retries,
      nps,
      friction,
      errors,
      anomalies,
      onboarding,
      milestones,
      lifecycle,
      cohorts,
      segments,
      insights,
      churnIndicators,
      adoption,
      business,
      limits,
    ],
  },
  quarterly: {
    says: 'a quarter: three months side by side, retention, lifetime value, experiments, bias, forecast',
    step: 'quarter',
    sections: [
      overview,
      active,
      { name: 'trend', report: 'overview', title: 'Month by month', params: (period) => ({ ...within(period), by: ['time:month'] }) },
      {
        name: 'growth',
        report: 'growth',
        title: 'Who came, stayed and left, by month',
        params: ({ until, before }) => ({ since: before(1), until, by: ['time:month'] }),
      },
      behavior,
      requestPatterns,
      sessions,
      tasks,
      features,
      models,
      quality,
      scores,
      retries,
      nps,
      friction,
      errors,
      anomalies,
      { ...onboarding, params: within },
      { ...milestones, params: within },
      lifecycle,
      { ...cohorts, params: ({ until, before }) => ({ since: before(3), until }) },
      segments,
      insights,
      churnIndicators,
      thresholds,
      adoption,
      seasonal,
      { ...business, params: ({ until, before }) => ({ since: before(1), until }) },
      { name: 'experiments', report: 'experiments', title: 'Experiments' },
      { name: 'bias', report: 'bias', title: 'Whether groups fare worse than others', params: within, needs: 'property' },
      forecast,
      limits,
      privacy,
    ],
  },
  product_dashboard: {
    says: 'engagement, adoption of features, satisfaction',
    step: undefined,
    sections: [overview, active, behavior, sessions, tasks, features, adoption, quality, scores, retries, nps],
  },
  growth_dashboard: {
    says: 'who comes, becomes active and stays',
    step: undefined,
    sections: [
      overview,
      { ...growthBy('week', 1), params: ({ since, until }) => ({ since, until, by: ['time:week'] }) },
      onboarding,
      milestones,
      lifecycle,
      cohortsOf12Months(),
      segments,
      insights,
      churnIndicators,
      thresholds,
    ],
  },
  support_dashboard: {
    says: 'what users struggle with: errors, abandoned sessions, bad ratings, limits',
    step: undefined,
    sections: [
      overview,
      friction,
      retries,
      errors,
      anomalies,
      {
        name: 'sessions',
        report: 'sessions',
        title: 'Sessions with failed calls',
        params: (period) => ({ ...within(period), having: ['gte', 'errors', 1], order_by: [['errors', 'desc']] }),
      },
      {
        name: 'unhappy_users',
        report: 'users',
        title: 'Users whose ratings are below 5 of 10',
        params: (period) => ({
          ...within(period),
          metrics: ['requests', 'errors', 'error_rate', 'rate_limited_requests', 'feedback_count', 'satisfaction', 'last_seen'],
          having: ['lt', 'satisfaction', 5],
          order_by: [['satisfaction', 'asc']],
        }),
      },
      limits,
    ],
  },
  business_dashboard: {
    says: 'revenue per user, lifetime value, churn, cost, forecast',
    step: undefined,
    sections: [
      overview,
      { ...business, params: ({ until, before }) => ({ since: before(12), until }) },
      {
        name: 'users',
        report: 'users',
        title: 'The dearest users',
        params: (period) => ({ ...within(period), order_by: [['cost_usd', 'desc']] }),
      },
      { name: 'models', report: 'models', title: 'Models by cost', params: comparedBefore },
      limits,
      forecast,
    ],
  },
  user_profile: {
    says: 'one user (--user ID): use, segment, behaviour, sessions, preferences, peers, ratings, limits',
    step: undefined,
    isOfOneUser: true,
    sections: [overview, ...profileSections],
  },
} as const satisfies Readonly<Record<string, CompositePlan>>

/** Dashboards have no step; before them are months. */
function cohortsOf12Months(): SectionPlan {
  return { ...cohorts, params: ({ until, before }) => ({ since: before(11), until }) }
}

export type CompositeName = keyof typeof composites
export const compositeNames = Object.keys(composites) as CompositeName[]

/** The section that all recommendations are; every composite has it. */
export const RECOMMENDATIONS = 'recommendations'

/** What one may ask for by name in a composite. */
export function sectionNames(name: CompositeName): string[] {
  return [...composites[name].sections.map((section) => section.name), RECOMMENDATIONS]
}

export function isComposite(name: string): name is CompositeName {
  return Object.hasOwn(composites, name)
}
