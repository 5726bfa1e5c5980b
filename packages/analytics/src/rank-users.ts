import { compareCells } from './answer.ts'
import type { UserSumsReading } from './compile.ts'
import { NONE } from './dimensions.ts'
import type { Frame } from './frame.ts'
import { isMetric, metricTable, requirements, type Amount, type MetricName } from './metrics.ts'
import { nthSmallest } from './nth-smallest.ts'
import type { Population } from './population.ts'
import type { Order } from './query.ts'
import { readRows } from './snapshot.ts'

/** How users are to be ranked. */
export interface Ranking {
  readonly population: Population
  /** Positions in the population of the users that a report is about. */
  readonly selection: readonly number[]
  readonly order: readonly Order[]
  readonly limit: number | undefined
}

/** What the population must hold so that users can be ranked by an order. */
export function readingFor(order: readonly Order[]): UserSumsReading {
  const columns = order.map(([column]) => column)
  const { sums } = requirements(columns.filter(isSum))
  return { sums: columns.some(isSum) ? [...sums] : [], activeDays: columns.includes('active_days') }
}

/** Who is listed: in order where the order is by columns of the population, else everybody, to be sorted when filled. */
export async function rankUsers(
  frame: Frame,
  { population, selection, order, limit }: Ranking,
): Promise<{ positions: readonly number[]; isOrdered: boolean }> {
  const idsOf = (positions: readonly number[]): number[] => positions.map((n) => population.ids[n] ?? 0)
  const names = order.some(([column]) => column === 'user') ? await readNames(frame, idsOf(selection)) : undefined
  const values = order.map(([column]) => valueOf(column, population, names))
  if (!values.every((value) => value !== undefined)) return { positions: selection, isOrdered: false }
  const compare = (a: number, b: number): number => {
    for (const [n, value] of values.entries()) {
      const compared = compareCells(value(a), value(b), order[n]?.[1] ?? 'desc')
      if (compared !== 0) return compared
    }
    return 0
  }
  const listed = names === undefined ? mayBeListed(selection, { first: values[0], direction: order[0]?.[1] ?? 'desc', limit }) : selection
  const known = names ?? (await readNames(frame, idsOf(listed)))
  const nameOf = (position: number): string => known.get(population.ids[position] ?? 0) ?? NONE
  const sorted = listed.toSorted((a, b) => compare(a, b) || (nameOf(a) < nameOf(b) ? -1 : 1))
  return { positions: sorted.slice(0, limit ?? sorted.length), isOrdered: true }
}

type RankValue = (position: number) => Amount | string

/** Those that are not behind the last listed one by the first column of the order: few are left to be sorted by all of it. */
function mayBeListed(
  selection: readonly number[],
  { first, direction, limit }: { first: RankValue | undefined; direction: 'asc' | 'desc'; limit: number | undefined },
): readonly number[] {
  if (first === undefined || limit === undefined || limit >= selection.length) return selection
  const sign = direction === 'asc' ? 1 : -1
  const keys = new Float64Array(selection.length)
  for (let n = 0; n < selection.length; n++) {
    const value = first(selection[n] ?? 0)
    keys[n] = value === null ? Number.POSITIVE_INFINITY : sign * Number(value)
  }
  const last = nthSmallest(keys.slice(), limit - 1) ?? Number.POSITIVE_INFINITY
  return selection.filter((_, n) => (keys[n] ?? 0) <= last)
}

/** Metrics that are sums: cheap to read for every user. */
function isSum(name: string): name is MetricName {
  return isMetric(name) && name !== 'cost_usd' && (metricTable[name].needs ?? []).length === 0
}

/** What a column ranks users by; undefined for columns that are only known once they are filled. */
function valueOf(column: string, population: Population, names: ReadonlyMap<number, string> | undefined): RankValue | undefined {
  const { ids, costNanoUsd, activeDays } = population
  const costOf: RankValue = (n) => {
    const cost = costNanoUsd[n] ?? Number.NaN
    return Number.isNaN(cost) ? null : cost
  }
  switch (column) {
    case 'user':
      return (n) => names?.get(ids[n] ?? 0) ?? NONE
    case 'active_days':
      return (n) => activeDays?.[n] ?? 0
    case 'cost_usd':
    case 'cost_share':
      return costOf
    case 'cost_percentile':
      return (n) => (ids[n] === 0 ? null : costOf(n))
    default:
      return isSum(column) ? sumOf(column, population) : undefined
  }
}

function sumOf(name: MetricName, { sums }: Population): RankValue {
  const [requests] = name === 'requests' ? [sums.get('requests')] : []
  if (requests !== undefined) return (n) => requests[n] ?? 0
  const metric = metricTable[name]
  return (n) =>
    metric.of({
      sums: new Map([...sums].map(([sum, values]) => [sum, values[n] ?? 0])),
      costNanoUsd: BigInt(sums.get('cost_nano_usd')?.[n] ?? 0),
    })
}

/** What users are called, by id. */
export async function readNames({ store }: Frame, userIds: readonly number[]): Promise<ReadonlyMap<number, string>> {
  const rows = await readRows<[number, string]>(store, {
    text: 'SELECT json_group_array(json_array(user_id, name)) AS rows FROM users WHERE user_id IN (SELECT value FROM json_each(?))',
    values: [JSON.stringify(userIds)],
  })
  return new Map(rows)
}
