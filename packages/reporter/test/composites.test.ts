import { rmSync } from 'node:fs'
import { join } from 'node:path'

import {
  isComposite,
  openAnalytics,
  reportList,
  sectionNames,
  type Answer,
  type Composite,
  type CompositeName,
  type ReportParams,
  type Row,
  type Section,
} from '@spanledger/analytics'
import { readCall, readEvent, type SpanRecord } from '@spanledger/conventions'
import { openStore } from '@spanledger/store'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { preferredColumns } from '../src/command/preferred-columns.ts'
import { formatComposite } from '../src/format/write-composite.ts'
import { reportOf } from '../src/format/write-answer.ts'
import { sampleHistory } from '../src/demo/sample-history.ts'
import { lineOf, run, start, temporaryFolder, type Ran } from './run-command.ts'

const folder = temporaryFolder()
const path = join(folder, 'ledger.db')
const tiers = { free: { where: 'plan = free', monthly_request_limit: 100 }, paid: { monthly_request_limit: 5000 } }
/** The Wednesday after the first quarter. */
const AS_OF = '2026-04-01T09:00:00Z'

/** Two variants that users were shown, as an app's span says it. */
function exposed(n: number): SpanRecord {
  return {
    traceId: n.toString(16).padStart(32, '9'),
    spanId: n.toString(16).padStart(16, '9'),
    parentSpanId: undefined,
    name: 'spanledger.exposed',
    startMs: Date.parse('2026-02-10T00:00:00Z'),
    endMs: Date.parse('2026-02-10T00:00:00Z'),
    statusCode: 0,
    statusMessage: undefined,
    scopeName: 'test',
    scopeVersion: '1',
    attributes: {
      'user.id': `user-${String(n).padStart(4, '0')}`,
      'spanledger.experiment.key': 'new_chat_ui',
      'spanledger.experiment.variant': n % 2 === 0 ? 'control' : 'variant_a',
    },
    resourceAttributes: {},
    droppedAttributes: 0,
  }
}

beforeAll(async () => {
  const store = await openStore({ path })
  const history = sampleHistory({ until: Date.parse('2026-03-31T23:00:00Z'), weeks: 20, users: 120 })
  for (const spans of [...history, Array.from({ length: 100 }, (_, n) => exposed(n))]) {
    await store.write({
      calls: spans.flatMap((span) => readCall(span, 'app') ?? []).map((call) => Object.assign(call, { settled: true as const })),
      events: spans.flatMap((span) => readEvent(span, 'app') ?? []),
    })
  }
  await store.close()
}, 120_000)
afterAll(() => rmSync(folder, { recursive: true }))

const ask = (name: string, ...args: readonly string[]): Promise<Ran> => run(['report', name, ...args, '--store', path, '--as-of', AS_OF])
const composites = reportList.map(({ name }) => name).filter(isComposite)

/** What a section answers, or the rows of one. */
function rowsIn({ sections }: Composite, name: string): readonly Row[] {
  return sections.find((section) => section.name === name)?.answer.rows ?? []
}

async function composite(name: CompositeName, params: ReportParams = {}, asOf = AS_OF): Promise<Composite> {
  const store = await openStore({ path, readOnly: true })
  const all = { by: ['property:plan'], ...params, options: { tiers: JSON.stringify(tiers), ...params.options } }
  const found = await openAnalytics(store, { now: () => Date.parse(asOf) }).composite(name, all)
  await store.close()
  return found
}

