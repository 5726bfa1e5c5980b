import type { Store } from '@spanledger/store'

import { buildAnswer, sortRows, type Answer, type Asked, type DefinedColumn, type RawRow } from './answer.ts'
import { amountCells, checkComparable, comparison } from './compare-previous.ts'
import { columnDimensions, NONE } from './dimensions.ts'
import { metaOf, openFrame, readTotals, scopeOf, type Clock, type Frame } from './frame.ts'
import { keptId } from './kept-id.ts'
import { isMetric, type Amount, type Group, type MetricName } from './metrics.ts'
import { previousPeriod } from './period.ts'
import { rankCosts, readPopulation, type Population } from './population.ts'
import { metricColumn, withComparison } from './query-columns.ts'
import { QueryError, unknownName } from './query-error.ts'
import { rankUsers, readingFor, readNames } from './rank-users.ts'
import type { Order } from './query.ts'
import { readGroups } from './read-groups.ts'
import { segmentsOfUsers } from './read-segments.ts'
import type { ReportQuery } from './report-params.ts'
import { metricWarnings } from './run-query.ts'
import type { Scope } from './scope.ts'
import { onSnapshot } from './snapshot.ts'
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
  'cache_hits',
  'saved_tokens',
  'saved_cost_usd',
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
    const reading = readPopulation(store, scope, readingFor(order))
    if (chosen.includes('segment')) frame.segments().catch(awaitedBelow)
    const population = await reading
    const selection = await selectUsers(frame, population, query)
    const selected =
      query.user === undefined && query.segment === undefined ? scope : { ...scope, userIds: selection.map((n) => population.ids[n] ?? 0) }
    const ranked = await rankUsers(frame, { population, selection, order, limit: query.limit })
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
    return buildAnswer({
      asked,
      meta: await metaOf(frame, selected, { total, rows: selection.length, warnings: metricWarnings(chosen) }),
      columns: shown,
      rows: sorted.slice(0, query.limit ?? sorted.length),
      totals,
      explain: query.explain,
    })
  })
}

/** Whoever needs the segments awaits them, and meets the failure there. */
function awaitedBelow(): void {}

function columnOf(key: ColumnKey): DefinedColumn {
  if (key === 'user') return { key, type: 'string', ...columnDimensions.user }
  return isMetric(key) ? metricColumn(key) : { key, ...userColumns[key] }
}

function metricsIn(names: readonly string[]): MetricName[] {
  return names.filter(isMetric)
}

function checkNames(names: readonly string[], what: string, columns?: readonly DefinedColumn[]): void {
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

type Amounts = ReadonlyMap<number, ReadonlyMap<string, Amount | string>>

async function readAmounts(frame: Frame, scope: Scope, metrics: readonly MetricName[]): Promise<Amounts> {
  const groups = await readGroups(frame.store, scope, { dimensions: frame.dimensions, metrics })
  return new Map(groups.map(({ keys: [id], group }) => [Number(id ?? 0), amountCells(metrics, group)]))
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
  const isEverybody = selected.userIds === undefined
  const read = metrics.filter((name) => (name !== 'active_days' || !isEverybody) && (name !== 'sessions' || !wholeUsers))
  const total = await readTotals(frame, selected, read, { users: selection.filter((n) => population.ids[n] !== 0).length })
  return {
    ...total,
    ...(isEverybody ? { activeDays: population.allActiveDays } : {}),
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
