import type { Column, Row } from '@spanledger/analytics'

/** What every format writes: columns, rows, and perhaps their totals. */
export interface Sheet {
  readonly title: string
  readonly columns: readonly Column[]
  readonly rows: readonly Row[]
  readonly totals?: Row | undefined
  /** Lines of prose that belong to it. */
  readonly notes: readonly string[]
}
