import { groupBy } from '../sums/group-by.ts'
import { openFrame, scopeOf } from '../read/frame.ts'
import { metricTable } from '../query/metrics.ts'
import { previousPeriod, type Period } from '../query/period.ts'
import { readUserSums } from '../read/population.ts'
import { readGroups } from '../read/read-groups.ts'
import { parseReportParams, wholeWhere } from '../report-params.ts'
import { runReport } from '../reports.ts'
import { AT_RISK_TENURE_DAYS } from '../segments/automatic-segments.ts'
import { compareMeans, meanFacts } from '../statistics/means.ts'
import { compareProportions, newcombeInterval, type Share } from '../statistics/proportions.ts'
import { mean } from '../statistics/quantiles.ts'
import type { Recommendation } from './recommendation.ts'
import { frameOf, percent, recommendation, type Rule, type RuleAsked } from './rule.ts'
import { nearLimitsOf } from './rules-of-sections.ts'

/** R2: the section has those who are near or over a limit; how many there are beside them is asked here. */
export const nearLimits: Rule = async ({ store, clock, sections }) => {
  const limits = sections.get('limits')
  if (limits === undefined) return []
  const whole = { ...limits.params, having: undefined, explain: undefined }
  const { rows } = await runReport(store, { ...clock, asOfMs: Date.parse(limits.meta.as_of) }, 'tiers', whole)
  return nearLimitsOf(rows)
}

/** So many points more of the users that have not left. */
const RISK_POINTS = 0.05

/** R3: the share of users at risk has grown since the begin of the period. */
export const growingRisk: Rule = async (asked) => {
  if (!asked.sections.has('segments')) return []
  const [shareNow, shareBefore] = [await riskAt(asked, asked.clock.asOfMs), await riskAt(asked, asked.period.fromMs)]
  // Who has not been there for long enough cannot be at risk: of newcomers nothing can have grown.
  if (!shareBefore.couldBe) return []
  if (shareNow.n === 0 || shareBefore.n === 0) return []
  const [value, against] = [shareNow.successes / shareNow.n, shareBefore.successes / shareBefore.n]
  if (value - against < RISK_POINTS) return []
  return [
    recommendation({
      rule: 'R3',
      says: `${percent(value)} of the ${shareNow.n} users that have not left are at risk, against ${percent(against)} of ${shareBefore.n} at the begin of the period`,
      advice: "See who they are, and what they used: spanledger report segment_members --having 'is_at_risk = true'",
      section: 'segments',
      value,
      against,
      n: shareNow.n,
      interval: newcombeInterval(shareBefore, shareNow),
      interval_of: 'the difference of the shares, as if of different users',
    }),
  ]
}

/** How many of the users that have not left are at risk, whatever segments of the app's own they are in. */
async function riskAt({ store, clock, params }: RuleAsked, asOfMs: number): Promise<Share & { readonly couldBe: boolean }> {
  const query = parseReportParams(params, clock.segmentation)
  const frame = await openFrame(store, { ...clock, asOfMs }, { ...query, where: wholeWhere(query) })
  const { ids } = await readUserSums(store, await scopeOf(frame, frame.period), { sums: ['requests'], activeDays: false })
  const [{ standingOf }, firstSeen] = [await frame.segments(), await frame.firstSeen()]
  const users = [...new Set(ids)].filter((userId) => userId !== 0)
  const stayed = users.map((userId) => standingOf(userId, firstSeen.get(userId) ?? asOfMs)).filter(({ segment }) => segment !== 'churned')
  const old = stayed.filter(({ tenureDays }) => tenureDays >= AT_RISK_TENURE_DAYS).length
  return { successes: stayed.filter(({ isAtRisk }) => isAtRisk).length, n: stayed.length, couldBe: old * 2 >= stayed.length }
}

const MIN_MODEL_REQUESTS = 50
const SLOW_TIMES = 2

/** R4: a model that takes twice as long as another one for the same feature and operation, and does not fail less. Ratings are of no model. */
export const slowModels: Rule = async (asked) => {
  if (!asked.sections.has('models')) return []
  const frame = await frameOf(asked)
  const found = await readGroups(frame.store, await scopeOf(frame, frame.period), {
    dimensions: [
      { kind: 'property', key: 'feature' },
      // An embedding takes no answer's time.
      { kind: 'column', name: 'operation' },
      { kind: 'column', name: 'model' },
    ],
    metrics: ['requests', 'errors', 'latency_p95_ms'],
  })
  const served = found.flatMap(({ labels, group }) => {
    const n = group.sums.get('requests') ?? 0
    const p95 = Number(metricTable.latency_p95_ms.of(group) ?? 0)
    const [feature, operation, model] = labels
    if (n < MIN_MODEL_REQUESTS || p95 === 0 || typeof feature !== 'string') return []
    return [{ feature, operation: String(operation), model: String(model), p95, errors: { successes: group.sums.get('errors') ?? 0, n } }]
  })
  return [...groupBy(served, ({ feature, operation }) => JSON.stringify([feature, operation])).values()].flatMap(slowestOf)
}

