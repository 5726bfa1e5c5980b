import type { Store } from '@spanledger/store'

import { buildAnswer, type Answer, type Asked, type Column, type DefinedColumn, type RawRow } from './query/answer.ts'
import { amountCells, checkComparable, comparison, readPrevious, type Previous } from './read/compare-previous.ts'
import { NONE, SUPPRESSED, type Dimension } from './query/dimensions.ts'
import { metaOf, openFrame, readTotals, scopeOf, type Clock, type Frame } from './read/frame.ts'
import { checkHaving, havingColumns, rowPasses } from './query/having.ts'
import { saidKinds, type Group } from './sums/group.ts'
import type { Amount } from './query/metric.ts'
import { requirements, type MetricName } from './query/metrics.ts'
import { decodeCursor, pageOf, type Place } from './query/page.ts'
import { checkOrder, columnsOf, withComparison } from './query/query-columns.ts'
import { checkWeekStart, withIntervals, type Order, type ParsedQuery } from './query/query.ts'
import type { FoundGroup } from './read/found-groups.ts'
import { checkFoldable, readFolded } from './read/fold-small.ts'
import { readGroups } from './read/read-groups.ts'
import { withoutFingerprints } from './read/read-retries.ts'
import type { GroupChoice, Scope } from './plan/scope.ts'
import { readSessionPage, type SessionPage } from './sessions/session-page.ts'
import { onSnapshot } from './ledger/snapshot.ts'
import { timeLabel } from './query/time-bucket.ts'

/** A column behind the metrics that is none: it is told of rows, not of all together. */
export interface RowColumn {
  readonly column: DefinedColumn
  readonly read: (frame: Frame, groups: readonly FoundGroup[]) => Promise<(found: FoundGroup) => string | null>
}

/** Answers a question: one row a group, over one state of the ledger. */
export async function runQuery(store: Store, clock: Clock, parsed: ParsedQuery, asked: Asked, own?: RowColumn): Promise<Answer> {
  const query: ParsedQuery = { ...parsed, metrics: withIntervals(parsed.metrics, parsed) }
  return onSnapshot(store, async () => {
    checkWeekStart(query)
    if (query.compare !== undefined) checkComparable(query)
    const frame = await openFrame(store, clock, { ...query, looksAtEvents: query.metrics.some(isSaid) })
    if (query.minUsers !== undefined) checkFoldable(frame, query)
    const ofRows = own === undefined ? [] : [own.column]
    const plan = { frame, metrics: query.metrics, columns: [...columnsOf(frame, query.metrics), ...ofRows] }
    const columns = query.compare === undefined ? plan.columns : withComparison(plan.columns)
    checkOrder(query.orderBy, columns)
    if (query.having !== undefined) checkHaving(query.having, columns)
    const order = query.orderBy.length > 0 ? query.orderBy : defaultOrder(frame, plan.columns, query.metrics)
    const after = query.after === undefined ? undefined : decodeCursor(query.after, order, frame.dimensions.length + 1)

    const scope = await scopeOf(frame, frame.period)
    const before = query.compare === undefined ? undefined : await readPrevious(frame, query.metrics, query.compare)
    const isRanked = before === undefined && isRankedFirst(frame, query)
    const page = isRanked ? await readSessionPage(frame, query, order) : undefined
    const metrics = isRanked && page === undefined ? rankingMetrics(query.metrics, order) : query.metrics
    const { groups, suppressed } =
      page === undefined
        ? await readFolded(frame, scope, { metrics, minUsers: query.minUsers })
        : { groups: page.groups, suppressed: undefined }
    const told = groups.map((one) => rowOf({ ...plan, metrics }, one, before))
    const isChosenBy = [...order.map(([column]) => column), ...havingColumns(query.having)].some((name) => name === own?.column.key)
    const all = isChosenBy ? await withOwn(frame, own, told) : told
    const passing = all.filter(({ row }) => query.having === undefined || rowPasses(query.having, (key) => row.get(key) ?? null, columns))
    const passed = passing.length === all.length ? scope : { ...scope, groups: choiceOf(frame, { rows: passing, are: 'in' }) }
    const total = page === undefined ? await readTotals(frame, passed, query.metrics) : await readPageTotals(plan, scope, page)
    const { items: listed, next } = pageOf(passing, ({ found, row }) => placeOf(plan, order, { found, row }), {
      order,
      after,
      limit: query.limit,
    })
    const shown = isRanked && page === undefined ? await readListed(plan, scope, listed) : listed
    return buildAnswer({
      asked,
      meta: await metaOf(frame, passed, {
        total,
        rows: page?.sessions ?? passing.length,
        next,
        suppressed: suppressed?.rows,
        warnings: [
          ...(suppressed?.warnings ?? []),
          ...metricWarnings(query.metrics, total),
          ...fewAnswers(query.metrics, [total, ...all.map(({ found }) => found.group)]),
          ...saidWarnings(query.metrics, [total, ...all.map(({ found }) => found.group)]),
        ],
      }),
      columns,
      rows: (await withOwn(frame, own, shown)).map(({ row }) => row),
      totals: await summaryOf(plan, { total, before, chosen: passing.length === all.length ? undefined : { rows: passing, are: 'in' } }),
      other: query.other ? await otherOf(plan, { scope, all, passing, listed, before, page, total }) : undefined,
      explain: query.explain,
    })
  })
}

