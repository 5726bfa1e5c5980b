import type { Cell, Column, Row } from '@spanledger/analytics'

import type { Sheet } from '../format/sheet.ts'
import { shown } from '../format/shown.ts'
import type { BarChart, Chart, IntervalChart, LineChart } from './chart.ts'
import { everyStep } from './every-step.ts'
import { seriesStyles } from './series-style.ts'

/** What a report is drawn as, where its columns alone do not say it. */
interface Picture {
  /** Columns that are lines of one chart; each group a chart of its own. */
  readonly lines?: readonly (readonly string[])[]
  readonly bars?: string
  /** The columns that name a bar, where they are not those before the first number. */
  readonly named?: readonly string[]
  /** An estimate, and the value that means no difference. */
  readonly interval?: {
    readonly value: string
    readonly reference: number
    readonly isRatio: boolean
    readonly named: readonly string[]
    /** The column that says what the value is of: what does not share that of the first row has another unit and is left to the table. */
    readonly of?: string
  }
  readonly none?: true
}

const pictures: Readonly<Record<string, Picture>> = {
  active: { lines: [['dau', 'wau', 'mau'], ['stickiness']] },
  growth: { lines: [['active', 'new', 'resurrected', 'dormant']] },
  business: {
    lines: [
      ['revenue_usd', 'cost_usd', 'margin_usd'],
      ['active_users', 'paying_users'],
    ],
  },
  nps: { lines: [['nps']] },
  stickiness: { bars: 'users' },
  evolution: { lines: [['requests_per_day'], ['session_length_avg_s']] },
  thresholds: { lines: [['phi']] },
  experiments: { interval: { value: 'difference', reference: 0, isRatio: false, named: ['variant'], of: 'metric' } },
  retention_insights: { interval: { value: 'odds_ratio', reference: 1, isRatio: true, named: ['factor'] } },
  bias: { interval: { value: 'ratio', reference: 1, isRatio: true, named: ['group', 'measure'] } },
  segments: { bars: 'users' },
  funnel: { bars: 'rate', named: ['cohort', 'step'] },
  onboarding: { bars: 'rate' },
  milestones: { bars: 'rate' },
  tasks: { bars: 'completion_rate', named: ['name', 'step'] },
  tiers: { bars: 'used_share' },
  benchmark: { bars: 'requests_percentile', named: ['user', 'tier', 'tenure'] },
  seasonal: { bars: 'mean_requests' },
  adoption: { bars: 'tried' },
  friction: { bars: 'share' },
  errors: { bars: 'requests' },
  quality: { bars: 'satisfaction' },
  anomalies: { bars: 'requests' },
  // A table of its own says more: shares with their shade, or sentences.
  cohorts: { none: true },
  segment_members: { none: true },
  user: { none: true },
}

const MAX_BARS = 20
const MAX_LINE_CHARTS = 4

/** The charts of a table: of a known report what it is about, of any other what its columns allow. */
export function chartsOf(sheet: Sheet): Chart[] {
  if (sheet.report === undefined || sheet.rows.length === 0) return []
  if (sheet.report === 'forecast') return forecastChart(sheet)
  const picture = pictures[sheet.report] ?? {}
  if (picture.none === true) return []
  if (picture.interval !== undefined) return intervalChart(sheet, picture.interval)
  const along = sheet.columns.find(
    ({ type, key }) => type === 'date' || type === 'time' || (type === 'int' && (key === 'week' || key === 'at_least')),
  )
  if (along !== undefined && (picture.lines !== undefined || (sheet.columns[0] === along && picture.bars === undefined)))
    return lineCharts(sheet, along, picture.lines)
  return barChart(sheet, picture)
}

function forecastChart(sheet: Sheet): Chart[] {
  // The first row is the month, the others its days to come.
  const days = sheet.rows.filter((row) => String(row['date']).length > 'YYYY-MM'.length)
  const values = (key: string): (number | null)[] => days.map((row) => numberOf(row[key]))
  const column = sheet.columns.find(({ key }) => key === 'expected')
  if (column === undefined || days.length === 0) return []
  const band = (level: number): LineChart['bands'][number] => ({
    name: `${level} % of the time`,
    low: values(`low_${level}`),
    high: values(`high_${level}`),
  })
  const x = { label: 'Date', type: 'time', values: days.map((row) => String(row['date'])) } as const
  return [
    {
      kind: 'line',
      title: 'Days to come',
      column,
      x,
      series: [{ name: column.label, values: values('expected') }],
      bands: [band(95), band(80)],
    },
  ]
}

function intervalChart({ columns, rows }: Sheet, { value, reference, isRatio, named, of }: NonNullable<Picture['interval']>): Chart[] {
  const column = columns.find(({ key }) => key === value)
  if (column === undefined) return []
  const drawn = of === undefined ? rows : rows.filter((row) => row[of] === rows[0]?.[of])
  const marks = drawn.flatMap((row): IntervalChart['marks'] => {
    const [at, low, high] = [value, 'ci_low', 'ci_high'].map((key) => numberOf(row[key]))
    if (at === null || at === undefined || low === null || low === undefined || high === null || high === undefined) return []
    if (isRatio && low <= 0) return []
    return [
      {
        name: nameOf(
          row,
          columns.filter(({ key }) => named.includes(key)),
        ),
        value: at,
        low,
        high,
      },
    ]
  })
  if (marks.length === 0) return []
  const title = `${column.label}, with 95 % intervals`
  return [
    { kind: 'intervals', title, column, marks: marks.slice(0, MAX_BARS), reference, isRatio, leftOut: leftOut(marks.length, MAX_BARS) },
  ]
}

