import type { Store } from '@spanledger/store'

import { buildAnswer, sortRows, type Answer, type Asked, type Column, type RawRow } from './answer.ts'
import { amountCells, checkComparable, comparison, readPrevious } from './compare-previous.ts'
import { NONE, type Dimension } from './dimensions.ts'
import { metaOf, openFrame, readTotals, scopeOf, type Clock, type Frame } from './frame.ts'
import type { Amount, MetricName } from './metrics.ts'
import { checkOrder, columnsOf, withComparison } from './query-columns.ts'
import type { Order, ParsedQuery } from './query.ts'
import { readGroups, type FoundGroup } from './read-groups.ts'
import { onSnapshot } from './snapshot.ts'
import { timeLabel } from './time-bucket.ts'

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
      checkComparable(query)
      const before = await readPrevious(frame, query.metrics)
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
    return buildAnswer({
      asked,
      meta: await metaOf(frame, scope, { total, rows: rows.length, warnings: metricWarnings(query.metrics) }),
      columns,
      rows: query.limit === undefined ? sorted : sorted.slice(0, query.limit),
      totals,
      explain: query.explain,
    })
  })
}

interface Plan {
  readonly frame: Frame
  readonly columns: readonly Column[]
}

function labelCells({ frame, columns }: Plan, { labels }: FoundGroup): [string, string][] {
  return frame.dimensions.map((dimension, n) => [columns[n]?.key ?? '', shownLabel(dimension, labels[n] ?? null)])
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

function tieBreakers({ dimensions }: Frame, columns: readonly Column[]): string[] {
  return dimensions.map((_, n) => columns[n]?.key ?? '')
}

/** Said wherever a percentile is shown. */
export function metricWarnings(metrics: readonly string[]): string[] {
  return metrics.some((name) => /_p\d\d_ms$/.test(name)) ? ['latency percentiles are within 1.1 %'] : []
}
