import type { Analytics, Answer, ReportParams } from '@spanledger/analytics'

import { columnsNamed } from '../command/asking.ts'
import { escapeHtml } from '../format/escape-html.ts'
import { sheetHtml } from '../format/html.ts'
import { notesOf } from '../format/write-answer.ts'

/** What the page's form says. */
export interface OverviewQuery {
  readonly last: string
  readonly since: string
  readonly until: string
  readonly by: string
  readonly where: string
}

const DEFAULT_LAST = '28d'
const ROWS = 25

interface Part {
  readonly title: string
  readonly report: string
  readonly params?: ReportParams
  readonly columns: readonly string[]
}

/** The page: users, properties, models, sessions of a period. Plain HTML, rendered here; nothing runs in the browser. */
export async function renderOverview(analytics: Analytics, query: OverviewQuery): Promise<string> {
  const { last, since, until, by, where } = query
  const period: ReportParams =
    since !== '' || until !== ''
      ? { since: since || undefined, until: until || undefined }
      : last === 'all'
        ? {}
        : { last: last || DEFAULT_LAST }
  const asked = { ...period, where: where === '' ? undefined : where, limit: ROWS, other: true }
  const sections: string[] = []
  let first: Answer | undefined
  for (const { title, report, params, columns } of partsFor(by)) {
    const answer = await analytics.report(report, { ...asked, ...params })
    first ??= answer
    const chosen = columnsNamed(answer, [...new Set([...answer.columns.slice(0, dimensionsOf(answer)).map(({ key }) => key), ...columns])])
    const shown = answer.rows.length < answer.meta.rows ? [`${answer.rows.length} of ${answer.meta.rows} rows; the total is of all`] : []
    sections.push(
      sheetHtml(
        { title, report, columns: chosen, rows: answer.rows, totals: answer.totals, other: answer.other, notes: shown },
        { id: `part-${sections.length + 1}`, level: 2 },
      ),
    )
  }
  return page(query, [...(first === undefined ? [] : [headOf(first)]), ...sections].join(''))
}

/** The page with its form, and a sentence of what is wrong in it. */
export function renderMistake(query: OverviewQuery, message: string): string {
  return page(query, `<p class="note error">${escapeHtml(message)}</p>\n`)
}

const figures = [
  'requests',
  'users',
  'cost_usd',
  'cost_per_user_usd',
  'total_tokens',
  'latency_avg_ms',
  'latency_p95_ms',
  'error_rate',
  'unpriced_requests',
]

function partsFor(by: string): Part[] {
  const properties =
    by === ''
      ? [['plan'], ['feature'], ['environment']]
      : [
          by
            .split(',')
            .map((key) => key.trim())
            .filter((key) => key !== ''),
        ]
  return [
    {
      title: 'Users',
      report: 'users',
      columns: [
        'user',
        'segment',
        'requests',
        'cost_usd',
        'cost_share',
        'total_tokens',
        'error_rate',
        'active_days',
        'sessions',
        'latency_p95_ms',
        'top_model',
        'top_feature',
        'last_seen',
      ],
    },
    ...properties.map((keys): Part => ({
      title: `By ${keys.join(' and ')}`,
      report: 'properties',
      params: { by: keys.map((key) => (key.includes(':') ? key : `property:${key}`)) },
      columns: figures,
    })),
    { title: 'Models', report: 'models', columns: [...figures, 'ttft_p50_ms'] },
    {
      title: 'Sessions',
      report: 'sessions',
      columns: ['user', 'requests', 'cost_usd', 'total_tokens', 'started_at', 'duration_ms', 'errors'],
    },
  ]
}

function dimensionsOf({ columns }: Answer): number {
  return columns.findIndex(({ key }) => key === 'requests')
}

function headOf(answer: Answer): string {
  const { meta } = answer
  const notes = notesOf({ ...answer, meta: { ...meta, rows: answer.rows.length } })
  return `<p>${escapeHtml(meta.from)} to ${escapeHtml(meta.to)}, days of ${escapeHtml(meta.tz)}</p>
${notes.map((note) => `<p class="note">${escapeHtml(note)}</p>\n`).join('')}`
}

const lengths = ['1d', '7d', '28d', '12w', '12mo', 'all'] as const

function page(query: OverviewQuery, content: string): string {
  const input = (name: keyof OverviewQuery, label: string, attributes: string): string =>
    `<label>${label}<input name="${name}" value="${escapeHtml(query[name])}" ${attributes}></label>`
  const options = lengths
    .map((length) => `<option${(query.last || DEFAULT_LAST) === length ? ' selected' : ''}>${length}</option>`)
    .join('')
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Spanledger</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<main>
<h1>Spanledger</h1>
<form method="get" action="/">
<label>Last<select name="last">${options}</select></label>
${input('since', 'or since', 'placeholder="2026-01-01"')}
${input('until', 'until', 'placeholder="2026-01-31"')}
${input('by', 'Properties', 'placeholder="plan,feature"')}
${input('where', 'Only', 'placeholder="environment = production" size="32"')}
<button>Show</button>
</form>
${content}</main>
</body>
</html>
`
}
