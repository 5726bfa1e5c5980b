import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { LedgerEvent } from '@spanledger/conventions'
import type { Store } from '@spanledger/store'

import { openAnalytics, type Analytics, type Cell, type Row, type SegmentsWords } from '../../src/index.ts'
import { findAnomalies } from '../../src/people/activity/read-alarms.ts'
import { forecastDays } from '../../src/people/activity/forecast-report.ts'
import { ledgerOf, type CallWords } from '../ledger.ts'

const DAY = 86_400_000
const USD = 1_000_000_000

let made = 0
function revenue(user: string, at: string, amountUsd: number, id?: string, period: LedgerEvent['period'] = 'month'): LedgerEvent {
  const key = (made++).toString(16)
  return {
    traceId: key.padStart(32, '7'),
    spanId: key.padStart(16, '8'),
    parentSpanId: undefined,
    startMs: Date.parse(at),
    startFraction: 0,
    kind: 'revenue',
    name: 'revenue',
    source: 'human',
    target: id === undefined ? undefined : { kind: 'entry', id },
    outcome: undefined,
    previous: undefined,
    value: undefined,
    min: undefined,
    max: undefined,
    amountNanoUsd: amountUsd * USD,
    task: undefined,
    step: undefined,
    period,
    user,
    session: undefined,
    properties: new Map(),
    resourceIdentity: undefined,
    origin: 'app',
    faults: [],
  }
}

describe('business', () => {
  let store: Store
  let analytics: Analytics
  beforeAll(async () => {
    const calls: CallWords[] = [
      { at: '2026-01-10T10:00:00Z', user: 'ann', costNanoUsd: 3 * USD },
      { at: '2026-01-10T10:00:00Z', user: 'bob', costNanoUsd: 1 * USD },
      { at: '2026-02-10T10:00:00Z', user: 'ann', costNanoUsd: 5 * USD },
      { at: '2026-02-11T10:00:00Z', user: 'cyd', costNanoUsd: undefined },
      // January in New York, February in UTC.
      { at: '2026-02-01T03:00:00Z', user: 'eve', costNanoUsd: 1 * USD },
    ]
    store = await ledgerOf(calls)
    await store.write({
      calls: [],
      events: [
        revenue('ann', '2026-01-02T00:00:00Z', 20),
        revenue('bob', '2026-01-03T00:00:00Z', 10, 'in_1'),
        // The same invoice, told anew with another amount.
        revenue('bob', '2026-01-04T00:00:00Z', 12, 'in_1'),
        revenue('ann', '2026-02-02T00:00:00Z', 20),
        revenue('ann', '2026-02-03T00:00:00Z', -5),
        revenue('ann', '2026-03-02T00:00:00Z', 99),
      ],
    })
    analytics = openAnalytics(store, { now: () => Date.parse('2026-03-01T12:00:00Z') })
  })
  afterAll(() => store.close())

  it('is exact, says what is left, and who stopped paying', async () => {
    const { rows } = await analytics.report('business', { since: '2026-01-01' })
    expect(rows).toEqual([
      {
        month: '2026-01',
        revenue_usd: '32.000000000',
        received_usd: '32.000000000',
        basis: 'told',
        cost_usd: '4.000000000',
        margin_usd: '28.000000000',
        margin_rate: 28 / 32,
        active_users: 2,
        paying_users: 2,
        arpu_usd: '16.000000000',
        arppu_usd: '16.000000000',
        cost_per_user_usd: '2.000000000',
        churn: null,
        net_revenue_retention: null,
        ltv_usd: null,
        ltv_uncapped_usd: null,
      },
      {
        month: '2026-02',
        revenue_usd: '15.000000000',
        received_usd: '15.000000000',
        basis: 'told',
        cost_usd: '6.000000000',
        margin_usd: '9.000000000',
        margin_rate: 0.6,
        active_users: 3,
        paying_users: 1,
        arpu_usd: '5.000000000',
        arppu_usd: '15.000000000',
        cost_per_user_usd: '2.000000000',
        churn: 0.5,
        // Of 20 and 12 in January there are 20 - 5 left.
        net_revenue_retention: 15 / 32,
        // 15 x 0.6, and half of it each month after, for 36 months.
        ltv_usd: (9 * 2 * (1 - 0.5 ** 36)).toFixed(9),
        ltv_uncapped_usd: '18.000000000',
      },
    ])
  })

  it('goes by local months', async () => {
    const { rows } = await openAnalytics(store, { now: () => Date.parse('2026-03-01T12:00:00Z'), timeZone: 'America/New_York' }).report(
      'business',
      {
        since: '2026-01-01',
      },
    )
    expect(rows.map(({ month, cost_usd: cost }) => [month, cost])).toEqual([
      ['2026-01', '5.000000000'],
      ['2026-02', '5.000000000'],
    ])
  })

  it('knows no revenue where none was told', async () => {
    const bare = await ledgerOf([{ at: '2026-01-10T10:00:00Z', user: 'ann', costNanoUsd: USD }])
    const { rows, meta } = await openAnalytics(bare, { now: () => Date.parse('2026-02-01T00:00:00Z') }).report('business')
    expect(rows[0]).toMatchObject({
      revenue_usd: null,
      margin_usd: null,
      arpu_usd: null,
      ltv_usd: null,
      paying_users: 0,
      cost_usd: '1.000000000',
    })
    expect(meta.warnings.join()).toContain('no revenue was told')
    await bare.close()
  })
})

