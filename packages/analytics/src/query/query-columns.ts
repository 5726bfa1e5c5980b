import type { DefinedColumn } from './answer.ts'
import type { Catalog } from '../ledger/catalog.ts'
import { columnKey, columnLabel, columnSays, type Dimension } from './dimensions.ts'
import { isMetric, metricTable, type MetricName } from './metrics.ts'
import type { Order } from './query.ts'
import { QueryError, unknownName } from './query-error.ts'
import { isShort } from './time-bucket.ts'

/** By what an answer is split, and how keys are spelled. */
interface Split {
  readonly dimensions: readonly Dimension[]
  readonly catalog: Catalog
}

/** The columns of an answer: its dimensions, then its metrics. */
export function columnsOf({ dimensions, catalog }: Split, metrics: readonly MetricName[]): DefinedColumn[] {
  const keys = new Set<string>(metrics)
  const byDimension = dimensions.map((dimension): DefinedColumn => {
    const key = columnKey(dimension)
    // A property may be called like a metric or another dimension; then its column keeps the prefix.
    const taken = keys.has(key) || dimensions.some((other) => other !== dimension && columnKey(other) === key && isKeyed(dimension))
    keys.add(key)
    return {
      key: taken ? `${dimension.kind}:${key}` : key,
      type: typeOf(dimension),
      label: columnLabel(dimension, catalog),
      says: columnSays(dimension, catalog),
    }
  })
  return [...byDimension, ...metrics.map(metricColumn)]
}

function isKeyed({ kind }: Dimension): boolean {
  return kind === 'property' || kind === 'latest' || kind === 'trait' || kind === 'experiment'
}

function typeOf(dimension: Dimension): 'string' | 'date' | 'time' {
  if (dimension.kind !== 'time') return 'string'
  return isShort(dimension.step) ? 'time' : 'date'
}

export function metricColumn(name: MetricName): DefinedColumn {
  const { type, label, says } = metricTable[name]
  return { key: name, type, label, says }
}

/** Each metric's column followed by its two comparing ones. */
export function withComparison(columns: readonly DefinedColumn[]): DefinedColumn[] {
  return columns.flatMap((column) => (isMetric(column.key) ? [column, ...comparingColumns(column)] : [column]))
}

/** What a column was in the period before, and how it changed. */
export function comparingColumns({ key, type, label }: Omit<DefinedColumn, 'says'>): DefinedColumn[] {
  return [
    { key: `${key}_previous`, type, label: `${label} before`, says: `${key} of the period before, as many local days long` },
    {
      key: `${key}_change`,
      type: 'rate',
      label: `${label} change`,
      says: `(${key} - ${key}_previous) / ${key}_previous; null where nothing was before`,
    },
  ]
}

/** @throws QueryError for a column that the answer does not have */
export function checkOrder(order: readonly Order[], columns: readonly DefinedColumn[]): void {
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
