import { rmSync } from 'node:fs'
import { join } from 'node:path'

import {
  isComposite,
  openAnalytics,
  reportList,
  type Analytics,
  type Column,
  type ReportParams,
  type Row,
  type Section,
} from '@spanledger/analytics'
import { openStore, type Store } from '@spanledger/store'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { Chart } from '../src/chart/chart.ts'
import { chartsOf } from '../src/chart/choose-charts.ts'
import { drawChart } from '../src/chart/draw-chart.ts'
import { everyStep } from '../src/chart/every-step.ts'
import { seriesStyles } from '../src/chart/series-style.ts'
import { cutText } from '../src/format/cut-text.ts'
import { heatLevel } from '../src/format/heat.ts'
import { formatAnswer } from '../src/format/write-answer.ts'
import { formatComposite } from '../src/format/write-composite.ts'
import { temporaryFolder, writeLedger } from './run-command.ts'

const column = (key: string, type: Column['type'], label = key): Column => ({ key, type, label })
const sheet = (report: string, columns: Column[], rows: Row[]) => ({ title: report, report, columns, rows, notes: [] })

function drawn(chart: Chart | undefined): string {
  if (chart === undefined) throw new Error('there is no chart')
  return drawChart(chart, 'c')
}

describe('a breakdown', () => {
  const plans = sheet(
    'properties',
    [column('plan', 'string'), column('requests', 'int'), column('cost_usd', 'usd', 'Cost')],
    [
      { plan: 'pro', requests: 1, cost_usd: '4.000000000' },
      { plan: 'free', requests: 9, cost_usd: '1.000000000' },
      { plan: 'local', requests: 9, cost_usd: null },
    ],
  )

  it('is drawn as bars of what it costs, each as long as its part of the largest', () => {
    const [chart, ...more] = chartsOf(plans)
    expect(more).toEqual([])
    expect(chart).toMatchObject({
      kind: 'bars',
      title: 'Cost by plan',
      bars: [
        { name: 'pro', value: 4 },
        { name: 'free', value: 1 },
        { name: 'local', value: null },
      ],
    })
    const widths = Array.from(drawn(chart).matchAll(/<rect [^>]*width="([\d.]+)"/g), ([, width]) => Number(width))
    expect(widths).toEqual([420, 105, 0])
    expect(drawn(chart)).toContain('>$4.00</text>')
    expect(drawn(chart)).toMatch(/<desc id="c-desc">Bars\. pro: \$4\.00; free: \$1\.00; local: -\. The table has every number\.<\/desc>/)
  })

  it('is not drawn of one row, of none, and of no known report', () => {
    expect(chartsOf({ ...plans, rows: plans.rows.slice(0, 1) })).toEqual([])
    expect(chartsOf({ ...plans, rows: [] })).toEqual([])
    expect(chartsOf({ ...plans, report: undefined })).toEqual([])
  })

  it('says how many bars are not drawn', () => {
    const rows = Array.from({ length: 30 }, (_, n) => ({ plan: `p${n}`, requests: 1, cost_usd: '1.000000000' }))
    const [chart] = chartsOf({ ...plans, rows })
    expect(drawn(chart).match(/<rect /g)).toHaveLength(20)
    expect(drawn(chart)).toContain('<figcaption>20 of 30 are drawn.</figcaption>')
  })

  it('has bars of losses on the other side of 0', () => {
    const rows = [
      { plan: 'a', requests: 1, cost_usd: '-1.000000000' },
      { plan: 'b', requests: 1, cost_usd: '1.000000000' },
    ]
    const [a, b] = Array.from(drawn(chartsOf({ ...plans, rows })[0]).matchAll(/<rect x="([\d.]+)"[^>]*width="([\d.]+)"/g), (match) =>
      match.slice(1).map(Number),
    )
    expect(a?.[1]).toBe(b?.[1])
    expect((a?.[0] ?? 0) + (a?.[1] ?? 0)).toBe(b?.[0])
  })
})