/**
 * Whether rows are ranked before all of their columns are read: sessions and users are many, a page of them is not. Rows that
 * are filtered or compared need all their columns first, and calls that are in the rows of several values count in each.
 */
function isRankedFirst({ dimensions }: Frame, { having, limit, attribution }: ParsedQuery): boolean {
  const areMany = dimensions.some((dimension) => dimension.kind === 'column' && (dimension.name === 'session' || dimension.name === 'user'))
  return areMany && limit !== undefined && having === undefined && attribution === undefined
}

/** What tells the order of rows; and what is said beside calls, which makes rows of its own. */
function rankingMetrics(metrics: readonly MetricName[], order: readonly Order[]): readonly MetricName[] {
  const ranking = metrics.filter((name) => order.some(([column]) => column === name) || isSaid(name))
  return ranking.length === 0 ? ['requests'] : ranking
}

function isSaid(name: MetricName): boolean {
  const { needs } = requirements([name])
  return saidKinds.some((kind) => needs.has(kind))
}

/** Rows with the column that is told of each. */
async function withOwn(frame: Frame, own: RowColumn | undefined, rows: readonly FoundRow[]): Promise<readonly FoundRow[]> {
  if (own === undefined) return rows
  const cellOf = await own.read(
    frame,
    rows.map(({ found }) => found),
  )
  return rows.map(({ found, row }) => ({ found, row: new Map([...row, [own.column.key, cellOf(found)]]) }))
}

/** The listed rows with all their columns, in their order. */
async function readListed(plan: Plan, scope: Scope, listed: readonly FoundRow[]): Promise<FoundRow[]> {
  const { frame, metrics } = plan
  const chosen = { ...scope, groups: choiceOf(frame, { rows: listed, are: 'in' }) }
  const whole = await readGroups(frame.store, chosen, { dimensions: frame.dimensions, metrics })
  const byKeys = new Map(whole.map((found) => [JSON.stringify(found.keys), found]))
  return listed.map(({ found, row }) => {
    const one = byKeys.get(JSON.stringify(found.keys))
    return one === undefined ? { found, row } : rowOf(plan, one, undefined)
  })
}

interface Plan {
  readonly frame: Frame
  readonly metrics: readonly MetricName[]
  readonly columns: readonly Column[]
}

interface FoundRow {
  readonly found: FoundGroup
  readonly row: RawRow
}

function rowOf(plan: Plan, found: FoundGroup, before: Previous | undefined): FoundRow {
  const row = new Map<string, Amount | string>([...labelCells(plan, found), ...amountCells(plan.metrics, found.group)])
  return { found, row: before === undefined ? row : new Map([...row, ...comparison(plan.metrics, row, before.of(found))]) }
}

/** Labels make the order of equals readable, keys make it total: two users may both have a session "1". */
function placeOf({ frame, columns }: Plan, order: readonly Order[], { found, row }: FoundRow): Place {
  const labels = frame.dimensions.map((_, n) => String(row.get(columns[n]?.key ?? '') ?? ''))
  return { values: order.map(([column]) => row.get(column) ?? null), names: [...labels, JSON.stringify(found.keys)] }
}

/** Some of the rows, or all others. */
interface ChosenRows {
  readonly rows: readonly FoundRow[]
  readonly are: 'in' | 'out'
}

function choiceOf({ dimensions }: Frame, { rows, are }: ChosenRows): GroupChoice {
  return { dimensions, keys: rows.flatMap(({ found }) => (found.members ?? [found]).map(({ keys }) => keys)), are }
}

