import type { Store } from '@spanledger/store'

import { compareCells, formatRow, sortRows, type Answer, type Column, type RawRow } from './answer.ts'
import { NONE } from './dimensions.ts'
import { metaOf, openFrame, readTotals, scopeOf, type Clock, type Frame } from './frame.ts'
import { keptId } from './kept-id.ts'
import { isMetric, metricTable, type Amount, type Group, type MetricName } from './metrics.ts'
import { previousPeriod } from './period.ts'
import { rankCosts, readPopulation, type Population } from './population.ts'
import { QueryError, unknownName } from './query-error.ts'
import type { Order } from './query.ts'
import { readGroups } from './read-groups.ts'
import { segmentsOfUsers } from './read-segments.ts'
import type { ReportQuery } from './report-params.ts'
import { amountCells, checkComparable, comparison, metricWarnings, withComparison, type Asked } from './run-query.ts'
import type { Scope } from './scope.ts'
import { onSnapshot, readRows } from './snapshot.ts'
import { countSessions, fillUsers, isOfWholeUsers, userColumns, type UserColumn } from './user-columns.ts'

/** The columns of the users report, in order. */
const columnKeys = [
  'user',
  'requests',
  'cost_usd',
  'input_tokens',
  'cache_read_tokens',
  'cache_write_tokens',
  'output_tokens',
  'reasoning_tokens',
  'total_tokens',
  'errors',
  'error_rate',
  'unpriced_requests',
  'estimated_requests',
  'missing_usage_requests',
  'first_seen',
  'last_seen',
  'active_days',
  'requests_per_active_day',
  'requests_per_calendar_day',
  'tokens_per_request',
  'cache_read_share',
  'sessions',
  'latency_avg_ms',
  'latency_p50_ms',
  'latency_p95_ms',
  'ttft_p50_ms',
  'models',
  'top_model',
  'top_feature',
  'cost_share',
  'cost_percentile',
  'segment',
] as const satisfies readonly ('user' | MetricName | UserColumn)[]
type ColumnKey = (typeof columnKeys)[number]

/**
 * One row a user. Shares and percentiles are among all users of the period and filter, also where `user` or `segment`
 * choose some of them. All users are ranked by what the order needs; the other columns are read for the listed ones only.
 */
export async function usersReport(store: Store, clock: Clock, query: ReportQuery, asked: Asked): Promise<Answer> {
  return onSnapshot(store, async () => {
    const frame = await openFrame(store, clock, { ...query, by: ['user'] })
    checkNames(query.metrics ?? [], 'metric of the users report')
    const chosen = columnKeys.filter((key) => key === 'user' || query.metrics === undefined || query.metrics.includes(key))
    const columns = chosen.map(columnOf)
    const shown = query.compare === undefined ? columns : withComparison(columns)
    const order: readonly Order[] = query.orderBy.length > 0 ? query.orderBy : [['cost_usd', 'desc']]
    if (query.orderBy.length > 0)
      checkNames(
        order.map(([column]) => column),
        'column to sort by',
        shown,
      )

    const scope = await scopeOf(frame, frame.period)
    // SQLite works on a thread of its own: what it reads next should be asked for while what it has read is added up here.
    const reading = readPopulation(store, scope)
    if (chosen.includes('segment')) frame.segments().catch(awaitedBelow)
    const population = await reading
    const selection = await selectUsers(frame, population, query)
    const selected =
      query.user === undefined && query.segment === undefined ? scope : { ...scope, userIds: selection.map((n) => population.ids[n] ?? 0) }
    const ranked = await rankUsers(frame, scope, { population, selection, order, limit: query.limit })
    const [filled, total] = await Promise.all([
      fillRows(frame, scope, { population, positions: ranked.positions, chosen }),
      readUsersTotal(frame, selected, { population, selection, metrics: metricsIn(chosen) }),
    ])
    let rows = filled
    let totals: RawRow = amountCells(metricsIn(chosen), total)
    if (query.compare === 'previous')
      ({ rows, totals } = await compareUsers(frame, { query, rows, totals, chosen, userIds: selected.userIds }))
    // Positions that came unordered were ranked by a column that only now is known.
    const sorted = ranked.isOrdered ? rows : sortRows(rows, order, ['user'])
    return {
      ...asked,
      meta: await metaOf(frame, selected, { total, rows: selection.length, warnings: metricWarnings(chosen) }),
      columns: shown,
      rows: sorted.slice(0, query.limit ?? sorted.length).map((row) => formatRow(row, shown)),
      totals: formatRow(
        totals,
        shown.filter(({ key }) => totals.has(key)),
      ),
    }
  })
}

/** Whoever needs the segments awaits them, and meets the failure there. */
function awaitedBelow(): void {}

function columnOf(key: ColumnKey): Column {
  if (key === 'user') return { key, type: 'string', label: 'User' }
  const { type, label } = isMetric(key) ? metricTable[key] : userColumns[key]
  return { key, type, label }
}

