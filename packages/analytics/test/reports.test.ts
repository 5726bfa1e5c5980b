import { afterEach, describe, expect, it } from 'vitest'

import type { Store } from '@spanledger/store'

import { openAnalytics, QueryError, reportList, type Analytics } from '../src/index.ts'
import { ledgerOf, type CallWords } from './ledger.ts'

const open: Store[] = []
afterEach(async () => {
  for (const store of open.splice(0)) await store.close()
})

async function analyticsOf(
  calls: readonly CallWords[],
  options: { asOf: string; timeZone?: string; storeZone?: string },
): Promise<Analytics> {
  const store = await ledgerOf(calls, options.storeZone === undefined ? {} : { timeZone: options.storeZone })
  open.push(store)
  return openAnalytics(store, { now: () => Date.parse(options.asOf), timeZone: options.timeZone })
}

it('an unknown report is answered with the names of all there are', async () => {
  const analytics = await analyticsOf([], { asOf: '2026-02-01T00:00:00Z' })
  const all = reportList.map(({ name }) => name).join(', ')
  await expect(analytics.report('nothing_like_it')).rejects.toThrow(`Allowed: ${all}.`)
})

const january: CallWords[] = [
  {
    at: '2026-01-05T10:00:00Z',
    user: 'ada',
    session: 's1',
    properties: { Plan: 'pro', Feature: 'chat' },
    costNanoUsd: 54_399_000,
    usage: { inputTokens: 3, cacheWrite5mTokens: 12_304, outputTokens: 550 },
    latencyMs: 1000,
    ttftMs: 200,
  },
  {
    at: '2026-01-05T11:00:00Z',
    user: 'ada',
    session: 's1',
    properties: { Plan: 'pro', Feature: 'search' },
    model: 'text-embedding-3-small',
    operation: 'embeddings',
    costNanoUsd: 1,
    usage: { inputTokens: 100 },
    latencyMs: 50,
  },
  {
    at: '2026-01-07T10:00:00Z',
    user: 'ada',
    session: 's2',
    properties: { Plan: 'pro', Feature: 'chat' },
    costNanoUsd: 20_000_000,
    usage: { inputTokens: 50, cacheReadTokens: 150, outputTokens: 100, reasoningTokens: 40 },
    latencyMs: 3000,
    ttftMs: 400,
  },
  {
    at: '2026-01-06T10:00:00Z',
    user: 'bob',
    properties: { plan: 'free' },
    status: 'error',
    errorClass: 'rate_limit',
    usage: null,
    costNanoUsd: undefined,
    latencyMs: 10,
  },
  { at: '2026-01-06T12:00:00Z', costNanoUsd: 600, usage: { inputTokens: 5, outputTokens: 5 }, latencyMs: 10 },
]

