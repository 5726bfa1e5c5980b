import { bootstrapQuantile } from '../../statistics/bootstrap.ts'
import { chanceAbove, detectableDifference, expectedLoss } from '../../statistics/decision.ts'
import { normalQuantile, normalTwoSided } from '../../statistics/distributions.ts'
import {
  adjustByBefore,
  compareMeans,
  liftError,
  meanFacts,
  ratioOfSums,
  type BeforeAfter,
  type MeanFacts,
} from '../../statistics/means.ts'
import { around, compareProportions, type Interval } from '../../statistics/proportions.ts'
import { mean, quantile } from '../../statistics/quantiles.ts'
import { alwaysValid } from '../../statistics/sequential.ts'
import { fisherExact } from '../../statistics/two-by-two.ts'
import type { ExperimentMetric } from './experiment-metrics.ts'
import type { ExposedUser } from './exposed-user.ts'

const ALPHA = 0.05
/** Where fewer than so many users are expected in a cell, the z test of shares is too rough. */
const MIN_CELL = 5

/** How arms are compared, beside the metric. */
export interface HowCompared {
  /** Intervals and p hold however often one looks. */
  readonly sequential: boolean
  /** What the two weeks before explain is taken out (CUPED). */
  readonly adjusted: boolean
  /** What a user's value is cut off to where it is greater (see `extremeFrom`); undefined for nothing. */
  readonly most?: number | undefined
}

/** Above this quantile a value is an extreme one. */
const EXTREME = 0.995

/**
 * The value from which on the few users above it would decide a mean alone: the 99.5 % quantile of the users of all arms, which is what
 * winsorising cuts them off to. Undefined for what is no mean.
 */
export function extremeFrom(users: readonly ExposedUser[], metric: ExperimentMetric): number | undefined {
  if (metric.kind !== 'mean') return undefined
  return (
    quantile(
      users.map(metric.of).filter((value) => value !== null),
      EXTREME,
    ) ?? undefined
  )
}

/** What an arm has of a metric: the value, and how many of its users it is known of. */
export interface Measured {
  readonly value: number | null
  readonly users: number
}

/** The second arm against the first. */
export interface Compared {
  readonly difference: number
  readonly interval: Interval
  readonly lift: number | null
  /** Null where the first value is 0. */
  readonly liftInterval: Interval | null
  readonly p: number
  /** That the second arm is better: more, or less where less is better. */
  readonly chanceToWin: number
  readonly expectedLoss: number
  readonly detectable: number
}

/** The values of two arms and what they say of each other; null where nothing can be said. */
export interface Comparison {
  readonly a: Measured
  readonly b: Measured
  readonly compared: Compared | null
}

export function compareArms(
  a: readonly ExposedUser[],
  b: readonly ExposedUser[],
  { metric, how }: { readonly metric: ExperimentMetric; readonly how: HowCompared },
): Comparison {
  const { arms, once } = compareOnce(a, b, metric, how)
  const [one, other] = arms
  if (once === null) return { a: one, b: other, compared: null }
  const n = one.users + other.users
  const { interval, p } = how.sequential ? alwaysValid({ ...once, n }) : once
  const { lift, liftStandardError } = once
  const liftInterval =
    !how.sequential || lift === null || liftStandardError === null
      ? once.liftInterval
      : alwaysValid({ difference: lift, standardError: liftStandardError, n }).interval
  const gain = { difference: metric.better === 'more' ? once.difference : -once.difference, standardError: once.standardError }
  return {
    a: one,
    b: other,
    compared: {
      difference: once.difference,
      interval,
      lift,
      liftInterval,
      p,
      chanceToWin: chanceAbove(gain),
      expectedLoss: expectedLoss(gain),
      detectable: detectableDifference(once.standardError),
    },
  }
}

/** What an experiment on users like these could tell. */
export interface Foreseen {
  /** Of all of them. */
  readonly value: number | null
  /** The least true difference that arms of so many users show in four of five experiments; null where nothing can be said. */
  detectable(n: number, m: number): number | null
}

export function foresee(
  users: readonly ExposedUser[],
  { metric, how }: { readonly metric: ExperimentMetric; readonly how: HowCompared },
): Foreseen {
  // Everybody against everybody: each of the two has the spread of all, and as many users as there are.
  const { a, compared } = compareArms(users, users, { metric, how })
  const detectable = (n: number, m: number): number | null =>
    compared === null || n === 0 || m === 0 ? null : (compared.detectable * Math.sqrt(users.length * (1 / n + 1 / m))) / Math.SQRT2
  return { value: a.value, detectable }
}

interface Once {
  readonly difference: number
  readonly standardError: number
  readonly interval: Interval
  readonly lift: number | null
  readonly liftStandardError: number | null
  readonly liftInterval: Interval | null
  readonly p: number
}

interface Found {
  readonly arms: readonly [Measured, Measured]
  readonly once: Once | null
}

