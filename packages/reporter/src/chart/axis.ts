import type { Column } from '@spanledger/analytics'

import { shown } from '../format/shown.ts'

/** A number of a chart in the words of its column. */
export function shownNumber(value: number | null, column: Pick<Column, 'key' | 'type'>): string {
  return shown(value !== null && column.type === 'usd' ? value.toFixed(9) : value, column)
}

/** The values that an axis is marked at: of counts no halves. */
export function ticksFor(ticks: readonly number[], { type }: Pick<Column, 'type'>): number[] {
  return type === 'int' ? ticks.filter(Number.isInteger) : [...ticks]
}

/** At most so many of the places, equally far apart, from the first on. */
export function spread(places: number, most: number): number[] {
  const step = Math.max(1, Math.ceil(places / most))
  return Array.from({ length: Math.ceil(places / step) }, (_, n) => n * step)
}

/** Of charts whose things stand below each other: how high one is, how much room the names have, and how long they may be. */
export const ROW = 22
export const NAMES = 210
export const NAME_COLUMNS = 26