/** The sentences of the document about user metrics that promise regular reports and dashboards, and where each is answered. */
const promised: readonly (readonly [words: string, composite: CompositeName, answeredBy: Readonly<Record<string, readonly string[]>>])[] = [
  [
    'Daily user activity - Active users and key metrics',
    'daily',
    {
      active: ['dau', 'wau', 'mau'],
      overview: ['requests', 'users', 'cost_usd', 'error_rate', 'latency_p95_ms', 'requests_change'],
      growth: ['new', 'dormant'],
    },
  ],
  [
    'Weekly trends - User behavior patterns and changes',
    'weekly',
    {
      growth: ['growth', 'churn'],
      behavior: ['peak_hours', 'favorite_features', 'preferred_models'],
      session_metrics: ['duration_avg_s', 'messages_per_session', 'return_24h_rate', 'completion_rate'],
      features: ['requests_change'],
      models: ['requests_change'],
      friction: ['share'],
    },
  ],
  [
    'Monthly insights - Deep analysis and recommendations',
    'monthly',
    {
      cohorts: ['w1', 'w4', 'w8'],
      segments: ['share', 'moved_in', 'moved_out'],
      retention_insights: ['odds_ratio', 'q'],
      churn_indicators: ['odds_ratio'],
      milestones: ['rate', 'drop_off'],
      lifecycle: ['share', 'moved_in'],
      nps: ['nps'],
      business: ['margin_usd', 'churn'],
      adoption: ['adopted_rate'],
    },
  ],
  [
    'Quarterly reviews - Strategic insights and planning',
    'quarterly',
    {
      trend: ['requests', 'cost_usd'],
      business: ['ltv_usd'],
      experiments: ['variants'],
      'experiment:new_chat_ui': ['value', 'state'],
      bias: ['ratio', 'flag'],
      seasonal: ['users_index'],
      thresholds: ['phi'],
      forecast: ['expected', 'low_80'],
    },
  ],
  [
    'Product Dashboard: user engagement, feature adoption, satisfaction; product-market fit metrics',
    'product_dashboard',
    {
      session_metrics: ['messages_per_session'],
      adoption: ['tried_rate', 'adopted_rate'],
      quality: ['satisfaction', 'csat'],
      nps: ['nps'],
      active: ['stickiness'],
    },
  ],
  [
    'Growth Dashboard: acquisition, activation, retention metrics; growth funnel performance',
    'growth_dashboard',
    {
      growth: ['new'],
      onboarding: ['rate'],
      milestones: ['rate', 'drop_off'],
      lifecycle: ['share', 'moved_in'],
      cohorts: ['w4'],
      segments: ['moved_out'],
      retention_insights: ['lift'],
    },
  ],
  [
    'Support Dashboard: user issues, friction points, satisfaction',
    'support_dashboard',
    {
      errors: ['requests', 'users'],
      friction: ['share'],
      anomalies: ['requests'],
      sessions: ['errors'],
      unhappy_users: ['satisfaction'],
      limits: ['used_share'],
    },
  ],
  [
    'Business Dashboard: revenue per user, lifetime value, churn; business impact and financial metrics',
    'business_dashboard',
    {
      business: ['revenue_usd', 'arpu_usd', 'arppu_usd', 'ltv_usd', 'churn', 'margin_rate'],
      users: ['cost_usd', 'cost_share'],
      models: ['cost_usd'],
      forecast: ['expected'],
    },
  ],
]

describe('what is promised of regular reports', () => {
  it.each(promised)('%s', async (_, name, answeredBy) => {
    // Limits are those of the month that runs: the first of April has had nothing yet.
    const found = await composite(
      name,
      { options: { date: name.endsWith('_dashboard') ? undefined : '2026-03-29' } },
      '2026-03-31T23:30:00Z',
    )
    expect(found.schema).toBe(`${name}/v1`)
    for (const [section, columns] of Object.entries(answeredBy)) {
      const known = columns.filter((column) => rowsIn(found, section).some((row) => row[column] !== null && row[column] !== undefined))
      expect([section, known]).toEqual([section, columns])
    }
  })

  it('recommends with numbers, how many, how sure, and as what they are to be read', async () => {
    const { recommendations } = await composite('quarterly')
    expect(recommendations.length).toBeGreaterThan(1)
    for (const one of recommendations) {
      expect(one).toMatchObject({
        rule: expect.stringMatching(/^R[1-8]$/) as string,
        reads: 'association',
        n: expect.any(Number) as number,
      })
      expect(one.says).toMatch(/\d/)
      expect(one.advice.length).toBeGreaterThan(20)
    }
  })
})