/** The metrics of the chosen rows together, or of all, and what they were before. */
async function summaryOf(
  { metrics }: Plan,
  { total, before, chosen }: { total: Group; before: Previous | undefined; chosen: ChosenRows | undefined },
): Promise<RawRow> {
  const cells: RawRow = amountCells(metrics, total)
  if (before === undefined) return cells
  const groups = chosen === undefined ? undefined : { groups: chosen.rows.map(({ found }) => found), are: chosen.are }
  return new Map([...cells, ...comparison(metrics, cells, await before.together(groups))])
}

interface Listing {
  readonly scope: Scope
  readonly all: readonly FoundRow[]
  readonly passing: readonly FoundRow[]
  readonly listed: readonly FoundRow[]
  readonly before: Previous | undefined
  readonly page: SessionPage | undefined
  readonly total: Group
}

/** All sessions as one group: when they began and ended is known of what is kept. */
async function readPageTotals({ frame, metrics }: Plan, scope: Scope, { extent }: SessionPage): Promise<Group> {
  const summed = metrics.filter((name) => !requirements([name]).needs.has('extent'))
  return { ...(await readTotals(frame, scope, summed)), ...extent }
}

/** What passes and is not listed, read anew as one group: users and sessions in it are counted, not added up. */
async function otherOf(plan: Plan, listing: Listing): Promise<{ rows: number; values: RawRow } | null> {
  const { scope, all, passing, listed, before, page } = listing
  if (page !== undefined) {
    if (listed.length === page.sessions) return null
    const left = await page.without(
      listing.total,
      listed.map(({ found }) => found),
    )
    return { rows: page.sessions - listed.length, values: amountCells(plan.metrics, left) }
  }
  if (listed.length === passing.length) return null
  const shown = new Set(listed)
  const chosen: ChosenRows =
    all.length === passing.length ? { rows: listed, are: 'out' } : { rows: passing.filter((row) => !shown.has(row)), are: 'in' }
  const total = await readTotals(plan.frame, { ...scope, groups: choiceOf(plan.frame, chosen) }, plan.metrics)
  return { rows: passing.length - listed.length, values: await summaryOf(plan, { total, before, chosen }) }
}

function labelCells({ frame, columns }: Pick<Plan, 'frame' | 'columns'>, { labels, members }: FoundGroup): [string, string | null][] {
  return frame.dimensions.map((dimension, n) => [
    columns[n]?.key ?? '',
    members === undefined ? shownLabel(dimension, labels[n] ?? null) : dimension.kind === 'time' ? null : SUPPRESSED,
  ])
}

/** The value of a dimension as answered. */
function shownLabel(dimension: Dimension, label: string | number | null): string {
  if (label === null) return NONE
  return dimension.kind === 'time' ? timeLabel(dimension.step, Number(label)) : String(label)
}

/** By time where a question is split by it, else by the first metric, the largest first. */
function defaultOrder(frame: Frame, columns: readonly Column[], metrics: readonly MetricName[]): Order[] {
  const time = frame.dimensions.findIndex(({ kind }) => kind === 'time')
  const key = columns[time]?.key
  if (key !== undefined) return [[key, 'asc']]
  return [[metrics[0] ?? 'requests', 'desc']]
}

/** Said where a split or a filter is by what only calls have. */
function saidWarnings(metrics: readonly MetricName[], groups: readonly Group[]): string[] {
  const { needs } = requirements(metrics)
  const unknown = saidKinds.filter((kind) => needs.has(kind) && groups.some((group) => group[kind] === undefined))
  return unknown.map((kind) => `${kind} is known by user, session, property, segment and time only; elsewhere it is null`)
}

/** An NPS of fewer answers says next to nothing: one of them moves it by more than six points. */
const FEW_ANSWERS = 30

function fewAnswers(metrics: readonly MetricName[], groups: readonly Group[]): string[] {
  const isFew = ({ nps }: Group): boolean => nps !== undefined && nps.answers > 0 && nps.answers < FEW_ANSWERS
  return metrics.includes('nps') && groups.some(isFew)
    ? [`an NPS of fewer than ${FEW_ANSWERS} answers is hardly one: look at nps_low and nps_high`]
    : []
}

/** What a reader should know of metrics wherever they are shown. */
export function metricWarnings(metrics: readonly string[], total: Group): string[] {
  const areRetriesAsked = metrics.includes('retries') || metrics.includes('retry_rate')
  const hasCalls = (total.sums.get('requests') ?? 0) > 0
  return [
    ...(metrics.some((name) => /_p\d\d_ms$/.test(name)) ? ['latency percentiles are within 1.1 %'] : []),
    ...(areRetriesAsked && hasCalls && total.retries === undefined ? [withoutFingerprints] : []),
  ]
}
