import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { Store } from '@spanledger/store'

import {
  isComposite,
  openAnalytics,
  QueryError,
  reportList,
  reportOptions,
  type Analytics,
  type Answer,
  type GivenOptions,
  type ReportParams,
} from '../src/index.ts'
import { eventOf, scoreFacts, type EventWords } from './events.ts'
import { callOf, ledgerOf, type CallWords } from './ledger.ts'

const DAY_MS = 86_400_000
const AS_OF = Date.parse('2026-04-15T12:00:00Z')
const days = 120
const plans = ['pro', 'free']
const features = ['chat', 'code', 'search']
const tiers = JSON.stringify({
  pro: { where: 'plan = pro', monthly_request_limit: 100 },
  free: { where: 'plan = free', monthly_request_limit: 10 },
})

/** The same numbers each time, from 0 to 1. */
function seeded(): () => number {
  let state = 7
  return () => (state = (state * 16_807) % 2_147_483_647) / 2_147_483_647
}

/** Every eighth user begins free, and pays after ten days. */
function planOf(n: number, ownDay: number): string {
  return n % 8 === 1 && ownDay > 10 ? 'pro' : (plans[n % 2] ?? '')
}

/** Users of two plans who come and go over four months, three who call far too often on a day, and one who only fails. */
function calls(): (CallWords & { fingerprint?: number })[] {
  const random = seeded()
  const found: (CallWords & { fingerprint?: number })[] = []
  for (let n = 0; n < 40; n++) {
    const came = Math.floor(random() * (days - 1))
    const leaves = random() < 0.4 ? came + 30 : days
    for (let day = came; day < Math.min(leaves, days); day++) {
      if (day !== came && random() < 0.6) continue
      for (let k = 0; k < 1 + Math.floor(random() * 4); k++) {
        const failed = random() < (n % 4 === 0 ? 0.4 : 0.05)
        found.push({
          at: AS_OF - (days - day) * DAY_MS + Math.floor(random() * 20) * 1_800_000 + k * 60_000,
          user: `${n % 3 === 0 ? 'a' : 'b'}${n}`,
          session: random() < 0.5 ? `s${day}` : undefined,
          properties: {
            plan: planOf(n, day - came),
            feature: features[Math.floor(random() * 3)] ?? '',
            signup_date: dateOf(came - (n % 5)),
            timezone: n % 4 === 0 ? 'Europe/Berlin' : 'Asia/Tokyo',
            ...(n % 5 === 0 ? { preference: n % 2 === 0 ? 'speed' : 'quality' } : {}),
          },
          model: random() < 0.5 ? 'gpt-4o' : 'gpt-5',
          operation: random() < 0.9 ? 'chat' : 'embeddings',
          status: failed ? 'error' : 'ok',
          errorClass: failed ? (random() < 0.5 ? 'rate_limit' : 'timeout') : undefined,
          latencyMs: Math.floor(100 + random() * 20_000),
          ttftMs: Math.floor(random() * 900),
          costNanoUsd: Math.floor(random() * 1e7),
          fingerprint: 1000 + Math.floor(random() * 2),
        })
      }
    }
  }
  for (const [n, user] of ['a0', 'b1', 'b2'].entries())
    for (let k = 0; k < 300; k++)
      found.push({ at: AS_OF - (3 + 40 * n) * DAY_MS + k * 1000, user, properties: { plan: plans[n % 2] ?? '', feature: 'chat' } })
  // Who signed up three weeks before the first call, and never had a success.
  for (const day of [70, 60])
    found.push({
      at: AS_OF - day * DAY_MS,
      user: 'b40',
      status: 'error',
      properties: { plan: 'free', feature: 'chat', signup_date: dateOf(days - 91) },
    })
  return found
}

function dateOf(day: number): string {
  return new Date(AS_OF - (days - day) * DAY_MS).toISOString().slice(0, 10)
}

