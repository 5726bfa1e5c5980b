import type { Store } from '@spanledger/store'

import { buildAnswer, type Answer, type Asked, type DefinedColumn, type RawRow } from '../query/answer.ts'
import { checkComparable } from '../read/compare-previous.ts'
import { columnDimensions, NONE } from '../query/dimensions.ts'
import { sql } from '../ledger/fragment.ts'
import { metaOf, openFrame, readTotals, rulesTold, scopeOf, type Clock, type Frame } from '../read/frame.ts'
import { checkHaving, havingColumns, rowPasses } from '../query/having.ts'
import { keptId } from '../ledger/kept-id.ts'
import { saidKinds, type Group } from '../sums/group.ts'
import type { Amount } from '../query/metric.ts'
import { isMetric, metricNames, requirements, type MetricName } from '../query/metrics.ts'
import { decodeCursor, pageOf, type Place } from '../query/page.ts'
import { readPersons } from '../ledger/persons.ts'
import { readPopulation, withPayers, type Population } from '../read/population.ts'
import { readSaid } from '../read/read-said.ts'
import { checkOrder, metricColumn, withComparison } from '../query/query-columns.ts'
import { QueryError, unknownName } from '../query/query-error.ts'
import { checkWeekStart, withIntervals, type Order } from '../query/query.ts'
import { passingUsers, rankUsers, readingFor } from './rank-users.ts'
import type { ReportQuery } from '../report-params.ts'
import { metricWarnings } from '../run-query.ts'
import type { Scope } from '../plan/scope.ts'
import { onSnapshot } from '../ledger/snapshot.ts'
import { userColumns, type UserColumn } from './user-columns.ts'
import {
  compareUserRows,
  otherUsers,
  readUserRows,
  readUsersBefore,
  readUsersTotal,
  summaryCells,
  type UserRow,
  type UsersBefore,
} from './user-rows.ts'

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
  'rate_limited_requests',
  'unpriced_requests',
  'estimated_requests',
  'missing_usage_requests',
  'first_seen',
  'last_seen',
  'sparkline',
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
  'feedback_count',
  'satisfaction',
  'revenue_usd',
  'margin_usd',
  'models',
  'top_model',
  'top_feature',
  'cost_share',
  'cost_percentile',
  'segment',
] as const satisfies readonly ('user' | MetricName | UserColumn)[]
/** Those that are read only where asked for: they take long. */
const moreColumnKeys = ['anomalies'] as const satisfies readonly UserColumn[]
type ColumnKey = (typeof columnKeys)[number] | (typeof moreColumnKeys)[number] | MetricName

/**
 * One row a user with a call, or a payment. Shares and percentiles are among all users of the period and filter, also where `user`, `segment` or
 * `having` choose some of them. All users are ranked by what the order needs; the other columns are read for the listed
 * ones only.
 */
export async function usersReport(store: Store, clock: Clock, query: ReportQuery, asked: Asked): Promise<Answer> {
  return onSnapshot(store, async () => {
    checkWeekStart(query)
    if (query.minUsers !== undefined)
      throw new QueryError('min_users cannot hold here: the rows of this report are of one user each. Ask by what users have in common.', {
        given: String(query.minUsers),
      })
    if (query.compare !== undefined) checkComparable(query)
    const plan = planOf(query)
    const looksAtEvents = saidKinds.some((kind) => requirements(plan.metrics).needs.has(kind))
    const frame = await openFrame(store, clock, { ...query, by: ['user'], looksAtEvents })
    const scope = await scopeOf(frame, frame.period)
    // SQLite works on a thread of its own: what it reads next should be asked for while what it has read is added up here.
    const reading = readPopulation(store, scope, readingFor([...plan.order.map(([column]) => column), ...havingColumns(query.having)]))
    if (plan.chosen.includes('segment')) frame.segments().catch(awaitedBelow)
    const population = withPayers(...(await Promise.all([reading, readPayers(frame, scope, plan)])))
    const selection = await selectUsers(frame, population, query)
    const page = await readPage(frame, scope, { plan, population, selection })
    const { listed, next, total, selected } = page
    const { metrics } = plan
    const totalBefore =
      page.before === undefined ? undefined : await readTotals(frame, { ...page.before.scope, userIds: selected.userIds }, metrics)
    return buildAnswer({
      asked,
      meta: await metaOf(frame, selected, {
        total,
        rows: page.passing.length,
        next,
        warnings: [...metricWarnings(plan.chosen, total), ...(plan.chosen.includes('segment') ? rulesTold(frame) : [])],
      }),
      columns: plan.columns,
      rows: listed.map(({ row }) => row),
      totals: summaryCells({ total, totalBefore, metrics }),
      other: query.other ? await otherOf(frame, page, { totalBefore, metrics }) : undefined,
      explain: query.explain,
    })
  })
}