interface Served {
  readonly feature: string
  readonly operation: string
  readonly model: string
  readonly p95: number
  readonly errors: Share
}

/** The slowest model of a feature beside its fastest that fails no more. */
function slowestOf(models: readonly Served[]): Recommendation[] {
  const slow = models.reduce((most, one) => (one.p95 > most.p95 ? one : most), models[0] as Served)
  const [fast] = models.filter((one) => one.p95 * SLOW_TIMES <= slow.p95 && !failsMore(one, slow)).toSorted((a, b) => a.p95 - b.p95)
  if (fast === undefined) return []
  const rate = ({ errors: { successes, n } }: Served): string => percent(successes / n)
  return [
    recommendation({
      rule: 'R4',
      says: `For feature ${slow.feature}, 95 % of the ${slow.errors.n} requests of ${slow.model} took up to ${Math.round(slow.p95)} ms, of the ${fast.errors.n} of ${fast.model} up to ${Math.round(fast.p95)} ms; ${rate(slow)} and ${rate(fast)} failed`,
      advice: `Try ${fast.model} for it, and compare what users say: defineExperiments (docs/reports.md)`,
      section: 'models',
      value: slow.p95,
      against: fast.p95,
      n: slow.errors.n + fast.errors.n,
      interval: newcombeInterval(slow.errors, fast.errors),
      interval_of: 'the difference of the error rates, the faster less the slower',
    }),
  ]
}

/** Whether it fails more often, beyond chance. */
function failsMore(one: Served, other: Served): boolean {
  const compared = compareProportions(other.errors, one.errors)
  return compared !== null && compared.difference > 0 && compared.p < 0.05
}

const COST_CHANGE = 0.25
/** Requests per user that change less are flat. */
const FLAT_CHANGE = 0.1

/** R5: users cost a quarter more than in as many days before, and do not ask more. */
export const costPerUser: Rule = async (asked) => {
  if (!asked.sections.has('models')) return []
  const frame = await frameOf(asked)
  const [now, before] = [await usersIn(asked, frame.period), await usersIn(asked, previousPeriod(frame.period, frame.zone))]
  const change = (of: (user: UserCost) => number): number | null => {
    const [a, b] = [mean(before.map(of)), mean(now.map(of))]
    return a === null || b === null || a === 0 ? null : b / a - 1
  }
  const [cost, requests] = [change((user) => user.costUsd), change((user) => user.requests)]
  if (cost === null || requests === null || cost < COST_CHANGE || Math.abs(requests) > FLAT_CHANGE) return []
  const [factsBefore, factsNow] = [meanFacts(before.map(({ costUsd }) => costUsd)), meanFacts(now.map(({ costUsd }) => costUsd))]
  const compared = factsBefore === null || factsNow === null ? null : compareMeans(factsBefore, factsNow)
  return [
    recommendation({
      rule: 'R5',
      says: `A user cost $${meanCost(now).toFixed(4)} on average (${now.length} users), ${percent(cost)} more than $${meanCost(before).toFixed(4)} in as many days before (${before.length} users), with ${percent(Math.abs(requests))} ${requests < 0 ? 'fewer' : 'more'} requests each`,
      advice: 'See which models took over: spanledger report models --compare previous --sort cost_usd:desc',
      section: 'overview',
      value: meanCost(now),
      against: meanCost(before),
      n: now.length,
      interval: compared?.liftInterval ?? null,
      interval_of: 'the change of cost per user, as a ratio',
    }),
  ]
}

interface UserCost {
  readonly requests: number
  /** Of the calls that have a price. */
  readonly costUsd: number
}

function meanCost(users: readonly UserCost[]): number {
  return mean(users.map(({ costUsd }) => costUsd)) ?? 0
}

async function usersIn(asked: RuleAsked, period: Period): Promise<UserCost[]> {
  const frame = await frameOf(asked)
  const found = await readGroups(frame.store, await scopeOf(frame, period), {
    dimensions: [{ kind: 'column', name: 'user' }],
    metrics: ['requests', 'cost_usd'],
  })
  return found.flatMap(({ keys, group }) => {
    const costNanoUsd = metricTable.cost_usd.of(group)
    // Without any price it is not known what a user costs, which is not nothing.
    if (Number(keys[0]) === 0 || costNanoUsd === null) return []
    return [{ requests: group.sums.get('requests') ?? 0, costUsd: Number(costNanoUsd) / 1e9 }]
  })
}
