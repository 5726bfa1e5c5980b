import type { Amount, ColumnType } from '../../query/metric.ts'

/** Columns by key: what they are called, their type, and what they are. */
export type ColumnTable = Readonly<Record<string, readonly [label: string, type: ColumnType, says: string]>>

export type Value = Amount | string | boolean

/** The rows of a report, keyed by its columns. */
export interface Told {
  readonly columns: ColumnTable
  readonly rows: readonly Readonly<Record<string, Value>>[]
  /** Of all rows, where they may be added up. */
  readonly totals?: Readonly<Record<string, Value>>
  readonly warnings?: readonly string[]
  /** Different users with a call of the question in its period, where the report has counted them. */
  readonly users?: number | undefined
  /** The same as one nested object; for `shape=seed`. */
  readonly seed?: unknown
}
