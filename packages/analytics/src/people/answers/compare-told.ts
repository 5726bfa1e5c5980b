import { change } from '../../query/answer.ts'
import { isNumeric } from '../../query/metric.ts'
import { previousPeriod, type CompareMode } from '../../query/period.ts'
import { comparingColumns } from '../../query/query-columns.ts'
import { openFrame, type Frame, type FrameWords } from '../../read/frame.ts'
import type { ColumnTable, Told, Value } from './told.ts'

/** The frame of the period before, asked as it was when that period ended, of the same users where a filter chooses them by what they did. */
export async function frameBefore(frame: Frame, words: FrameWords, mode: CompareMode): Promise<Frame> {
  const { fromMs, toMs } = previousPeriod(frame.period, frame.zone, mode)
  const period = { since: new Date(fromMs).toISOString(), until: new Date(toMs).toISOString(), last: undefined }
  const clock = { ...frame.clock, asOfMs: Math.min(toMs, frame.clock.asOfMs) }
  return {
    ...(await openFrame(frame.store, clock, { ...words, ...period })),
    memberships: frame.memberships,
    latest: frame.latest,
    where: frame.where,
  }
}

/**
 * Each number of a report with what it was in the period before (`_previous`, null where that has no such row) and how it
 * changed (`_change`, a ratio). A row is compared with the row of the same texts; of several, as steps of time are, the
 * n-th with the n-th. Where rows begin with a number, as the days of stickiness do, that is their name.
 */
export function besideBefore(now: Told, before: Told): Told {
  const [first = ''] = Object.keys(now.columns)
  const isName = (key: string): boolean => now.columns[key]?.[1] === 'string' || (key === first && now.rows.length > 1)
  const isCompared = (key: string): boolean => isNumeric(now.columns[key]?.[1] ?? 'string') && !isName(key)
  const isText = (key: string): boolean => isName(key) && now.columns[key]?.[1] !== 'date' && now.columns[key]?.[1] !== 'time'
  const rowsBefore = new Map(numbered(before, isText))
  const pair = (row: Row, previous: Row | undefined): Row =>
    Object.fromEntries(
      Object.entries(row).flatMap(([key, value]): [string, Value][] => {
        if (!isCompared(key)) return [[key, value]]
        const earlier = previous?.[key] ?? null
        return [
          [key, value],
          [`${key}_previous`, earlier],
          [`${key}_change`, typeof value === 'boolean' || typeof earlier === 'boolean' ? null : change(value, earlier)],
        ]
      }),
    )
  return {
    ...now,
    columns: withComparison(now.columns, isCompared),
    rows: numbered(now, isText).map(([name, row]) => pair(row, rowsBefore.get(name))),
    ...(now.totals === undefined ? {} : { totals: pair(now.totals, before.totals) }),
  }
}

type Row = Readonly<Record<string, Value>>

/** Each row by its texts, and its number among those with the same. */
function numbered({ columns, rows }: Told, isText: (key: string) => boolean): [string, Row][] {
  const texts = Object.keys(columns).filter(isText)
  const counts = new Map<string, number>()
  return rows.map((row) => {
    const name = JSON.stringify(texts.map((key) => row[key] ?? null))
    const n = counts.get(name) ?? 0
    counts.set(name, n + 1)
    return [`${name} ${n}`, row]
  })
}

function withComparison(columns: ColumnTable, isCompared: (key: string) => boolean): ColumnTable {
  const all: Record<string, ColumnTable[string]> = {}
  for (const [key, column] of Object.entries(columns)) {
    all[key] = column
    if (!isCompared(key)) continue
    const [label, type] = column
    for (const one of comparingColumns({ key, label, type })) all[one.key] = [one.label, one.type, one.says]
  }
  return all
}
