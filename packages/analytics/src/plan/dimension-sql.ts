import type { Fragment } from '../ledger/fragment.ts'

/** Tells whether a text is meant, given SQL that yields it. */
export type TextTest = (text: Fragment) => Fragment

/** How a dimension is read from a source. */
export interface DimensionSql {
  /** What calls are grouped by; NULL for none. */
  readonly key: Fragment
  /** The value as shown, from the key's name in an outer query. */
  readonly label: (key: string) => Fragment
  /** Tables the key needs beside the source. */
  readonly joins: readonly Fragment[]
  /** The table, among the joins, that has a row for each value of a call; undefined where calls have one. */
  readonly list?: string
  /** Whether rows of the source may be in several groups though their amounts are not shared. */
  readonly repeats?: boolean
}
