import type { Answer } from '@spanledger/analytics'

import { formatHtml } from './html.ts'
import { formatMarkdown } from './markdown.ts'
import { formatCsv, formatTsv } from './separated.ts'
import type { Sheet } from './sheet.ts'
import { formatTable, type TableStyle } from './table.ts'

export const formats = ['table', 'json', 'ndjson', 'csv', 'tsv', 'md', 'html'] as const
export type Format = (typeof formats)[number]

/** Formats that are read by people: they show a choice of columns and rows, and say so. */
export const readByPeople: ReadonlySet<Format> = new Set<Format>(['table', 'md', 'html'])

/** An answer in a format; `json` is the whole of it, the others are its rows. */
export function formatAnswer(answer: Answer, format: Format, style: TableStyle, more: readonly Sheet[] = []): string {
  if (format === 'json') return `${JSON.stringify(answer)}\n`
  return formatSheet(
    {
      ...answer,
      report: reportOf(answer),
      unpricedRequests: answer.meta.unpriced_requests,
      title: titleOf(answer),
      notes: notesOf(answer),
      more,
    },
    format,
    // Their words are all there is to them.
    reportOf(answer) === 'recommendations' ? { ...style, maxText: Number.POSITIVE_INFINITY } : style,
  )
}

/** The name of the report that an answer is of; `query` where it is of none. */
export function reportOf({ schema }: Pick<Answer, 'schema'>): string {
  return schema.split('/')[0] ?? ''
}

/** Rows in any format but `json`, which every caller shapes itself. */
export function formatSheet(sheet: Sheet, format: Exclude<Format, 'json'>, style: TableStyle): string {
  switch (format) {
    case 'table':
      return formatTable(sheet, style)
    case 'ndjson':
      return sheet.rows.map((row) => `${JSON.stringify(row)}\n`).join('')
    case 'csv':
      return formatCsv(sheet, style)
    case 'tsv':
      return formatTsv(sheet, style)
    case 'md':
      return formatMarkdown(sheet, style)
    case 'html':
      return formatHtml(sheet)
  }
}

/** What an answer is about, in a line. */
function titleOf({ schema, meta }: Answer): string {
  return `${reportOf({ schema })}, ${meta.from} to ${meta.to}, days of ${meta.tz}`
}

/** What a reader of the rows should know. */
export function notesOf({ meta, rows }: Answer): string[] {
  return [
    ...(rows.length < meta.rows ? [`${rows.length} of ${meta.rows} rows are shown; totals are of all`] : []),
    ...(meta.complete ? [] : ['the period, or its last step, has not ended yet']),
    ...meta.warnings,
  ]
}