describe('a series over time', () => {
  const byDay = (rows: Row[], ...columns: Column[]) => sheet('query', [column('day', 'date', 'Day'), ...columns], rows)

  it('is a line that is broken where a step has no row', () => {
    const rows = [
      { day: '2026-03-01', requests: 2 },
      { day: '2026-03-02', requests: 4 },
      { day: '2026-03-05', requests: 8 },
    ]
    const [chart] = chartsOf(byDay(rows, column('requests', 'int', 'Requests')))
    expect(chart).toMatchObject({
      kind: 'line',
      x: { type: 'time', values: ['2026-03-01', '2026-03-02', '2026-03-03', '2026-03-04', '2026-03-05'] },
      series: [{ name: 'Requests', values: [2, 4, null, null, 8] }],
    })
    const [, path = ''] = /<path d="([^"]*)" class="l0"/.exec(drawn(chart)) ?? []
    expect(path.match(/M/g)).toHaveLength(2)
    expect(drawn(chart)).toContain('Requests: from 2 to 8, least 2, most 8')
  })

  it('has a chart for each metric, and a line for each of the six largest values of what splits it', () => {
    const rows = Array.from({ length: 8 }, (_, n) => ({ day: '2026-03-01', plan: `p${n}`, requests: n, cost_usd: `${n}.000000000` }))
    const charts = chartsOf(byDay(rows, column('plan', 'string'), column('requests', 'int', 'Requests'), column('cost_usd', 'usd', 'Cost')))
    expect(charts.map(({ title }) => title)).toEqual(['Requests by plan', 'Cost by plan'])
    const [chart] = charts
    expect(chart?.kind === 'line' ? chart.series.map(({ name }) => name) : []).toEqual(['p7', 'p6', 'p5', 'p4', 'p3', 'p2'])
    expect(drawn(chart)).toContain('6 of 8 are drawn.')
  })

  it('tells lines apart by dashes and shapes, so that it can be read without colours', () => {
    const rows = [{ date: '2026-03-01', dau: 1, wau: 2, mau: 3, stickiness: 0.5 }]
    const charts = chartsOf(
      sheet(
        'active',
        [column('date', 'date'), column('dau', 'int'), column('wau', 'int'), column('mau', 'int'), column('stickiness', 'rate')],
        rows,
      ),
    )
    expect(charts.map((chart) => (chart.kind === 'line' ? chart.series.length : 0))).toEqual([3, 1])
    expect(new Set(seriesStyles.map(({ dash }) => dash)).size).toBe(seriesStyles.length)
    expect(new Set(seriesStyles.map(({ symbol }) => symbol)).size).toBe(seriesStyles.length)
    const shapes = Array.from(drawn(charts[0]).matchAll(/<path d="([^"]*)" transform/g), ([, shape]) => shape)
    expect(new Set(shapes).size).toBe(3)
  })

  it('of no values is an empty chart, not NaN', () => {
    const [chart] = chartsOf(byDay([{ day: '2026-03-01', cost_usd: null }], column('cost_usd', 'usd')))
    expect(drawn(chart)).not.toContain('NaN')
    expect(drawn(chart)).toContain('cost_usd: no values')
  })

  it('has every step of time, also from month to month over the end of a year', () => {
    expect(everyStep([{ month: '2026-02' }, { month: '2025-11' }], 'month')).toEqual(
      ['2025-11', '2025-12', '2026-01', '2026-02'].map((month) => ({ month })),
    )
    expect(everyStep([{ week: '2026-03-02' }, { week: '2026-03-16' }], 'week')).toHaveLength(3)
    expect(everyStep([{ hour: '2026-03-01T22:00:00.000Z' }, { hour: '2026-03-02T01:00:00.000Z' }], 'hour')).toHaveLength(4)
  })
})

it('a share alone has its interval around it, and rows of few users without a time are not drawn', () => {
  const columns = [column('month', 'date'), column('error_rate', 'rate')].concat(
    ['numerator', 'denominator'].map((part) => column(`error_rate_${part}`, 'int')),
    ['low', 'high'].map((part) => column(`error_rate_${part}`, 'rate')),
  )
  const row = (month: string | null, rate: number): Row => ({
    month,
    error_rate: rate,
    error_rate_low: rate / 2,
    error_rate_high: rate * 2,
  })
  const charts = chartsOf(sheet('query', columns, [row('2026-01', 0.1), row(null, 0.9), row('2026-02', 0.2)]))
  expect(charts).toEqual([
    expect.objectContaining({
      x: expect.objectContaining({ values: ['2026-01', '2026-02'] }) as unknown,
      series: [{ name: 'error_rate', values: [0.1, 0.2] }],
      bands: [{ name: '95 % interval', low: [0.05, 0.1], high: [0.2, 0.4] }],
    }),
  ])
})

