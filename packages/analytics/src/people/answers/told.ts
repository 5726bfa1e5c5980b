import type { Amount, ColumnType } from '../../query/metric.ts'
import type { BadSignUps } from '../../read/read-sign-ups.ts'

/**
 * Columns by key: what they are called, their type, and what they are. Of a share of what is counted one by one, also which values
 * of a row it divides; these need not be columns.
 */
export type ColumnTable = Readonly<Record<string, Column>>

type Column = readonly [label: string, type: ColumnType, says: string, share?: readonly [numerator: string, denominator: string]]

export type Value = Amount | string | boolean

/** The rows of a report, keyed by its columns, and by what their shares divide. */
export interface Told {
  readonly columns: ColumnTable
  readonly rows: readonly Readonly<Record<string, Value>>[]
  /** Of all rows, where they may be added up. */
  readonly totals?: Readonly<Record<string, Value>>
  readonly warnings?: readonly string[]
  /** Sign-ups that were left out, where sign-ups decide; said in words too. */
  readonly badSignUps?: BadSignUps | undefined
  /** Different users with a call of the question in its period, where the report has counted them. */
  readonly users?: number | undefined
  /** The same as one nested object; for `shape=seed`. */
  readonly seed?: unknown
}