/** One chart for each group of columns; where another dimension splits the rows, one for each column, with a line for each of its values. */
function lineCharts(sheet: Sheet, along: Column, groups: Picture['lines']): Chart[] {
  // Rows of few users that are told as one have no time.
  const placed = sheet.rows.filter((row) => row[along.key] !== null)
  const rows = along.type === 'date' || along.type === 'time' ? everyStep(placed, along.key) : placed
  const others = sheet.columns.filter(({ type, key }) => type === 'string' && key !== along.key && !TEXT_OF_ROWS.has(key))
  const known = (keys: readonly string[]): Column[] => keys.flatMap((key) => sheet.columns.find((column) => column.key === key) ?? [])
  const drawn =
    groups?.map(known) ??
    sheet.columns
      .filter((column) => column !== along && isMeasure(column) && !isPartOfShare(column, sheet.columns))
      .slice(0, MAX_LINE_CHARTS)
      .map((column) => [column])
  return drawn
    .filter((columns) => columns.length > 0)
    .flatMap((columns) =>
      others.length === 0 || groups !== undefined
        ? [linesOf(rows, along, { columns, all: sheet.columns })]
        : columns.map((column) => linesBy(rows, { along, column, others })),
    )
}

/** Words of a row that do not split the rows. */
const TEXT_OF_ROWS: ReadonlySet<string> = new Set(['features'])

function xOf(rows: readonly Row[], { key, label, type }: Column): LineChart['x'] {
  return {
    label,
    type: type === 'date' || type === 'time' ? 'time' : 'number',
    values: [...new Set(rows.map((row) => String(row[key])))],
  }
}

/** One line alone has its interval around it, where the table has one. */
function linesOf(
  rows: readonly Row[],
  along: Column,
  { columns, all }: { readonly columns: readonly Column[]; readonly all: readonly Column[] },
): LineChart {
  const [column, ...more] = columns as readonly [Column, ...Column[]]
  const valuesOf = (key: string): (number | null)[] => rows.map((row) => numberOf(row[key]))
  const [low, high] = ['low', 'high'].map((end) => all.find(({ key }) => key === `${column.key}_${end}`))
  return {
    kind: 'line',
    title: columns.map(({ label }) => label).join(', '),
    column,
    x: xOf(rows, along),
    series: columns.map(({ key, label }) => ({ name: label, values: valuesOf(key) })),
    bands: more.length > 0 || !low || !high ? [] : [{ name: '95 % interval', low: valuesOf(low.key), high: valuesOf(high.key) }],
  }
}

function linesBy(
  rows: readonly Row[],
  { along, column, others }: { readonly along: Column; readonly column: Column; readonly others: readonly Column[] },
): LineChart {
  const x = xOf(rows, along)
  const byName = new Map<string, Map<string, number | null>>()
  for (const row of rows.filter((one) => others.some(({ key }) => one[key] !== undefined))) {
    const name = nameOf(row, others)
    const values = byName.get(name) ?? new Map<string, number | null>()
    byName.set(name, values.set(String(row[along.key]), numberOf(row[column.key])))
  }
  const largest = [...byName].toSorted(([, a], [, b]) => sumOf(b) - sumOf(a)).slice(0, seriesStyles.length)
  return {
    kind: 'line',
    title: `${column.label} by ${others.map(({ label }) => label).join(', ')}`,
    column,
    x,
    series: largest.map(([name, values]) => ({ name, values: x.values.map((at) => values.get(at) ?? null) })),
    bands: [],
    leftOut: leftOut(byName.size, seriesStyles.length),
  }
}

function sumOf(values: ReadonlyMap<string, number | null>): number {
  return [...values.values()].reduce<number>((sum, one) => sum + (one ?? 0), 0)
}

function barChart({ columns, rows }: Sheet, { bars: wanted, named: names }: Picture): Chart[] {
  // What is unknown of every row is not drawn: where there is no price, requests are.
  const column = [wanted, 'cost_usd', ...columns.filter(isMeasure).map(({ key }) => key)]
    .flatMap((name) => columns.find(({ key }) => key === name) ?? [])
    .find(({ key }) => rows.some((row) => numberOf(row[key]) !== null))
  const end = columns.findIndex((one) => isMeasure(one))
  const before = columns.slice(0, end === 0 ? 1 : end).filter(({ type }) => type !== 'counts')
  const named = names === undefined ? before : columns.filter(({ key }) => names.includes(key))
  if (column === undefined || named.length === 0 || rows.length < 2) return []
  const bars: BarChart['bars'] = rows.slice(0, MAX_BARS).map((row) => ({ name: nameOf(row, named), value: numberOf(row[column.key]) }))
  const title = `${column.label} by ${named.map(({ label }) => label).join(', ')}`
  return [{ kind: 'bars', title, column, bars, leftOut: leftOut(rows.length, MAX_BARS) }]
}

function leftOut(all: number, most: number): string | undefined {
  return all > most ? `${most} of ${all} are drawn.` : undefined
}

const MEASURES: ReadonlySet<Column['type']> = new Set<Column['type']>(['int', 'number', 'rate', 'usd', 'ms', 's'])

function isMeasure({ type }: Column): boolean {
  return MEASURES.has(type)
}

/** Whether a column says what another rests on, or a bound of it. */
function isPartOfShare({ key }: Column, columns: readonly Column[]): boolean {
  const of = /^(.+)_(?:numerator|denominator|low|high)$/.exec(key)?.[1]
  return of !== undefined && columns.some((one) => one.key === of)
}

function nameOf(row: Row, named: readonly Column[]): string {
  return named.map((column) => shown(row[column.key], column)).join(' · ')
}

function numberOf(cell: Cell | undefined): number | null {
  if (cell === null || cell === undefined || typeof cell === 'object' || cell === '') return null
  const number = Number(cell)
  return Number.isFinite(number) ? number : null
}
