import { scaleLinear, scaleLog } from 'd3-scale'

import { cutText } from '../format/cut-text.ts'
import { NAME_COLUMNS, NAMES, ROW, shownNumber } from './axis.ts'
import type { IntervalChart } from './chart.ts'
import { mark } from './mark.ts'
import { element, label, WIDTH } from './svg.ts'

const TOP = 50
const FIGURES = 170

export function drawIntervals(chart: IntervalChart): { readonly inside: string; readonly height: number } {
  const { marks, reference, column, isRatio } = chart
  const ends = [reference, ...marks.flatMap(({ low, high }) => [low, high])]
  const extent = [Math.min(...ends), Math.max(...ends)]
  const range = [NAMES + 10, WIDTH - FIGURES]
  const x = isRatio ? scaleLog(extent, range).nice() : scaleLinear(extent, range).nice(5)
  const bottom = TOP + marks.length * ROW
  const ticks = x.ticks(5).filter((tick) => !isRatio || /^[125]/.test(tick.toExponential()))
  const grid = ticks.map(
    (tick) =>
      element('line', { x1: x(tick), x2: x(tick), y1: TOP, y2: bottom, class: 'grid' }) +
      label(shownNumber(tick, column), { x: x(tick), y: bottom + 18, 'text-anchor': 'middle' }),
  )
  const rows = marks.map(({ name, value, low, high }, n) => {
    const y = TOP + n * ROW + ROW / 2
    const cap = (at: number): string => element('line', { x1: at, x2: at, y1: y - 5, y2: y + 5, class: 'l0 cap' })
    return [
      label(cutText(name, NAME_COLUMNS), { x: NAMES - 8, y: y + 4, 'text-anchor': 'end' }),
      element('line', { x1: x(low), x2: x(high), y1: y, y2: y, class: 'l0' }),
      cap(x(low)),
      cap(x(high)),
      mark(0, x(value), y),
      label(intervalText({ value, low, high }, chart), { x: WIDTH - FIGURES + 12, y: y + 4 }),
    ].join('')
  })
  const line =
    element('line', { x1: x(reference), x2: x(reference), y1: TOP - 8, y2: bottom, class: 'reference' }) +
    label(`${shownNumber(reference, column)}: no difference`, { x: x(reference), y: TOP - 12, 'text-anchor': 'middle' })
  return { inside: [...grid, line, ...rows].join(''), height: bottom + 30 }
}

export function intervalText(
  { value, low, high }: Pick<IntervalChart['marks'][number], 'value' | 'low' | 'high'>,
  { column }: Pick<IntervalChart, 'column'>,
): string {
  return `${shownNumber(value, column)} (${shownNumber(low, column)} to ${shownNumber(high, column)})`
}