describe('anomalies', () => {
  const history = (requests: readonly number[]) => ({
    user: 'u',
    firstDay: 0,
    days: requests.flatMap((count, day) => (count === 0 ? [] : [{ day, requests: count, features: new Map<string, number>() }])),
  })
  const usual = [10, 12, 9, 11, 10, 13, 8, 11, 10, 12, 9, 10, 11, 12]

  it('are days far above what the user did before', () => {
    expect(findAnomalies([history([...usual, 100])], 0, 20)).toEqual([
      { user: 'u', day: 14, requests: 100, usual: 10.5, z: expect.any(Number) as number, rule: 'robust_z' },
    ])
    expect(findAnomalies([history([...usual, 49])], 0, 20)).toEqual([])
    // Seven days are needed to know what is usual.
    expect(findAnomalies([history([1, 1, 1, 1, 1, 1, 500])], 0, 20)).toEqual([])
    expect(findAnomalies([history([1, 1, 1, 1, 1, 1, 1, 500])], 0, 20)).toMatchObject([{ day: 7, z: null, rule: 'ratio' }])
    expect(findAnomalies([history([30, 30, 30, 30, 30, 30, 30, 60])], 0, 20)).toEqual([])
  })

  it('count days without a call: a user of every second day is no anomaly on the day of a call', () => {
    expect(findAnomalies([history([60, 0, 60, 0, 60, 0, 60, 0, 60, 0, 60])], 0, 20)).toEqual([])
    expect(findAnomalies([history([60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 60])], 0, 20)).toHaveLength(1)
  })

  it('name the user and the local day, over the ledger', async () => {
    const at = Date.parse('2026-04-01T12:00:00Z')
    const calls = Array.from({ length: 15 }, (_, day) =>
      Array.from({ length: day === 14 ? 80 : 4 + (day % 3) }, (_call, n): CallWords => ({ at: at + day * DAY + n, user: 'looping' })),
    ).flat()
    const store = await ledgerOf(calls)
    const analytics = openAnalytics(store, { now: () => at + 15 * DAY })
    expect((await analytics.report('anomalies')).rows).toEqual([
      { date: '2026-04-15', user: 'looping', requests: 80, usual: null, rule: 'burst', value: 80 },
      { date: '2026-04-15', user: 'looping', requests: 80, usual: 5, rule: 'robust_z', value: expect.any(Number) as Cell },
    ])
    expect((await analytics.report('anomalies', { until: '2026-04-14' })).rows).toEqual([])
    await store.close()
  })
})

