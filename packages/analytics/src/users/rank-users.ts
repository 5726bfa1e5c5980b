import type { Column } from '../query/answer.ts'
import type { UserSumsReading } from '../plan/compile-users.ts'
import { NONE } from '../query/dimensions.ts'
import type { FilterNode } from '../query/filter.ts'
import type { Frame } from '../read/frame.ts'
import { havingColumns, rowPasses } from '../query/having.ts'
import type { Amount } from '../query/metric.ts'
import { isMetric, metricTable, requirements, type MetricName } from '../query/metrics.ts'
import { nthSmallest } from '../sums/nth-smallest.ts'
import { comparePlaces, pageOf, type Place } from '../query/page.ts'
import type { Population } from '../read/population.ts'
import type { Order } from '../query/query.ts'
import { readRows } from '../ledger/snapshot.ts'

/** How users are to be ranked. */
interface Ranking {
  readonly population: Population
  /** Positions in the population of the users that a report is about. */
  readonly selection: readonly number[]
  readonly order: readonly Order[]
  readonly after: Place | undefined
  readonly limit: number | undefined
}

/** What the population must hold so that users can be ranked by columns. */
export function readingFor(columns: readonly string[]): UserSumsReading {
  const { sums } = requirements(columns.filter(isSum))
  return { sums: columns.some(isSum) ? [...sums] : [], activeDays: columns.includes('active_days') }
}

/** Those that pass a filter on rows; undefined where it looks at more than the population knows. */
export function passingUsers(
  selection: readonly number[],
  { having, population, columns }: { having: FilterNode; population: Population; columns: readonly Column[] },
): readonly number[] | undefined {
  const values = new Map(havingColumns(having).map((column) => [column, valueOf(column, population, undefined)]))
  if (values.has('user') || [...values.values()].includes(undefined)) return undefined
  return selection.filter((n) => rowPasses(having, (column) => values.get(column)?.(n) ?? null, columns))
}

/**
 * Who is listed, in order, and the cursor that the next page begins after; undefined where the order is by columns that the
 * population does not know.
 */
export async function rankUsers(
  frame: Frame,
  { population, selection, order, after, limit }: Ranking,
): Promise<{ positions: readonly number[]; next: string | null } | undefined> {
  const idsOf = (positions: readonly number[]): number[] => positions.map((n) => population.ids[n] ?? 0)
  const names = order.some(([column]) => column === 'user') ? await readNames(frame, idsOf(selection)) : undefined
  const values = order.map(([column]) => valueOf(column, population, names))
  if (!values.every((value) => value !== undefined)) return undefined
  const valuesAt = (position: number): Place => ({ values: values.map((value) => value(position)), names: [] })
  const { beyond, equals } = beyondPlace(selection, { after, order, valuesAt })
  // One more than is listed tells whether there is a next page.
  const count = limit === undefined ? beyond.length : limit + equals + 1
  const near = mayBeListed(beyond, { first: values[0], direction: order[0]?.[1] ?? 'desc', count })
  const known = names ?? (await readNames(frame, idsOf(near)))
  const { items, next } = pageOf(near, (n) => ({ ...valuesAt(n), names: [known.get(population.ids[n] ?? 0) ?? NONE] }), {
    order,
    after,
    limit,
  })
  return { positions: items, next }
}

type RankValue = (position: number) => Amount | string

/** Positions that are not before a place by their values; those that are its equals are told apart by names, which are read later. */
function beyondPlace(
  selection: readonly number[],
  { after, order, valuesAt }: { after: Place | undefined; order: readonly Order[]; valuesAt: (position: number) => Place },
): { beyond: readonly number[]; equals: number } {
  if (after === undefined) return { beyond: selection, equals: 0 }
  const place = { values: after.values, names: [] }
  let equals = 0
  const beyond = selection.filter((n) => {
    const compared = comparePlaces(valuesAt(n), place, order)
    if (compared === 0) equals++
    return compared >= 0
  })
  return { beyond, equals }
}

/** Those that are not behind the `count`-th by the first column of the order: few are left to be sorted by all of it. */
function mayBeListed(
  selection: readonly number[],
  { first, direction, count }: { first: RankValue | undefined; direction: 'asc' | 'desc'; count: number },
): readonly number[] {
  if (first === undefined || typeof first(selection[0] ?? 0) === 'string' || count >= selection.length) return selection
  const sign = direction === 'asc' ? 1 : -1
  const keys = new Float64Array(selection.length)
  for (let n = 0; n < selection.length; n++) {
    const value = first(selection[n] ?? 0)
    keys[n] = value === null ? Number.POSITIVE_INFINITY : sign * Number(value)
  }
  const last = nthSmallest(keys.slice(), count - 1) ?? Number.POSITIVE_INFINITY
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