function metricsIn(names: readonly string[]): MetricName[] {
  return names.filter(isMetric)
}

function checkNames(names: readonly string[], what: string, columns?: readonly Column[]): void {
  const allowed: readonly string[] = columns?.map(({ key }) => key) ?? columnKeys
  for (const name of names) if (!allowed.includes(name)) throw unknownName(what, name, { allowed })
}

/** The positions of the users that a report is about. */
async function selectUsers(frame: Frame, { ids }: Population, { user, segment }: Pick<ReportQuery, 'user' | 'segment'>): Promise<number[]> {
  let positions = Array.from(ids.keys())
  if (user !== undefined) {
    const [found] = await frame.store.all<{ user_id: number }>('SELECT user_id FROM users WHERE name = ?', keptId(user))
    positions = positions.filter((n) => ids[n] === found?.user_id)
  }
  if (segment === undefined) return positions
  const segmentOfUser = await segmentsOfUsers(frame.store, await frame.segments(), frame.clock.asOfMs)
  return positions.filter((n) => (segmentOfUser.get(ids[n] ?? 0) ?? NONE) === segment)
}

interface Ranking {
  readonly population: Population
  readonly selection: readonly number[]
  readonly order: readonly Order[]
  readonly limit: number | undefined
}

/** Who is listed: in order where the order is by columns of the population, else everybody, to be sorted when filled. */
async function rankUsers(
  frame: Frame,
  scope: Scope,
  { population, selection, order, limit }: Ranking,
): Promise<{ positions: readonly number[]; isOrdered: boolean }> {
  const metrics = metricsIn(order.map(([column]) => column)).filter((name) => isSum(name) && !populationColumns.has(name))
  const others = metrics.length === 0 ? undefined : await readAmounts(frame, scope, metrics)
  const values = order.map(([column]) => valueOf(column, population, others))
  if (!values.every((value) => value !== undefined)) return { positions: selection, isOrdered: false }
  const compare = (a: number, b: number): number => {
    for (const [n, value] of values.entries()) {
      const compared = compareCells(value(a), value(b), order[n]?.[1] ?? 'desc')
      if (compared !== 0) return compared
    }
    return 0
  }
  const listed = mayBeListed(selection, { first: values[0], direction: order[0]?.[1] ?? 'desc', limit })
  const names = await readNames(
    frame,
    listed.map((n) => population.ids[n] ?? 0),
  )
  const nameOf = (position: number): string => names.get(population.ids[position] ?? 0) ?? NONE
  const sorted = listed.toSorted((a, b) => compare(a, b) || (nameOf(a) < nameOf(b) ? -1 : 1))
  return { positions: sorted.slice(0, limit ?? sorted.length), isOrdered: true }
}

/** Those that are not behind the last listed one by the first column of the order: few are left to be sorted by all of it. */
function mayBeListed(
  selection: readonly number[],
  {
    first,
    direction,
    limit,
  }: { first: ((position: number) => Amount | string) | undefined; direction: 'asc' | 'desc'; limit: number | undefined },
): readonly number[] {
  if (first === undefined || limit === undefined || limit >= selection.length) return selection
  const sign = direction === 'asc' ? 1 : -1
  const keys = new Float64Array(selection.length)
  for (const [n, position] of selection.entries()) {
    const value = first(position)
    keys[n] = value === null ? Number.POSITIVE_INFINITY : sign * Number(value)
  }
  const last = keys.toSorted()[limit - 1] ?? Number.POSITIVE_INFINITY
  return selection.filter((_, n) => (keys[n] ?? 0) <= last)
}

const populationColumns = new Set<string>(['requests', 'cost_usd', 'unpriced_requests', 'active_days', 'cost_share', 'cost_percentile'])

/** Metrics that are sums: cheap to read for every user. */
function isSum(name: MetricName): boolean {
  return (metricTable[name].needs ?? []).length === 0
}

type Amounts = ReadonlyMap<number, ReadonlyMap<string, Amount | string>>

async function readAmounts(frame: Frame, scope: Scope, metrics: readonly MetricName[]): Promise<Amounts> {
  const groups = await readGroups(frame.store, scope, { dimensions: frame.dimensions, metrics })
  return new Map(groups.map(({ keys: [id], group }) => [Number(id ?? 0), amountCells(metrics, group)]))
}

