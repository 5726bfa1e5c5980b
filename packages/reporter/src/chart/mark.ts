import { symbol } from 'd3-shape'

import { seriesStyles } from './series-style.ts'
import { element } from './svg.ts'

/** The point of a line, in the shape that is its own. */
export function mark(n: number, x: number, y: number): string {
  const style = seriesStyles[n]
  return element('path', {
    d: (style === undefined ? null : symbol(style.symbol, 36)()) ?? '',
    transform: `translate(${Math.round(x * 100) / 100} ${Math.round(y * 100) / 100})`,
    class: `f${n}`,
  })
}
