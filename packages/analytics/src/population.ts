import type { Store } from '@spanledger/store'

import { compileUserSums } from './compile.ts'
import type { Scope } from './scope.ts'
import { readColumns } from './snapshot.ts'
import { positionsOf, sumBy } from './sum-by-id.ts'

/**
 * All users with a call in a scope, by what ranks them, in columns: there may be many more of them than are shown. Costs
 * are doubles here: they rank and share; what is shown is read exactly.
 */
export interface Population {
  readonly ids: Int32Array
  readonly requests: Float64Array
  readonly unpriced: Float64Array
  readonly costNanoUsd: Float64Array
  readonly activeDays: Float64Array
}

export async function readPopulation(store: Store, scope: Scope): Promise<Population> {
  const [ids = [], ...sums] = await readColumns(store, compileUserSums(scope))
  const { unique, positions } = positionsOf(ids)
  const summed = (values: readonly number[] | undefined): Float64Array => sumBy(positions, unique.length, values)
  return {
    ids: unique,
    requests: summed(sums[0]),
    unpriced: summed(sums[1]),
    costNanoUsd: summed(sums[2]),
    activeDays: summed(sums[3]),
  }
}

/** Share of the cost of all and midrank percentile among users with a known cost, by position; null where unknown. */
export interface CostRanks {
  share(position: number): number | null
  percentile(position: number): number | null
}

/** The percentile is (lower + equal / 2) / users * 100. */
export function rankCosts({ ids, requests, unpriced, costNanoUsd }: Population): CostRanks {
  const isKnown = (position: number): boolean => (unpriced[position] ?? 0) < (requests[position] ?? 0)
  const known = new Float64Array(ids.length)
  let count = 0
  let total = 0
  for (let n = 0; n < ids.length; n++) {
    total += costNanoUsd[n] ?? 0
    if (ids[n] !== 0 && isKnown(n)) known[count++] = costNanoUsd[n] ?? 0
  }
  const ascending = known.subarray(0, count).sort()
  return {
    share: (position) => (isKnown(position) && total > 0 ? (costNanoUsd[position] ?? 0) / total : null),
    percentile: (position) => {
      if (ids[position] === 0 || !isKnown(position)) return null
      const cost = costNanoUsd[position] ?? 0
      const lower = countBelow(ascending, cost)
      return ((lower + (countBelow(ascending, cost, true) - lower) / 2) / count) * 100
    },
  }
}

/** How many of ascending values are below a bound, or not above it. */
function countBelow(ascending: Float64Array, bound: number, orEqual = false): number {
  let [low, high] = [0, ascending.length]
  while (low < high) {
    const middle = (low + high) >> 1
    const value = ascending[middle] ?? 0
    if (value < bound || (orEqual && value === bound)) low = middle + 1
    else high = middle
  }
  return low
}
