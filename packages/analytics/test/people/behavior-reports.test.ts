import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { ErrorClass, LedgerEvent } from '@spanledger/conventions'
import type { Store } from '@spanledger/store'

import { openAnalytics, type Analytics, type Cell, type Row } from '../../src/index.ts'
import { dayOfRequests, twelveUsers } from '../behavior/histories.ts'
import { eventOf, scoreFacts } from '../events.ts'
import { callOf, ledgerOf, type CallWords } from '../ledger.ts'

/** A day of requests of five users in New York, of which the app said how session s1 ended. */
describe('reports about behaviour', () => {
  let store: Store
  let analytics: Analytics
  beforeAll(async () => {
    store = await ledgerOf(
      dayOfRequests().map(({ user, session, startMs, endMs, feature, status, errorClass }) => ({
        at: startMs,
        user,
        session,
        latencyMs: endMs - startMs,
        properties: { Feature: feature ?? '' },
        status,
        errorClass: errorClass as ErrorClass | undefined,
      })),
      { timeZone: 'America/New_York' },
    )
    await store.write({
      calls: [],
      events: [eventOf({ kind: 'goal', user: 'B', session: 's1', at: '2024-03-10T14:01:00Z', says: { 'event.name': 'document read' } })],
    })
    analytics = openAnalytics(store, { now: () => Date.parse('2024-03-11T12:00:00Z') })
  })
  afterAll(() => store.close())

  it('session_metrics: durations, messages, returns and completions', async () => {
    const { rows } = await analytics.report('session_metrics')
    expect(rows).toEqual([
      expect.objectContaining({
        sessions: 7,
        open_sessions: 1,
        duration_avg_s: expect.closeTo(1794.6667, 4) as Cell,
        duration_p50_s: 865,
        active_duration_avg_s: expect.closeTo(307.1667, 4) as Cell,
        return_24h_rate: expect.closeTo(2 / 3, 12) as Cell,
        return_24h_known: 3,
        completion_rate: expect.closeTo(4 / 6, 12) as Cell,
        explicit_outcomes: 1,
      }),
    ])
    const strict = await analytics.report('session_metrics', { options: { outcomes: 'strict' } })
    expect(strict.rows[0]).toMatchObject({ completed: 1, abandoned: 0 })
  })

  it('active: users of local days, one of which has 23 hours, and of those of UTC', async () => {
    const daily = async (timeZone?: string): Promise<unknown> => {
      const asked = openAnalytics(store, { now: () => Date.parse('2024-03-11T12:00:00Z'), ...(timeZone === undefined ? {} : { timeZone }) })
      return (await asked.report('active')).rows.map(({ date, dau }) => [date, dau])
    }
    expect(await daily()).toEqual([
      ['2024-03-09', 2],
      ['2024-03-10', 3],
      ['2024-03-11', 2],
    ])
    expect(await daily('UTC')).toEqual([
      ['2024-03-10', 4],
      ['2024-03-11', 2],
    ])
  })

  it('a period cuts no session: it has those that began in it, whole', async () => {
    const { rows } = await analytics.report('session_metrics', { since: '2024-03-09', until: '2024-03-09' })
    // That of user A began ten minutes before midnight and went on after it.
    expect(rows[0]).toMatchObject({ sessions: 2, duration_avg_s: (5 + 1270) / 2 })
  })

  it('behavior: of one user by the local day, in columns and in the words of the seed', async () => {
    const { rows } = await analytics.report('behavior', { user: 'A' })
    expect(rows).toEqual([
      {
        requests: 7,
        user_days: 3,
        requests_per_calendar_day: expect.closeTo(7 / 3, 9) as Cell,
        requests_per_active_day: expect.closeTo(7 / 3, 12) as Cell,
        peak_hours: '0, 1, 23',
        session_length_avg_s: expect.closeTo(1029.3333, 4) as Cell,
        favorite_features: 'chat, document_analysis',
        preferred_models: 'gpt-4o/openai',
      },
    ])
    const { seed } = await analytics.report('behavior', { user: 'A', options: { shape: 'seed' } })
    expect(seed).toEqual({
      user_behavior: {
        avg_requests_per_day: 2.3333333,
        peak_usage_hours: [0, 1, 23],
        session_length_avg: '17 minutes',
        favorite_features: ['chat', 'document_analysis'],
        model_preferences: ['gpt-4o/openai'],
      },
    })
  })

  it('friction: abandoned sessions and model errors, in columns and in the words of the seed', async () => {
    const { rows } = await analytics.report('friction')
    expect(rows.map(({ friction, what, n, of }) => [friction, what, n, of])).toEqual([
      ['abandoned_sessions', 'long_wait_time', 1, 2],
      ['abandoned_sessions', 'rate_limited', 1, 2],
      ['rate_limits', 'power users', 0, 0],
      ['model_errors', 'requests', 2, 18],
    ])
    const { seed } = await analytics.report('friction', { options: { shape: 'seed' } })
    expect(seed).toEqual({
      friction_analysis: {
        high_retry_requests: null,
        abandoned_sessions: { avg_abandonment_point: '3rd message', common_patterns: ['long_wait_time', 'rate_limited'] },
        error_hotspots: { rate_limits: null, model_errors: '11.1% of requests fail' },
      },
    })
  })
})

