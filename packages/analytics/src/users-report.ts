import type { Store } from '@spanledger/store'

import { formatRow, sortRows, type Answer, type Column, type RawRow } from './answer.ts'
import { NONE } from './dimensions.ts'
import { metaOf, openFrame, readTotals, scopeOf, type Clock, type Frame } from './frame.ts'
import { isMetric, metricTable, type Amount, type MetricName } from './metrics.ts'
import { previousPeriod } from './period.ts'
import { QueryError, unknownName } from './query-error.ts'
import type { Order } from './query.ts'
import { segmentsOfUsers } from './read-segments.ts'
import { readGroups, type FoundGroup } from './read-groups.ts'
import { amountCells, checkComparable, comparison, metricWarnings, withComparison, type Asked } from './run-query.ts'
import type { Scope } from './scope.ts'
import { onSnapshot } from './snapshot.ts'
import type { ReportQuery } from './report-params.ts'
import { fillUsers, userColumns, type UserColumn } from './user-columns.ts'

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
    const chosen = columnKeys.filter((key) => key === 'user' || query.metrics === undefined || query.metrics.includes(key))
    checkNames(query.metrics ?? [], 'metric of the users report')
    const columns = chosen.map(columnOf)
    const shown = query.compare === undefined ? columns : withComparison(columns)
    checkNames(
      query.orderBy.map(([column]) => column),
      'column to sort by',
      shown,
    )
    const scope = await scopeOf(frame, frame.period)
    const ranking = await rank(frame, scope, { ...query, chosen })
    const total = await readTotals(frame, ranking.isAll ? scope : { ...scope, userIds: ranking.selected.map(userIdOf) }, metricsIn(chosen))
    const order: readonly Order[] = query.orderBy.length > 0 ? query.orderBy : [['cost_usd', 'desc']]
    const heavy = order.some(([column]) => !ranking.light.has(column))
    const candidates = heavy ? ranking.rows : sortRows(ranking.rows, order, ['user']).slice(0, query.limit ?? ranking.rows.length)
    let rows = await fill(frame, scope, { candidates, ranking, chosen })
    let totals: RawRow = amountCells(metricsIn(chosen), total)
    if (query.compare === 'previous') ({ rows, totals } = await compareUsers(frame, { query, rows, totals, chosen, ranking }))
    const listed = heavy ? sortRows(rows, order, ['user']).slice(0, query.limit ?? rows.length) : rows
    return {
      ...asked,
      meta: await metaOf(frame, ranking.isAll ? scope : { ...scope, userIds: ranking.selected.map(userIdOf) }, {
        total: { ...total, users: ranking.selected.filter((found) => userIdOf(found) !== 0).length },
        rows: ranking.rows.length,
        warnings: metricWarnings(chosen),
      }),
      columns: shown,
      rows: listed.map((row) => formatRow(row, shown)),
      totals: formatRow(
        totals,
        shown.filter(({ key }) => totals.has(key)),
      ),
    }
  })
}

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

/** All users of the period by what ranks them, and those that were chosen. */
export interface Ranking {
  readonly selected: readonly FoundGroup[]
  readonly isAll: boolean
  /** Of the selected: user, the light columns, and the id under `#id`. */
  readonly rows: readonly RawRow[]
  /** Columns that every row of the ranking has. */
  readonly light: ReadonlySet<string>
}

const ID = '#id'

export function userIdOf({ keys: [id] }: FoundGroup): number {
  return Number(id ?? 0)
}

async function rank(
  frame: Frame,
  scope: Scope,
  { orderBy, user, segment, chosen }: Pick<ReportQuery, 'orderBy' | 'user' | 'segment'> & { chosen: readonly ColumnKey[] },
): Promise<Ranking> {
  const sums = metricsIn(orderBy.map(([column]) => column))
  const metrics = [...new Set<MetricName>(['requests', 'cost_usd', ...sums.filter((name) => rankable.has(name))])]
  const all = await readGroups(frame.store, scope, { dimensions: frame.dimensions, metrics })
  const inSegment = segment === undefined ? undefined : await usersInSegment(frame, segment, all)
  const selected = all.filter((found) => (user === undefined || shownUser(found) === user) && inSegment?.has(userIdOf(found)) !== false)
  const costs = costRanks(all)
  const rows = selected.map((found): RawRow => {
    const amounts = amountCells(metrics, found.group)
    const { share, percentile } = costs(found)
    return new Map<string, Amount | string>([
      [ID, userIdOf(found)],
      ['user', shownUser(found)],
      ...amounts,
      ['cost_share', share],
      ['cost_percentile', percentile],
    ])
  })
  const light = new Set<string>(['user', ...metrics, ...chosen.filter((key) => key === 'cost_share' || key === 'cost_percentile')])
  return { selected, isAll: user === undefined && segment === undefined, rows, light }
}

