import type { Answer, Row } from '../query/answer.ts'
import { groupBy } from '../sums/group-by.ts'
import { wilsonInterval } from '../statistics/proportions.ts'
import { filterWord } from './filter-word.ts'
import type { Recommendation } from './recommendation.ts'
import { numberIn, percent, recommendation, type Rule } from './rule.ts'

/** Below so many requests of a feature its share is chance. */
const MIN_FEATURE_REQUESTS = 50
const TIMES = 2

/** R1: features whose requests are repeated, or fail, at least twice as often as all are, beyond chance. */
export const troubledFeatures: Rule = ({ sections }) => [
  ...twiceAsOften(sections.get('retries'), 'retry_rate').map(({ feature, n, rate, overall, interval, row }) =>
    recommendation({
      rule: 'R1',
      says: `${percent(rate)} of the ${n} requests of feature ${feature} asked the same again, against ${percent(overall)} of all${typeof row['issues'] === 'string' ? `; what was repeated: ${row['issues']}` : ''}`,
      advice: `See what goes wrong there first: spanledger report errors --where ${filterWord('feature', feature)}`,
      section: 'retries',
      value: rate,
      against: overall,
      n,
      interval,
      interval_of: 'its share of retries',
    }),
  ),
  ...twiceAsOften(sections.get('quality'), 'error_rate').map(({ feature, n, rate, overall, interval }) =>
    recommendation({
      rule: 'R1',
      says: `${percent(rate)} of the ${n} requests of feature ${feature} failed, against ${percent(overall)} of all`,
      advice: `See what fails most there: spanledger report errors --where ${filterWord('feature', feature)}`,
      section: 'quality',
      value: rate,
      against: overall,
      n,
      interval,
      interval_of: 'its error rate',
    }),
  ),
]

/** The features of a section with a rate that is twice that of all its calls, with what says so. */
function twiceAsOften(section: Answer | undefined, name: string) {
  const overall = numberIn(section?.totals, name) ?? 0
  return (section?.rows ?? []).flatMap((row) => {
    const [n, rate] = [numberIn(row, 'requests') ?? 0, numberIn(row, name) ?? 0]
    const interval = wilsonInterval({ successes: Math.round(rate * n), n })
    if (n < MIN_FEATURE_REQUESTS || rate === 0 || rate < TIMES * overall || (interval?.[0] ?? 0) <= overall) return []
    return [{ feature: String(row['feature']), n, rate, overall, interval, row }]
  })
}

const NEAR_LIMIT = 0.8

/** R2: users of a tier who have used four fifths of its monthly requests, or more; of all rows of tiers. */
export function nearLimitsOf(rows: readonly Row[]): Recommendation[] {
  const limited = rows.flatMap((row) => {
    const used = numberIn(row, 'used_share')
    return used === undefined ? [] : [{ tier: String(row['tier']), used }]
  })
  return [...groupBy(limited, ({ tier }) => tier)].flatMap(([tier, users]): Recommendation[] => {
    const near = users.filter(({ used }) => used >= NEAR_LIMIT)
    if (near.length === 0) return []
    const over = near.filter(({ used }) => used >= 1).length
    return [
      recommendation({
        rule: 'R2',
        says: `${near.length} of the ${users.length} users of tier ${tier} have used at least ${percent(NEAR_LIMIT)} of its monthly requests, ${over} of them all`,
        advice: 'Offer them the next tier, or look at the limit: spanledger report tiers --tiers FILE',
        section: 'limits',
        value: near.reduce((most, { used }) => Math.max(most, used), 0),
        against: NEAR_LIMIT,
        n: users.length,
        interval: wilsonInterval({ successes: near.length, n: users.length }),
        interval_of: 'the share of the users of the tier that are near its limit',
      }),
    ]
  })
}

const MAX_DROP_OFF = 0.5
/** Of fewer users a step loses half of them soon. */
const MIN_STEP_USERS = 30

/** R6: a step of the way to activation that more than half of those who came to it do not take. */
export const lostSteps: Rule = ({ sections }) => {
  const steps = (sections.get('milestones')?.rows ?? []).filter((row) => numberIn(row, 'in_order') !== undefined)
  return steps.flatMap((row, at): Recommendation[] => {
    // To the first step come all of whom it is known.
    const n = (at === 0 ? numberIn(row, 'of') : numberIn(steps[at - 1], 'in_order')) ?? 0
    const lost = numberIn(row, 'drop_off') ?? 0
    if (n < MIN_STEP_USERS || lost <= MAX_DROP_OFF) return []
    const step = String(row['milestone'])
    return [
      recommendation({
        rule: 'R6',
        says: `${percent(lost)} of the ${n} users who came as far as before ${step} did not reach it`,
        advice: 'See how long it takes those who do, and what they used first: spanledger report onboarding, retention_insights',
        section: 'milestones',
        value: lost,
        against: MAX_DROP_OFF,
        n,
        interval: wilsonInterval({ successes: Math.round(lost * n), n }),
        interval_of: 'the share that is lost',
      }),
    ]
  })
}

/** R7: what the bias section flags as adverse. */
export const biasFlags: Rule = ({ sections }) =>
  (sections.get('bias')?.rows ?? [])
    .filter(({ flag }) => flag === 'adverse')
    .map((row) => {
      const [low, high] = [numberIn(row, 'ci_low'), numberIn(row, 'ci_high')]
      return recommendation({
        rule: 'R7',
        says: String(row['reads']),
        advice: 'Look at what differs between the groups beside the mix of models and features before anything is concluded',
        section: 'bias',
        value: numberIn(row, 'value') ?? 0,
        against: numberIn(row, 'rest_value') ?? 0,
        n: numberIn(row, 'n') ?? 0,
        interval: low === undefined || high === undefined ? null : [low, high],
        interval_of: 'the ratio of both',
      })
    })

const MIN_COVERAGE = 0.02
/** Of fewer requests nothing can be expected. */
const MIN_REQUESTS = 100

/** R8: so little feedback that satisfaction says little. */
export const feedbackCoverage: Rule = ({ sections }) => {
  const totals = sections.get('quality')?.totals
  const [n, count] = [numberIn(totals, 'requests') ?? 0, numberIn(totals, 'feedback_count')]
  // Where feedback is not known (a filter by cost, say) there is nothing to be said of it.
  if (count === undefined || n < MIN_REQUESTS || count / n >= MIN_COVERAGE) return []
  return [
    recommendation({
      rule: 'R8',
      says: `${count} ratings for ${n} requests (${percent(count / n)}) are too few to tell satisfaction by`,
      advice: 'Ask users more often: track.feedback, a thumb beside each answer (docs/events.md)',
      section: 'quality',
      value: count / n,
      against: MIN_COVERAGE,
      n,
      interval: wilsonInterval({ successes: Math.min(count, n), n }),
      interval_of: 'ratings per request',
    }),
  ]
}
