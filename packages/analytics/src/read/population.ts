import type { Store } from '@spanledger/store'

import { compileUserSums, type UserSumsReading } from '../plan/compile-users.ts'
import type { SumName } from '../sums/group.ts'
import type { Scope } from '../plan/scope.ts'
import { positionsOf, sumBy, sumKnown } from '../sums/sum-by-id.ts'

/**
 * All users with a call in a scope, by what ranks them, in columns: there may be many more of them than are shown. Costs
 * are doubles here: they rank and share; what is shown is read exactly.
 */
export interface Population {
  readonly ids: Int32Array
  /** How many of them have a call; behind these stand users who only paid. */
  readonly callers: number
  /** NaN where no call of the user has a price. */
  readonly costNanoUsd: Float64Array
  /** Of all users together. */
  readonly allActiveDays: number
  /** What else was asked for, by user. */
  readonly sums: ReadonlyMap<SumName, Float64Array>
  readonly activeDays: Float64Array | undefined
}

/** Lists of what users did, side by side: from rollups a user stands there once a bucket. */
export interface UserSums {
  readonly ids: readonly number[]
  /** Null where no call has a price. */
  readonly costsNanoUsd: readonly (number | null)[]
  readonly allActiveDays: number
  /** A column of `compileUserSums`. */
  readonly list: (name: string) => readonly number[]
}

export async function readUserSums(store: Store, scope: Scope, reading: UserSumsReading): Promise<UserSums> {
  const { text, values } = compileUserSums(reading, scope)
  const [row] = await store.all<Record<string, string | number>>(text, ...values)
  const list = (name: string): number[] => JSON.parse(String(row?.[name] ?? '[]')) as number[]
  return { ids: list('ids'), costsNanoUsd: list('cost'), allActiveDays: Number(row?.['all_days'] ?? 0), list }
}

export async function readPopulation(store: Store, scope: Scope, reading: UserSumsReading): Promise<Population> {
  const { ids, costsNanoUsd, allActiveDays, list } = await readUserSums(store, scope, reading)
  const { unique, positions } = positionsOf(ids)
  const summed = (name: string): Float64Array => sumBy(positions, unique.length, list(name))
  return {
    ids: unique,
    callers: unique.length,
    costNanoUsd: sumKnown(positions, unique.length, costsNanoUsd),
    allActiveDays,
    sums: new Map(reading.sums.map((name, n) => [name, summed(`s${n}`)])),
    activeDays: reading.activeDays ? summed('days') : undefined,
  }
}

/** A population, and behind it those who paid and have no call. */
export function withPayers(population: Population, paid: readonly number[]): Population {
  if (paid.length === 0) return population
  const { ids, costNanoUsd, sums, activeDays } = population
  const callers = new Set(ids)
  const payers = paid.filter((userId) => !callers.has(userId))
  const longer = (values: Float64Array, more: number): Float64Array => {
    const all = new Float64Array(values.length + payers.length).fill(more)
    all.set(values)
    return all
  }
  return {
    ...population,
    ids: Int32Array.from([...ids, ...payers]),
    costNanoUsd: longer(costNanoUsd, Number.NaN),
    sums: new Map(Array.from(sums, ([name, values]) => [name, longer(values, 0)])),
    activeDays: activeDays === undefined ? undefined : longer(activeDays, 0),
  }
}

/** Share of the cost of all and midrank percentile among users with a known cost, by position; null where unknown. */
export interface CostRanks {
  share(position: number): number | null
  percentile(position: number): number | null
}

/** The percentile is (lower + equal / 2) / users * 100. */
export function rankCosts({ ids, costNanoUsd }: Population): CostRanks {
  const known = new Float64Array(ids.length)
  let count = 0
  let total = 0
  for (let n = 0; n < ids.length; n++) {
    const cost = costNanoUsd[n] ?? Number.NaN
    if (Number.isNaN(cost)) continue
    total += cost
    if (ids[n] !== 0) known[count++] = cost
  }
  const ascending = known.subarray(0, count).sort()
  return {
    share: (position) => {
      const cost = costNanoUsd[position] ?? Number.NaN
      return Number.isNaN(cost) || total === 0 ? null : cost / total
    },
    percentile: (position) => {
      const cost = costNanoUsd[position] ?? Number.NaN
      if (ids[position] === 0 || Number.isNaN(cost)) return null
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
