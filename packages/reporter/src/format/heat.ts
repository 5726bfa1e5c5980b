import type { Cell, Column } from '@spanledger/analytics'

import type { Sheet } from './sheet.ts'

/** Columns whose shares are shaded, of the reports that have such: the more, the darker. */
const shaded: Readonly<Record<string, RegExp>> = { cohorts: /^w\d+$/ }

/** Shades, of which there are as many for terminals and for pages. */
const HEAT_LEVELS = 5

/** How dark a cell is, 0 to 4; undefined where it is not shaded. The number in it is shown all the same. */
export function heatLevel(value: Cell | undefined, { report }: Pick<Sheet, 'report'>, { key }: Pick<Column, 'key'>): number | undefined {
  if (typeof value !== 'number' || report === undefined || shaded[report]?.test(key) !== true) return undefined
  return Math.min(HEAT_LEVELS - 1, Math.max(0, Math.floor(value * HEAT_LEVELS)))
}

/** Black text on a blue of a terminal with 256 colours; every pair has a contrast of at least 4.5:1. */
export function heatCell(text: string, level: number): string {
  return `\u001b[38;5;16;48;5;${blues[level] ?? blues[0]}m${text}\u001b[0m`
}

const blues = [195, 153, 117, 75, 39] as const

/** The same blues for pages, with black text in either scheme. */
export const heatStyle = ['#eff3ff', '#c6dbef', '#9ecae1', '#6baed6', '#4a98c9']
  .map((color, level) => `td.h${level} { background: ${color}; color: #000; }`)
  .join(' ')
