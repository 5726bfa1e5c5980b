import type { Column, Composite, Recommendation, Row, Section } from '@spanledger/analytics'
import pc from 'picocolors'

import { cleanText } from './clean-text.ts'
import { escapeHtml } from './escape-html.ts'
import { htmlPage, sheetHtml } from './html.ts'
import { formatMarkdown } from './markdown.ts'
import { definitionSheet, shownIn, type Sheet } from './sheet.ts'
import { formatTable, type TableStyle } from './table.ts'
import { notesOf, reportOf, type Format } from './write-answer.ts'

export interface CompositeStyle extends TableStyle {
  /** The columns that people are shown of a section. */
  readonly preferred: (section: Section) => readonly string[]
}

/** A composite in a format that holds more than one table. `ndjson` says with each row of which section it is. */
export function formatComposite(composite: Composite, format: Exclude<Format, 'csv' | 'tsv'>, style: CompositeStyle): string {
  switch (format) {
    case 'json':
      return `${JSON.stringify(composite)}\n`
    case 'ndjson':
      return rowsOf(composite)
        .map((row) => `${JSON.stringify(row)}\n`)
        .join('')
    case 'table':
      return [
        `${titleOf(composite)}\n`,
        ...sectionSheets(composite, style).map((sheet) => tableOf(sheet, style)),
        recommendationsInLines(composite, style),
      ].join('\n')
    case 'md':
      return [
        `# ${titleOf(composite)}\n`,
        ...(composite.meta.warnings.length === 0 ? [] : [composite.meta.warnings.map((note) => `- ${cleanText(note)}\n`).join('')]),
        ...sheetsOf(composite, style).map((sheet) => formatMarkdown(sheet, { header: true })),
      ].join('\n')
    case 'html':
      return htmlPage(titleOf(composite), htmlOf(composite, style))
  }
}

/** What a reader should know: of all sections, and of each what is only so there. */
export function compositeNotes({ meta, sections }: Composite): { readonly section: string | undefined; readonly note: string }[] {
  return [
    ...(meta.complete ? [] : ['the period has not ended yet']).map((note) => ({ section: undefined, note })),
    ...meta.warnings.map((note) => ({ section: undefined, note })),
    ...sections.flatMap((section) => ownNotes(section, meta.warnings).map((note) => ({ section: section.name, note }))),
  ]
}

function titleOf({ schema, meta }: Composite): string {
  return `${schema.split('/')[0] ?? ''}, ${meta.from} to ${meta.to}, days of ${meta.tz}`
}

function rowsOf({ sections, recommendations }: Composite): object[] {
  return [
    ...sections.flatMap(({ name, answer }) => answer.rows.map((row) => ({ section: name, ...row }))),
    ...recommendations.map((row) => ({ ...row, section: 'recommendations', shown_in: row.section })),
  ]
}

function ownNotes({ answer }: Section, common: readonly string[]): string[] {
  // The same of other periods, with other numbers, is no news.
  const known = new Set(common.map(withoutNumbers))
  return notesOf(answer).filter((note) => !known.has(withoutNumbers(note)))
}

function withoutNumbers(note: string): string {
  return note.replaceAll(/\d+/g, '')
}

function tableOf(sheet: Sheet, style: TableStyle): string {
  const colors = pc.createColors(style.decorated)
  return `${colors.bold(cleanText(sheet.title))}\n${sheet.rows.length === 0 ? 'nothing\n' : formatTable(sheet, style)}`
}

/** In a table their words would be cut. */
function recommendationsInLines({ recommendations }: Composite, { decorated }: TableStyle): string {
  const lines = recommendations.map(
    (one) =>
      `${one.rule}  ${cleanText(one.says)}\n    ${cleanText(one.advice)}\n    n = ${one.n}; ${intervalOf(one) ?? 'no interval'}; an association\n`,
  )
  return `${pc.createColors(decorated).bold('Recommendations')}\n${lines.length === 0 ? 'nothing stands out\n' : lines.join('')}`
}

function intervalOf({ ci_low: low, ci_high: high, interval_of: of }: Recommendation): string | null {
  return low === null || high === null ? null : `${rounded(low)} to ${rounded(high)} (95 % interval of ${of})`
}

