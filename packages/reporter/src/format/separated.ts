import type { Cell, Column } from '@spanledger/analytics'

import type { Sheet } from './sheet.ts'

/**
 * CSV as RFC 4180 has it. Spreadsheets run texts that begin like a formula, so those get a `'` in front; numbers are left
 * as they are. Control characters but tabs and line breaks become U+FFFD.
 */
export function formatCsv({ columns, rows }: Sheet, { header }: { header: boolean }): string {
  return lines(columns, rows, {
    header,
    separator: ',',
    end: '\r\n',
    quote: (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text),
  })
}

/** Tab-separated values; a tab or line break in a text becomes a space. */
export function formatTsv({ columns, rows }: Sheet, { header }: { header: boolean }): string {
  return lines(columns, rows, { header, separator: '\t', end: '\n', quote: (text) => text.replaceAll(/[\t\r\n]+/g, ' ') })
}

interface Separation {
  readonly header: boolean
  readonly separator: string
  readonly end: string
  readonly quote: (text: string) => string
}

function lines(columns: Sheet['columns'], rows: Sheet['rows'], { header, separator, end, quote }: Separation): string {
  const head = header ? columns.map(({ key }) => quote(guarded(key))).join(separator) + end : ''
  return head + rows.map((row) => columns.map((column) => quote(cellText(row[column.key], column))).join(separator) + end).join('')
}

function cellText(value: Cell | undefined, { type }: Column): string {
  if (value === null || value === undefined) return ''
  if (typeof value === 'object') return value.join(' ')
  if (typeof value !== 'string') return String(value)
  return type === 'string' ? guarded(value) : value
}

function guarded(text: string): string {
  // A terminal that shows the file would obey them.
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is looked for
  const wellFormed = text.toWellFormed().replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g, '\ufffd')
  return /^[=+\-@\t\r\n＝＋－＠]/u.test(wellFormed) ? `'${wellFormed}` : wellFormed
}
