import { addDays } from '@spanledger/store'

import { QueryError, unknownName } from '../../query/query-error.ts'
import { choiceOf, namesOf, weightsOf, type GivenOptions } from '../../report-options.ts'
import { falseDiscoveryRates, familyWise } from '../../statistics/many-tests.ts'
import { compareArms, extremeFrom, foresee, type Comparison, type HowCompared } from './compare-arms.ts'
import { experimentMetrics, type ExperimentMetric, type ExperimentMetricName } from './experiment-metrics.ts'
import { checkSplit } from './experiment-split.ts'
import type { ExposedUser, Reading } from './exposed-user.ts'
import type { PeopleAsked } from '../answers/people-report.ts'
import type { ColumnTable, Told } from '../answers/told.ts'
import { exposureScope, readAsIfExposed, readExperiments, readExposed, readShares, type ExposureScope } from './read-experiment.ts'
import { withoutFingerprints } from '../../read/read-retries.ts'

const HOUR_MS = 3_600_000
const WINDOW_MS = 72 * HOUR_MS
/** Users in an arm below which nothing is said of a difference. */
const MIN_USERS = 150
const ALPHA = 0.05
/** An experiment that has not begun is foreseen from the users of so many days, where no period is asked for. */
const FORESEEN_DAYS = 28

/** The variants of an experiment compared, what one could tell before it starts, or the experiments there are. */
export async function tellExperiments(asked: PeopleAsked): Promise<Told> {
  const plan = weightsOf('plan', asked.options)
  if (plan !== undefined) return foreseeExperiment(asked, plan)
  const scope = await exposureScope(asked.frame, asked)
  const { experiment } = asked.options
  if (experiment === undefined) {
    const experiments = await readExperiments(asked.frame, scope)
    return {
      columns: {
        experiment: ['Experiment', 'string', 'that users were exposed to'],
        variants: ['Variants', 'int', 'that anybody saw'],
        users: ['Users', 'int', 'different users exposed'],
        since: ['Since', 'time', 'the first exposure'],
      },
      rows: experiments.map(([name, variants, users, firstMs]) => ({ experiment: name, variants, users, since: firstMs })),
    }
  }
  // Of an experiment of others than those asked for there are no rows; one that nobody knows is a mistake.
  const all = await readExperiments(asked.frame, { fromMs: 0, toMs: asked.frame.clock.asOfMs, userIds: undefined })
  const names = all.map(([name]) => name)
  if (!names.includes(experiment)) {
    if (names.length === 0)
      throw new QueryError(`No user was exposed to an experiment yet. Tell exposures with getUserExperiment or track.exposed.`, {
        given: experiment,
      })
    throw unknownName('experiment', experiment, { allowed: names })
  }
  return compareVariants(asked, experiment, scope)
}

async function compareVariants({ frame, options }: PeopleAsked, experiment: string, scope: ExposureScope): Promise<Told> {
  const metrics = metricsOf(options)
  const windowMs = windowOf(options)
  const { users, mixed, pending } = await readExposed(frame, experiment, { windowMs, reads: readsOf(metrics), scope })
  const arms = armsOf(users)
  const split = checkSplit(
    arms.map(({ variant, users: own }) => ({ variant, users: own.length })),
    { stated: weightsOf('weights', options), told: await readShares(frame, experiment) },
  )
  const control = arms[0]?.users ?? []
  const sequential = choiceOf(options, 'peeking') === 'allowed'
  const found = metrics.map((name): readonly Comparison[] => {
    const metric = experimentMetrics[name]
    const how = howOf(options, users, metric)
    const others = arms.slice(1).map((arm) => compareArms(control, arm.users, { metric, how }))
    const own = others[0]?.a ?? compareArms(control, [], { metric, how }).a
    return [{ a: own, b: own, compared: null }, ...others]
  })
  const held = heldTogether(found)
  return {
    columns: comparedColumns(metrics),
    rows: found.flatMap((ofMetric, m) =>
      ofMetric.map(({ a, b, compared }, n) => {
        const p = n === 0 ? null : (held[m]?.[n - 1] ?? null)
        const isFew = [a, b].some(({ users: measured }) => measured < MIN_USERS)
        // Where nobody differs from anybody there is a difference and no test of it.
        const gap = n === 0 || a.value === null || b.value === null ? null : b.value - a.value
        return {
          variant: arms[n]?.variant ?? null,
          metric: metrics[m] ?? null,
          users: arms[n]?.users.length ?? 0,
          measured: b.users,
          planned_share: split.planned.get(arms[n]?.variant ?? '') ?? null,
          value: b.value,
          ...(compared === null
            ? { ...nothingCompared, difference: gap }
            : {
                difference: compared.difference,
                ci_low: compared.interval[0],
                ci_high: compared.interval[1],
                lift: compared.lift,
                lift_low: compared.liftInterval?.[0] ?? null,
                lift_high: compared.liftInterval?.[1] ?? null,
                p,
                chance_to_win: compared.chanceToWin,
                expected_loss: compared.expectedLoss,
                detectable: compared.detectable,
              }),
          state: split.isWrong
            ? 'srm_fail'
            : n === 0
              ? 'control'
              : stateOf({ p: isFew ? null : compared === null && gap !== null ? 1 : p, isRunning: pending > 0, sequential }),
        }
      }),
    ),
    warnings: [
      ...split.warnings,
      ...(mixed > 0 ? [`${mixed} users saw more than one variant and are left out`] : []),
      ...(pending > 0 ? [`${pending} users were exposed less than 72 hours before as_of and are left out`] : []),
      ...warningsOf(metrics, options, users),
      ...(sequential
        ? ['intervals hold however often one looks']
        : ['p and intervals hold for one look at the end; to look earlier use --peeking allowed']),
    ],
  }
}