it('calls without a user count among requests, and make nobody busier', async () => {
  const calls = [
    { at: '2026-01-05T10:00:00Z', user: 'ann' },
    { at: '2026-01-05T10:01:00Z', user: 'ann' },
    { at: '2026-01-05T10:02:00Z' },
    { at: '2026-01-05T10:03:00Z', status: 'error' as const, errorClass: 'timeout' as const },
  ]
  for (const isKept of [false, true]) {
    const store = await ledgerOf(calls)
    if (isKept) await store.closeDays()
    const analytics = openAnalytics(store, { now: () => Date.parse('2026-01-12T00:00:00Z') })
    const behavior = await analytics.report('behavior')
    expect(behavior.rows[0]).toMatchObject({ requests: 4, user_days: 1, requests_per_active_day: 2 })
    const friction = await analytics.report('friction')
    expect(friction.rows.find((row) => row['friction'] === 'model_errors')).toMatchObject({ n: 1, of: 4, share: 0.25 })
    expect((await analytics.report('behavior', { user: 'ann' })).rows[0]).toMatchObject({ requests: 2 })
    await store.close()
  }
})

describe('a thumb down on the last answer', () => {
  const at = (minute: number): number => Date.parse('2026-01-05T10:00:00Z') + minute * 60_000
  /** About an answer, or a session as a whole. */
  const thumb = (minute: number, value: 0 | 1, { about, session }: { about?: string; session?: string }) =>
    eventOf({ kind: 'feedback', user: 'ann', session, at: at(minute), says: scoreFacts({ name: 'thumbs', value, min: 0, max: 1, about }) })
  /** Sessions a, b, c, d of two calls each, ten minutes apart; their answers are called a1, a2, b1, … */
  async function ledgerWith(events: readonly LedgerEvent[], isKept: boolean): Promise<Analytics & { close: () => Promise<void> }> {
    const calls = ['a', 'b', 'c', 'd'].flatMap((session, n) =>
      [1, 2].map((turn) =>
        Object.assign(callOf({ user: 'ann', session, at: at(n * 60 + turn * 10) }), { responseId: `${session}${turn}` }),
      ),
    )
    const store = await ledgerOf([])
    await store.write({ calls })
    if (isKept) await store.closeDays()
    await store.write({ calls: [], events: [...events] })
    return { ...openAnalytics(store, { now: () => Date.parse('2026-01-12T00:00:00Z') }), close: () => store.close() }
  }

  it('makes a session abandoned and its answer unclear, however late it comes, and whatever is kept', async () => {
    const thumbs = [
      thumb(15, 0, { about: 'a1' }), // An answer came after.
      thumb(60 * 24 * 3, 0, { about: 'b2' }), // Three days late.
      thumb(131, 0, { session: 'c' }), // Of the session, between its answers.
      thumb(60 * 6, 0, { session: 'd' }),
    ]
    for (const isKept of [false, true]) {
      const { report, close } = await ledgerWith(thumbs, isKept)
      expect((await report('session_metrics')).rows[0]).toMatchObject({ sessions: 4, completed: 2, abandoned: 2, explicit_outcomes: 0 })
      expect((await report('session_metrics', { options: { outcomes: 'strict' } })).rows[0]).toMatchObject({ completed: 0, abandoned: 0 })
      const { rows } = await report('friction', { since: '2026-01-05', until: '2026-01-05' })
      expect(rows.filter(({ friction }) => friction === 'abandoned_sessions').map(({ what, n, of }) => [what, n, of])).toEqual([
        ['unclear_response', 2, 2],
      ])
      await close()
    }
  })

  it('counts no more once it is turned up, and not where the app itself said how the session ended', async () => {
    const thumbs = [
      thumb(30, 0, { about: 'a2' }),
      thumb(40, 1, { about: 'a2' }),
      thumb(85, 0, { about: 'b2' }),
      eventOf({ kind: 'session_end', user: 'ann', session: 'b', at: at(86), says: { 'session.outcome': 'completed' } }),
    ]
    for (const isKept of [false, true]) {
      const { report, close } = await ledgerWith(thumbs, isKept)
      expect((await report('session_metrics')).rows[0]).toMatchObject({ completed: 4, abandoned: 0, explicit_outcomes: 1 })
      await close()
    }
  })
})