/** Metrics that are plain sums: cheap to read for every user. */
const rankable = new Set<MetricName>(
  (Object.keys(metricTable) as MetricName[]).filter((name) => (metricTable[name].needs ?? []).every((need) => need === 'active_days')),
)

function shownUser({ labels: [label] }: FoundGroup): string {
  return String(label ?? NONE)
}

async function usersInSegment(frame: Frame, segment: string, all: readonly FoundGroup[]): Promise<ReadonlySet<number>> {
  const segmentOfUser = await segmentsOfUsers(frame.store, await frame.segments(), frame.clock.asOfMs)
  return new Set(all.map(userIdOf).filter((id) => (segmentOfUser.get(id) ?? NONE) === segment))
}

/** Null where no call of the user has a price. */
function costOf({ group }: FoundGroup): bigint | null {
  return metricTable.cost_usd.of(group) === null ? null : group.costNanoUsd
}

/** Share of the cost of all, and midrank percentile among users with a known cost: (lower + equal / 2) / users * 100. */
function costRanks(all: readonly FoundGroup[]): (found: FoundGroup) => { share: number | null; percentile: number | null } {
  const total = all.reduce((sum, { group }) => sum + group.costNanoUsd, 0n)
  const known = all.filter((found) => userIdOf(found) !== 0 && costOf(found) !== null).map(({ group }) => group.costNanoUsd)
  known.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  const lower = new Map<bigint, number>()
  const equal = new Map<bigint, number>()
  for (const [n, cost] of known.entries()) {
    if (!lower.has(cost)) lower.set(cost, n)
    equal.set(cost, (equal.get(cost) ?? 0) + 1)
  }
  return (found) => {
    const cost = costOf(found)
    if (cost === null) return { share: null, percentile: null }
    return {
      share: total === 0n ? null : Number(cost) / Number(total),
      percentile: userIdOf(found) === 0 ? null : (((lower.get(cost) ?? 0) + 0.5 * (equal.get(cost) ?? 0)) / known.length) * 100,
    }
  }
}

/** How many users are filled at a time, so that a ledger of any size fits into memory. */
const FILL_STEP = 2000

async function fill(
  frame: Frame,
  scope: Scope,
  { candidates, ranking, chosen }: { candidates: readonly RawRow[]; ranking: Ranking; chosen: readonly ColumnKey[] },
): Promise<RawRow[]> {
  const extra = chosen.filter((key): key is UserColumn => key !== 'user' && !isMetric(key) && !ranking.light.has(key))
  const metrics = metricsIn(chosen)
  const rows: RawRow[] = []
  for (let at = 0; at < candidates.length; at += FILL_STEP) {
    const step = candidates.slice(at, at + FILL_STEP)
    const filled = await fillUsers(frame, scope, { userIds: step.map((row) => Number(row.get(ID))), metrics, columns: extra })
    for (const row of step) rows.push(new Map([...row, ...(filled.get(Number(row.get(ID))) ?? [])]))
  }
  return rows
}

async function compareUsers(
  frame: Frame,
  {
    query,
    rows,
    totals,
    chosen,
    ranking,
  }: { query: ReportQuery; rows: readonly RawRow[]; totals: RawRow; chosen: readonly ColumnKey[]; ranking: Ranking },
): Promise<{ rows: RawRow[]; totals: RawRow }> {
  checkComparable(query)
  const period = previousPeriod(frame.period, frame.zone)
  const metrics = metricsIn(chosen)
  const scope = await scopeOf(frame, period)
  const listed = await scopeOf(frame, period, { userIds: rows.map((row) => Number(row.get(ID))) })
  const found = await readGroups(frame.store, listed, { dimensions: frame.dimensions, metrics })
  const before = new Map(found.map((one) => [userIdOf(one), amountCells(metrics, one.group)]))
  const total = await readTotals(frame, ranking.isAll ? scope : { ...scope, userIds: ranking.selected.map(userIdOf) }, metrics)
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
