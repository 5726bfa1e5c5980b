import type { Store } from '@spanledger/store'

import type { Answer } from './query/answer.ts'
import { breakdowns, type Report } from './breakdowns.ts'
import { composites } from './composite/composites.ts'
import type { Clock } from './read/frame.ts'
import { tellActive, tellGrowth, tellStickiness } from './people/activity/active-reports.ts'
import { tellAnomalies } from './people/activity/anomaly-report.ts'
import { tellBenchmark } from './people/money/benchmark-report.ts'
import { tellBias } from './people/behavior/bias-report.ts'
import { tellBusiness } from './people/money/business-report.ts'
import { tellForecast } from './people/activity/forecast-report.ts'
import { tellBehavior, tellEvolution, tellFriction, tellSessionMetrics } from './people/behavior/behavior-reports.ts'
import { tellExperiments } from './people/experiments/experiment-report.ts'
import { tellFunnel } from './people/journeys/funnel-report.ts'
import { tellMilestones, tellOnboarding } from './people/journeys/journey-reports.ts'
import { tellLifecycle } from './people/journeys/lifecycle-report.ts'
import { peopleReport, type PeopleAsked, type ReportKind } from './people/answers/people-report.ts'
import type { Told } from './people/answers/told.ts'
import { checkOptions, type ReportOptionName } from './report-options.ts'
import { tellPatterns } from './people/behavior/patterns-report.ts'
import { tellRetries } from './people/behavior/retries-report.ts'
import { tellChurnIndicators, tellRetentionInsights, tellThresholds } from './people/activity/insight-reports.ts'
import { tellAdoption } from './people/journeys/adoption-report.ts'
import { tellCohorts } from './people/activity/retention-reports.ts'
import { tellSeasonal } from './people/activity/seasonal-report.ts'
import { tellScores } from './people/behavior/scores-report.ts'
import { tellSegmentMembers, tellSegments } from './people/segments/segment-reports.ts'
import { tellTasks } from './people/journeys/tasks-report.ts'
import { tellTiers } from './people/money/tiers-report.ts'
import { tellPrivacy } from './people/privacy/privacy-report.ts'
import { tellPreferences } from './people/behavior/preferences-report.ts'
import { tellUser } from './people/behavior/user-report.ts'
import { QueryError, unknownName } from './query/query-error.ts'
import { parseReportParams, type ReportParams } from './report-params.ts'
import { refuseBy, usersReport } from './users/users-report.ts'

/** A report about people rather than about groups of calls. */
function people(
  says: string,
  tell: (asked: PeopleAsked) => Promise<Told>,
  takes: readonly ReportOptionName[] = [],
  { splitBy = 'interval', isAbout }: Partial<ReportKind> = {},
): Report {
  return { says, takes, isAbout, run: (store, clock, query, asked) => peopleReport({ store, clock, query, asked, splitBy, isAbout }, tell) }
}

