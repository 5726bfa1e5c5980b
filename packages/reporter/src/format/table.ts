import Table from 'cli-table3'
import pc from 'picocolors'

import { cleanText } from './clean-text.ts'
import { cutText } from './cut-text.ts'
import { heatCell, heatLevel } from './heat.ts'
import { isNumeric } from './shown.ts'
import { definitionSheet, shownIn, summaryLines, type Sheet } from './sheet.ts'

/** How a table may be drawn. */
export interface TableStyle {
  /** Bold heads and dim totals, for terminals that show colours. */
  readonly decorated: boolean
  readonly header: boolean
  /** Nothing but characters that every terminal has. */
  readonly ascii?: boolean
  /** Longer texts are cut; 48 characters by default. */
  readonly maxText?: number
}

const MAX_TEXT = 48

const plainChars = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
} as const

/** Rows in aligned columns, the totals below; below them what belongs to them, and what the columns are, where that was asked for. */
export function formatTable({ definitions, more = [], ...sheet }: Sheet, style: TableStyle): string {
  return [
    formatRows(sheet, style),
    ...more.map((one) => `${one.title}\n${formatRows(one, style)}`),
    ...(definitions === undefined ? [] : [formatRows(definitionSheet(definitions), { ...style, maxText: Number.POSITIVE_INFINITY })]),
  ].join('\n')
}

function formatRows(sheet: Sheet, style: TableStyle): string {
  const { decorated, header } = style
  const { columns, rows } = sheet
  const colors = pc.createColors(decorated)
  const table = new Table({
    chars: plainChars,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    colAligns: columns.map((column) => (isNumeric(column) ? 'right' : 'left')),
  })
  if (header) table.push(columns.map(({ label }) => colors.bold(cleanText(label))))
  for (const row of rows) {
    table.push(
      columns.map((column) => {
        const text = cellText(shownIn(row, { column, sheet, ascii: style.ascii === true }), style)
        const heat = decorated ? heatLevel(row[column.key], sheet, column) : undefined
        return heat === undefined ? text : heatCell(text, heat)
      }),
    )
  }
  for (const { label, values, isTotal } of summaryLines(sheet)) {
    table.push(
      columns.map((column, n) =>
        colors.dim(
          values[column.key] === undefined
            ? n === 0
              ? label
              : ''
            : cleanText(shownIn(values, { column, sheet, isTotal, ascii: style.ascii === true })),
        ),
      ),
    )
  }
  return table.length === 0
    ? ''
    : `${table
        .toString()
        .split('\n')
        .map((line) => line.trimEnd())
        .join('\n')}\n`
}

function cellText(shownText: string, { ascii = false, maxText = MAX_TEXT }: TableStyle): string {
  return cutText(cleanText(shownText), maxText, ascii ? '...' : '…')
}