function compareOnce(a: readonly ExposedUser[], b: readonly ExposedUser[], metric: ExperimentMetric, how: HowCompared): Found {
  switch (metric.kind) {
    case 'share':
      return compareShares(a, b, metric.of)
    case 'ratio': {
      const of = (users: readonly ExposedUser[]) => {
        const parts = users.flatMap((user) => {
          const part = metric.part(user)
          return part === null ? [] : [{ part, whole: metric.whole(user) }]
        })
        const found = parts.length < users.length ? null : ratioOfSums(parts)
        return { value: found?.ratio ?? null, standardError: found?.standardError ?? 0, users: users.length }
      }
      const [one, other] = [of(a), of(b)]
      if (one.standardError > 0 || other.standardError > 0) return compareEstimates(one, other)
      // No user of either arm differs from the others of it: all together say how far apart users are.
      const all = of([...a, ...b])
      const spread = all.standardError * Math.sqrt(all.users)
      const spreadOf = (arm: typeof one) => ({ ...arm, standardError: spread / Math.sqrt(arm.users) })
      return compareEstimates(spreadOf(one), spreadOf(other))
    }
    case 'quantile': {
      const of = (users: readonly ExposedUser[]) => {
        const values = users.map(metric.of).filter(({ length }) => length > 0)
        const found = bootstrapQuantile(values, metric.q)
        return { value: found?.quantile ?? null, standardError: found?.standardError ?? 0, users: values.length }
      }
      return compareEstimates(of(a), of(b))
    }
    case 'mean':
      return compareMeansOf(a, b, metric.of, how)
  }
}

function compareShares(a: readonly ExposedUser[], b: readonly ExposedUser[], of: (user: ExposedUser) => boolean): Found {
  const share = (users: readonly ExposedUser[]) => ({ successes: users.filter(of).length, n: users.length })
  const [one, other] = [share(a), share(b)]
  const measured = ({ successes, n }: typeof one): Measured => ({ value: n === 0 ? null : successes / n, users: n })
  const once = compareProportions(one, other)
  const arms = [measured(one), measured(other)] as const
  if (once === null) return { arms, once }
  const all = { successes: one.successes + other.successes, n: one.n + other.n }
  const least = (Math.min(one.n, other.n) * Math.min(all.successes, all.n - all.successes)) / all.n
  if (least >= MIN_CELL) return { arms, once }
  const table = { a: other.successes, b: other.n - other.successes, c: one.successes, d: one.n - one.successes }
  return { arms, once: { ...once, p: fisherExact(table) } }
}

/** Two values with errors of their own, against each other by a z test. */
function compareEstimates(one: Measured & { standardError: number }, other: Measured & { standardError: number }): Found {
  const arms = [one, other] as const
  const standardError = Math.hypot(one.standardError, other.standardError)
  if (one.value === null || other.value === null || standardError === 0) return { arms, once: null }
  const difference = other.value - one.value
  const critical = normalQuantile(1 - ALPHA / 2)
  const lift = one.value === 0 ? null : difference / one.value
  const liftStandardError = liftError(
    { value: one.value, variance: one.standardError ** 2 },
    { value: other.value, variance: other.standardError ** 2 },
  )
  return {
    arms,
    once: {
      difference,
      standardError,
      interval: around(difference, critical * standardError),
      lift,
      liftStandardError,
      liftInterval: lift === null || liftStandardError === null ? null : around(lift, critical * liftStandardError),
      p: normalTwoSided(difference / standardError),
    },
  }
}

function compareMeansOf(
  a: readonly ExposedUser[],
  b: readonly ExposedUser[],
  of: (user: ExposedUser) => number | null,
  { adjusted, most = Number.POSITIVE_INFINITY }: HowCompared,
): Found {
  const known = (users: readonly ExposedUser[]): BeforeAfter[] =>
    users.flatMap((user) => {
      const value = of(user)
      return value === null ? [] : [{ after: Math.min(value, most), before: user.requestsBefore }]
    })
  const [one, other] = [known(a), known(b)]
  const measured = (own: readonly BeforeAfter[]): Measured => ({ value: mean(after(own)), users: own.length })
  const arms = [measured(one), measured(other)] as const
  const facts = adjusted ? adjustByBefore(one, other) : bothOf(meanFacts(after(one)), meanFacts(after(other)))
  if (facts === null) return { arms, once: null }
  const once = compareMeans(facts.a, facts.b)
  if (once !== null) return { arms, once }
  // No user of either arm differs from the others of it: all together say how far apart users are.
  const variance = meanFacts([...after(one), ...after(other)])?.variance ?? 0
  return { arms, once: compareMeans({ ...facts.a, variance }, { ...facts.b, variance }) }
}

function after(own: readonly BeforeAfter[]): number[] {
  return own.map((user) => user.after)
}

function bothOf(a: MeanFacts | null, b: MeanFacts | null): { readonly a: MeanFacts; readonly b: MeanFacts } | null {
  return a === null || b === null ? null : { a, b }
}