const reports: Readonly<Record<string, Report>> = {
  users: {
    says: 'what each user used and cost',
    run: (store, clock, query, asked) => {
      refuseBy(query.by)
      return usersReport(store, clock, query, asked)
    },
  },
  user: {
    says: 'one user (--user ID): models, features, errors, sessions, days',
    takes: [],
    run: (store, clock, query, asked) => {
      if (query.user === undefined) throw new QueryError('The user report is about one user. Say which: --user ID.', { given: '' })
      return peopleReport({ store, clock, query, asked, splitBy: 'interval' }, tellUser)
    },
  },
  ...breakdowns,
  scores: people('what answers were scored by people, rules and judging models, each for itself', tellScores),
  active: people('users active each day, and in the week and the month that end with it', tellActive, ['activity', 'clock', 'month_days']),
  growth: people('who came, stayed, returned and left: --by time:month, time:week or time:day', tellGrowth, [
    'activity',
    'begin',
    'incomplete',
  ]),
  stickiness: people('on how many of the last 28 days users came', tellStickiness, ['activity']),
  cohorts: people('which share of the users who came in a month is still there n weeks later', tellCohorts, [
    'mode',
    'censoring',
    'clock',
    'weeks',
    'begin',
    'base',
    'activity',
  ]),
  segments: people('power, casual, new, at-risk and churned users, those of your own, and who moved: --history', tellSegments, ['history']),
  segment_members: people("each user's segment and what led to it", tellSegmentMembers),
  session_metrics: people('how long sessions last, how they end, who comes back', tellSessionMetrics, ['outcomes']),
  behavior: people('how users use the app: hours, features, models, sessions', tellBehavior, ['shape', 'hours', 'rank_by']),
  preferences: people('whether users would rather have it fast or good: by a property, or the models they chose', tellPreferences),
  request_patterns: people('how users ask: how often, how large, how complex, how loyal to a model', tellPatterns, [], {
    splitBy: 'property',
  }),
  evolution: people('how behaviour changes week by week since users came', tellEvolution, ['weeks', 'basis', 'begin', 'shape']),
  retries: people('how often users ask the same again, of each feature', tellRetries),
  friction: people('where users struggle: abandoned sessions, rate limits, model errors', tellFriction, ['shape']),
  tiers: people('what users used of the monthly limits of their tier: --tiers FILE', tellTiers, ['tiers'], {
    isAbout: 'the running month',
  }),
  benchmark: people(
    'each user beside users of the same tier and tenure: use, efficiency, features, satisfaction',
    tellBenchmark,
    ['tiers'],
    { splitBy: 'property' },
  ),
  bias: people('whether groups of users fare worse than the others: --by property:KEY', tellBias, [], { splitBy: 'property' }),
  anomalies: people('days on which users called far more than they used to, or as no person does', tellAnomalies, ['tiers']),
  forecast: people('the rest of the month, from the weekdays of the last weeks', tellForecast, ['forecast'], {
    isAbout: 'the running month and the weeks before',
  }),
  business: people('what users paid, what they cost, and what is left, by month', tellBusiness, ['plan_prices']),
  privacy: people('what the ledger holds of people, who consented or opted out, and what was erased', tellPrivacy, [], {
    isAbout: 'the ledger as it is',
  }),
  experiments: people('what users of each variant did: --experiment NAME; alone it lists experiments', tellExperiments, [
    'experiment',
    'metric',
    'secondary',
    'window',
    'weights',
    'plan',
    'peeking',
    'outliers',
    'adjust',
  ]),
  retention_insights: people('which features go together with staying', tellRetentionInsights),
  churn_indicators: people('what users met before they left, and others did not', tellChurnIndicators, [], {
    isAbout: 'the 58 days before as_of',
  }),
  seasonal: people('which weekdays are busy, and whether it matters in which month users come', tellSeasonal),
  thresholds: people('how much use in the first week tells who stays', tellThresholds, ['count']),
  onboarding: people('how users begin: the way from the sign-up to the first success, and their first session', tellOnboarding, [
    'within',
    'outcomes',
  ]),
  milestones: people('how many users reach the steps that matter, how long it takes them, where they get lost', tellMilestones, [
    'within',
    'advanced_features',
  ]),
  funnel: people("how many users take steps one after the other: --steps 'feature = chat, goal:solved'", tellFunnel, [
    'steps',
    'within',
    'advanced_features',
  ]),
  tasks: people('how many tasks and goals are completed, and at which steps the others stop', tellTasks, ['timeout']),
  lifecycle: people('users by how far they have come with the app, and who moved; --stage for the figures of one stage', tellLifecycle, [
    'stage',
    'onboarding',
    'advanced_features',
    'free_plans',
  ]),
  adoption: people('how far users have come with each feature', tellAdoption, ['feature', 'view']),
}

interface ReportFacts {
  readonly name: string
  readonly says: string
  /** Those about people have columns of their own and take no metrics; those of `sections` are several reports. */
  readonly about: 'calls' | 'people' | 'sections'
  /** Whether it is about a time of its own, such as the running month, and takes no period. */
  readonly isOfOwnTime: boolean
}

/** Reports by name, each with what it says. */
export const reportList: readonly ReportFacts[] = [
  ...Object.entries(reports).map(([name, { says, takes, isAbout }]): ReportFacts => ({
    name,
    says,
    about: takes === undefined ? 'calls' : 'people',
    isOfOwnTime: isAbout !== undefined,
  })),
  ...Object.entries(composites).map(([name, { says }]): ReportFacts => ({ name, says, about: 'sections', isOfOwnTime: false })),
]

/** A report that is one table. @throws QueryError for a name or a param that is unknown */
export async function runReport(store: Store, clock: Clock, name: string, params: ReportParams): Promise<Answer> {
  const report = Object.hasOwn(reports, name) ? reports[name] : undefined
  if (report === undefined) throw unknownName('report', name, { allowed: reportList.map((one) => one.name) })
  const query = parseReportParams(params, clock.segmentation)
  checkOptions(name, query.options, report.takes ?? [])
  return report.run(store, clock, query, { schema: `${name}/v1`, params: withoutUndefined(params) })
}

function withoutUndefined(params: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(params).filter(([, value]) => value !== undefined))
}