describe('anomalies of how much, and from where', () => {
  const at = Date.parse('2026-04-10T10:00:00Z')
  const open = async (calls: readonly CallWords[], segments?: SegmentsWords) => {
    const store = await ledgerOf(calls)
    return { store, analytics: openAnalytics(store, { now: () => at + DAY, segments }) }
  }
  const tiers = JSON.stringify({
    free: { where: 'plan = free', monthly_cost_limit: 10, monthly_request_limit: 1000 },
    pro: { where: 'plan = pro', monthly_token_limit: 100, monthly_cost_limit: 0 },
    team: { where: 'plan = team' },
  })
  const few = (user: string, plan: string, costNanoUsd: number, usage?: CallWords['usage']): CallWords[] => [
    { at, user, properties: { plan }, costNanoUsd, ...(usage === undefined ? {} : { usage }) },
    { at: at + 1000, user, properties: { plan }, costNanoUsd, ...(usage === undefined ? {} : { usage }) },
  ]

  it('tell of days on which much of a monthly limit is used, however few the calls', async () => {
    const { store, analytics } = await open([
      ...few('spender', 'free', USD),
      ...few('thrifty', 'free', USD - 1),
      ...few('talker', 'pro', 0, { inputTokens: 20, outputTokens: 5 }),
      ...few('unlimited', 'team', 500 * USD),
      ...few('unknown', 'other', 500 * USD),
    ])
    const told = (await analytics.report('anomalies', { options: { tiers } })).rows
    expect(told).toEqual([
      { date: '2026-04-10', user: 'spender', requests: 2, usual: null, rule: 'limit_velocity', value: 0.2 },
      { date: '2026-04-10', user: 'talker', requests: 2, usual: null, rule: 'limit_velocity', value: 0.5 },
    ])
    expect((await analytics.report('anomalies')).rows).toEqual([])
    await expect(analytics.report('anomalies', { options: { tiers: '{' } })).rejects.toThrow('Tiers are no JSON')
    await store.close()
  })

  it('go by the limits of segments where no tiers are given, also where a filter leaves few calls', async () => {
    const segments = { trial: { where: 'plan = free', monthly_request_limit: 10 } }
    const { store, analytics } = await open([...few('spender', 'free', USD), ...few('other', 'pro', USD)], segments)
    expect((await analytics.report('anomalies')).rows).toMatchObject([{ user: 'spender', rule: 'limit_velocity', value: 0.2 }])
    expect((await analytics.report('anomalies', { where: 'plan = pro' })).rows).toEqual([])
    await store.close()
  })

  it('tell of users whose calls come from many addresses on one local day', async () => {
    const from = (user: string, addresses: number, calls = 60): CallWords[] =>
      Array.from({ length: calls }, (_, n) => ({ at: at + n * 60_000, user, properties: { ip_hash: n === 0 ? '' : `a${n % addresses}` } }))
    // On two days half as many each.
    const spread = from('traveller', 18).map((call, n): CallWords => Object.assign(call, { at: Number(call.at) - (n % 2) * DAY }))
    const { store, analytics } = await open([...from('shared', 10), ...from('own', 9), ...from('rare', 30, 49), ...spread])
    expect((await analytics.report('anomalies')).rows.filter(({ rule }) => rule === 'shared_key')).toEqual([
      { date: '2026-04-10', user: 'shared', requests: 60, usual: null, rule: 'shared_key', value: 10 },
    ])
    await store.close()
  })

  it('stand as a number beside each user where they are asked for, and users can be ranked and filtered by it', async () => {
    const { store, analytics } = await open(
      [
        ...Array.from({ length: 60 }, (_, n): CallWords => ({ at: at + n, user: 'burst', properties: { plan: 'free' } })),
        ...few('spender', 'free', USD),
        ...few('calm', 'pro', USD),
        { at, user: undefined },
      ],
      { trial: { where: 'plan = free', monthly_cost_limit: 10, monthly_request_limit: 60 } },
    )
    const alarms = (await analytics.report('anomalies')).rows
    const users = await analytics.report('users', { metrics: ['requests', 'anomalies'], order_by: [['anomalies', 'desc']] })
    expect(users.rows).toEqual([
      { user: 'burst', requests: 60, anomalies: 2 },
      { user: 'spender', requests: 2, anomalies: 1 },
      { user: 'calm', requests: 2, anomalies: 0 },
      { user: '(none)', requests: 1, anomalies: null },
    ])
    for (const { user, anomalies } of users.rows.slice(0, 3))
      expect(alarms.filter((row) => row['user'] === user)).toHaveLength(Number(anomalies))
    expect((await analytics.report('users', { metrics: ['anomalies'], having: 'anomalies >= 1', limit: 1 })).rows).toHaveLength(1)
    expect((await analytics.report('users')).columns.map(({ key }) => key)).not.toContain('anomalies')
    await store.close()
  })
})

describe('a forecast', () => {
  it('of weeks that were all alike is exact, and certain', () => {
    const week = [5, 6, 7, 8, 9, 1, 0]
    const values = Array.from({ length: 56 }, (_, n) => week[n % 7] ?? 0)
    const coming = forecastDays(values, 100, 110)
    expect(coming?.map(({ expected }) => expected)).toEqual([5, 6, 7, 8, 9, 1, 0, 5, 6, 7])
    expect(coming?.every(({ spread }) => spread === 0)).toBe(true)
    expect(forecastDays(values.slice(1), 100, 110)).toBeNull()
  })

  it('of the month is what is there, and the days to come', async () => {
    const asOf = Date.parse('2026-05-21T00:00:00Z')
    const calls = Array.from({ length: 60 }, (_, n): CallWords => ({ at: asOf - (n + 1) * DAY + 1000, user: 'u', costNanoUsd: USD }))
    const store = await ledgerOf(calls)
    const report = async (now: number): Promise<readonly Row[]> => (await openAnalytics(store, { now: () => now }).report('forecast')).rows
    const rows = await report(asOf)
    const month = '31.000000000'
    expect(rows[0]).toEqual({
      date: '2026-05',
      actual: '20.000000000',
      expected: month,
      low_80: month,
      high_80: month,
      low_95: month,
      high_95: month,
    })
    const ofRequests = await openAnalytics(store, { now: () => asOf }).report('forecast', { options: { forecast: 'requests' } })
    expect(ofRequests.rows[0]).toMatchObject({ actual: 20, expected: 31, low_95: 31 })
    expect(rows).toHaveLength(12)
    const early = await openAnalytics(store, { now: () => asOf - 10 * DAY }).report('forecast')
    expect(early.rows).toHaveLength(1)
    expect(early.meta.warnings.join()).toContain('insufficient_data')
    await store.close()
  })
})

it('reports about money of an empty ledger have no NaN', async () => {
  const store = await ledgerOf([])
  const analytics = openAnalytics(store)
  for (const name of ['business', 'anomalies', 'forecast', 'overview', 'quality', 'nps']) {
    expect(JSON.stringify((await analytics.report(name)).rows)).not.toMatch(/NaN|Infinity|undefined/)
  }
  await store.close()
})
