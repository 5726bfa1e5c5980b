import { scaleLinear } from 'd3-scale'

import { cutText } from '../format/cut-text.ts'
import { NAME_COLUMNS, NAMES, ROW, shownNumber } from './axis.ts'
import type { BarChart } from './chart.ts'
import { element, label, WIDTH } from './svg.ts'

const TOP = 32
/** Room for what a bar comes to, written at its end. */
const FIGURES = 90

export function drawBars({ bars, column }: BarChart): { readonly inside: string; readonly height: number } {
  const values = bars.map(({ value }) => value ?? 0)
  const [least, most] = [Math.min(0, ...values), Math.max(0, ...values)]
  const left = NAMES + (least < 0 ? FIGURES : 0)
  const x = scaleLinear([least, most === least ? 1 : most], [left, WIDTH - FIGURES])
  const height = TOP + bars.length * ROW + 6
  const rows = bars.map(({ name, value }, n) => {
    const y = TOP + n * ROW
    const [from, to] = [Math.min(x(0), x(value ?? 0)), Math.max(x(0), x(value ?? 0))]
    const isNegative = value !== null && value < 0
    return (
      label(cutText(name, NAME_COLUMNS), { x: NAMES - 8, y: y + 15, 'text-anchor': 'end' }) +
      element('rect', { x: from, y: y + 3, width: to - from, height: ROW - 6, class: 'f0' }) +
      label(shownNumber(value, column), {
        x: isNegative ? from - 5 : to + 5,
        y: y + 15,
        ...(isNegative ? { 'text-anchor': 'end' } : {}),
      })
    )
  })
  const base = element('line', { x1: x(0), x2: x(0), y1: TOP, y2: height - 6, class: 'base' })
  return { inside: rows.join('') + base, height }
}
