import type { Column } from '@spanledger/analytics'

/** What is to be drawn of a table. Values are in the unit of their column; null is unknown, and drawn as a gap. */
export type Chart = LineChart | BarChart | IntervalChart

interface Drawn {
  readonly title: string
  /** Whose values these are: says how numbers are written. */
  readonly column: Pick<Column, 'key' | 'type'>
  /** What the table has and the chart leaves out, in words. */
  readonly leftOut?: string | undefined
}

/** Values along time, or along a number. */
export interface LineChart extends Drawn {
  readonly kind: 'line'
  readonly x: { readonly label: string; readonly type: 'time' | 'number'; readonly values: readonly string[] }
  readonly series: readonly Series[]
  /** What a value is expected between, the widest first. */
  readonly bands: readonly Band[]
}

export interface Series {
  readonly name: string
  readonly values: readonly (number | null)[]
}

export interface Band {
  readonly name: string
  readonly low: readonly (number | null)[]
  readonly high: readonly (number | null)[]
}

/** A value of each of several things, from 0. */
export interface BarChart extends Drawn {
  readonly kind: 'bars'
  readonly bars: readonly { readonly name: string; readonly value: number | null }[]
}

/** Estimates with the interval that each may lie in, beside the value that means no difference. */
export interface IntervalChart extends Drawn {
  readonly kind: 'intervals'
  readonly marks: readonly { readonly name: string; readonly value: number; readonly low: number; readonly high: number }[]
  readonly reference: number
  /** Ratios are drawn on a scale on which a half and a double are as far from 1. */
  readonly isRatio: boolean
}