describe('evolution', () => {
  it('week by week since users came, over the ledger', async () => {
    const store = await ledgerOf(
      twelveUsers().map(({ user, startMs, endMs, feature }) => ({
        at: startMs,
        user,
        latencyMs: endMs - startMs,
        properties: { feature: feature ?? '' },
      })),
    )
    const analytics = openAnalytics(store, { now: () => Date.parse('2024-04-15T00:00:00Z') })
    const { rows } = await analytics.report('evolution')
    expect(
      rows.map(({ users, eligible, requests, session_length_avg_s: length, features }) => [users, eligible, requests, length, features]),
    ).toEqual([
      [12, 12, 34, 52, 'chat, analysis'],
      [8, 11, 23, 122.5, 'chat, analysis'],
      [3, 5, 9, 130, 'chat, analysis'],
    ])
    // Whom one sees in both: the same five users throughout come less and less.
    expect((await analytics.report('evolution')).rows.map(({ panel, panel_requests_per_day: own }) => [panel, own])).toEqual([
      [5, expect.closeTo(15 / 35, 9)],
      [5, expect.closeTo(13 / 35, 9)],
      [5, expect.closeTo(9 / 35, 9)],
    ])
    const panel = await analytics.report('evolution', { options: { basis: 'panel' } })
    expect(panel.rows.map(({ requests }) => requests)).toEqual([15, 13, 9])
    expect(panel.rows.map(({ panel_requests_per_day: own }) => own)).toEqual(panel.rows.map(({ requests_per_day: own }) => own))
    const { seed } = await analytics.report('evolution', { options: { shape: 'seed' } })
    expect(seed).toMatchObject({
      user_evolution: { week_1: { requests_per_day: 0.4047619, avg_session_length: '52 sec', features_used: ['chat', 'analysis'] } },
    })
    await store.close()
  })

  it('says how satisfied users were in each of their own weeks, as counting one user at a time finds', async () => {
    const calls = twelveUsers()
    const store = await ledgerOf(calls.map(({ user, startMs, endMs }) => ({ at: startMs, user, latencyMs: endMs - startMs })))
    const rated = (
      user: string | undefined,
      at: string,
      session: string,
      value: number,
      [min, max] = [1, 5],
      source: LedgerEvent['source'] = 'human',
    ) =>
      eventOf({
        kind: 'feedback',
        user,
        at: `${at}:00Z`,
        session,
        says: scoreFacts({ name: 'rating', value, min, max, source, about: session }),
      })
    const told = [
      rated('u01', '2024-01-02T13:00', 's1', 5),
      rated('u01', '2024-01-03T13:00', 's1', 3),
      rated('u01', '2024-01-08T23:59', 's2', 1),
      rated('u02', '2024-01-05T13:00', 's3', 1, [0, 1]),
      // Of no week that is asked for, of a judge, of a week that is not over, of nobody.
      rated('u02', '2024-01-12T13:00', 's3', 0, [0, 1]),
      rated('u02', '2024-01-06T13:00', 's3', 0, [0, 1], 'judge'),
      rated('u12', '2024-04-09T12:30', 's4', 1),
      rated(undefined, '2024-01-02T13:00', 's5', 1),
      rated('u01', '2024-01-23T00:00', 's1', 4),
    ]
    await store.write({
      calls: [],
      events: [...told, eventOf({ kind: 'nps', user: 'u01', at: '2024-01-02T14:00:00Z', says: { 'nps.score': 0 } })],
    })
    const analytics = openAnalytics(store, { now: () => Date.parse('2024-04-15T00:00:00Z') })
    const satisfied = (rows: readonly Row[]): unknown[] => rows.map(({ satisfaction }) => satisfaction)
    // u01: 3 of 5 in place of 5 of 5, and 1 of 5: (5 + 0) / 2; u02 a thumb up: 10.
    expect(satisfied((await analytics.report('evolution')).rows)).toEqual([6.25, 7.5, null])
    const { seed } = await analytics.report('evolution', { options: { shape: 'seed' } })
    expect(seed).toMatchObject({
      user_evolution: { week_1: { satisfaction_score: 6.3 }, week_4: { satisfaction_score: 7.5 }, week_12: { satisfaction_score: null } },
    })
    expect(satisfied((await analytics.report('evolution', { where: ['is', 'user', ['u02']] })).rows)).toEqual([10, null, null])
    const byModel = await analytics.report('evolution', { where: ['is', 'model', ['gpt-4o']] })
    expect(byModel.meta.warnings).toContainEqual(expect.stringMatching(/^satisfaction is filtered by/))

    let state = 7
    const roll = (below: number): number => (state = (state * 48_271) % 2_147_483_647) % below
    const more = Array.from({ length: 300 }, () =>
      eventOf({
        kind: 'feedback',
        user: calls[roll(calls.length)]?.user ?? '',
        at: Date.parse('2024-01-02T00:00:00Z') + roll(104 * 24 * 60) * 60_000,
        says: scoreFacts({
          name: ['rating', 'tone'][roll(2)],
          value: roll(6) === 0 ? undefined : 1 + roll(5),
          label: 'said',
          min: 1,
          max: 5,
          about: `t${roll(2)}`,
        }),
      }),
    )
    await store.write({ calls: [], events: more })
    const { rows } = await analytics.report('evolution', { options: { weeks: '1,2,3,4,9' } })
    const all = [...told, ...more].filter(({ user, source }) => user !== undefined && source === 'human')
    const naive = [1, 2, 3, 4, 9].map((week) => {
      const means: number[] = []
      for (const user of new Set(calls.map((call) => call.user))) {
        const first = Math.min(...calls.filter((call) => call.user === user).map(({ startMs }) => Math.floor(startMs / 86_400_000)))
        if (first + 7 * week > Date.parse('2024-04-15T00:00:00Z') / 86_400_000) continue
        const latest = new Map<string, number | undefined>()
        const own = all.filter(
          (event) => event.user === user && Math.ceil((Math.floor(event.startMs / 86_400_000) - first + 1) / 7) === week,
        )
        for (const { name, target, value, min, max } of own.sort((a, b) => a.startMs - b.startMs || (a.spanId < b.spanId ? -1 : 1)))
          latest.set(`${name} ${target?.id}`, value === undefined ? undefined : ((value - (min ?? 0)) / ((max ?? 0) - (min ?? 0))) * 10)
        const scores = [...latest.values()].filter((score) => score !== undefined)
        if (scores.length > 0) means.push(scores.reduce((a, b) => a + b, 0) / scores.length)
      }
      return means.length === 0 ? null : Math.round((means.reduce((a, b) => a + b, 0) / means.length) * 1e7) / 1e7
    })
    expect(satisfied(rows).map((mean) => Math.round(Number(mean) * 1e7) / 1e7)).toEqual(naive)
    expect(naive).not.toContain(null)
    await store.close()
  })
})

