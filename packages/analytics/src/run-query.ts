import type { Store } from '@spanledger/store'

import { change, formatRow, sortRows, type Answer, type Column, type RawRow } from './answer.ts'
import { columnKey, columnLabel, NONE, type Dimension } from './dimensions.ts'
import { metaOf, openFrame, readTotals, scopeOf, type Clock, type Frame } from './frame.ts'
import { isMetric, metricTable, type Amount, type Group, type MetricName } from './metrics.ts'
import { previousPeriod, type Period } from './period.ts'
import type { Order, ParsedQuery } from './query.ts'
import { QueryError, unknownName } from './query-error.ts'
import { readGroups, type FoundGroup } from './read-groups.ts'
import { onSnapshot } from './snapshot.ts'
import { timeKeysOf, timeLabel, type TimeStep } from './time-bucket.ts'

/** What an answer is called, and what was asked, as the caller wrote it. */
export interface Asked {
  readonly schema: string
  readonly params: Readonly<Record<string, unknown>>
}

/** Answers a question: one row a group, over one state of the ledger. */
export async function runQuery(store: Store, clock: Clock, query: ParsedQuery, asked: Asked): Promise<Answer> {
  return onSnapshot(store, async () => {
    const frame = await openFrame(store, clock, query)
    const plan = { frame, columns: columnsOf(frame, query.metrics) }
    const columns = query.compare === undefined ? plan.columns : withComparison(plan.columns)
    checkOrder(query.orderBy, columns)
    const scope = await scopeOf(frame, frame.period)
    const groups = await readGroups(store, scope, { dimensions: frame.dimensions, metrics: query.metrics })
    const total = await readTotals(frame, scope, query.metrics)
    const rowOf = (found: FoundGroup): RawRow =>
      new Map<string, Amount | string>([...labelCells(plan, found), ...amountCells(query.metrics, found.group)])
    let rows = groups.map(rowOf)
    let totals: RawRow = amountCells(query.metrics, total)
    if (query.compare === 'previous') {
      const before = await readPrevious(frame, query)
      rows = groups.map((found) => {
        const row = rowOf(found)
        return new Map([...row, ...comparison(query.metrics, row, before.of(found))])
      })
      totals = new Map([...totals, ...comparison(query.metrics, totals, before.total)])
    }
    const sorted = sortRows(
      rows,
      query.orderBy.length > 0 ? query.orderBy : defaultOrder(frame, plan.columns, query.metrics),
      tieBreakers(frame, plan.columns),
    )
    const listed = query.limit === undefined ? sorted : sorted.slice(0, query.limit)
    return {
      ...asked,
      meta: await metaOf(frame, scope, { total, rows: rows.length, warnings: metricWarnings(query.metrics) }),
      columns,
      rows: listed.map((row) => formatRow(row, columns)),
      totals: formatRow(totals, columns.slice(frame.dimensions.length)),
    }
  })
}

interface Plan {
  readonly frame: Frame
  readonly columns: readonly Column[]
}

function columnsOf({ dimensions, catalog }: Frame, metrics: readonly MetricName[]): Column[] {
  const keys = new Set<string>(metrics)
  const byDimension = dimensions.map((dimension): Column => {
    const key = columnKey(dimension)
    // A property may be called like a metric or another dimension; then its column keeps the prefix.
    const taken =
      keys.has(key) || dimensions.some((other) => other !== dimension && columnKey(other) === key && dimension.kind === 'property')
    keys.add(key)
    return {
      key: taken ? `property:${key}` : key,
      type: dimension.kind === 'time' ? (dimension.step === 'hour' ? 'time' : 'date') : 'string',
      label: columnLabel(dimension, catalog),
    }
  })
  return [...byDimension, ...metrics.map((name): Column => ({ key: name, type: metricTable[name].type, label: metricTable[name].label }))]
}

function checkOrder(order: readonly Order[], columns: readonly Column[]): void {
  const allowed = columns.map(({ key }) => key)
  for (const [column] of order) {
    if (allowed.includes(column)) continue
    if (isMetric(column))
      throw new QueryError(`Cannot sort by ${JSON.stringify(column)}: it is not among the metrics asked for (${allowed.join(', ')}).`, {
        given: column,
        allowed,
      })
    throw unknownName('column to sort by', column, { allowed })
  }
}

function labelCells({ frame, columns }: Plan, { labels }: FoundGroup): [string, string][] {
  return frame.dimensions.map((dimension, n) => [columns[n]?.key ?? '', shownLabel(dimension, labels[n] ?? null)])
}

