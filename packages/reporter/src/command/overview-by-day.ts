import type { Answer, Column, ReportParams, Row } from '@spanledger/analytics'

import { everyStep } from '../chart/every-step.ts'
import type { Sheet } from '../format/sheet.ts'
import { shown } from '../format/shown.ts'
import { sparkline } from '../format/sparkline.ts'

const DAYS = 28
const metrics: readonly string[] = ['requests', 'users', 'cost_usd', 'total_tokens', 'error_rate', 'latency_p95_ms']

/** How an overview is asked for by day. */
export function byDayParams(params: ReportParams): ReportParams {
  return { ...params, by: ['time:day'], compare: undefined, order_by: undefined, having: undefined, limit: undefined, other: undefined }
}

/** The last days of an overview as lines of characters; days without calls are 0, or a space where there is no number. */
export function byDayTrends(answer: Answer, { ascii }: { ascii: boolean }): Sheet {
  const rows = lastDays(answer)
  const drawn = metrics.flatMap((key) => answer.columns.find((column) => column.key === key) ?? [])
  return {
    title: `The last ${rows.length} days`,
    columns: [
      { key: 'metric', type: 'string', label: 'By day' },
      { key: 'trend', type: 'string', label: 'Trend' },
      { key: 'least', type: 'string', label: 'Least' },
      { key: 'most', type: 'string', label: 'Most' },
    ],
    rows: drawn.map((column) => trendRow(rows, column, ascii)),
    notes: [],
  }
}

/** The last days of an overview, for charts. */
export function byDaySheet(answer: Answer): Sheet {
  const columns = ['day', ...metrics].flatMap((key) => answer.columns.find((column) => column.key === key) ?? [])
  return { title: 'By day', report: 'query', columns, rows: lastDays(answer), notes: [] }
}

function trendRow(rows: readonly Row[], column: Column, ascii: boolean): Row {
  const isCounted = column.type === 'int' || column.type === 'usd'
  const values = rows.map((row) => {
    const cell = row[column.key]
    return cell === null || cell === undefined ? (isCounted ? 0 : null) : Number(cell)
  })
  const known = values.filter((value) => value !== null)
  const said = (value: number): string => shown(column.type === 'usd' ? value.toFixed(9) : value, column, { ascii })
  return {
    metric: column.label,
    trend: sparkline(values, { ascii }),
    least: known.length === 0 ? null : said(Math.min(...known)),
    most: known.length === 0 ? null : said(Math.max(...known)),
  }
}

/** The last days of the period, those without calls too. */
function lastDays({ rows, meta }: Answer): Row[] {
  const { from, tz } = meta
  // Days to come have no calls yet, which is not the same as none.
  const to = meta.to < meta.as_of ? meta.to : meta.as_of
  // A period that has not begun has no days.
  const [first, last] = [dayOf(Date.parse(from), tz), dayOf(Math.max(Date.parse(from), Date.parse(to) - 1), tz)]
  const byDay = new Map(rows.map((row) => [String(row['day']), row]))
  return everyStep([{ day: first }, { day: last }], 'day')
    .slice(first === last ? -1 : -DAYS)
    .map(({ day = null }) => byDay.get(String(day)) ?? { day })
}

function dayOf(ms: number, timeZone: string): string {
  const parts = new Map(
    new Intl.DateTimeFormat('en', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' })
      .formatToParts(ms)
      .map(({ type, value }) => [type, value]),
  )
  return `${parts.get('year')}-${parts.get('month')}-${parts.get('day')}`
}
