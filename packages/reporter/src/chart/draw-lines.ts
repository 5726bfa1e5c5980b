import { scaleLinear } from 'd3-scale'
import { area, line } from 'd3-shape'

import { cutText } from '../format/cut-text.ts'
import { shownNumber, spread, ticksFor } from './axis.ts'
import type { Band, LineChart, Series } from './chart.ts'
import { mark } from './mark.ts'
import { element, label, WIDTH } from './svg.ts'

const PLOT = { left: 86, right: WIDTH - 16, top: 34, bottom: 214 } as const
const HEIGHT = PLOT.bottom + 34
/** With more points than this only the ends of lines, and points that stand alone, are marked. */
const MAX_MARKED = 60
const LEGEND_COLUMN = 155
const LEGEND_TEXT = 18
const LEGEND_ROW = 20
const LEGEND_PER_ROW = Math.floor((PLOT.right - PLOT.left) / LEGEND_COLUMN)

/** Places in the picture of places in the chart; null where there is no value. */
interface Scales {
  readonly x: (n: number) => number
  readonly y: (value: number) => number
}

export function drawLines(chart: LineChart): { readonly inside: string; readonly height: number } {
  const names = [...chart.series, ...chart.bands].map(({ name }) => name)
  // One line is what the title says.
  const legend = names.length < 2 ? [] : names
  const down = Math.ceil(legend.length / LEGEND_PER_ROW) * LEGEND_ROW
  const y = scaleLinear(extentOf(chart), [PLOT.bottom, PLOT.top]).nice(5)
  const scales = { x: placesAlong(chart), y }
  const grid = ticksFor(y.ticks(5), chart.column).map(
    (tick) =>
      element('line', { x1: PLOT.left, x2: PLOT.right, y1: y(tick), y2: y(tick), class: 'grid' }) +
      label(shownNumber(tick, chart.column), { x: PLOT.left - 8, y: y(tick) + 4, 'text-anchor': 'end' }),
  )
  const drawn = [
    ...grid,
    ...axisAlong(chart, scales),
    ...chart.bands.map((band) => drawBand(band, scales)),
    ...chart.series.map((series, n) => drawSeries(series, n, scales)),
  ].join('')
  return {
    inside: drawLegend(chart, legend) + element('g', { transform: `translate(0 ${down})` }, drawn),
    height: HEIGHT + down,
  }
}

/** From the least to the most of all values; 0 is part of it, so that a line twice as high is twice as much. */
function extentOf({ series, bands }: LineChart): [number, number] {
  const values = [...series.flatMap((one) => one.values), ...bands.flatMap(({ low, high }) => [...low, ...high])].filter(
    (value) => value !== null,
  )
  const [least, most] = [Math.min(0, ...values), Math.max(0, ...values)]
  return least === most ? [0, 1] : [least, most]
}

function placesAlong({ x }: LineChart): (n: number) => number {
  const numbers = x.values.map((value) => (x.type === 'time' ? Date.parse(value) : Number(value)))
  const [first, last] = [Math.min(...numbers), Math.max(...numbers)]
  const scale = scaleLinear(first === last ? [first - 1, last + 1] : [first, last], [PLOT.left, PLOT.right])
  return (n) => scale(numbers[n] ?? first)
}

function axisAlong({ x }: LineChart, { x: at, y }: Scales): string[] {
  const { values, type } = x
  return [
    element('line', { x1: PLOT.left, x2: PLOT.right, y1: y(0), y2: y(0), class: 'base' }),
    ...spread(values.length, type === 'time' ? 6 : 10).map((n) =>
      label(placeName(values[n] ?? ''), {
        x: at(n),
        y: PLOT.bottom + 18,
        'text-anchor': at(n) > PLOT.right - EDGE ? 'end' : at(n) < PLOT.left + EDGE ? 'start' : 'middle',
      }),
    ),
  ]
}

/** Of an instant the day and the minute; the title says the year. */
function placeName(value: string): string {
  return value.includes('T') ? value.slice('2026-'.length, 16).replace('T', ' ') : value
}

/** Closer to an edge than this, a text goes away from it. */
const EDGE = 40

function drawBand({ low, high }: Band, { x, y }: Scales): string {
  const path = area<number | null>()
    .defined((value, n) => value !== null && high[n] !== null)
    .x((_, n) => x(n))
    .y0((value) => y(value ?? 0))
    .y1((_, n) => y(high[n] ?? 0))
  return element('path', { d: path([...low]) ?? '', class: 'band' })
}

function drawSeries({ values }: Series, n: number, { x, y }: Scales): string {
  const path = line<number | null>()
    .defined((value) => value !== null)
    .x((_, at) => x(at))
    .y((value) => y(value ?? 0))
  const last = values.findLastIndex((value) => value !== null)
  const marks = values.flatMap((value, at) => {
    const isAlone = (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null
    return value !== null && (values.length <= MAX_MARKED || isAlone || at === last) ? [mark(n, x(at), y(value))] : []
  })
  return element('path', { d: path([...values]) ?? '', class: `l${n}` }) + marks.join('')
}

function drawLegend({ series }: LineChart, names: readonly string[]): string {
  return names
    .map((name, n) => {
      const [x, y] = [PLOT.left + (n % LEGEND_PER_ROW) * LEGEND_COLUMN, 36 + Math.floor(n / LEGEND_PER_ROW) * LEGEND_ROW]
      const sample =
        n < series.length
          ? element('line', { x1: x, x2: x + 26, y1: y, y2: y, class: `l${n}` }) + mark(n, x + 13, y)
          : // Narrower bands lie on wider ones, and are as much darker.
            element('rect', { x, y: y - 6, width: 26, height: 12, class: 'band' }).repeat(n - series.length + 1)
      return sample + label(cutText(name, LEGEND_TEXT), { x: x + 32, y: y + 4 })
    })
    .join('')
}
