import { createHash } from 'node:crypto'

import { chartsOf } from '../chart/choose-charts.ts'
import { drawChart } from '../chart/draw-chart.ts'
import { chartStyle } from '../chart/series-style.ts'
import { escapeHtml } from './escape-html.ts'
import { heatLevel, heatStyle } from './heat.ts'
import { isNumeric } from './shown.ts'
import { definitionSheet, shownIn, summaryLines, type Sheet } from './sheet.ts'

/** One page that needs nothing but itself. Its policy lets the browser run nothing and load nothing. */
export function formatHtml(sheet: Sheet): string {
  const sheets = [sheet, ...(sheet.more ?? []), ...(sheet.definitions === undefined ? [] : [definitionSheet(sheet.definitions)])]
  return htmlPage(sheet.title, sheets.map((one, n) => sheetHtml(one, { id: `part-${n + 1}`, level: n === 0 ? 1 : 2 })).join(''))
}

/** The page around some sections. */
export function htmlPage(title: string, content: string): string {
  const hash = createHash('sha256').update(pageStyle).digest('base64')
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<style>${pageStyle}</style>
</head>
<body>
<main>
${content}</main>
</body>
</html>
`
}

/** A heading, charts, a table and its notes. `id` must be no other's in the page. */
export function sheetHtml(sheet: Sheet, { id, level }: { readonly id: string; readonly level: 1 | 2 }): string {
  const charts = chartsOf(sheet).map((chart, n) => drawChart(chart, `${id}-chart-${n + 1}`))
  return `<section>
<h${level} id="${id}">${escapeHtml(sheet.title)}</h${level}>
${sheet.notes.map((note) => `<p class="note">${escapeHtml(note)}</p>\n`).join('')}${charts.join('')}<div class="wide" role="region" aria-labelledby="${id}" tabindex="0">${tableHtml(sheet)}</div>
</section>
`
}

function tableHtml(sheet: Sheet): string {
  const { columns, rows } = sheet
  const head = columns.map((column) => `<th scope="col"${isNumeric(column) ? ' class="n"' : ''}>${escapeHtml(column.label)}</th>`).join('')
  const body = rows
    .map(
      (row) =>
        `<tr>${columns.map((column) => cellHtml(shownIn(row, { column, sheet }), column, heatLevel(row[column.key], sheet, column))).join('')}</tr>\n`,
    )
    .join('')
  const sums = summaryLines(sheet).map(
    ({ label, values, isTotal }) =>
      `<tr>${columns
        .map((column, n) =>
          cellHtml(values[column.key] === undefined ? (n === 0 ? label : '') : shownIn(values, { column, sheet, isTotal }), column),
        )
        .join('')}</tr>`,
  )
  const foot = sums.length === 0 ? '' : `<tfoot>${sums.join('\n')}</tfoot>\n`
  return `<table>
<thead><tr>${head}</tr></thead>
<tbody>
${body}</tbody>
${foot}</table>`
}

/** Texts longer than this are broken into lines. */
const MAX_LINE = 60

function cellHtml(text: string, column: Sheet['columns'][number], heat?: number): string {
  const classes = [
    ...(isNumeric(column) ? ['n'] : []),
    ...(heat === undefined ? [] : [`h${heat}`]),
    ...(text.length > MAX_LINE ? ['long'] : []),
  ]
  return `<td${classes.length === 0 ? '' : ` class="${classes.join(' ')}"`}>${escapeHtml(text)}</td>`
}

export const pageStyle = `
:root { color-scheme: light dark; background: Canvas; color: CanvasText; }
body { font: 14px/1.45 system-ui, sans-serif; margin: 1.5rem auto; max-width: 80rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .4rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; text-align: left; white-space: nowrap; border-bottom: 1px solid #8884; }
th.n, td.n { text-align: right; }
td.long { white-space: normal; overflow-wrap: anywhere; min-width: 20rem; }
${heatStyle}
tfoot td { font-weight: 600; border-bottom: 0; }
a { color: var(--s0); }
.note { margin: .2rem 0; opacity: .8; }
form { display: flex; flex-wrap: wrap; gap: .6rem 1rem; align-items: end; }
label { display: grid; gap: .15rem; } input, select, button { font: inherit; padding: .2rem .4rem; }
.error { border-left: .3rem solid #c33; padding-left: .7rem; }
${chartStyle}`
