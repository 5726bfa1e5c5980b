import { familyWise } from '../statistics/many-tests.ts'
import { adjustByBefore, compareMeans, meanFacts, ratioOfSums } from '../statistics/means.ts'
import { compareProportions, around, type Interval } from '../statistics/proportions.ts'
import { normalCdf, normalQuantile, normalTwoSided } from '../statistics/distributions.ts'
import { alwaysValid } from '../statistics/sequential.ts'
import { QueryError, unknownName } from '../query/query-error.ts'
import type { PeopleAsked, Told } from './people-report.ts'
import { checkSplit } from './experiment-split.ts'
import { readExperiments, readExposed, readShares, type ExposedUser } from './read-experiment.ts'
import { choiceOf, weightsOf } from '../report-options.ts'

const HOUR_MS = 3_600_000
const WINDOW_MS = 72 * HOUR_MS
/** Users in an arm below which nothing is said of a difference. */
const MIN_USERS = 150
const ALPHA = 0.05

/** The variants of an experiment compared, or the experiments there are. */
export async function tellExperiments(asked: PeopleAsked): Promise<Told> {
  const experiments = await readExperiments(asked.frame)
  const { experiment } = asked.options
  if (experiment === undefined) {
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
  const names = experiments.map(([name]) => name)
  if (!names.includes(experiment)) {
    if (names.length === 0)
      throw new QueryError(`No user was exposed to an experiment yet. Tell exposures with getUserExperiment or track.exposed.`, {
        given: experiment,
      })
    throw unknownName('experiment', experiment, { allowed: names })
  }
  return compareVariants(asked, experiment)
}

async function compareVariants({ frame, options }: PeopleAsked, experiment: string): Promise<Told> {
  const metric = choiceOf(options, 'metric')
  const { users, mixed, pending } = await readExposed(frame, experiment, choiceOf(options, 'window') === '72h' ? WINDOW_MS : undefined)
  const arms = armsOf(users)
  const control = arms[0]
  const sequential = choiceOf(options, 'peeking') === 'allowed'
  const compared = arms
    .slice(1)
    .map((arm) => compareArms(control?.users ?? [], arm.users, { metric, sequential, adjusted: choiceOf(options, 'adjust') === 'before' }))
  const together = familyWise(compared.map((one) => one?.p ?? 1))
  const split = checkSplit(
    arms.map(({ variant, users: own }) => ({ variant, users: own.length })),
    { stated: weightsOf(options), told: await readShares(frame, experiment) },
  )
  return {
    columns: {
      variant: ['Variant', 'string', 'the control first: the one called "control", else the first by name'],
      users: ['Users', 'int', 'exposed to this variant alone, whose time is over'],
      planned_share: ['Planned', 'rate', 'of those who take part, the share meant for this variant; equal shares where none was told'],
      value: [metric, metric === 'cost_usd' ? 'number' : metric === 'requests' ? 'number' : 'rate', valueSays[metric]],
      difference: ['Difference', 'number', 'value less that of the control'],
      ci_low: ['From', 'number', '95 % interval of the difference'],
      ci_high: ['To', 'number', 'its upper end'],
      lift: ['Lift', 'rate', 'difference / value of the control'],
      p: ['p', 'number', 'the probability of so great a difference by chance; for several variants held together (Holm)'],
      chance_to_win: ['Chance to win', 'rate', 'the probability that the value is greater than the control, flat prior'],
      state: [
        'State',
        'string',
        `no_data: fewer than ${MIN_USERS} users an arm; srm_fail: the split did not go as planned; significant; inconclusive`,
      ],
    },
    rows: arms.map((arm, n) => {
      const one = n === 0 ? null : compared[n - 1]
      const p = n === 0 ? null : (together[n - 1] ?? null)
      return {
        variant: arm.variant,
        users: arm.users.length,
        planned_share: split.planned.get(arm.variant) ?? null,
        value: valueOf(arm.users, metric),
        difference: one?.difference ?? null,
        ci_low: one?.interval[0] ?? null,
        ci_high: one?.interval[1] ?? null,
        lift: one?.lift ?? null,
        p: one === null || one === undefined ? null : p,
        chance_to_win: one?.chanceToWin ?? null,
        state:
          n === 0
            ? split.isWrong
              ? 'srm_fail'
              : 'control'
            : stateOf({ arms: [control?.users.length ?? 0, arm.users.length], isSplitWrong: split.isWrong, p: one === null ? null : p }),
      }
    }),
    warnings: [
      ...split.warnings,
      ...(mixed > 0 ? [`${mixed} users saw more than one variant and are left out`] : []),
      ...(pending > 0 ? [`${pending} users were exposed less than 72 hours before as_of and are left out`] : []),
      ...(sequential
        ? ['intervals hold however often one looks']
        : ['p and intervals hold for one look at the end; to look earlier use --peeking allowed']),
    ],
  }
}

interface Arm {
  readonly variant: string
  readonly users: readonly ExposedUser[]
}

function armsOf(users: readonly ExposedUser[]): Arm[] {
  const names = [...new Set(users.map(({ variant }) => variant))].sort(
    (a, b) => Number(b === 'control') - Number(a === 'control') || (a < b ? -1 : 1),
  )
  return names.map((variant) => ({ variant, users: users.filter((user) => user.variant === variant) }))
}

type MetricName = 'requests' | 'cost_usd' | 'error_rate' | 'active' | 'goals'

const valueSays: Readonly<Record<MetricName, string>> = {
  requests: 'mean requests of a user after the first exposure',
  cost_usd: 'mean cost of a user after the first exposure, in USD',
  error_rate: 'errors / requests after the first exposure',
  active: 'share of users with a call after the first exposure',
  goals: 'share of users who reached a goal after the first exposure',
}

const USD = 1e9
const numberOf = {
  requests: ({ requests }: ExposedUser) => requests,
  cost_usd: ({ costNanoUsd }: ExposedUser) => costNanoUsd / USD,
} as const
const shareOf = {
  active: ({ requests }: ExposedUser) => requests > 0,
  goals: ({ reachedGoal }: ExposedUser) => reachedGoal,
} as const

function valueOf(users: readonly ExposedUser[], metric: MetricName): number | null {
  if (users.length === 0) return null
  if (metric === 'error_rate') return ratioOf(users)?.ratio ?? null
  if (metric === 'active' || metric === 'goals') return users.filter(shareOf[metric]).length / users.length
  return users.reduce((sum, user) => sum + numberOf[metric](user), 0) / users.length
}

function ratioOf(users: readonly ExposedUser[]): ReturnType<typeof ratioOfSums> {
  return ratioOfSums(users.map(({ errors, requests }) => ({ part: errors, whole: requests })))
}

interface Compared {
  readonly difference: number
  readonly standardError: number
  readonly interval: Interval
  readonly lift: number | null
  readonly p: number
  readonly chanceToWin: number
}

/** The second arm against the first; null where nothing can be said. */
function compareArms(
  a: readonly ExposedUser[],
  b: readonly ExposedUser[],
  { metric, sequential, adjusted }: { readonly metric: MetricName; readonly sequential: boolean; readonly adjusted: boolean },
): Compared | null {
  const once = compareOnce(a, b, metric, adjusted)
  if (once === null || !sequential) return once
  const { interval, p } = alwaysValid({ difference: once.difference, standardError: once.standardError, n: a.length + b.length })
  return { ...once, interval, p }
}

function compareOnce(a: readonly ExposedUser[], b: readonly ExposedUser[], metric: MetricName, adjusted: boolean): Compared | null {
  if (metric === 'active' || metric === 'goals') {
    const successes = (users: readonly ExposedUser[]): number => users.filter(shareOf[metric]).length
    return compareProportions({ successes: successes(a), n: a.length }, { successes: successes(b), n: b.length })
  }
  if (metric === 'error_rate') {
    const [ratioA, ratioB] = [ratioOf(a), ratioOf(b)]
    if (ratioA === null || ratioB === null) return null
    const standardError = Math.hypot(ratioA.standardError, ratioB.standardError)
    if (standardError === 0) return null
    const difference = ratioB.ratio - ratioA.ratio
    return {
      difference,
      standardError,
      interval: around(difference, normalQuantile(1 - ALPHA / 2) * standardError),
      lift: ratioA.ratio === 0 ? null : difference / ratioA.ratio,
      p: normalTwoSided(difference / standardError),
      chanceToWin: normalCdf(difference / standardError),
    }
  }
  const values = (users: readonly ExposedUser[]): number[] => users.map(numberOf[metric])
  if (!adjusted) {
    const [factsA, factsB] = [meanFacts(values(a)), meanFacts(values(b))]
    return factsA === null || factsB === null ? null : compareMeans(factsA, factsB)
  }
  const pairs = (users: readonly ExposedUser[]): { before: number; after: number }[] =>
    users.map((user) => ({ before: user.requestsBefore, after: numberOf[metric](user) }))
  const facts = adjustByBefore(pairs(a), pairs(b))
  return facts === null ? null : compareMeans(facts.a, facts.b)
}

function stateOf({
  arms,
  isSplitWrong,
  p,
}: {
  readonly arms: readonly number[]
  readonly isSplitWrong: boolean
  readonly p: number | null
}): string {
  if (isSplitWrong) return 'srm_fail'
  if (p === null || arms.some((users) => users < MIN_USERS)) return 'no_data'
  return p < ALPHA ? 'significant' : 'inconclusive'
}
