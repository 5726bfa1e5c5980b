import { QueryError } from '../../query/query-error.ts'
import { sampleRatio } from '../../statistics/many-tests.ts'
import type { ToldShares } from './read-experiment.ts'

/** A split as unlikely as this did not go as planned. */
const SRM_ALPHA = 0.001
/** Users expected in an arm below which the test says nothing. */
const MIN_EXPECTED = 8
/** What rounding leaves of a share is no arm. */
const ROUNDING = 1e-6

/** How users were to be split, and whether they were. */
export interface Split {
  /** By variant, its share of those who take part; undefined where nobody knows. */
  readonly planned: ReadonlyMap<string, number | undefined>
  readonly isWrong: boolean
  readonly warnings: readonly string[]
}

/**
 * Tests the users of each variant against the shares that were stated, else told by exposures, else equal ones. An arm that
 * was planned and that nobody saw counts too: it is what a broken experiment looks like.
 * @throws QueryError where stated weights leave out a variant that users saw
 */
export function checkSplit(
  arms: readonly { readonly variant: string; readonly users: number }[],
  { stated, told }: { readonly stated: ReadonlyMap<string, number> | undefined; readonly told: ToldShares },
): Split {
  const isAssumed = stated === undefined && told.shares.size === 0
  const planned = plannedShares(
    arms.map(({ variant }) => variant),
    stated ?? told.shares,
    { isStated: stated !== undefined, isAssumed },
  )
  const warnings = stated === undefined && told.changed ? ['the shares of variants changed while it ran: the latest are tested'] : []
  const shares = arms.map(({ variant }) => planned.get(variant))
  if (shares.includes(undefined)) {
    const unknown = arms.filter((_, n) => shares[n] === undefined).map(({ variant }) => variant)
    return {
      planned,
      isWrong: false,
      warnings: [...warnings, `the split is not tested: no share was told of ${unknown.join(', ')}; state them with --weights`],
    }
  }
  const unseen = 1 - shares.reduce<number>((total, share) => total + (share ?? 0), 0)
  const [counts, weights] = [
    [...arms.map(({ users }) => users), ...(unseen > ROUNDING ? [0] : [])],
    [...shares.map((share) => share ?? 0), ...(unseen > ROUNDING ? [unseen] : [])],
  ]
  const total = counts.reduce((all, users) => all + users, 0)
  const split = sampleRatio(counts, weights)
  const isTestable = weights.every((weight) => weight === 0 || weight * total >= MIN_EXPECTED)
  if (split === null || !isTestable || split.p >= SRM_ALPHA) return { planned, isWrong: false, warnings }
  const how = isAssumed
    ? 'Equal shares are assumed, because exposures tell none; state others with --weights'
    : `Planned: ${[...planned].map(([variant, share = 0]) => `${variant} ${percent(share)}`).join(', ')}`
  return {
    planned,
    isWrong: true,
    warnings: [
      ...warnings,
      `users were not split as planned (p = ${split.p.toExponential(1)}): the numbers say nothing until that is explained. ${how}`,
    ],
  }
}

function plannedShares(
  seen: readonly string[],
  known: ReadonlyMap<string, number>,
  { isStated, isAssumed }: { readonly isStated: boolean; readonly isAssumed: boolean },
): ReadonlyMap<string, number | undefined> {
  if (isAssumed) return new Map(seen.map((variant) => [variant, 1 / seen.length]))
  const missing = seen.filter((variant) => !known.has(variant))
  if (isStated && missing.length > 0) {
    throw new QueryError(`weights must name every variant that users saw; ${missing.join(', ')} is missing.`, {
      given: [...known.keys()].join(','),
      allowed: seen,
    })
  }
  const sum = [...known.values()].reduce((total, weight) => total + weight, 0)
  // Shares that were told are of all variants, also of those that nobody saw; weights that were stated are relative.
  const whole = isStated ? sum : Math.max(1, sum)
  return new Map([
    // In the order of the rows, with those that nobody saw at the end.
    ...seen.map((variant): [string, number | undefined] => [variant, undefined]),
    ...[...known].map(([variant, weight]): [string, number] => [variant, weight / whole]),
  ])
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(1))} %`
}
