import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Store } from '@spanledger/store'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import {
  openAnalytics,
  QueryError,
  reportList,
  sectionNames,
  type Analytics,
  type Composite,
  type CompositeName,
  type ReportParams,
} from '../../src/index.ts'
import { eventOf, scoreFacts } from '../events.ts'
import { ledgerOf } from '../ledger.ts'
import { AS_OF, randomCalls } from '../random-ledger.ts'

const folder = mkdtempSync(join(tmpdir(), 'spanledger-composites-'))
const names = reportList.filter(({ about }) => about === 'sections').map(({ name }) => name as CompositeName)
const tiers = JSON.stringify({ paid: { where: 'plan = pro', monthly_request_limit: 10 }, rest: { monthly_request_limit: 5 } })
const everything: ReportParams = { by: ['property:plan'], options: { tiers } }
/** A profile is of somebody. */
const everythingOf = (name: CompositeName): ReportParams => (name === 'user_profile' ? { ...everything, user: 'ada' } : everything)

/** A store that counts what is read of it. */
function counting(store: Store): { store: Store; read: () => number } {
  let read = 0
  const counted = new Proxy(store, {
    get: (target, name) => {
      if (name === 'all') read++
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
  return { store: counted, read: () => read }
}

let store: Store
let analytics: Analytics
beforeAll(async () => {
  store = await ledgerOf(randomCalls, { timeZone: 'Europe/Berlin', path: join(folder, 'ledger.db') })
  const at = AS_OF - 40 * 86_400_000
  await store.write({
    calls: [],
    events: [
      ...['ada', 'bob', 'eve'].map((user, n) => eventOf({ at: at + n, kind: 'nps', user, says: { 'nps.score': 9 } })),
      ...['ada', 'bob'].map((user, n) =>
        eventOf({
          at: at + n,
          kind: 'exposed',
          user,
          says: { 'experiment.key': 'new_ui', 'experiment.variant': n === 0 ? 'control' : 'blue' },
        }),
      ),
      eventOf({ at, kind: 'exposed', user: 'eve', says: { 'feature.name': 'search' } }),
      eventOf({ at, kind: 'feedback', user: 'ada', says: scoreFacts({ value: 1, min: 1, max: 5 }) }),
      eventOf({ at, kind: 'revenue', user: 'ada', says: { 'revenue.amount': 20 } }),
    ],
  })
  analytics = openAnalytics(store, { now: () => AS_OF })
})
afterAll(async () => {
  await store.close()
  rmSync(folder, { recursive: true })
})

describe('a report of several sections', () => {
  it.each(names)('%s: every section is what the report of that name answers by itself', async (name) => {
    const { sections, schema } = await analytics.composite(name, everythingOf(name))
    expect(schema).toBe(`${name}/v1`)
    expect(sections.map((section) => section.name).filter((one) => !one.startsWith('experiment:'))).toEqual(sectionNames(name).slice(0, -1))
    for (const { answer } of sections) {
      const [report = ''] = answer.schema.split('/')
      const alone = openAnalytics(store, { now: () => Date.parse(answer.meta.as_of) })
      expect(await alone.report(report, answer.params)).toEqual(answer)
    }
  })

  it('is read of one state, each statement once', async () => {
    const whole = counting(store)
    const composite = await openAnalytics(whole.store, { now: () => AS_OF }).composite('monthly', everything)
    const apart = counting(store)
    for (const { answer } of composite.sections) {
      const alone = openAnalytics(apart.store, { now: () => Date.parse(answer.meta.as_of) })
      await alone.report(answer.schema.split('/')[0] ?? '', answer.params)
    }
    expect(whole.read()).toBeLessThan(apart.read() * 0.9)
    // What is written meanwhile is in no section, or in all.
    const [during] = await Promise.all([
      analytics.composite('monthly', everything),
      store.write({ calls: [], events: [eventOf({ at: AS_OF - 20 * 86_400_000, kind: 'nps', user: 'ada', says: { 'nps.score': 0 } })] }),
    ])
    const after = await analytics.composite('monthly', everything)
    expect(after).not.toEqual(composite)
    expect([composite, after]).toContainEqual(during)
  })

  it('has one section as an ordinary answer', async () => {
    const { sections } = await analytics.composite('weekly', everything)
    for (const { name, answer } of sections) {
      expect(await analytics.report('weekly', { ...everything, options: { ...everything.options, section: name } })).toEqual(answer)
    }
    const recommendations = await analytics.report('weekly', {
      ...everything,
      options: { ...everything.options, section: 'recommendations' },
    })
    expect(recommendations.columns.map(({ key }) => key)).toEqual([
      'rule',
      'says',
      'advice',
      'section',
      'value',
      'against',
      'n',
      'ci_low',
      'ci_high',
      'interval_of',
      'reads',
    ])
    await expect(analytics.report('weekly')).rejects.toThrow('has several sections')
    await expect(analytics.report('weekly', { options: { section: 'growht' } })).rejects.toThrow('Did you mean "growth"?')
    await expect(analytics.report('weekly', { options: { section: 'limits' } })).rejects.toThrow(
      'needs --tiers FILE, or segments with limits',
    )
    await expect(analytics.composite('weekly', { options: { section: 'growth' } })).rejects.toThrow('ask for it as a report')
  })

  it('gives limits to every section that looks at some: of tiers, or of segments', async () => {
    const segments = { paid: { where: 'plan = pro', monthly_request_limit: 5 }, rest: { monthly_request_limit: 5 } }
    const ofSegments = openAnalytics(store, { now: () => AS_OF, timeZone: 'Europe/Berlin', segments })
    for (const [asked, options] of [
      [analytics, { tiers: JSON.stringify(segments) }],
      [ofSegments, {}],
    ] as const) {
      const { sections, meta } = await asked.composite('monthly', { options })
      const rowsOf = (name: string) => sections.find((section) => section.name === name)?.answer.rows ?? []
      expect(rowsOf('limits').length).toBeGreaterThan(0)
      expect(rowsOf('anomalies').map(({ rule }) => rule)).toContain('limit_velocity')
      expect(meta.warnings.join()).not.toContain('section limits')
    }
    expect((await analytics.composite('monthly')).sections.find(({ name }) => name === 'anomalies')?.answer.rows).toEqual([])
  })

  it('a profile is of one user: whoever is asked for, beside the others, with the limits that are far from used up too', async () => {
    await expect(analytics.composite('user_profile')).rejects.toThrow('about one user. Say which: --user ID')
    await expect(analytics.report('user_profile', { options: { section: 'user' } })).rejects.toThrow('--user ID')
    const far = JSON.stringify({ all: { monthly_request_limit: 1_000_000 } })
    const { sections } = await analytics.composite('user_profile', { user: 'ada', options: { tiers: far } })
    const rowsOf = (name: string) => sections.find((section) => section.name === name)?.answer.rows ?? []
    for (const name of ['segment', 'sessions', 'benchmark', 'limits'])
      expect(new Set(rowsOf(name).map(({ user }) => user))).toEqual(new Set(['ada']))
    expect(rowsOf('user')[0]).toMatchObject({ part: 'user', name: 'ada' })
    expect(rowsOf('benchmark')[0]?.['peers']).toBeGreaterThan(1)
    const { sections: nobodys } = await analytics.composite('user_profile', { user: 'nobody knows' })
    expect(nobodys.find(({ name }) => name === 'user')?.answer.rows).toEqual([])
  })

  it('leaves out what it was not given, and says so', async () => {
    const { sections, meta } = await analytics.composite('quarterly')
    const found = new Set(sections.map(({ name }) => name))
    expect([found.has('limits'), found.has('bias'), found.has('forecast')]).toEqual([false, false, true])
    expect(meta.warnings).toContain('section limits is left out: it needs --tiers FILE, or segments with limits')
    expect(meta.warnings).toContain('section bias is left out: it needs --by property:KEY')
  })

  it.each(names)('%s takes a filter that only calls can be asked, and leaves out what cannot', async (name) => {
    const { sections, meta } = await analytics.composite(name, { ...everythingOf(name), where: 'model = gpt-4o' })
    const found = new Set(sections.map((section) => section.name))
    const left = sectionNames(name).filter((one) => one !== 'recommendations' && !found.has(one))
    expect(left.filter((one) => one !== 'tasks' && one !== 'scores' && one !== 'privacy')).toEqual([])
    const warned = meta.warnings.filter((one) =>
      /^section (?:tasks|scores|privacy) is left out: (?:(?:Tasks|Scores) are filtered by user|The privacy report is of the whole ledger)/.test(
        one,
      ),
    )
    expect(warned.length).toBe(left.length)
  })

  it('says what it was given that is of no use in it', async () => {
    const useless = async (name: CompositeName): Promise<string[]> =>
      (await analytics.composite(name, everythingOf(name))).meta.warnings.filter((warning) => warning.includes('of no use'))
    expect(await useless('quarterly')).toEqual([])
    expect(await useless('daily')).toEqual(['by is of no use in daily: none of its sections is split by a property'])
    expect(await useless('product_dashboard')).toHaveLength(2)
  })

  it('looks into each experiment', async () => {
    const { sections } = await analytics.composite('quarterly', { options: { date: '2026-03-31' } })
    const experiment = sections.find(({ name }) => name === 'experiment:new_ui')
    expect(experiment?.answer.params).toMatchObject({ options: { experiment: 'new_ui' } })
    expect(experiment?.answer.rows.map(({ variant }) => variant)).toEqual(['control', 'blue'])
  })

  it('passes filters on to all sections, shows as many rows as are asked for, and says what columns are', async () => {
    const { sections } = await analytics.composite('weekly', { ...everything, user: 'ada', limit: 1, explain: true })
    for (const { answer } of sections) {
      expect(answer.params).toMatchObject({ user: 'ada', explain: true })
      expect(answer.rows.length).toBeLessThanOrEqual(1)
      expect(answer.definitions?.length).toBeGreaterThan(0)
      expect(answer.meta.users).toBeLessThanOrEqual(1)
    }
    const active = sections.find(({ name }) => name === 'active')?.answer
    expect([active?.rows.length, active?.meta.rows]).toEqual([1, 7])
  })

  it('refuses what is about one table, with the reason', async () => {
    const refused: ReportParams[] = [
      { metrics: ['requests'] },
      { order_by: [['requests', 'desc']] },
      { having: 'requests > 1' },
      { after: 'x' },
      { compare: 'previous' },
      { by: ['property:plan', 'property:feature'] },
      { by: ['model'] },
      { options: { mode: 'on' } },
      { options: { tiers: 'no json' } },
      { where: 'plann = pro' },
    ]
    for (const params of refused) {
      const found = await analytics.composite('quarterly', params).catch((error: unknown) => error)
      expect([params, found]).toEqual([params, expect.any(QueryError)])
    }
    await expect(analytics.composite('weekley')).rejects.toThrow('Did you mean "weekly"?')
    await expect(analytics.composite('users')).rejects.toThrow('Unknown composite "users"')
    await expect(analytics.report('quartely')).rejects.toThrow('Did you mean "quarterly"?')
  })
})

describe('the period of a composite', () => {
  const periodOf = async (
    name: CompositeName,
    params: ReportParams = {},
    { now = AS_OF, timeZone }: { now?: number; timeZone?: string } = {},
  ) => {
    const { meta } = await openAnalytics(store, { now: () => now, timeZone }).composite(name, params)
    return [meta.from, meta.to, meta.as_of, meta.complete]
  }

  it('is the last day, week, month or quarter that is over, in the days of the zone', async () => {
    // As of Wednesday, 2026-04-15 in Berlin; the state is that of the end of the period.
    expect(await periodOf('daily')).toEqual(['2026-04-13T22:00:00.000Z', '2026-04-14T22:00:00.000Z', '2026-04-14T22:00:00.000Z', true])
    expect(await periodOf('weekly')).toEqual(['2026-04-05T22:00:00.000Z', '2026-04-12T22:00:00.000Z', '2026-04-12T22:00:00.000Z', true])
    // Summer time begins in March.
    expect(await periodOf('monthly')).toEqual(['2026-02-28T23:00:00.000Z', '2026-03-31T22:00:00.000Z', '2026-03-31T22:00:00.000Z', true])
    expect(await periodOf('quarterly')).toEqual(['2025-12-31T23:00:00.000Z', '2026-03-31T22:00:00.000Z', '2026-03-31T22:00:00.000Z', true])
    expect((await periodOf('daily', {}, { timeZone: 'Asia/Kathmandu' })).slice(0, 2)).toEqual([
      '2026-04-13T18:15:00.000Z',
      '2026-04-14T18:15:00.000Z',
    ])
    expect((await periodOf('daily', {}, { now: Date.parse('2026-04-14T22:00:00Z') })).slice(0, 2)).toEqual([
      '2026-04-13T22:00:00.000Z',
      '2026-04-14T22:00:00.000Z',
    ])
  })

  it('is the one that holds a date, and not complete while it runs', async () => {
    const on = (date: string): ReportParams => ({ options: { date } })
    expect(await periodOf('weekly', on('2026-03-29'))).toEqual([
      '2026-03-22T23:00:00.000Z',
      '2026-03-29T22:00:00.000Z',
      '2026-03-29T22:00:00.000Z',
      true,
    ])
    expect(await periodOf('monthly', on('2026-04-15'))).toEqual([
      '2026-03-31T22:00:00.000Z',
      '2026-04-30T22:00:00.000Z',
      new Date(AS_OF).toISOString(),
      false,
    ])
    expect((await periodOf('quarterly', on('2026-02-28'))).slice(0, 2)).toEqual(['2025-12-31T23:00:00.000Z', '2026-03-31T22:00:00.000Z'])
    await expect(periodOf('monthly', on('2026-05-01'))).rejects.toThrow('has not begun')
    for (const date of ['2026-02-30', 'today', '2026-1-1', ''])
      await expect(periodOf('daily', on(date))).rejects.toThrow('Cannot read date')
    for (const date of ['0000-01-01', '0070-06-01', '1969-12-30']) {
      await expect(periodOf('daily', on(date))).rejects.toThrow(`date "${date}" is out of reach. A ledger holds calls from 1970 to 2199.`)
    }
    // What they are held against is before there were any ledgers.
    for (const name of ['daily', 'weekly', 'monthly', 'quarterly'] as const) {
      expect((await periodOf(name, on('1970-01-01')))[0]).toMatch(/^19(69-12-|70-01-01)/)
    }
    await expect(periodOf('weekly', { last: '7d' })).rejects.toThrow('choose it with date')
  })

  it('compares a running one with as long a part of the one before', async () => {
    const { sections } = await analytics.composite('daily', { options: { date: '2026-04-15' } })
    const [overview] = sections
    expect(overview?.answer.params).toMatchObject({ until: new Date(AS_OF).toISOString(), compare: 'same_weekdays' })
    const week = AS_OF - 7 * 86_400_000
    const from = Date.parse('2026-04-07T22:00:00Z')
    const before = randomCalls.filter(({ at }) => Number(at) >= from && Number(at) < week).length
    expect(overview?.answer.rows[0]?.['requests_previous']).toBe(before)
  })

  it('of a dashboard is as reports take it', async () => {
    expect((await periodOf('product_dashboard')).slice(0, 2)).toEqual(['2026-03-18T23:00:00.000Z', new Date(AS_OF).toISOString()])
    expect((await periodOf('business_dashboard', { since: '2026-02-01', until: '2026-02-28' })).slice(0, 2)).toEqual([
      '2026-01-31T23:00:00.000Z',
      '2026-02-28T23:00:00.000Z',
    ])
    await expect(periodOf('growth_dashboard', { options: { date: '2026-02-01' } })).rejects.toThrow('takes no date')
  })
})

describe('in an empty ledger', () => {
  it.each(names)('%s answers with nothing, and with null where there is no number', async (name) => {
    const empty = await ledgerOf([])
    const composite: Composite = await openAnalytics(empty, { now: () => AS_OF }).composite(name, everythingOf(name))
    expect(composite.recommendations).toEqual([])
    expect(composite.meta).toMatchObject({ requests: 0, users: 0, anonymous_share: null })
    expect(JSON.stringify(composite)).not.toMatch(/NaN|Infinity|undefined/)
    await empty.close()
  })
})