function events(): EventWords[] {
  const random = seeded()
  return Array.from({ length: 240 }, (_, one): EventWords[] => {
    const [n, k] = [one % 40, Math.floor(one / 40)]
    const at = AS_OF - Math.floor(random() * (days - 1) + 1) * DAY_MS + k * 60_000
    const whose = {
      at,
      user: `${n % 3 === 0 ? 'a' : 'b'}${n}`,
      properties: { plan: plans[n % 2], feature: features[n % 3] },
    }
    const stars = scoreFacts({ name: 'stars', value: 1 + Math.floor(random() * 5), min: 1, max: 5 })
    return [
      { ...whose, kind: 'feedback', session: `s${k}`, says: stars },
      { ...whose, kind: 'goal', session: `s${k}`, says: { 'event.name': 'sent', 'goal.success': random() < 0.5 } },
      { ...whose, kind: 'goal', says: { 'event.name': 'filled', 'goal.success': true, 'task.id': `t${one}`, 'task.step': 'first' } },
      { ...whose, kind: 'milestone', says: { 'event.name': 'profile' } },
      { ...whose, kind: 'nps', says: { 'nps.score': Math.floor(random() * 11) } },
      { ...whose, kind: 'revenue', says: { 'revenue.amount': 1 + Math.floor(random() * 50) } },
      {
        ...whose,
        kind: 'exposed',
        says: { 'experiment.key': k % 2 === 0 ? 'button' : 'colour', 'experiment.variant': n % 2 === 0 ? 'control' : 'red' },
      },
    ]
  }).flat()
}

/** What a report cannot be asked without. */
const needs: Readonly<Record<string, ReportParams>> = {
  user: { user: 'a0' },
  properties: { by: ['property:plan'] },
  bias: { by: ['property:plan'] },
  funnel: { options: { steps: 'first_request, feature = code' } },
  tiers: { options: { tiers } },
}

/** Values of what all reports may be given, none of them the default; undefined where an answer leaves no room for it. */
const given: Readonly<Record<string, (answer: Answer) => ReportParams | undefined>> = {
  since: () => ({ since: '2026-02-20' }),
  until: () => ({ until: '2026-03-01' }),
  last: () => ({ last: '40d' }),
  where: () => ({ where: 'plan = free' }),
  user: ({ params }) => ('user' in params ? { user: 'b1' } : { user: 'a0' }),
  user_prefix: () => ({ user_prefix: 'b' }),
  segment: () => ({ segment: 'casual' }),
  metrics: () => ({ metrics: ['errors'] }),
  more_metrics: () => ({ more_metrics: ['web_searches'] }),
  having: ({ columns: [first], rows }) =>
    first === undefined || rows.length < 2 ? undefined : { having: ['is_not', first.key, [String(rows[0]?.[first.key] ?? '(none)')]] },
  order_by: ({ columns, rows }) => {
    const sorted = (key: string) => rows.map((row) => String(row[key]))
    const differs = columns.find(({ key }) => new Set(sorted(key)).size > 1)
    return differs === undefined ? undefined : { order_by: [[differs.key, 'asc']] }
  },
  limit: ({ rows }) => (rows.length < 2 ? undefined : { limit: 1 }),
  other: ({ rows }) => (rows.length < 2 ? undefined : { limit: 1, other: true }),
  compare: () => ({ last: '40d', compare: 'previous' }),
  week_start: () => ({ week_start: 'sunday' }),
  explain: () => ({ explain: true }),
  by: () => ({ by: ['time:week'] }),
}

/** Options that are any text; where a report needs one, another than that. */
const texts: Readonly<Record<string, string>> = {
  weeks: '1,3',
  feature: 'code',
  experiment: 'button',
  tiers: JSON.stringify({ all: { monthly_request_limit: 5 } }),
  within: '30d',
  onboarding: 'milestone:never',
  free_plans: 'pro',
  timeout: '1m',
  steps: 'first_request, feature = search, feature = code',
  advanced_features: 'code',
  weights: 'control:3,red:1',
  plan_prices: 'free:5,pro:20',
}

