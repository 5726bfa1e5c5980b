import { cutText } from '../format/cut-text.ts'
import { escapeHtml } from '../format/escape-html.ts'
import { shownNumber } from './axis.ts'
import type { Chart, LineChart } from './chart.ts'
import { drawBars } from './draw-bars.ts'
import { drawIntervals, intervalText } from './draw-intervals.ts'
import { drawLines } from './draw-lines.ts'
import { element, label, WIDTH } from './svg.ts'

/** A chart as inline SVG in a figure. It has a title and a description in words; `id` must be no other's in the page. */
export function drawChart(chart: Chart, id: string): string {
  const { inside, height } = chart.kind === 'line' ? drawLines(chart) : chart.kind === 'bars' ? drawBars(chart) : drawIntervals(chart)
  const svg = element(
    'svg',
    { viewBox: `0 0 ${WIDTH} ${height}`, class: 'chart', role: 'img', 'aria-labelledby': `${id}-title ${id}-desc` },
    element('title', { id: `${id}-title` }, escapeHtml(cutText(chart.title, MAX_TITLE))) +
      element('desc', { id: `${id}-desc` }, escapeHtml(`${inWords(chart)}. The table has every number.`)) +
      label(cutText(chart.title, MAX_TITLE), { x: 8, y: 16, class: 'title' }) +
      inside,
  )
  const caption = chart.leftOut === undefined ? '' : `<figcaption>${escapeHtml(chart.leftOut)}</figcaption>`
  return `<figure>${svg}${caption}</figure>\n`
}

const MAX_TITLE = 90
const MAX_NAME = 60

/** What a chart shows, for those who do not see it. */
function inWords(chart: Chart): string {
  switch (chart.kind) {
    case 'line':
      return linesInWords(chart)
    case 'bars':
      return `Bars. ${chart.bars.map(({ name, value }) => `${cutText(name, MAX_NAME)}: ${shownNumber(value, chart.column)}`).join('; ')}`
    case 'intervals':
      return `Estimates with intervals. ${chart.marks.map((one) => `${cutText(one.name, MAX_NAME)}: ${intervalText(one, chart)}`).join('; ')}`
  }
}

function linesInWords({ x, series, bands, column }: LineChart): string {
  const lines = series.map(({ name, values }) => {
    const known = values.filter((value) => value !== null)
    const [first = null, last = null] = [known[0], known.at(-1)]
    if (first === null) return `${cutText(name, MAX_NAME)}: no values`
    const words = [first, last, Math.min(...known), Math.max(...known)].map((value) => shownNumber(value, column))
    return `${cutText(name, MAX_NAME)}: from ${words[0]} to ${words[1]}, least ${words[2]}, most ${words[3]}`
  })
  const areas = bands.map(({ name }) => `${name} as an area`)
  return `Lines by ${x.label} from ${x.values[0] ?? '-'} to ${x.values.at(-1) ?? '-'}. ${[...lines, ...areas].join('; ')}`
}
