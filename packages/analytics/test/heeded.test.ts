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
import { AS_OF, busyLedger, events, needs } from './busy-ledger.ts'

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
  ci: () => ({ ci: true }),
  min_users: ({ rows }) =>
    rows.length < 2 ? { min_users: 1000 } : { min_users: Math.max(2, 1 + Math.min(...rows.map((row) => Number(row['users'] ?? 1)))) },
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
    store = await busyLedger()
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