/** Composites hand it to all of their sections that may need it, whatever stage or step they tell of. */
const takenForOthers: Readonly<Record<string, readonly string[]>> = { lifecycle: ['advanced_features code'] }

/** What an answer says of the ledger; not what it says of itself. */
function saidBy({ columns, rows, totals, other, definitions, seed }: Answer): string {
  return JSON.stringify({ columns, rows, totals, other, definitions, seed })
}

describe('a report heeds what it is given, or refuses it', () => {
  let store: Store
  let analytics: Analytics
  beforeAll(async () => {
    store = await ledgerOf([])
    const all = calls()
    for (let at = 0; at < all.length; at += 500)
      await store.write({
        calls: all.slice(at, at + 500).map(({ fingerprint, ...words }) => Object.assign(callOf(words), { fingerprint })),
      })
    await store.write({ calls: [], events: events().map(eventOf) })
    analytics = openAnalytics(store, { now: () => AS_OF })
  })
  afterAll(() => store.close())

  /** Undefined where the report refuses. */
  async function ask(name: string, params: ReportParams): Promise<Answer | undefined> {
    const options = { ...needs[name]?.options, ...params.options }
    try {
      return await analytics.report(name, { ...needs[name], ...params, options })
    } catch (error) {
      if (error instanceof QueryError) return undefined
      throw error
    }
  }

  const names = reportList.map(({ name }) => name).filter((name) => !isComposite(name))

  it.each(names)('%s: of what all reports may be given', async (name) => {
    const plain = await ask(name, {})
    if (plain === undefined) throw new Error('It refuses to be asked at all.')
    expect(plain.rows.length).toBeGreaterThan(0)
    const passedOver: string[] = []
    for (const [param, paramsFor] of Object.entries(given)) {
      const params = paramsFor(plain)
      if (params === undefined) continue
      // A comparison needs a period, and rows that are left out a limit: those alone are no answer to it.
      const { [param as keyof ReportParams]: _, ...without } = params
      const before = Object.keys(without).length === 0 ? plain : await ask(name, without)
      const answer = await ask(name, params)
      const isHeeded = answer === undefined || before === undefined || saidBy(answer) !== saidBy(before)
      // Rows that stand in that order already, stand in the other one turned round.
      const turned =
        param === 'order_by' && !isHeeded ? await ask(name, { order_by: [[params.order_by?.[0]?.[0] ?? '', 'desc']] }) : undefined
      if (!isHeeded && (turned === undefined || saidBy(turned) === saidBy(before))) passedOver.push(param)
    }
    expect(passedOver).toEqual([])
  })

  it('experiments are of the users that a filter chooses', async () => {
    const exposed = events().flatMap(({ kind, user, says }) => (kind === 'exposed' && user === 'a0' ? [says?.['experiment.key']] : []))
    const answer = await ask('experiments', { user: 'a0' })
    expect(answer?.rows.map(({ experiment, users }) => [experiment, users])).toEqual([...new Set(exposed)].sort().map((name) => [name, 1]))
  })

  it.each([...names, 'experiments of one name'])('%s: of options that only some reports take', async (which) => {
    const [name = ''] = which.split(' ')
    const own: GivenOptions = which === name ? {} : { experiment: 'button' }
    const plain = await ask(name, { options: own })
    if (plain === undefined) throw new Error('It refuses to be asked at all.')
    const passedOver: string[] = []
    for (const [option, { values, says }] of Object.entries(reportOptions).map(([key, one]) => [key, { values: [], ...one }] as const)) {
      const [, ...others] = values
      for (const value of values.length > 0 ? others : [texts[option] ?? says]) {
        const answer = await ask(name, { options: { ...own, [option]: value } })
        if (answer !== undefined && saidBy(answer) === saidBy(plain) && own[option] !== value) passedOver.push(`${option} ${value}`)
      }
    }
    expect(passedOver).toEqual(takenForOthers[name] ?? [])
  })
})