describe('the users report', () => {
  it('has every column of every user, and the (none) row of calls without one', async () => {
    const analytics = await analyticsOf(january, { asOf: '2026-01-10T00:00:00Z' })
    const { rows, totals, meta } = await analytics.report('users', {})
    expect(rows[0]).toEqual({
      user: 'ada',
      requests: 3,
      cache_hits: 0,
      saved_tokens: 0,
      saved_cost_usd: '0.000000000',
      cost_usd: '0.074399001',
      input_tokens: 153,
      cache_read_tokens: 150,
      cache_write_tokens: 12_304,
      output_tokens: 650,
      reasoning_tokens: 40,
      total_tokens: 13_297,
      errors: 0,
      error_rate: 0,
      rate_limited_requests: 0,
      unpriced_requests: 0,
      estimated_requests: 0,
      missing_usage_requests: 0,
      first_seen: '2026-01-05T10:00:00.000Z',
      last_seen: '2026-01-07T10:00:00.000Z',
      sparkline: [0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 0],
      active_days: 2,
      requests_per_active_day: 1.5,
      requests_per_calendar_day: 3 / 5,
      tokens_per_request: 13_297 / 3,
      cache_read_share: 150 / 12_607,
      sessions: 2,
      latency_avg_ms: 1350,
      latency_p50_ms: 991.3,
      latency_p95_ms: 2992,
      ttft_p50_ms: 199.6,
      feedback_count: 0,
      satisfaction: null,
      revenue_usd: null,
      margin_usd: null,
      models: 2,
      top_model: 'gpt-4o/openai',
      top_feature: 'chat',
      cost_share: 74_399_001 / 74_399_601,
      cost_percentile: 50,
      segment: 'new',
    })
    expect(
      rows.slice(1).map(({ user, requests, cost_usd, total_tokens, segment, cost_percentile }) => ({
        user,
        requests,
        cost_usd,
        total_tokens,
        segment,
        cost_percentile,
      })),
    ).toEqual([
      { user: '(none)', requests: 1, cost_usd: '0.000000600', total_tokens: 10, segment: null, cost_percentile: null },
      { user: 'bob', requests: 1, cost_usd: null, total_tokens: null, segment: 'new', cost_percentile: null },
    ])
    expect(totals).toMatchObject({ requests: 5, cost_usd: '0.074399601', errors: 1, active_days: 3, sessions: 2 })
    expect(meta).toEqual({
      from: '2026-01-05T00:00:00.000Z',
      to: '2026-01-10T00:00:00.000Z',
      tz: 'UTC',
      as_of: '2026-01-10T00:00:00.000Z',
      complete: true,
      requests: 5,
      users: 2,
      anonymous_share: 0.2,
      unpriced_requests: 1,
      rows: 3,
      next: null,
      warnings: [
        '1 of 5 requests reported no tokens (failed calls mostly); their cost is unknown and left out',
        'latency percentiles are within 1.1 %',
      ],
    })
  })

  it('keeps totals of all rows when a limit hides some', async () => {
    const analytics = await analyticsOf(january, { asOf: '2026-01-10T00:00:00Z' })
    const { rows, totals, meta } = await analytics.report('users', { limit: 1 })
    expect([rows.length, totals['cost_usd'], meta.rows]).toEqual([1, '0.074399601', 3])
  })

  it('says of one user what the whole report says of that user, shares and percentiles among all', async () => {
    const analytics = await analyticsOf([...january, { at: '2026-01-06T12:00:00Z', user: 'eve', costNanoUsd: 10 }], {
      asOf: '2026-01-10T00:00:00Z',
    })
    const all = await analytics.report('users', {})
    const one = await analytics.report('users', { user: 'ada' })
    expect(one.rows).toEqual(all.rows.filter(({ user }) => user === 'ada'))
    expect(one.rows[0]?.['cost_percentile']).toBe(75)
    expect([one.totals['requests'], one.meta.requests, one.meta.users, one.meta.anonymous_share]).toEqual([3, 3, 1, 0])
  })

  it('says the same from the calls as from rollups, to the last column', async () => {
    const fromRollups = await analyticsOf(january, { asOf: '2026-01-10T00:00:00Z', storeZone: 'UTC' })
    const fromCalls = await analyticsOf(january, { asOf: '2026-01-10T00:00:00Z', storeZone: 'Asia/Tokyo', timeZone: 'UTC' })
    expect(await fromCalls.report('users', {})).toEqual(await fromRollups.report('users', {}))
    const { columns } = await fromRollups.report('users', {})
    // Whoever asks by what only calls have is told of no feedback.
    const metrics = columns.map(({ key }) => key).filter((key) => key !== 'feedback_count' && key !== 'user')
    expect((await fromCalls.report('users', { where: 'latency_ms >= 0', metrics })).rows).toEqual(
      (await fromRollups.report('users', { metrics })).rows,
    )
  })

  it('sorts by any column, unknown last, equals by user', async () => {
    const analytics = await analyticsOf(january, { asOf: '2026-01-10T00:00:00Z' })
    for (const { key } of (await analytics.report('users', {})).columns) {
      const down = await analytics.report('users', { order_by: [[key, 'desc']], limit: 2 })
      const up = await analytics.report('users', { order_by: [[key, 'asc']] })
      const values = up.rows.map((row) => row[key] ?? null)
      expect(values.indexOf(null) === -1 || values.slice(values.indexOf(null)).every((value) => value === null)).toBe(true)
      expect(down.rows).toHaveLength(2)
    }
  })

  it('compares with as many days before, and says null where there was nothing', async () => {
    const analytics = await analyticsOf(january, { asOf: '2026-01-08T00:00:00Z' })
    const { rows, totals, columns } = await analytics.report('users', {
      last: '2d',
      compare: 'previous',
      metrics: ['requests', 'cost_usd'],
    })
    expect(columns.map(({ key }) => key)).toEqual([
      'user',
      'requests',
      'requests_previous',
      'requests_change',
      'cost_usd',
      'cost_usd_previous',
      'cost_usd_change',
    ])
    expect(rows).toEqual([
      {
        user: 'ada',
        requests: 1,
        requests_previous: 2,
        requests_change: -0.5,
        cost_usd: '0.020000000',
        cost_usd_previous: '0.054399001',
        cost_usd_change: (20_000_000 - 54_399_001) / 54_399_001,
      },
      {
        user: '(none)',
        requests: 1,
        requests_previous: 0,
        requests_change: null,
        cost_usd: '0.000000600',
        cost_usd_previous: '0.000000000',
        cost_usd_change: null,
      },
      {
        user: 'bob',
        requests: 1,
        requests_previous: 0,
        requests_change: null,
        cost_usd: null,
        cost_usd_previous: '0.000000000',
        cost_usd_change: null,
      },
    ])
    expect(totals['requests_previous']).toBe(2)
    await expect(analytics.report('users', { compare: 'previous' })).rejects.toThrow('give one: since or last')
  })

  it('counts a session in every period in which it has a call, and in no other', async () => {
    const session = { user: 'ada', session: 'long' }
    const analytics = await analyticsOf(
      [
        { at: '2026-01-01T10:00:00Z', ...session },
        { at: '2026-01-09T10:00:00Z', ...session },
        { at: '2026-01-05T10:00:00Z', user: 'ada' },
      ],
      {
        asOf: '2026-01-20T00:00:00Z',
      },
    )
    const sessionsIn = async (since: string, until: string): Promise<unknown> =>
      (await analytics.report('users', { since, until, metrics: ['sessions'] })).rows[0]?.['sessions']
    expect(await sessionsIn('2026-01-01', '2026-01-01')).toBe(1)
    expect(await sessionsIn('2026-01-04', '2026-01-06')).toBe(0)
    expect(await sessionsIn('2026-01-08', '2026-01-10')).toBe(1)
  })
})

