import type { Store } from '@spanledger/store'

import type { Answer, Cell, Row } from '../query/answer.ts'
import { openFrame, type Clock, type Frame } from '../read/frame.ts'
import type { Period } from '../query/period.ts'
import { parseReportParams, wholeWhere, type ReportParams } from '../report-params.ts'
import type { Interval } from '../statistics/proportions.ts'
import type { Recommendation } from './recommendation.ts'

/** What a rule looks at. */
export interface RuleAsked {
  readonly store: Store
  /** As of the end of what is known of the period. */
  readonly clock: Clock
  readonly period: Period & { readonly since: string; readonly until: string }
  /** The filters that every section was asked with. */
  readonly params: ReportParams
  /** All rows of each. */
  readonly sections: ReadonlyMap<string, Answer>
}

export type Rule = (asked: RuleAsked) => Recommendation[] | Promise<Recommendation[]>

/** A recommendation but for what all of them have. */
export function recommendation({
  interval,
  ...words
}: Omit<Recommendation, 'reads' | 'ci_low' | 'ci_high'> & { readonly interval: Interval | null }): Recommendation {
  const { interval_of: of, ...rest } = words
  return { ...rest, ci_low: interval?.[0] ?? null, ci_high: interval?.[1] ?? null, interval_of: of, reads: 'association' }
}

/** A number of a row; undefined where it is unknown. */
export function numberIn(row: Row | undefined, name: string): number | undefined {
  const value: Cell | undefined = row?.[name]
  return typeof value === 'number' ? value : undefined
}

export function percent(rate: number): string {
  return `${(rate * 100).toFixed(1)} %`
}

/** The calls that the sections are about. */
export function frameOf({ store, clock, period: { since, until }, params }: RuleAsked): Promise<Frame> {
  const query = parseReportParams({ ...params, since, until }, clock.segmentation)
  return openFrame(store, clock, { ...query, where: wholeWhere(query) })
}