describe('a report of several sections', () => {
  it.each(composites)('%s is written for people in all formats, each section with a heading', async (name) => {
    const found = await composite(name, { limit: 50, ...(name === 'user_profile' ? { user: 'user-0003' } : {}) })
    const style = { decorated: false, header: true, preferred: ({ answer }: Section) => preferredColumns(reportOf(answer), answer) }
    const [table, md, html] = [
      formatComposite(found, 'table', style),
      formatComposite(found, 'md', style),
      formatComposite(found, 'html', style),
    ]
    for (const { title } of found.sections) {
      expect(table).toContain(`\n${title}\n`)
      expect(md).toContain(`\n## ${title}\n`)
      expect(html).toContain(`>${title}</h2>`)
    }
    expect(table).toContain('\nRecommendations\n')
    expect(md).toContain('\n## Recommendations\n')
    expect(html).toMatch(/^<!doctype html>[^]*Recommendations<\/h2>[^]*<\/html>\n$/)
    expect(html).not.toMatch(/<script| style=| on\w+=/)
    expect(html.match(/<h1/g)).toHaveLength(1)
    expect(html.match(/<a href="#part-\d+">/g)).toHaveLength(found.sections.length + 1)
    const ids = Array.from(html.matchAll(/ id="([^"]+)"/g), ([, id]) => id)
    expect(new Set(ids).size).toBe(ids.length)
    expect(`${table}${md}`).not.toMatch(/NaN|undefined|Infinity|\[object/)
  })

  it('says of each row of ndjson which section it is of', async () => {
    const { out } = await ask('weekly', '--format', 'ndjson')
    const rows = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Row)
    const sections = new Set(rows.map(({ section }) => section))
    expect(rows.filter(({ section }) => section === 'active')).toHaveLength(7)
    expect([...sections].filter((name) => !sectionNames('weekly').includes(String(name)))).toEqual([])
  })

  it('has no one table: csv and tsv ask for a section, and have it as the report itself would write it', async () => {
    for (const format of ['csv', 'tsv']) {
      const { code, out, err } = await ask('weekly', '--format', format)
      expect([code, out]).toEqual([2, ''])
      expect(err).toContain(`${format} holds one table, and weekly has several. Choose one with --section: overview, active,`)
    }
    const section = await ask('weekly', '--section', 'active', '--format', 'csv')
    const report = await run([
      'report',
      'active',
      '--since',
      '2026-03-23',
      '--until',
      '2026-03-29',
      '--store',
      path,
      '--as-of',
      '2026-03-30T00:00:00Z',
      '--format',
      'csv',
    ])
    expect([section.code, section.out]).toEqual([0, report.out])
    const recommendations = await ask('weekly', '--section', 'recommendations', '--format', 'csv')
    expect(recommendations.out).toMatch(/^rule,says,advice,section,value,against,n,ci_low,ci_high,interval_of,reads\r\n/)
    expect((await ask('weekly', '--section', 'active', '--columns', 'dau')).out).toMatch(/^DAU\n/)
  })

  it('writes recommendations as a table with all their words', async () => {
    const { rows } = JSON.parse((await ask('monthly', '--section', 'recommendations', '--format', 'json')).out) as Answer
    const { out } = await ask('monthly', '--section', 'recommendations')
    expect(rows.length).toBeGreaterThan(0)
    for (const { says, advice } of rows) {
      expect(out).toContain(String(says))
      expect(out).toContain(String(advice))
    }
  })

  it('refuses what it cannot mean with code 2 and the nearest name', async () => {
    const wrong: readonly (readonly [says: string, args: readonly string[]])[] = [
      ['Did you mean "weekly"?', ['weekley']],
      ['Did you mean "active"?', ['weekly', '--section', 'activ']],
      ['--columns is about one table', ['weekly', '--columns', 'dau']],
      ['choose it with date', ['weekly', '--last', '7d']],
      ['The users report takes no date', ['users', '--date', '2026-01-01']],
    ]
    for (const [says, args] of wrong) {
      const { code, err } = await ask(args[0] ?? '', ...args.slice(1))
      expect([args, code, err]).toEqual([args, 2, expect.stringContaining(says)])
    }
  })

  it('ends with 3 where there are no calls and that was asked for', async () => {
    expect((await ask('daily', '--fail-empty', '--where', 'user = nobody')).code).toBe(3)
    expect((await ask('daily', '--fail-empty')).code).toBe(0)
  })

  it('shows what the columns of every section are', async () => {
    expect((await ask('daily', '--explain')).out).toMatch(/^stickiness +mean dau/m)
    expect((await ask('daily', '--explain', '--format', 'md')).out.match(/## What the columns are/g)?.length).toBeGreaterThan(3)
  })
})

it('HTTP answers with what the command writes, whole or one section', async () => {
  const child = start(['serve', '--port', '0', '--store', path, '--as-of', AS_OF])
  const url = (await lineOf(child.stdout, /http:\/\/127\.0\.0\.1:\d+/)).trim()
  try {
    const told = JSON.parse((await ask('weekly', '--by', 'property:plan', '--format', 'json', '--limit', '1000')).out) as Composite
    const found = (await (await fetch(`${url}/api/report/weekly?by=property:plan`)).json()) as Composite
    expect(found.sections).toEqual(told.sections)
    expect(found.recommendations).toEqual(told.recommendations)
    const section = (await (await fetch(`${url}/api/report/weekly?section=active`)).json()) as Answer
    expect(section).toEqual(told.sections.find(({ name }) => name === 'active')?.answer)
    const posted = await fetch(`${url}/api/report/daily`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ date: '2026-03-20', tiers: { all: { monthly_request_limit: 10 } } }),
    })
    expect(((await posted.json()) as Composite).sections.map(({ name }) => name)).toEqual(sectionNames('daily').slice(0, -1))
    for (const wrong of [
      'weekly?section=activ',
      'weekly?sectoin=active',
      'weekly?date=x',
      'weekly?last=7d',
      'weekly?metrics=requests',
      'weekley',
    ])
      expect([wrong, (await fetch(`${url}/api/report/${wrong}`)).status]).toEqual([wrong, 400])
  } finally {
    child.kill()
  }
})