describe('days', () => {
  it('counts a user of 23:30Z and 00:30Z on one day in New York and on two in UTC (F8)', async () => {
    const calls = [
      { at: '2026-01-05T23:30:00Z', user: 'ada' },
      { at: '2026-01-06T00:30:00Z', user: 'ada' },
    ]
    const daysIn = async (timeZone: string): Promise<unknown> =>
      (await (await analyticsOf(calls, { asOf: '2026-01-10T00:00:00Z', timeZone })).report('users', {})).rows[0]?.['active_days']
    expect(await daysIn('America/New_York')).toBe(1)
    expect(await daysIn('UTC')).toBe(2)
  })

  it('add up to the range in 20 zones, over both changes of clocks (F8)', async () => {
    const hourly = Array.from({ length: 28 * 24 }, (_, n) => n * 3_600_000)
    const starts = [Date.parse('2026-03-14T00:15:00Z'), Date.parse('2026-10-17T00:45:00Z')]
    const calls = starts.flatMap((start) => hourly.map((offset, n) => ({ at: start + offset, user: `u${n % 7}`, costNanoUsd: 1 + n })))
    const store = await ledgerOf(calls, { timeZone: 'Europe/Berlin' })
    open.push(store)
    for (const timeZone of zones) {
      const analytics = openAnalytics(store, { timeZone, now: () => Date.parse('2026-12-01T00:00:00Z') })
      for (const step of ['hour', 'day', 'week', 'month']) {
        const { rows, totals } = await analytics.query({ metrics: ['requests', 'cost_usd'], by: [`time:${step}`] })
        expect([timeZone, rows.reduce((sum, row) => sum + Number(row['requests']), 0)]).toEqual([timeZone, calls.length])
        expect(rows.reduce((sum, row) => sum + BigInt(String(row['cost_usd']).replace('.', '')), 0n)).toBe(
          BigInt(String(totals['cost_usd']).replace('.', '')),
        )
      }
    }
  })
})

