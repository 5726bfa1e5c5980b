import type { Group } from '../sums/group.ts'
import { cost, costSums, count, ratio, shareMetric, type Metric } from './metric.ts'
import { normalQuantile } from '../statistics/distributions.ts'

/** Nothing told in the whole period is unknown, not nothing earned; where others paid, who did not pay earned nothing. */
const revenue = ({ revenue: told }: Group): bigint | null => (told === undefined || !told.isTold ? null : told.nanoUsd)

const margin = (group: Group): bigint | null => {
  const [earned, spent] = [revenue(group), cost(group)]
  return earned === null || spent === null ? null : earned - spent
}

/** (p + d - (p - d)^2) / n is the variance of the mean of answers worth 1, 0 and -1. */
function npsBound(nps: Group['nps'], sign: 1 | -1): number | null {
  if (nps === undefined || nps.answers < 2) return null
  const [p, d] = [nps.promoters / nps.answers, nps.detractors / nps.answers]
  return (p - d + sign * normalQuantile(0.975) * Math.sqrt((p + d - (p - d) ** 2) / nps.answers)) * 100
}

/** Metrics of what is said beside calls: goals, payments, feedback, NPS. */
export const saidMetrics = {
  goals_told: {
    label: 'Goals told',
    type: 'int',
    says: 'goals of which the app said how they went (track.goal), of each user, goal and target the latest',
    needs: ['goals'],
    of: (g) => g.goals?.told ?? null,
  },
  goals_reached: {
    label: 'Goals',
    type: 'int',
    says: 'of those, the ones that were reached',
    needs: ['goals'],
    of: (g) => g.goals?.reached ?? null,
  },
  goal_success: shareMetric(
    { label: 'Goal %', says: 'goals_reached / goals_told', needs: ['goals'] },
    ({ goals }) => goals && { successes: goals.reached, n: goals.told },
  ),
  outcome_requests: {
    label: 'Outcome known',
    type: 'int',
    says: 'requests whose outcome was told in the period: by a goal or the label of a judge about the call, else by the last goal, task or end of its session',
    needs: ['outcomes'],
    of: (g) => g.outcomes?.known ?? 0,
  },
  outcome_success: shareMetric(
    {
      label: 'Outcome %',
      says: 'of outcome_requests, those that ended well: the goal or task was reached, the answer passed, the session was completed',
      needs: ['outcomes'],
    },
    ({ outcomes }) => outcomes && { successes: outcomes.succeeded, n: outcomes.known },
  ),
  outcome_coverage: shareMetric(
    { label: 'Known %', says: 'outcome_requests / requests: how much outcome_success rests on', needs: ['outcomes'] },
    (g) => ({ successes: g.outcomes?.known ?? 0, n: count('requests')(g) }),
  ),
  outcome_rated_requests: {
    label: 'Outcome rated',
    type: 'int',
    says: 'of the other requests, those whose answer a person rated in the period as good (at least 4 of 5) or bad (at most 2 of 5); of several, bad if any was',
    needs: ['estimate'],
    of: (g) => g.estimate?.rated ?? 0,
  },
  outcome_inferred_requests: {
    label: 'Outcome inferred',
    type: 'int',
    says: 'the requests that are left: taken to have ended well where the call did and, where fingerprints tell, the user did not ask the same again',
    needs: ['estimate'],
    of: ({ estimate }) => (estimate === undefined ? 0 : estimate.requests - estimate.told - estimate.rated),
  },
  success_estimate: shareMetric(
    {
      label: 'Success est. %',
      says: 'requests that ended well as the app told, else as people rated the answer, else as inferred / requests; an estimate, of which outcome_coverage is what was told',
      needs: ['estimate'],
    },
    ({ estimate }) => estimate && { successes: estimate.succeeded, n: estimate.requests },
  ),
  payments: {
    label: 'Payments',
    type: 'int',
    says: 'payments and refunds that the app told of (track.revenue), of each payment id the latest amount',
    needs: ['revenue'],
    of: (g) => g.revenue?.payments ?? null,
  },
  revenue_usd: {
    label: 'Revenue',
    type: 'usd',
    says: 'what was paid, less what was given back; 0 of a group without a payment, null where none was told in the whole period',
    needs: ['revenue'],
    of: revenue,
  },
  margin_usd: {
    label: 'Margin',
    type: 'usd',
    says: 'revenue_usd - cost_usd; less than 0 of who costs more than they pay',
    sums: costSums,
    needs: ['revenue'],
    of: margin,
  },
  margin_rate: {
    label: 'Margin %',
    type: 'rate',
    says: 'margin_usd / revenue_usd',
    sums: costSums,
    needs: ['revenue'],
    of: (g) => ratio(margin(g), revenue(g)),
  },
  feedback_count: {
    label: 'Feedback',
    type: 'int',
    says: 'ratings and thumbs by people; of each user, name and target the latest',
    needs: ['feedback'],
    of: (g) => g.feedback?.count ?? null,
  },
  feedback_positive: {
    label: 'Positive',
    type: 'int',
    says: 'of the feedback, thumbs up and ratings of at least 4 of 5, or their like on another scale',
    needs: ['feedback'],
    of: (g) => g.feedback?.positive ?? null,
  },
  csat: shareMetric(
    { label: 'CSAT', says: 'feedback_positive / feedback with a score on a scale', needs: ['feedback'] },
    ({ feedback }) => feedback && { successes: feedback.positive, n: feedback.scored },
  ),
  satisfaction: {
    label: 'Satisfaction',
    type: 'number',
    says: 'feedback from 0 to 10: the mean over users of the mean of each',
    needs: ['feedback'],
    of: (g) => g.feedback?.satisfaction ?? null,
  },
  satisfaction_users: {
    label: 'Rated by',
    type: 'int',
    says: 'users whose feedback satisfaction is of',
    needs: ['feedback'],
    of: (g) => g.feedback?.users ?? null,
  },
  nps: {
    label: 'NPS',
    type: 'number',
    says: 'share of answers 9 and 10 minus share of 0 to 6, times 100; the latest answer of each user',
    needs: ['nps'],
    of: ({ nps }) => (nps === undefined || nps.answers === 0 ? null : ((nps.promoters - nps.detractors) / nps.answers) * 100),
  },
  nps_low: {
    label: 'NPS from',
    type: 'number',
    says: 'the 95 % interval of nps, from the spread of the answers; null of fewer than two',
    needs: ['nps'],
    of: ({ nps }) => npsBound(nps, -1),
  },
  nps_high: { label: 'NPS to', type: 'number', says: 'its upper end', needs: ['nps'], of: ({ nps }) => npsBound(nps, 1) },
  nps_answers: {
    label: 'NPS answers',
    type: 'int',
    says: 'users who answered how likely they recommend the app',
    needs: ['nps'],
    of: (g) => g.nps?.answers ?? null,
  },
} as const satisfies Record<string, Metric>
