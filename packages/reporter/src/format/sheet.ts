import type { Column, Definition, OtherRows, Row } from '@spanledger/analytics'

import { shown } from './shown.ts'

/** What every format writes: columns, rows, and perhaps their totals. */
export interface Sheet {
  readonly title: string
  /** The report whose rows these are: says how they are drawn. */
  readonly report?: string | undefined
  readonly columns: readonly Column[]
  readonly rows: readonly Row[]
  readonly totals?: Row | undefined
  /** Calls whose cost is unknown: with any of them, the cost of all is at least what is summed. */
  readonly unpricedRequests?: number | undefined
  /** All rows that are not shown, as one. */
  readonly other?: OtherRows | null | undefined
  /** What the columns are, where that was asked for. */
  readonly definitions?: readonly Definition[] | undefined
  /** Lines of prose that belong to it. */
  readonly notes: readonly string[]
  /** Tables that belong to it, for people only. */
  readonly more?: readonly Sheet[] | undefined
}

const TOTAL = 'total'

/** The lines below the rows: what all rows that are not shown are together, and all of them. */
export function summaryLines({
  rows,
  totals,
  other,
}: Sheet): { readonly label: string; readonly values: Row; readonly isTotal: boolean }[] {
  const lines =
    other === null || other === undefined
      ? []
      : [{ label: `(other) ${other.rows} ${other.rows === 1 ? 'row' : 'rows'}`, values: other.values, isTotal: false }]
  const hasTotals = totals !== undefined && Object.keys(totals).length > 0
  return !hasTotals || rows.length + lines.length < 2 ? lines : [...lines, { label: TOTAL, values: totals, isTotal: true }]
}

/** A value of a row, or of a line below the rows. A cost that leaves calls without a price out says that it is a floor. */
export function shownIn(
  values: Row,
  { column, sheet, isTotal = false, ascii = false }: { column: Column; sheet: Sheet; isTotal?: boolean; ascii?: boolean },
): string {
  const value = values[column.key]
  const text = shown(value, column, { ascii })
  if (column.key !== 'cost_usd' || value === null || value === undefined) return text
  const isAll = isTotal || (sheet.rows.length === 1 && (sheet.other ?? null) === null)
  const unpriced = values['unpriced_requests'] ?? (isAll ? (sheet.unpricedRequests ?? 0) : 0)
  return Number(unpriced) > 0 ? `${ascii ? '>=' : '≥'} ${text}` : text
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