const nothingCompared = {
  difference: null,
  ci_low: null,
  ci_high: null,
  lift: null,
  lift_low: null,
  lift_high: null,
  p: null,
  chance_to_win: null,
  expected_loss: null,
  detectable: null,
} as const

function comparedColumns(metrics: readonly ExperimentMetricName[]): ColumnTable {
  return {
    variant: ['Variant', 'string', 'the control first: the one called "control", else the first by name'],
    metric: ['Metric', 'string', 'what is compared: that of --metric, then each of --secondary'],
    users: ['Users', 'int', 'exposed to this variant alone, whose time is over'],
    measured: [
      'Measured',
      'int',
      'of these, those of whom there is a value: with feedback for satisfaction, with a call for latency, else all',
    ],
    planned_share: ['Planned', 'rate', 'of those who take part, the share meant for this variant; equal shares where none was told'],
    value: valueColumn(metrics),
    difference: ['Difference', 'number', 'value less that of the control'],
    ci_low: ['From', 'number', '95 % interval of the difference'],
    ci_high: ['To', 'number', 'its upper end'],
    lift: ['Lift', 'rate', 'difference / value of the control'],
    lift_low: ['From', 'rate', '95 % interval of the lift (delta method)'],
    lift_high: ['To', 'rate', 'its upper end'],
    p: [
      'p',
      'number',
      'the probability of so great a difference by chance: several variants held together by Holm, all comparisons of --secondary by Benjamini and Hochberg',
    ],
    chance_to_win: [
      'Chance to win',
      'rate',
      'the probability that the variant is better than the control, flat prior: that its value is greater, or less for cost, errors, retries and latency',
    ],
    expected_loss: ['Expected loss', 'number', 'what taking the variant loses on average, where it is the worse one; as the value'],
    detectable: ['Detectable', 'number', 'the least true difference that so many users would show in 4 of 5 experiments'],
    state: [
      'State',
      'string',
      `no_data: fewer than ${MIN_USERS} measured users an arm; srm_fail: the split did not go as planned; running: the time of some users is not over; significant; inconclusive`,
    ],
  }
}

/** What an experiment could tell that begins now, of as many users as there were. */
async function foreseeExperiment({ frame, options, isBegun }: PeopleAsked, plan: ReadonlyMap<string, number>): Promise<Told> {
  const metrics = metricsOf(options)
  const { zone, period } = frame
  const fromMs = isBegun ? period.fromMs : zone.startOfDay(addDays(zone.day(period.toMs), -FORESEEN_DAYS))
  const users = await readAsIfExposed(frame, fromMs, { windowMs: windowOf(options), reads: readsOf(metrics) })
  const whole = [...plan.values()].reduce((total, weight) => total + weight, 0)
  const arms = [...plan]
    .map(([variant, weight]) => ({ variant, share: weight / whole, users: Math.floor((users.length * weight) / whole) }))
    .sort((a, b) => byVariant(a.variant, b.variant))
  return {
    columns: {
      variant: ['Variant', 'string', 'of --plan: the control first, the one called "control", else the first by name'],
      metric: ['Metric', 'string', 'what would be compared: that of --metric, then each of --secondary'],
      users: ['Users', 'int', `its share of the users with a call in the period, or in ${FORESEEN_DAYS} days, whose time is over`],
      planned_share: ['Planned', 'rate', 'of those who take part, the share meant for this variant'],
      value: valueColumn(metrics),
      detectable: ['Detectable', 'number', 'the least true difference from the control that p < 0.05 shows in 4 of 5 experiments'],
      detectable_lift: ['Detectable %', 'rate', 'detectable / value'],
    },
    rows: metrics.flatMap((name) => {
      const metric = experimentMetrics[name]
      const foreseen = foresee(users, { metric, how: howOf(options, users, metric) })
      return arms.map(({ variant, share, users: count }, n) => {
        const { value } = foreseen
        const detectable = foreseen.detectable(arms[0]?.users ?? 0, count)
        const least = n === 0 ? null : detectable
        return {
          variant,
          metric: name,
          users: count,
          planned_share: share,
          value,
          detectable: least,
          detectable_lift: least === null || value === null || value === 0 ? null : least / value,
        }
      })
    }),
    warnings: [
      `${users.length} users are looked at as if each had been exposed with the first call of the period`,
      ...warningsOf(metrics, options, users),
    ],
  }
}

