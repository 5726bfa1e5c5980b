import { normalTwoSided } from '../statistics/distributions.ts'
import { compareMeans, meanFacts, ratioInterval, ratioOfSums, type Parts } from '../statistics/means.ts'
import type { Interval } from '../statistics/proportions.ts'
import { mean, sum } from '../statistics/quantiles.ts'

/** Users of a group against others. */
export interface Compared {
  readonly users: number
  readonly restUsers: number
  /** Of how many calls, goals or ratings of the group. */
  readonly n: number
  readonly value: number | null
  readonly restValue: number | null
  /** value / restValue; null where the others have none. */
  readonly ratio: number | null
  /** The 95 % interval of the ratio; null where it cannot be told. */
  readonly interval: Interval | null
  /** Null where there are too few users, or nothing that varies. */
  readonly p: number | null
}

interface Comparing {
  /** With fewer users on a side there is no test. */
  readonly least: number
  /** Values are logarithms, and are told as what they are of. */
  readonly isLog?: boolean
}

/** Ratios of sums (errors per request), by the delta method over users: requests of one user are not independent. */
export function compareRatios(group: readonly Parts[], rest: readonly Parts[], { least }: Comparing): Compared {
  const [value, restValue] = [pooled(group), pooled(rest)]
  const facts = { users: group.length, restUsers: rest.length, n: sum(group.map(({ whole }) => whole)), value, restValue }
  const ratio = value === null || restValue === null || restValue === 0 ? null : value / restValue
  const common = pooled([...group, ...rest]) ?? 0
  const [a, b] = [rateOf(group, common), rateOf(rest, common)]
  if (a === null || b === null || Math.min(group.length, rest.length) < least) return { ...facts, ratio, interval: null, p: null }
  const standardError = Math.hypot(a.standardError, b.standardError)
  return {
    ...facts,
    ratio,
    interval: ratioInterval(a, b),
    p: standardError === 0 ? null : normalTwoSided((a.ratio - b.ratio) / standardError),
  }
}

/** Means over users of the mean of each (satisfaction, the logarithm of latency), by Welch's t test. */
export function compareUserMeans(group: readonly Parts[], rest: readonly Parts[], { least, isLog = false }: Comparing): Compared {
  const [own, others] = [meansOf(group), meansOf(rest)]
  const shown = (value: number | null): number | null => (value === null || !isLog ? value : Math.exp(value))
  const [value, restValue] = [shown(mean(own)), shown(mean(others))]
  const facts = { users: group.length, restUsers: rest.length, n: sum(group.map(({ whole }) => whole)), value, restValue }
  const ratio = value === null || restValue === null || restValue === 0 ? null : value / restValue
  const [a, b] = [meanFacts(others), meanFacts(own)]
  const compared = a === null || b === null || Math.min(own.length, others.length) < least ? null : compareMeans(a, b)
  if (compared === null) return { ...facts, ratio, interval: null, p: null }
  const { interval, liftInterval } = compared
  const ofRatio: Interval | null = isLog
    ? [Math.exp(interval[0]), Math.exp(interval[1])]
    : liftInterval === null
      ? null
      : [1 + liftInterval[0], 1 + liftInterval[1]]
  return { ...facts, ratio, interval: ofRatio, p: compared.p }
}

/**
 * A rate with its error. Where no user differs from another (nobody had an error) the delta method has an error of 0, as if
 * that were sure; then it is that of as many independent cases of the common rate.
 */
function rateOf(users: readonly Parts[], common: number): ReturnType<typeof ratioOfSums> {
  const found = ratioOfSums(users)
  if (found === null || found.standardError > 1e-12) return found
  return { ...found, standardError: Math.sqrt((common * (1 - common)) / sum(users.map(({ whole }) => whole))) }
}

function meansOf(users: readonly Parts[]): number[] {
  return users.map(({ part, whole }) => part / whole)
}

function pooled(users: readonly Parts[]): number | null {
  const whole = sum(users.map((one) => one.whole))
  return whole === 0 ? null : sum(users.map(({ part }) => part)) / whole
}