function htmlOf(composite: Composite, style: CompositeStyle): string {
  const sheets = sheetsOf(composite, style)
  const links = sheets.map(({ title }, n) => `<a href="#part-${n + 1}">${escapeHtml(title)}</a>`)
  return [
    `<h1>${escapeHtml(titleOf(composite))}</h1>\n`,
    ...composite.meta.warnings.map((note) => `<p class="note">${escapeHtml(note)}</p>\n`),
    `<nav aria-label="Sections">${links.join(' · ')}</nav>\n`,
    ...sheets.map((sheet, n) => `${sheetHtml(sheet, { id: `part-${n + 1}`, level: 2 })}${definitionsHtml(sheet, `columns-${n + 1}`)}`),
  ].join('')
}

function definitionsHtml({ definitions }: Sheet, id: string): string {
  return definitions === undefined ? '' : sheetHtml(definitionSheet(definitions), { id, level: 2 })
}

function sheetsOf(composite: Composite, style: CompositeStyle): Sheet[] {
  return [...sectionSheets(composite, style), recommendationSheet(composite)]
}

function sectionSheets({ sections, meta }: Composite, style: CompositeStyle): Sheet[] {
  return sections.map((section) => sheetOf(section, style, meta.warnings))
}

function sheetOf(section: Section, style: CompositeStyle, common: readonly string[]): Sheet {
  const { title, answer } = section
  const names = style.preferred(section).flatMap((key) => [key, `${key}_change`])
  const columns = names.flatMap((name) => answer.columns.find(({ key }) => key === name) ?? [])
  const isDownwards = answer.rows.length === 1 && answer.columns.length > MAX_ACROSS
  const sheet: Sheet = {
    title,
    report: reportOf(answer),
    columns,
    rows: answer.rows,
    totals: answer.totals,
    unpricedRequests: answer.meta.unpriced_requests,
    definitions: isDownwards ? answer.definitions : answer.definitions?.filter(({ key }) => columns.some((column) => column.key === key)),
    notes: [...(answer.rows.length === 0 ? ['nothing'] : []), ...ownNotes(section, common)],
  }
  return isDownwards ? downwards(sheet, answer.columns) : sheet
}

/** One row of more columns is easier read downwards. */
const MAX_ACROSS = 8

/** A row as a line for each of its figures: what it is, what it was before, how it changed. */
function downwards(sheet: Sheet, columns: readonly Column[]): Sheet {
  const [row = {}] = sheet.rows
  const find = (key: string): Column | undefined => columns.find((column) => column.key === key)
  const text = (column: Column | undefined): string | null => (column === undefined ? null : shownIn(row, { column, sheet }))
  const isCompared = columns.some(({ key }) => key.endsWith('_previous'))
  const figures = columns.filter(({ key }) => !key.endsWith('_previous') && !key.endsWith('_change'))
  return {
    title: sheet.title,
    notes: sheet.notes,
    definitions: sheet.definitions,
    columns: [
      { key: 'figure', type: 'string', label: 'Figure' },
      { key: 'value', type: 'string', label: 'Value' },
      ...(isCompared
        ? ([
            { key: 'before', type: 'string', label: 'Before' },
            { key: 'change', type: 'string', label: 'Change' },
          ] as const)
        : []),
    ],
    rows: figures.map((column): Row => {
      const figure = { figure: column.label, value: text(column) }
      if (!isCompared) return figure
      return Object.assign(figure, { before: text(find(`${column.key}_previous`)), change: text(find(`${column.key}_change`)) })
    }),
  }
}

function recommendationSheet({ recommendations }: Composite): Sheet {
  return {
    title: 'Recommendations',
    columns: [
      { key: 'rule', type: 'string', label: 'Rule' },
      { key: 'says', type: 'string', label: 'What stands out' },
      { key: 'n', type: 'int', label: 'n' },
      { key: 'interval', type: 'string', label: 'How sure' },
      { key: 'advice', type: 'string', label: 'What to do' },
    ],
    rows: recommendations.map((one) => ({ rule: one.rule, says: one.says, n: one.n, interval: intervalOf(one), advice: one.advice })),
    notes: [recommendations.length === 0 ? 'nothing stands out' : 'these are associations, not causes'],
  }
}

function rounded(value: number): string {
  return String(Number(value.toPrecision(3)))
}
