import { cleanText } from './clean-text.ts'
import { isNumeric, shown } from './shown.ts'
import { definitionSheet, type Sheet } from './sheet.ts'

/** A Markdown table with its title and notes. */
export function formatMarkdown({ title, columns, rows, totals, notes, definitions }: Sheet, { header }: { header: boolean }): string {
  const body = rows.map((row) => line(columns.map((column) => escaped(shown(row[column.key], column)))))
  const sum =
    totals === undefined || rows.length < 2
      ? ''
      : line(
          columns.map((column, n) =>
            totals[column.key] === undefined ? (n === 0 ? '**total**' : '') : `**${escaped(shown(totals[column.key], column))}**`,
          ),
        )
  return [
    header ? `## ${escaped(title)}\n\n` : '',
    line(columns.map(({ label }) => escaped(label))),
    line(columns.map((column) => (isNumeric(column) ? '---:' : '---'))),
    ...body,
    sum,
    notes.length > 0 ? `\n${notes.map((note) => `- ${escaped(note)}\n`).join('')}` : '',
    definitions === undefined ? '' : `\n${formatMarkdown(definitionSheet(definitions), { header })}`,
  ].join('')
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |\n`
}

/** Text that neither ends a cell nor becomes a link, HTML or code. */
function escaped(text: string): string {
  return cleanText(text)
    .replaceAll(/[\\|`*[\]<>]/g, (character) => `\\${character}`)
    .replaceAll('&', '&amp;')
}
