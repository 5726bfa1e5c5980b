import { QueryError, unknownName } from './query/query-error.ts'

/** An option that some reports take beside those that all take. */
interface ReportOption {
  readonly says: string
  /** What it may be; any text where undefined. The first is what holds where nothing is said. */
  readonly values?: readonly [string, ...string[]]
  /** Which of them is meant by the option alone. */
  readonly alone?: string
}

/** By name, as on the command line and in params. */
export const reportOptions = {
  mode: {
    says: 'who counts as retained in week n: active in it, in it or later, or in every week up to it',
    values: ['on', 'on_or_after', 'streak'],
  },
  censoring: { says: 'tell a cell once it is known of all of a cohort, or of those of whom it is known', values: ['strict', 'eligible'] },
  clock: {
    says: "users' own weeks of seven days from their first, and the last 7 and 30 days; or weeks and months of the calendar",
    values: ['rolling', 'calendar'],
  },
  base: {
    says: 'shares of all of a cohort, or of those of it who were active in their first week',
    values: ['all', 'week1_active'],
  },
  activity: { says: 'who is active: who made any call, or one that succeeded', values: ['any', 'success'] },
  month_days: { says: 'how many days make mau', values: ['30', '28'] },
  weeks: { says: "users' own weeks to tell: 1,2,4,8,12" },
  begin: {
    says: 'when users begin: with the sign-up where it is known, or always with the first call',
    values: ['sign_up', 'first_call'],
  },
  incomplete: {
    says: 'compare an interval that is not over with the same part of the one before, or not at all',
    values: ['same_elapsed', 'complete_only'],
  },
  basis: { says: 'per user who was active, or per user who could have been', values: ['active', 'panel'] },
  outcomes: {
    says: 'take the end of a session from its last call where the app said nothing, or leave it unknown',
    values: ['inferred', 'strict'],
  },
  hours: {
    says: "hours of the zone of the report, or of each user's own: trait or property timezone, where it is known; or by how often each came",
    values: ['report', 'user', 'normalized'],
  },
  rank_by: { says: 'what makes features favourites: how often they are asked, or how many users ask them', values: ['requests', 'users'] },
  shape: { says: 'columns, or one nested object with words and rounded numbers (seed, as json)', values: ['columns', 'seed'] },
  count: { says: 'what is counted in the first week', values: ['requests', 'active_days', 'features', 'sessions', 'multi_turn'] },
  feature: { says: 'only this feature' },
  view: {
    says: 'the stages of a feature, what those met who tried and left it, or when it was first used and who stayed',
    values: ['stages', 'barriers', 'timing'],
  },
  experiment: { says: 'compare the variants of this experiment' },
  metric: {
    says: 'what is compared between variants',
    values: [
      'requests',
      'cost_usd',
      'cost_per_request_usd',
      'error_rate',
      'retry_rate',
      'active',
      'goals',
      'satisfaction',
      'latency_p50_ms',
      'latency_p95_ms',
    ],
  },
  secondary: { says: 'what is compared besides, each with its own rows: cost_usd,error_rate' },
  plan: { says: 'an experiment before it starts: the least difference that it could tell: control:0.8,b:0.2' },
  window: { says: 'how long after the first exposure counts: 72 hours, or all the time up to as_of', values: ['72h', 'end'] },
  weights: { says: 'how users were to be split between variants, where exposures do not tell it or tell it wrong: control:0.8,b:0.2' },
  peeking: { says: 'intervals for one look at the end, or for any number of looks (wider)', values: ['once', 'allowed'] },
  history: {
    says: 'how many users each segment had by day, week or month, or who moved between which in the period (moves)',
    values: ['none', 'users', 'moves'],
    alone: 'users',
  },
  tiers: { says: 'a JSON file of tiers with monthly limits' },
  forecast: { says: 'what is forecast', values: ['cost_usd', 'requests'] },
  within: { says: "how many of users' own days are looked at, or how long after the first step of a funnel: 14d" },
  stage: {
    says: 'users by stage, or the figures of one stage',
    values: ['all', 'acquisition', 'activation', 'retention', 'growth'],
  },
  onboarding: { says: 'what onboarding takes beside a first success: goal:setup,milestone:profile' },
  plan_prices: { says: 'USD a month by plan, for revenue of users without a payment: free:0,pro:20,team:99.50' },
  free_plans: { says: 'plans that cost nothing: free,trial; those that begin with "free" where nothing is said' },
  timeout: { says: 'how long after its begin a task counts as timed out: 24h, 30m, 7d' },
  steps: { says: "steps in their order: 'feature = chat, feature in (a, b), goal:solved, first_success'" },
  advanced_features: { says: 'which features are advanced: analysis,agents' },
  date: { says: 'daily, weekly, monthly, quarterly: the one that holds this date; the last that is over by default' },
  section: { says: 'only this section of a report that has several' },
  outliers: { says: 'means with extreme values of users, or with those above the 99.5 % quantile cut off', values: ['kept', 'capped'] },
  adjust: { says: 'take out what the two weeks before explain (CUPED)', values: ['none', 'before'] },
} as const satisfies Record<string, ReportOption>