/** What a report is to show. */
interface Plan {
  readonly query: ReportQuery
  readonly chosen: readonly ColumnKey[]
  readonly metrics: readonly MetricName[]
  readonly columns: readonly DefinedColumn[]
  readonly order: readonly Order[]
  readonly after: Place | undefined
}

function planOf(query: ReportQuery): Plan {
  const chosen = withIntervals(columnsFor(query.metrics, query.moreMetrics), query)
  const own = chosen.map(columnOf)
  const columns = query.compare === undefined ? own : withComparison(own)
  const order: readonly Order[] = query.orderBy.length > 0 ? query.orderBy : [['cost_usd', 'desc']]
  checkOrder(query.orderBy, columns)
  if (query.having !== undefined) checkHaving(query.having, columns)
  const after = query.after === undefined ? undefined : decodeCursor(query.after, order, 1)
  const names: readonly string[] = chosen
  return { query, chosen, metrics: names.filter(isMetric), columns, order, after }
}

/** The listed users, and what all that pass did. */
interface Page {
  readonly listed: readonly UserRow[]
  readonly next: string | null
  readonly before: UsersBefore | undefined
  /** Positions of all users that are selected and pass. */
  readonly passing: readonly number[]
  readonly selected: Scope
  readonly total: Group
}

interface Reading {
  readonly plan: Plan
  readonly population: Population
  readonly selection: readonly number[]
}

/** Ranked by what is known of everybody where that is enough; else everybody is filled, and sorted then. */
async function readPage(frame: Frame, scope: Scope, reading: Reading): Promise<Page> {
  const { plan, population, selection } = reading
  const { having, limit } = plan.query
  const passing = having === undefined ? selection : passingUsers(selection, { having, population, columns: plan.columns })
  if (passing === undefined) return readWholePage(frame, scope, reading)
  const ranked = await rankUsers(frame, { population, selection: passing, order: plan.order, after: plan.after, limit })
  if (ranked === undefined) return readWholePage(frame, scope, { ...reading, selection: passing, passed: true })
  const selected = scopeOfSome(scope, population, passing)
  const [rows, total] = await Promise.all([
    readUserRows(frame, scope, { population, positions: ranked.positions, chosen: plan.chosen }),
    readUsersTotal(frame, selected, { population, selection: passing, metrics: plan.metrics }),
  ])
  const before = await readBefore(frame, plan, rows)
  return { listed: compared(rows, before, plan), next: ranked.next, before, passing, selected, total }
}

async function readWholePage(
  frame: Frame,
  scope: Scope,
  { plan, population, selection, passed = false }: Reading & { passed?: boolean },
): Promise<Page> {
  const { having, limit } = plan.query
  const filled = await readUserRows(frame, scope, { population, positions: selection, chosen: plan.chosen })
  const before = await readBefore(frame, plan, filled)
  const rows = compared(filled, before, plan).filter(
    ({ row }) => passed || having === undefined || rowPasses(having, (key) => row.get(key) ?? null, plan.columns),
  )
  const { order, after } = plan
  const placeOf = ({ row }: UserRow): Place => ({
    values: order.map(([column]) => (column === 'sparkline' ? sumOf(row.get(column)) : (row.get(column) ?? null))),
    names: [String(row.get('user'))],
  })
  const { items: listed, next } = pageOf(rows, placeOf, { order, after, limit })
  const passing = rows.map(({ position }) => position)
  const selected = scopeOfSome(scope, population, passing)
  const total = await readUsersTotal(frame, selected, { population, selection: passing, metrics: plan.metrics })
  return { listed, next, before, passing, selected, total }
}

