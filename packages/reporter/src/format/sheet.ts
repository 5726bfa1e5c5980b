import type { Column, Definition, Row } from '@spanledger/analytics'

/** What every format writes: columns, rows, and perhaps their totals. */
export interface Sheet {
  readonly title: string
  readonly columns: readonly Column[]
  readonly rows: readonly Row[]
  readonly totals?: Row | undefined
  /** What the columns are, where that was asked for. */
  readonly definitions?: readonly Definition[] | undefined
  /** Lines of prose that belong to it. */
  readonly notes: readonly string[]
}

/** Definitions as rows of a sheet of their own. */
export function definitionSheet(definitions: readonly Definition[]): Sheet {
  return {
    title: 'What the columns are',
    columns: [
      { key: 'key', type: 'string', label: 'Column' },
      { key: 'says', type: 'string', label: 'Is' },
    ],
    rows: definitions.map(({ key, says }) => ({ key, says })),
    notes: [],
  }
}