it('reports about behaviour of an empty ledger have no rows and no NaN', async () => {
  const store = await ledgerOf([])
  const analytics = openAnalytics(store)
  for (const name of ['session_metrics', 'behavior', 'evolution', 'friction']) expect((await analytics.report(name)).rows).toEqual([])
  const { seed } = await analytics.report('behavior', { options: { shape: 'seed' } })
  expect(JSON.stringify(seed)).not.toMatch(/NaN|undefined|Infinity/)
  await store.close()
})

describe('what users like', () => {
  const call = (user: string, feature: string, minute: number, more: CallWords['properties'] = {}, model = 'gpt-4o'): CallWords => ({
    at: Date.parse('2026-03-02T09:00:00Z') + minute * 60_000,
    user,
    model,
    properties: { feature, ...more },
  })

  it('is told by requests, or by users: what one of them asks all day is no favourite of many', async () => {
    const store = await ledgerOf([
      ...Array.from({ length: 40 }, (_, n) => call('ada', 'export', n)),
      ...['ada', 'ben', 'cyd'].flatMap((user, n) => [call(user, 'chat', 50 + n), call(user, 'search', 60 + n)]),
      call('ada', 'search', 70),
      // One in forty users would be less than a twentieth.
      call('dan', 'draw', 80),
    ])
    const analytics = openAnalytics(store, { now: () => Date.parse('2026-03-03T00:00:00Z') })
    const featuresBy = async (rank_by: string) =>
      (await analytics.report('behavior', { options: { rank_by } })).rows[0]?.['favorite_features']
    expect([await featuresBy('requests'), await featuresBy('users')]).toEqual(['export, search, chat', 'search, chat, export'])
    await store.close()
  })

  it('models are those that users chose, where the app says who chooses', async () => {
    const calls = [
      ...Array.from({ length: 9 }, (_, n) => call('ada', 'chat', n, { 'model.choice': 'app' }, 'gpt-4o-mini')),
      call('ada', 'chat', 20, { 'model.choice': 'user' }, 'gpt-5'),
    ]
    const told = async (some: readonly CallWords[], user: string) => {
      const store = await ledgerOf(some)
      const analytics = openAnalytics(store, { now: () => Date.parse('2026-03-03T00:00:00Z') })
      const { rows } = await analytics.report('behavior', { user })
      await store.close()
      return rows[0]?.['preferred_models']
    }
    expect(await told(calls, 'ada')).toBe('gpt-5/openai')
    // Of whom nobody says it, all are told.
    expect(await told([...calls, call('ben', 'chat', 30)], 'ben')).toBe('gpt-4o/openai')
  })

  it('requests per calendar day count from the first call of each user, days without a call too', async () => {
    const store = await ledgerOf([
      ...[0, 1, 2].map((n) => call('ada', 'chat', n)),
      { at: '2026-03-04T10:00:00Z', user: 'ben', properties: {} },
      { at: '2026-03-06T10:00:00Z', user: 'ben', properties: {} },
    ])
    const analytics = openAnalytics(store, { now: () => Date.parse('2026-03-08T00:00:00Z') })
    const { rows } = await analytics.report('behavior')
    // Six days of ada, four of ben.
    expect(rows[0]).toMatchObject({ user_days: 3, requests_per_active_day: 5 / 3, requests_per_calendar_day: 0.5 })
    // Who calls first after as_of could not call before, however late the period ends.
    const early = openAnalytics(store, { now: () => Date.parse('2026-03-04T10:00:00Z') })
    const [row] = (await early.report('behavior', { since: '2026-03-01', until: '2026-03-31' })).rows
    expect(row).toMatchObject({ user_days: 1, requests_per_calendar_day: 1 })
    await store.close()
  })

  it('calendar days are those of the zone asked for: a call of the evening in UTC begins on the next day in Kathmandu', async () => {
    const store = await ledgerOf([{ at: '2026-03-01T20:00:00Z', user: 'ada', properties: {} }])
    const perDay = async (timeZone: string) => {
      const analytics = openAnalytics(store, { now: () => Date.parse('2026-03-04T10:00:00Z'), timeZone })
      return (await analytics.report('behavior')).rows[0]?.['requests_per_calendar_day']
    }
    expect([await perDay('UTC'), await perDay('Asia/Kathmandu')]).toEqual([1 / 4, 1 / 3])
    await store.close()
  })
})