/** The value of a dimension as answered. */
function shownLabel(dimension: Dimension, label: string | number | null): string {
  if (label === null) return NONE
  return dimension.kind === 'time' ? timeLabel(dimension.step, Number(label)) : String(label)
}

/** The metrics of a group by name. */
export function amountCells(metrics: readonly MetricName[], group: Group): Map<string, Amount> {
  return new Map(metrics.map((name) => [name, metricTable[name].of(group)]))
}

interface Previous {
  /** What a group was before: undefined where it had no calls, empty where the period before has no such step of time. */
  readonly of: (group: FoundGroup) => RawRow | undefined
  readonly total: RawRow
}

async function readPrevious(frame: Frame, { since, last, metrics }: ParsedQuery): Promise<Previous> {
  checkComparable({ since, last })
  const period = previousPeriod(frame.period, frame.zone)
  const scope = await scopeOf(frame, period)
  const groups = await readGroups(frame.store, scope, { dimensions: frame.dimensions, metrics })
  const total = await readTotals(frame, scope, metrics)
  const time = frame.dimensions.find(({ kind }) => kind === 'time')
  const steps =
    time?.kind === 'time' ? { now: stepNumbers(time.step, frame.period, frame), before: stepNumbers(time.step, period, frame) } : undefined
  const at = time === undefined ? -1 : frame.dimensions.indexOf(time)
  const before = new Map(groups.map((found) => [nameOf(found, at, steps?.before), amountCells(metrics, found.group)]))
  return {
    of: (found) => {
      const hasStep = steps === undefined || (steps.now.get(Number(found.keys[at])) ?? Number.POSITIVE_INFINITY) < steps.before.size
      return hasStep ? before.get(nameOf(found, at, steps?.now)) : new Map()
    },
    total: amountCells(metrics, total),
  }
}

/** @throws QueryError where there is nothing before the period */
export function checkComparable({ since, last }: { since: string | undefined; last: string | undefined }): void {
  if (since === undefined && last === undefined) {
    throw new QueryError('To compare with the previous period, give one: since or last (e.g. last 28d).', { given: 'compare' })
  }
}

type StepNumbers = ReadonlyMap<number, number>

function stepNumbers(step: TimeStep, period: Period, { zone }: Frame): StepNumbers {
  return new Map([...timeKeysOf(step, period, zone)].map((key, n) => [key, n]))
}

/** A name that a group shares with the one it is compared with: the step of time at `at`, if any, by its number in the period. */
function nameOf({ keys }: FoundGroup, at: number, numbers: StepNumbers | undefined): string {
  return JSON.stringify(numbers === undefined ? keys : keys.with(at, numbers.get(Number(keys[at])) ?? null))
}

/** What `*_previous` and `*_change` hold; a group that was not there before made no calls, cost nothing. */
export function comparison(metrics: readonly MetricName[], row: RawRow, previous: RawRow | undefined): [string, Amount | string][] {
  const before = previous ?? amountCells(metrics, { sums: new Map(), costNanoUsd: 0n })
  return metrics.flatMap((name): [string, Amount | string][] => [
    [`${name}_previous`, before.get(name) ?? null],
    [`${name}_change`, change(row.get(name) ?? null, before.get(name) ?? null)],
  ])
}

/** Each metric's column followed by its two comparing ones. */
export function withComparison(columns: readonly Column[]): Column[] {
  return columns.flatMap((column): Column[] =>
    isMetric(column.key)
      ? [
          column,
          { key: `${column.key}_previous`, type: column.type, label: `${column.label} before` },
          { key: `${column.key}_change`, type: 'rate', label: `${column.label} change` },
        ]
      : [column],
  )
}

/** By time where a question is split by it, else by the first metric, the largest first. */
function defaultOrder(frame: Frame, columns: readonly Column[], metrics: readonly MetricName[]): Order[] {
  const time = frame.dimensions.findIndex(({ kind }) => kind === 'time')
  const key = columns[time]?.key
  if (key !== undefined) return [[key, 'asc']]
  return [[metrics[0] ?? 'requests', 'desc']]
}

function tieBreakers({ dimensions }: Frame, columns: readonly Column[]): string[] {
  return dimensions.map((_, n) => columns[n]?.key ?? '')
}

/** Said wherever a percentile is shown. */
export function metricWarnings(metrics: readonly string[]): string[] {
  return metrics.some((name) => /_p\d\d_ms$/.test(name)) ? ['latency percentiles are within 1.1 %'] : []
}