export type ReportOptionName = keyof typeof reportOptions

/** The options that were given, as text. */
export type GivenOptions = Readonly<Record<string, string | undefined>>

/** @throws QueryError for an option the report does not take, or a value it does not know */
export function checkOptions(report: string, given: GivenOptions, taken: readonly ReportOptionName[]): void {
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue
    if (!Object.hasOwn(reportOptions, name)) throw unknownName('option of a report', name, { allowed: Object.keys(reportOptions) })
    if (!taken.some((one) => one === name)) {
      const takes = taken.length === 0 ? 'no options of its own' : taken.join(', ')
      throw new QueryError(`The ${report} report takes no ${name}. It takes: ${takes}.`, { given: name, allowed: taken })
    }
    const { values }: ReportOption = reportOptions[name as ReportOptionName]
    if (values?.includes(value) === false) throw unknownName(name, value, { allowed: values })
  }
}

type Choice = { [Name in ReportOptionName]: (typeof reportOptions)[Name] extends { values: readonly (infer V)[] } ? V : never }

/** The value of an option with a choice, or the first of its choices; options were checked before. */
export function choiceOf<Name extends ReportOptionName>(options: GivenOptions, name: Name): Choice[Name] {
  const { values }: ReportOption = reportOptions[name]
  return (options[name] ?? values?.[0]) as Choice[Name]
}

/** `14d` as a number of days. @throws QueryError for what is no number of days from 1 to 365 */
export function daysWithin({ within = '14d' }: GivenOptions): number {
  const days = Number(/^(\d{1,3})d$/.exec(within.trim())?.[1])
  if (days >= 1 && days <= 365) return days
  throw new QueryError(`Cannot read within ${JSON.stringify(within)}. Write a number of days from 1 to 365: 14d.`, { given: within })
}

/** `24h` in ms. @throws QueryError for what is no time from a minute to a year */
export function durationOf(option: ReportOptionName, text: string): number {
  const [, count, unit = ''] = /^(\d{1,6})(m|h|d)$/.exec(text.trim()) ?? []
  const ms = Number(count) * ({ m: 60_000, h: 3_600_000, d: DAY_MS }[unit] ?? Number.NaN)
  if (ms > 0 && ms <= 366 * DAY_MS) return ms
  throw new QueryError(`Cannot read ${option} ${JSON.stringify(text)}. Write minutes, hours or days, at most a year: 30m, 24h, 7d.`, {
    given: text,
  })
}

const DAY_MS = 86_400_000

/** A list of names: `analysis, agents`. @throws QueryError for an empty one */
export function namesOf(option: ReportOptionName, options: GivenOptions): string[] | undefined {
  const text = options[option]
  if (text === undefined) return undefined
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  if (names.length > 0 && names.length <= 100) return [...new Set(names)]
  throw new QueryError(`${option} ${JSON.stringify(text)} must name from 1 to 100, separated by commas.`, { given: text })
}

/** `control:0.8,b:0.2` as weights by name; undefined where none were given. @throws QueryError for what is no such list */
export function weightsOf(option: 'weights' | 'plan', options: GivenOptions): ReadonlyMap<string, number> | undefined {
  const text = options[option]
  if (text === undefined) return undefined
  const parts = text.split(',').map((part) => /^(.+):\s*(\d{1,9}(?:\.\d{1,12})?)$/.exec(part.trim()))
  const named = new Map(parts.map((part) => [part?.[1]?.trim() ?? '', Number(part?.[2])]))
  const isOfAll = parts.every((part) => part !== null) && named.size === parts.length && !named.has('') && parts.length <= 100
  if (isOfAll && [...named.values()].filter((weight) => weight > 0).length >= 2) return named
  throw new QueryError(
    `Cannot read ${option} ${JSON.stringify(text)}. Write each variant once with its weight, at least two above 0: control:0.8,b:0.2.`,
    { given: text },
  )
}

/** `1,2,4` as numbers. @throws QueryError for what is no list of whole numbers from 1 to 260 */
export function weeksOf({ weeks }: GivenOptions): number[] | undefined {
  if (weeks === undefined) return undefined
  const numbers = weeks.split(',').map((part) => Number(part.trim()))
  if (numbers.length > 52 || numbers.some((week) => !Number.isInteger(week) || week < 1 || week > 260)) {
    throw new QueryError(`Cannot read weeks ${JSON.stringify(weeks)}. Write up to 52 whole numbers from 1 to 260: 1,2,4,8,12.`, {
      given: weeks,
    })
  }
  return [...new Set(numbers)].sort((a, b) => a - b)
}