const zones = [
  'UTC',
  'Europe/Berlin',
  'Europe/London',
  'Europe/Lisbon',
  'America/New_York',
  'America/Los_Angeles',
  'America/St_Johns',
  'America/Sao_Paulo',
  'America/Santiago',
  'Asia/Kathmandu',
  'Asia/Kolkata',
  'Asia/Tehran',
  'Asia/Tokyo',
  'Australia/Lord_Howe',
  'Australia/Eucla',
  'Pacific/Chatham',
  'Pacific/Auckland',
  'Pacific/Apia',
  'Pacific/Marquesas',
  'Africa/Casablanca',
]

describe('sums', () => {
  it('of users, models, days and plans are the total, to the nano-USD', async () => {
    const analytics = await analyticsOf(january, { asOf: '2026-01-10T00:00:00Z' })
    for (const by of [
      ['user'],
      ['model'],
      ['time:day'],
      ['property:plan'],
      ['property:plan', 'property:feature'],
      ['session'],
      ['status'],
    ]) {
      const { rows, totals } = await analytics.query({ metrics: ['cost_usd', 'requests'], by })
      expect(rows.reduce((sum, row) => sum + BigInt(String(row['cost_usd'] ?? '0').replace('.', '')), 0n)).toBe(74_399_601n)
      expect(totals).toEqual({ cost_usd: '0.074399601', requests: 5 })
    }
  })

  it('above what a double holds stay exact', async () => {
    const most = Number.MAX_SAFE_INTEGER
    const calls = Array.from({ length: 5 }, (_, n) => ({ at: Date.UTC(2026, 0, 5) + n, user: 'ada', costNanoUsd: most }))
    const analytics = await analyticsOf(calls, { asOf: '2026-01-10T00:00:00Z' })
    expect((await analytics.report('users', {})).rows[0]?.['cost_usd']).toBe('45035996.273704955')
    expect((await analytics.query({ metrics: ['cost_usd'], by: ['status'] })).totals['cost_usd']).toBe('45035996.273704955')
  })
})

describe('the other reports', () => {
  it('split by the dimensions they are called by', async () => {
    const analytics = await analyticsOf(january, { asOf: '2026-01-10T00:00:00Z' })
    const firsts = async (name: string, by?: string[]): Promise<unknown[]> => {
      const { rows, columns } = await analytics.report(name, { by })
      return rows.map((row) => columns.slice(0, columns.findIndex(({ key }) => key === 'requests') + 1).map(({ key }) => row[key]))
    }
    expect(await firsts('models')).toEqual([
      ['gpt-4o/openai', 4],
      ['text-embedding-3-small/openai', 1],
    ])
    expect(await firsts('providers')).toEqual([['openai', 5]])
    expect(await firsts('operations')).toEqual([
      ['chat', 4],
      ['embeddings', 1],
    ])
    expect(await firsts('sessions')).toEqual([
      ['s1', 'ada', 2],
      ['s2', 'ada', 1],
      ['(none)', '(none)', 1],
      ['(none)', 'bob', 1],
    ])
    expect(await firsts('errors')).toEqual([['rate_limit', 1]])
    expect(await firsts('properties', ['property:PLAN', 'feature'])).toEqual([
      ['pro', 'chat', 2],
      ['(none)', '(none)', 1],
      ['pro', 'search', 1],
      ['free', '(none)', 1],
    ])
  })

  it('name a property that is called like a metric with its prefix', async () => {
    const analytics = await analyticsOf([{ at: '2026-01-05T10:00:00Z', properties: { requests: 'many' } }], {
      asOf: '2026-01-10T00:00:00Z',
    })
    const { rows } = await analytics.query({ metrics: ['requests'], by: ['property:requests'] })
    expect(rows).toEqual([{ 'property:requests': 'many', requests: 1 }])
  })

  it('hold any id and value as it is: hostile names stay data', async () => {
    const hostile = [
      "'; DROP TABLE llm_calls; --",
      '<script>alert(1)</script>',
      '__proto__',
      'constructor',
      '=1+1',
      '%',
      '\u202eabc',
      '😀'.repeat(100),
    ]
    const analytics = await analyticsOf(
      hostile.map((text, n) => ({ at: Date.UTC(2026, 0, 5) + n, user: text, properties: { [`key ${n}"]; --`]: text, plan: text } })),
      { asOf: '2026-01-10T00:00:00Z' },
    )
    for (const text of hostile) {
      const { rows } = await analytics.query({
        metrics: ['requests'],
        by: ['user', 'property:plan'],
        where: ['is', 'property:plan', [text]],
      })
      expect(rows).toEqual([{ user: text, plan: text, requests: 1 }])
    }
    for (const [n, text] of hostile.entries()) {
      const { rows } = await analytics.query({
        metrics: ['requests'],
        by: [`property:key ${n}"]; --`],
        where: ['exists', `property:key ${n}"]; --`],
      })
      expect(Object.values(rows[0] ?? {})).toEqual([text, 1])
    }
  })
})

