import type { Share } from '../statistics/proportions.ts'
import type { Group, Need, SumName } from '../sums/group.ts'

/** How a column's values are to be read and shown. `usd` is decimal text, `rate` 0..1, `date` and `time` ISO 8601, `counts` a list. */
export type ColumnType = 'string' | 'int' | 'number' | 'rate' | 'usd' | 'ms' | 's' | 'date' | 'time' | 'bool' | 'counts'

const numeric: ReadonlySet<ColumnType> = new Set<ColumnType>(['int', 'number', 'rate', 'usd', 'ms', 's'])

/** Whether values of a column can be compared with a number, and have a difference. */
export function isNumeric(type: ColumnType): boolean {
  return numeric.has(type)
}

/** A number of a group, before it is written: money is nano-USD as bigint, times are ms. Null is unknown. */
export type Amount = number | bigint | null

/** A row of a table of metrics: what it is called and says, what has to be read for it, and how it is computed. */
export interface Metric {
  readonly label: string
  readonly type: ColumnType
  readonly says: string
  readonly sums?: readonly SumName[]
  readonly needs?: readonly Need[]
  readonly of: (group: Group) => Amount
  /** Of a rate that is a share of what is counted one by one: how many of how many; undefined where that is not known. */
  readonly share?: (group: Group) => Share | undefined
}

/** The sum of a column over the calls of a group. */
export const count =
  (name: SumName) =>
  ({ sums }: Group): number =>
    sums.get(name) ?? 0

/** Cost is unknown where no call of the group has a price. */
export const cost = (group: Group): bigint | null => {
  const requests = count('requests')(group)
  return requests > 0 && count('unpriced_requests')(group) === requests ? null : group.costNanoUsd
}

/** What `cost` is computed from. */
export const costSums = ['cost_nano_usd', 'unpriced_requests'] as const

/** Null of nothing, and where a part is unknown. */
export const ratio = (part: Amount, whole: Amount): number | null =>
  part === null || whole === null || Number(whole) === 0 ? null : Number(part) / Number(whole)

/** A rate that is a share of what is counted one by one, such as failed calls of all calls. */
export function shareMetric<Words extends Omit<Metric, 'type' | 'of' | 'share'>>(
  words: Words,
  share: (group: Group) => Share | undefined,
): Words & { readonly type: 'rate'; readonly of: Metric['of']; readonly share: (group: Group) => Share | undefined } {
  return {
    ...words,
    type: 'rate',
    of: (group) => {
      const counted = share(group)
      return counted === undefined ? null : ratio(counted.successes, counted.n)
    },
    share,
  }
}
