import { createHash } from 'node:crypto'

import { cleanText } from './clean-text.ts'
import { isNumeric } from './shown.ts'
import { definitionSheet, shownIn, summaryLines, type Sheet } from './sheet.ts'

/** One page that needs nothing but itself. Its policy lets the browser run nothing and load nothing. */
export function formatHtml(sheet: Sheet): string {
  const hash = createHash('sha256').update(pageStyle).digest('base64')
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-${hash}'">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(sheet.title)}</title>
<style>${pageStyle}</style>
</head>
<body>
${sheetHtml(sheet)}${sheet.definitions === undefined ? '' : sheetHtml(definitionSheet(sheet.definitions))}</body>
</html>
`
}

/** A heading, a table and its notes. */
export function sheetHtml(sheet: Sheet): string {
  const { title, columns, rows, notes } = sheet
  const cell = (tag: string, text: string, column: Sheet['columns'][number]): string =>
    `<${tag}${isNumeric(column) ? ' class="n"' : ''}>${escapeHtml(text)}</${tag}>`
  const head = columns.map((column) => `<th scope="col"${isNumeric(column) ? ' class="n"' : ''}>${escapeHtml(column.label)}</th>`).join('')
  const body = rows
    .map((row) => `<tr>${columns.map((column) => cell('td', shownIn(row, { column, sheet }), column)).join('')}</tr>\n`)
    .join('')
  const sums = summaryLines(sheet).map(
    ({ label, values, isTotal }) =>
      `<tr>${columns
        .map((column, n) =>
          cell('td', values[column.key] === undefined ? (n === 0 ? label : '') : shownIn(values, { column, sheet, isTotal }), column),
        )
        .join('')}</tr>`,
  )
  const foot = sums.length === 0 ? '' : `<tfoot>${sums.join('\n')}</tfoot>\n`
  return `<section>
<h2>${escapeHtml(title)}</h2>
${notes.map((note) => `<p class="note">${escapeHtml(note)}</p>\n`).join('')}<div class="wide"><table>
<thead><tr>${head}</tr></thead>
<tbody>
${body}</tbody>
${foot}</table></div>
</section>
`
}

/** Text from data, safe between tags and in quoted attributes. */
export function escapeHtml(text: string): string {
  const names: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
  return cleanText(text).replaceAll(/[&<>"']/g, (character) => names[character] ?? '')
}

export const pageStyle = `
:root { color-scheme: light dark; }
body { font: 14px/1.45 system-ui, sans-serif; margin: 1.5rem auto; max-width: 80rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .4rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; text-align: left; white-space: nowrap; border-bottom: 1px solid #8884; }
th.n, td.n { text-align: right; }
tfoot td { font-weight: 600; border-bottom: 0; }
.note { margin: .2rem 0; opacity: .8; }
form { display: flex; flex-wrap: wrap; gap: .6rem 1rem; align-items: end; }
label { display: grid; gap: .15rem; } input, select, button { font: inherit; padding: .2rem .4rem; }
.error { border-left: .3rem solid #c33; padding-left: .7rem; }
`