describe('a period', () => {
  const calls = [
    { at: '2026-01-31T23:59:59.999Z', user: 'ada' },
    { at: '2026-02-01T00:00:00Z', user: 'ada' },
  ]
  const requestsIn = async (params: object, asOf = '2026-03-01T12:00:00Z'): Promise<unknown> =>
    (await (await analyticsOf(calls, { asOf })).report('users', params)).totals['requests']

  it('holds its first instant and not its last; a date in until holds that day', async () => {
    expect(await requestsIn({ since: '2026-01-31', until: '2026-01-31' })).toBe(1)
    expect(await requestsIn({ since: '2026-01-31', until: '2026-02-01' })).toBe(2)
    expect(await requestsIn({ since: '2026-02-01T00:00:00Z', until: '2026-02-02T00:00:00Z' })).toBe(1)
    expect(await requestsIn({ since: '2026-01-31T00:00:00Z', until: '2026-02-01T00:00:00Z' })).toBe(1)
    expect(await requestsIn({ since: '2026-02-01T01:00:00+01:00', until: '2026-02-02' })).toBe(1)
  })

  it('of the last days counts local days, today included', async () => {
    const from = async (last: string): Promise<string> =>
      (await (await analyticsOf(calls, { asOf: '2026-03-31T12:00:00Z' })).report('users', { last })).meta.from
    expect(await from('1d')).toBe('2026-03-31T00:00:00.000Z')
    expect(await from('28d')).toBe('2026-03-04T00:00:00.000Z')
    expect(await from('1w')).toBe('2026-03-25T00:00:00.000Z')
    expect(await from('1mo')).toBe('2026-03-01T00:00:00.000Z')
  })

  it('ends at as_of: what starts later is not there, and is said', async () => {
    expect(await requestsIn({}, '2026-02-01T00:00:00Z')).toBe(1)
    const { meta } = await (
      await analyticsOf(calls, { asOf: '2026-02-01T00:00:00Z' })
    ).report('users', { since: '2026-01-01', until: '2026-02-28' })
    expect([meta.complete, meta.requests, meta.warnings]).toEqual([
      false,
      1,
      ['calls that start after as_of are left out', 'latency percentiles are within 1.1 %'],
    ])
  })

  it('that cannot be is refused with what is allowed', async () => {
    const analytics = await analyticsOf(calls, { asOf: '2026-03-01T12:00:00Z' })
    for (const params of [
      { since: '2026-02-30' },
      { since: 'tomorrow' },
      { since: '2026-01-01T00:00:00' },
      { last: '0d' },
      { last: '3y' },
      { since: '2026-02-02', until: '2026-02-01' },
      { since: '2026-01-01', last: '7d' },
    ]) {
      await expect(analytics.report('users', params)).rejects.toThrow(QueryError)
    }
  })
})
