import { groupBy } from '../../sums/group-by.ts'
import { intervalInWords, intervalLabel, startOfInterval, type Interval } from '../../behavior/user-history.ts'
import type { ColumnTable } from '../answers/told.ts'

/** The column in front where rows are split by when users came. */
export function cohortColumn(interval: Interval | undefined, when: string): ColumnTable {
  return interval === undefined ? {} : { cohort: ['Cohort', 'date', `${when} lies in this local ${intervalInWords(interval)}`] }
}

/** Rows of all, or of those of each interval; nobody has no rows. */
export function byCohort<Thing, Row extends Record<string, unknown>>(
  things: readonly Thing[],
  { interval, dayOf }: { readonly interval: Interval | undefined; readonly dayOf: (thing: Thing) => number },
  rowsOf: (things: readonly Thing[]) => readonly Row[],
): Row[] {
  if (things.length === 0) return []
  if (interval === undefined) return [...rowsOf(things)]
  const cohorts = [...groupBy(things, (thing) => startOfInterval(interval, dayOf(thing)))].sort(([a], [b]) => a - b)
  return cohorts.flatMap(([start, own]) => rowsOf(own).map((row) => Object.assign({ cohort: intervalLabel(interval, start) }, row)))
}