it('a forecast is a line of the days to come with both bands, the month left out', () => {
  const columns = ['actual', 'expected', 'low_80', 'high_80', 'low_95', 'high_95'].map((key) => column(key, 'number'))
  const row = (date: string, expected: number): Row => ({ date, actual: null, expected, low_80: 1, high_80: 3, low_95: 0, high_95: 4 })
  const [chart] = chartsOf(
    sheet('forecast', [column('date', 'date'), ...columns], [row('2026-03', 60), row('2026-03-30', 2), row('2026-03-31', 2)]),
  )
  expect(chart).toMatchObject({
    x: { values: ['2026-03-30', '2026-03-31'] },
    series: [{ values: [2, 2] }],
    bands: [
      { low: [0, 0], high: [4, 4] },
      { low: [1, 1], high: [3, 3] },
    ],
  })
  expect(drawn(chart).match(/<path d="[^"]+" class="band"/g)).toHaveLength(2)
})

describe('an experiment', () => {
  const columns = [
    column('variant', 'string'),
    column('users', 'int'),
    column('difference', 'number', 'Difference'),
    column('ci_low', 'number'),
    column('ci_high', 'number'),
  ]

  it('is drawn as intervals beside no difference, the control left out', () => {
    const [chart] = chartsOf(
      sheet('experiments', columns, [
        { variant: 'control', users: 200, difference: null, ci_low: null, ci_high: null },
        { variant: 'b', users: 200, difference: 1, ci_low: -1, ci_high: 3 },
      ]),
    )
    expect(chart).toMatchObject({ kind: 'intervals', reference: 0, marks: [{ name: 'b', value: 1, low: -1, high: 3 }] })
    expect(drawn(chart)).toContain('>1 (-1 to 3)</text>')
    expect(drawn(chart)).toContain('0: no difference')
  })

  it('without an interval is not drawn', () => {
    expect(
      chartsOf(sheet('experiments', columns, [{ variant: 'control', users: 2, difference: null, ci_low: null, ci_high: null }])),
    ).toEqual([])
  })
})

it('ratios stand as far from 1 when they halve as when they double', () => {
  const columns = [column('factor', 'string'), column('odds_ratio', 'number'), column('ci_low', 'number'), column('ci_high', 'number')]
  const svg = drawn(chartsOf(sheet('retention_insights', columns, [{ factor: 'chat', odds_ratio: 1, ci_low: 0.5, ci_high: 2 }]))[0])
  const [, low, high] = /<line x1="([\d.]+)" x2="([\d.]+)"[^>]*class="l0"/.exec(svg) ?? []
  const [, one] = /<line x1="([\d.]+)"[^>]*class="reference"/.exec(svg) ?? []
  expect(Number(one) - Number(low)).toBeCloseTo(Number(high) - Number(one), 0)
})

describe('the shade of a cohort', () => {
  const shade = (value: number | null, key = 'w4', report = 'cohorts'): number | undefined => heatLevel(value, { report }, { key })

  it('grows with the share, and is none where there is no share', () => {
    expect([0, 0.19, 0.2, 0.59, 0.99, 1].map((value) => shade(value))).toEqual([0, 0, 1, 2, 4, 4])
    expect([shade(null), shade(0.5, 'size'), shade(0.5, 'w4', 'users')]).toEqual([undefined, undefined, undefined])
  })
})

describe('colours', () => {
  const luminance = (color: string): number => {
    const [r = 0, g = 0, b = 0] = [1, 3, 5]
      .map((at) => Number.parseInt(color.slice(at, at + 2), 16) / 255)
      .map((part) => (part <= 0.040_45 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const contrast = (a: string, b: string): number => {
    const [dark = 0, light = 0] = [luminance(a), luminance(b)].toSorted((x, y) => x - y)
    return (light + 0.05) / (dark + 0.05)
  }

  it('of lines have the contrast that WCAG asks of graphics, on paper and on black', () => {
    for (const { light, dark } of seriesStyles) {
      expect(contrast(light, '#ffffff')).toBeGreaterThan(3)
      expect(contrast(dark, '#121212')).toBeGreaterThan(3)
    }
  })
})

describe('names from data', () => {
  it('are cut between characters as people see them, wide ones counted as two', () => {
    expect(cutText('abcdef', 6)).toBe('abcdef')
    expect(cutText('abcdefg', 6)).toBe('abcde…')
    expect(cutText('日本語日本語', 6)).toBe('日本…')
    expect(cutText('日本語', 6)).toBe('日本語')
    expect(cutText('abcdefg', 6, '...')).toBe('abc...')
    expect(cutText('e\u0301'.repeat(9), 4)).toBe(`${'e\u0301'.repeat(3)}…`)

    expect(cutText('👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦', 4)).toBe('👩‍👩‍👧‍👦…')
  })

  it.each([
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    "' onload='alert(1)",
    '\u202Eabc</text>',
    '&lt;',
    'x'.repeat(10_000),
  ])('cannot leave their place in a chart (%.20s)', (name) => {
    const columns = [column('plan', 'string'), column('requests', 'int')]
    const shape = (text: string): string => {
      const rows = [
        { plan: text, requests: 1 },
        { plan: 'b', requests: 2 },
      ]
      return drawn(chartsOf(sheet('properties', columns, rows))[0])
    }
    // The same elements with the same attributes, whatever the text says.
    expect(shape(name).match(/<[^>]*>/g)).toEqual(shape('a').match(/<[^>]*>/g))
    expect(shape(name)).not.toMatch(/\u202E|<script|<img/)
    expect(shape(name).length).toBeLessThan(4000)
  })
})

describe('the page of every report', () => {
  const folder = temporaryFolder()
  let store: Store
  let analytics: Analytics
  beforeAll(async () => {
    const calls = Array.from({ length: 200 }, (_, n) => ({
      at: new Date(Date.parse('2026-01-05T10:00:00Z') + n * 6 * 3_600_000).toISOString(),
      user: `user-${n % 7}`,
      session: `s-${n % 40}`,
      model: n % 3 === 0 ? 'gpt-4o' : 'nobody-prices-this',
      status: n % 9 === 0 ? ('error' as const) : ('ok' as const),
      properties: { plan: n % 2 === 0 ? 'pro' : 'free', feature: n % 5 === 0 ? 'chat' : 'search' },
    }))
    store = await openStore({ path: await writeLedger(join(folder, 'ledger.db'), calls), readOnly: true })
    analytics = openAnalytics(store, { now: () => Date.parse('2026-03-10T00:00:00Z') })
  })
  afterAll(async () => {
    await store.close()
    rmSync(folder, { recursive: true })
  })

  const needed: Readonly<Record<string, ReportParams>> = {
    properties: { by: ['property:plan'] },
    bias: { by: ['property:plan'] },
    user: { user: 'user-1' },
    user_profile: { user: 'user-1' },
    tiers: { options: { tiers: '{"free":{"monthly_request_limit":10}}' } },
    funnel: { options: { steps: 'first_request, feature = chat' } },
  }

  const style = { decorated: false, header: true, preferred: ({ answer }: Section) => answer.columns.map(({ key }) => key) }
  const pageOf = async (name: string, params: ReportParams): Promise<string> =>
    isComposite(name)
      ? formatComposite(await analytics.composite(name, params), 'html', style)
      : formatAnswer(await analytics.report(name, params), 'html', style)

  it.each(reportList)('of $name has numbers everywhere, and no id twice', async ({ name, isOfOwnTime }) => {
    // Those of one day, week, month or quarter are asked for by a date; some are about a time of their own.
    const isOfDate = isComposite(name) && !name.endsWith('dashboard') && name !== 'user_profile'
    const other: ReportParams = isOfDate ? { options: { date: '2026-02-04' } } : isOfOwnTime ? {} : { last: '1d' }
    for (const period of [{}, other]) {
      const html = await pageOf(name, { ...needed[name], ...period })
      expect(html).not.toMatch(/NaN|Infinity|undefined/)
      const ids = Array.from(html.matchAll(/ id="([^"]*)"/g), ([, id]) => id)
      expect(new Set(ids).size).toBe(ids.length)
    }
  })
})