/** Lists of counts are sorted by what they come to. */
function sumOf(counts: Amount | string | undefined): number {
  return (JSON.parse(String(counts ?? '[]')) as number[]).reduce((sum, count) => sum + count, 0)
}

/** A scope of all users is not narrowed: rollups of models can answer it too. */
function scopeOfSome(scope: Scope, { ids }: Population, positions: readonly number[]): Scope {
  return positions.length === ids.length ? scope : { ...scope, userIds: positions.map((n) => ids[n] ?? 0) }
}

async function readBefore(frame: Frame, { query, metrics }: Plan, rows: readonly UserRow[]): Promise<UsersBefore | undefined> {
  if (query.compare === undefined) return undefined
  return readUsersBefore(
    frame,
    rows.map(({ userId }) => userId),
    { metrics, compare: query.compare },
  )
}

function compared(rows: readonly UserRow[], before: UsersBefore | undefined, { metrics }: Plan): readonly UserRow[] {
  return before === undefined ? rows : compareUserRows(rows, before, metrics)
}

async function otherOf(
  frame: Frame,
  { listed, passing, before, total, selected }: Page,
  { totalBefore, metrics }: { totalBefore: Group | undefined; metrics: readonly MetricName[] },
): Promise<{ rows: number; values: RawRow } | null> {
  if (listed.length === passing.length) return null
  const values = await otherUsers(frame, listed, { scope: selected, before, summary: { total, totalBefore, metrics } })
  return { rows: passing.length - listed.length, values }
}

/** Who paid, where it is shown who paid what: the margin of those without a call is of the business too. */
async function readPayers(frame: Frame, scope: Scope, { metrics }: Plan): Promise<readonly number[]> {
  if (!requirements(metrics).needs.has('revenue')) return []
  const said = await readSaid(frame.store, scope, { kind: 'revenue', dimensions: frame.dimensions })
  return (said?.groups ?? []).map(({ keys }) => Number(keys[0] ?? 0))
}

/** Whoever needs the segments awaits them, and meets the failure there. */
function awaitedBelow(): void {}

function columnOf(key: ColumnKey): DefinedColumn {
  if (key === 'user') return { key, type: 'string', ...columnDimensions.user }
  return isMetric(key) ? metricColumn(key) : { key, ...userColumns[key] }
}

/**
 * The columns of the report in their order, or those asked for; behind them metrics that only are read where asked for,
 * because only the calls know them. @throws QueryError with the nearest name, for one that is neither
 */
function columnsFor(wanted: readonly string[] | undefined, more: readonly MetricName[]): ColumnKey[] {
  const own: readonly string[] = [...columnKeys, ...moreColumnKeys]
  for (const name of wanted ?? [])
    if (!own.includes(name) && !isMetric(name)) throw unknownName('column of the users report', name, { allowed: [...own, ...metricNames] })
  const shown = [
    ...columnKeys.filter((key) => key === 'user' || wanted === undefined || wanted.includes(key)),
    ...moreColumnKeys.filter((key) => wanted?.includes(key)),
  ]
  return [...new Set([...shown, ...(wanted ?? []).filter(isMetric), ...more])]
}

/** The positions of the users that a report is about. */
async function selectUsers(frame: Frame, { ids }: Population, { user, userPrefix, segment }: ReportQuery): Promise<number[]> {
  let positions = Array.from(ids.keys())
  const only = (found: ReadonlySet<number>): number[] => positions.filter((n) => found.has(ids[n] ?? 0))
  if (user === NONE) positions = only(new Set([0]))
  else if (user !== undefined) positions = only(await readPersons(frame.store, sql`t.name = ${keptId(user)}`))
  if (userPrefix !== undefined)
    positions = only(await readPersons(frame.store, sql`substr(t.name, 1, length(${userPrefix})) = ${userPrefix}`))
  if (segment === undefined) return positions
  const { of } = await frame.readMemberships()
  return positions.filter((n) => (of.get(ids[n] ?? 0)?.segments ?? [NONE]).includes(segment))
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