function valueColumn(metrics: readonly ExperimentMetricName[]): ColumnTable[string] {
  const [primary, ...others] = metrics
  if (primary !== undefined && others.length === 0) return [primary, experimentMetrics[primary].type, experimentMetrics[primary].says]
  return ['Value', 'number', metrics.map((name) => `${name}: ${experimentMetrics[name].says}`).join('; ')]
}

/** The metric, then those besides. @throws QueryError for what is no metric */
function metricsOf(options: GivenOptions): ExperimentMetricName[] {
  const primary = choiceOf(options, 'metric')
  const allowed = Object.keys(experimentMetrics)
  const others = (namesOf('secondary', options) ?? []).map((name) => {
    if (!Object.hasOwn(experimentMetrics, name)) throw unknownName('metric of experiments', name, { allowed })
    return name as ExperimentMetricName
  })
  return [primary, ...others.filter((name) => name !== primary)]
}

function readsOf(metrics: readonly ExperimentMetricName[]): ReadonlySet<Reading> {
  return new Set(metrics.flatMap((name) => (experimentMetrics[name] as ExperimentMetric).reads ?? []))
}

function windowOf(options: GivenOptions): number | undefined {
  return choiceOf(options, 'window') === '72h' ? WINDOW_MS : undefined
}

function howOf(options: GivenOptions, users: readonly ExposedUser[], metric: ExperimentMetric): HowCompared {
  return {
    sequential: choiceOf(options, 'peeking') === 'allowed',
    adjusted: choiceOf(options, 'adjust') === 'before',
    most: choiceOf(options, 'outliers') === 'capped' ? extremeFrom(users, metric) : undefined,
  }
}

function warningsOf(metrics: readonly ExperimentMetricName[], options: GivenOptions, users: readonly ExposedUser[]): string[] {
  const noMeans = metrics.filter((name) => experimentMetrics[name].kind !== 'mean')
  const isOfMeans = choiceOf(options, 'adjust') === 'before' || choiceOf(options, 'outliers') === 'capped'
  return [
    ...(isOfMeans && noMeans.length > 0 ? [`adjust and outliers change means only, not ${noMeans.join(', ')}`] : []),
    ...(metrics.includes('retry_rate') && users.some(({ retries }) => retries === null) ? [withoutFingerprints] : []),
  ]
}

interface Arm {
  readonly variant: string
  readonly users: readonly ExposedUser[]
}

function armsOf(users: readonly ExposedUser[]): Arm[] {
  const names = [...new Set(users.map(({ variant }) => variant))].sort(byVariant)
  return names.map((variant) => ({ variant, users: users.filter((user) => user.variant === variant) }))
}

/** The control first, then by name. */
function byVariant(a: string, b: string): number {
  return Number(b === 'control') - Number(a === 'control') || (a < b ? -1 : a > b ? 1 : 0)
}

/** p of each metric and variant but the control: those of the first metric held together by Holm, all others by Benjamini and Hochberg. */
function heldTogether(found: readonly (readonly Comparison[])[]): (number | null)[][] {
  const told = found.map((ofMetric) => ofMetric.slice(1).map(({ compared }) => compared?.p ?? null))
  const [primary = [], ...others] = told
  const q = replaceKnown(others.flat(), falseDiscoveryRates)
  return [replaceKnown(primary, familyWise), ...others.map((own, m) => q.slice(m * own.length, (m + 1) * own.length))]
}

/** A test that was not made holds nothing together. */
function replaceKnown(values: readonly (number | null)[], hold: (known: readonly number[]) => readonly number[]): (number | null)[] {
  const held = hold(values.filter((value) => value !== null)).values()
  return values.map((value) => (value === null ? null : (held.next().value ?? null)))
}

function stateOf({
  p,
  isRunning,
  sequential,
}: {
  readonly p: number | null
  readonly isRunning: boolean
  readonly sequential: boolean
}): string {
  if (p === null) return 'no_data'
  // What is looked at once is looked at when it is over.
  if (isRunning && !sequential) return 'running'
  if (p < ALPHA) return 'significant'
  return isRunning ? 'running' : 'inconclusive'
}
