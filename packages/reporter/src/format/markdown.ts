import { cleanText } from './clean-text.ts'
import { isNumeric } from './shown.ts'
import { definitionSheet, shownIn, summaryLines, type Sheet } from './sheet.ts'

/** A Markdown table with its title and notes. */
export function formatMarkdown(sheet: Sheet, { header }: { header: boolean }): string {
  const { title, columns, rows, notes, definitions, more = [] } = sheet
  const body = rows.map((row) => line(columns.map((column) => escaped(shownIn(row, { column, sheet })))))
  const sums = summaryLines(sheet).map(({ label, values, isTotal }) =>
    line(
      columns.map((column, n) =>
        values[column.key] === undefined
          ? n === 0
            ? `**${escaped(label)}**`
            : ''
          : `**${escaped(shownIn(values, { column, sheet, isTotal }))}**`,
      ),
    ),
  )
  return [
    header ? `## ${escaped(title)}\n\n` : '',
    line(columns.map(({ label }) => escaped(label))),
    line(columns.map((column) => (isNumeric(column) ? '---:' : '---'))),
    ...body,
    ...sums,
    notes.length > 0 ? `\n${notes.map((note) => `- ${escaped(note)}\n`).join('')}` : '',
    ...more.map((one) => `\n${formatMarkdown(one, { header })}`),
    definitions === undefined ? '' : `\n${formatMarkdown(definitionSheet(definitions), { header })}`,
  ].join('')
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |\n`
}

/** Text that neither ends a cell nor becomes a link, HTML or code. */
function escaped(text: string): string {
  return (
    cleanText(text)
      .replaceAll(/[\\|`*[\]<>]/g, (character) => `\\${character}`)
      // Within a word they are letters.
      .replaceAll(/(?<![\p{L}\p{N}])[_~]+|[_~]+(?![\p{L}\p{N}])/gu, (run) => run.replaceAll(/[_~]/g, (character) => `\\${character}`))
      .replaceAll('&', '&amp;')
  )
}