/** What a column ranks users by, by position; undefined for columns that are only known once they are filled. */
function valueOf(column: string, population: Population, others: Amounts | undefined): ((position: number) => Amount | string) | undefined {
  const { ids, requests, unpriced, costNanoUsd, activeDays } = population
  const known = (n: number): boolean => (unpriced[n] ?? 0) < (requests[n] ?? 0)
  switch (column) {
    case 'requests':
      return (n) => requests[n] ?? 0
    case 'unpriced_requests':
      return (n) => unpriced[n] ?? 0
    case 'active_days':
      return (n) => activeDays[n] ?? 0
    case 'cost_usd':
    case 'cost_share':
      return (n) => (known(n) ? (costNanoUsd[n] ?? 0) : null)
    case 'cost_percentile':
      return (n) => (known(n) && ids[n] !== 0 ? (costNanoUsd[n] ?? 0) : null)
    default:
      return isMetric(column) && isSum(column) ? (n) => others?.get(ids[n] ?? 0)?.get(column) ?? null : undefined
  }
}

async function readNames({ store }: Frame, userIds: readonly number[]): Promise<ReadonlyMap<number, string>> {
  const rows = await readRows<[number, string]>(store, {
    text: 'SELECT json_group_array(json_array(user_id, name)) AS rows FROM users WHERE user_id IN (SELECT value FROM json_each(?))',
    values: [JSON.stringify(userIds)],
  })
  return new Map(rows)
}

/** How many users are filled at a time from rollups, and from the calls, which are all read each time. */
const FILL_STEP = 2000
const FILL_STEP_FROM_CALLS = 100_000
/** Under which a row carries the id of its user; no column is called so. */
const ID = '#id'

async function fillRows(
  frame: Frame,
  scope: Scope,
  { population, positions, chosen }: { population: Population; positions: readonly number[]; chosen: readonly ColumnKey[] },
): Promise<RawRow[]> {
  const ranks = rankCosts(population)
  const extra = chosen.filter(
    (key): key is UserColumn => key !== 'user' && !isMetric(key) && key !== 'cost_share' && key !== 'cost_percentile',
  )
  const rows: RawRow[] = []
  const stepLength = scope.buckets !== undefined && isOfWholeUsers(scope) ? FILL_STEP : FILL_STEP_FROM_CALLS
  for (let at = 0; at < positions.length; at += stepLength) {
    const step = positions.slice(at, at + stepLength)
    const userIds = step.map((n) => population.ids[n] ?? 0)
    const names = await readNames(frame, userIds)
    const filled = await fillUsers(frame, scope, { userIds, metrics: metricsIn(['requests', 'cost_usd', ...chosen]), columns: extra })
    for (const [n, position] of step.entries()) {
      const id = userIds[n] ?? 0
      const row = new Map<string, Amount | string>(filled.get(id))
      row.set(ID, id)
      row.set('user', names.get(id) ?? NONE)
      row.set('cost_share', ranks.share(position))
      row.set('cost_percentile', ranks.percentile(position))
      rows.push(row)
    }
  }
  return rows
}

/** The totals of the selected users; how many they are, and their days, the population has already told. */
async function readUsersTotal(
  frame: Frame,
  selected: Scope,
  { population, selection, metrics }: { population: Population; selection: readonly number[]; metrics: readonly MetricName[] },
): Promise<Group> {
  const wholeUsers = isOfWholeUsers(selected)
  const read = metrics.filter((name) => name !== 'active_days' && (name !== 'sessions' || !wholeUsers))
  const total = await readTotals(frame, selected, read, { users: selection.filter((n) => population.ids[n] !== 0).length })
  return {
    ...total,
    activeDays: selection.reduce((sum, n) => sum + (population.activeDays[n] ?? 0), 0),
    ...(wholeUsers && metrics.includes('sessions') ? { sessions: await countSessions(frame, selected) } : {}),
  }
}

async function compareUsers(
  frame: Frame,
  {
    query,
    rows,
    totals,
    chosen,
    userIds,
  }: { query: ReportQuery; rows: readonly RawRow[]; totals: RawRow; chosen: readonly ColumnKey[]; userIds: readonly number[] | undefined },
): Promise<{ rows: RawRow[]; totals: RawRow }> {
  checkComparable(query)
  const metrics = metricsIn(chosen)
  const scope = await scopeOf(frame, previousPeriod(frame.period, frame.zone))
  const listed = { ...scope, userIds: rows.map((row) => Number(row.get(ID))) }
  const before = await readAmounts(frame, listed, metrics)
  const total = await readTotals(frame, userIds === undefined ? scope : { ...scope, userIds }, metrics)
  return {
    rows: rows.map((row) => new Map([...row, ...comparison(metrics, row, before.get(Number(row.get(ID))))])),
    totals: new Map([...totals, ...comparison(metrics, totals, amountCells(metrics, total))]),
  }
}

/** @throws QueryError for a dimension: the report is by user */
export function refuseBy(by: readonly string[]): void {
  const [first] = by
  if (first !== undefined) {
    throw new QueryError(
      `The users report is by user; it takes no --by ${first}. Ask: spanledger query '{"metrics":["requests","cost_usd"],"by":["user","${first}"]}'`,
      {
        given: first,
      },
    )
  }
}
