import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { Store } from '@spanledger/store'

import { openAnalytics, QueryError, type Analytics, type Cell, type Row } from '../../src/index.ts'
import { activeUsers } from '../../src/retention/active-users.ts'
import { cohorts } from '../../src/retention/cohorts.ts'
import { growth } from '../../src/retention/growth.ts'
import { dateOf, dayOf, type UserHistory } from '../../src/behavior/user-history.ts'
import { localIn, twelveUsers } from '../behavior/histories.ts'
import { ledgerOf, type CallWords } from '../ledger.ts'

const AS_OF = Date.parse('2024-04-15T00:00:00Z')

describe('reports about people, over twelve users', () => {
  let store: Store
  let analytics: Analytics
  beforeAll(async () => {
    store = await ledgerOf([
      ...twelveUsers().map(({ user, startMs, endMs, feature }): CallWords => ({
        at: startMs,
        user,
        latencyMs: endMs - startMs,
        properties: { Feature: feature ?? '' },
        costNanoUsd: 1_000_000,
      })),
      { at: Date.parse('2024-01-01T12:00:00Z') },
    ])
    analytics = openAnalytics(store, { now: () => AS_OF })
  })
  afterAll(() => store.close())

  const rowsOf = async (name: string, params = {}): Promise<readonly Row[]> => (await analytics.report(name, params)).rows
  const lines = (rows: readonly Row[], ...keys: string[]): string[] => rows.map((row) => keys.map((key) => String(row[key])).join(' '))

  it('active: the users of a day, its week and its month; nobody without a name', async () => {
    const rows = await rowsOf('active', { since: '2024-03-25', until: '2024-03-25' })
    expect(rows).toEqual([{ date: '2024-03-25', dau: 4, wau: 7, mau: 9, stickiness: expect.closeTo(0.0962963, 7) as Cell, wau_mau: 7 / 9 }])
    expect(await rowsOf('active')).toHaveLength(105)
    expect((await rowsOf('active', { since: '2024-01-01', until: '2024-01-01' }))[0]?.['dau']).toBe(0)
  })

  it('active --clock calendar: the users of the week and the month that hold the day, as far as these are over', async () => {
    const ask = (since: string, options = {}) => rowsOf('active', { since, until: since, options: { clock: 'calendar', ...options } })
    const naive = (from: string, to: string): number =>
      new Set(
        twelveUsers()
          .filter(({ startMs }) => startMs >= Date.parse(from) && startMs < Date.parse(to))
          .map(({ user }) => user),
      ).size
    const [march] = await ask('2024-03-05')
    expect(march).toMatchObject({ wau: naive('2024-03-04', '2024-03-11'), mau: naive('2024-03-01', '2024-04-01'), complete: true })
    expect((await ask('2024-04-03'))[0]).toMatchObject({ mau: naive('2024-04-01', '2024-05-01'), complete: false })
    const [sunday] = await rowsOf('active', {
      since: '2024-03-03',
      until: '2024-03-03',
      week_start: 'sunday',
      options: { clock: 'calendar' },
    })
    expect(sunday?.['wau']).toBe(naive('2024-03-03', '2024-03-10'))
    await expect(ask('2024-03-05', { month_days: '28' })).rejects.toThrow('month_days is of no use here')
    await expect(rowsOf('active', { week_start: 'sunday' })).rejects.toThrow('week_start is of no use here')
  })

  it('active --month-days 28: as tools count that know no months', async () => {
    const rows = await rowsOf('active', { since: '2024-03-25', until: '2024-03-25', options: { month_days: '28' } })
    expect(rows[0]?.['mau']).toBe(9)
  })

  it('--activity success: who only failed was not active, and is of a cohort all the same', async () => {
    const call = (user: string, at: string, status: CallWords['status']): CallWords => ({ user, at, status })
    const own = await ledgerOf([
      call('ada', '2024-02-01T10:00:00Z', 'ok'),
      call('ada', '2024-03-01T10:00:00Z', 'error'),
      call('ben', '2024-02-01T10:00:00Z', 'error'),
      call('ben', '2024-03-01T10:00:00Z', 'ok'),
      call('cyd', '2024-02-02T10:00:00Z', 'cancelled'),
    ])
    const asked = openAnalytics(own, { now: () => AS_OF })
    const ask = async (name: string, options: Record<string, string> = {}) =>
      (await asked.report(name, { options: { activity: 'success', ...options } })).rows
    expect(
      lines(
        (await ask('active')).filter(({ dau }) => dau !== 0),
        'date',
        'dau',
      ),
    ).toEqual(['2024-02-01 1', '2024-03-01 1'])
    // Whose first success comes a month after the first call is not new then.
    expect(lines(await ask('growth'), 'period', 'active', 'new', 'resurrected', 'dormant').slice(0, 2)).toEqual([
      '2024-02 1 1 0 0',
      '2024-03 1 0 1 1',
    ])
    expect(lines(await ask('cohorts', { weeks: '1,5' }), 'cohort', 'size', 'w1', 'w5')).toEqual([`2024-02 3 ${1 / 3} ${1 / 3}`])
    expect(await ask('cohorts', { weeks: '1,5', begin: 'first_call' })).toEqual(await ask('cohorts', { weeks: '1,5' }))
    expect(lines(await ask('cohorts', { weeks: '1,5', base: 'week1_active' }), 'size', 'w1', 'w5')).toEqual(['3 1 0'])
    const all = await asked.report('stickiness', { since: '2024-02-01', until: '2024-03-02' })
    expect(all.rows[0]?.['users']).toBe(1)
    expect(await ask('stickiness')).toEqual([])
    await own.close()
  })

  it('cohorts --until an instant: who begins later on that day is not in them yet', async () => {
    const own = await ledgerOf([
      { user: 'ada', at: '2024-02-01T10:00:00Z' },
      { user: 'ben', at: '2024-02-01T14:00:00Z' },
      { user: 'ada', at: '2024-02-20T10:00:00Z' },
    ])
    const asked = openAnalytics(own, { now: () => AS_OF })
    const sizeAt = async (until: string) => lines((await asked.report('cohorts', { until })).rows, 'cohort', 'size')
    expect(await sizeAt('2024-02-01T12:00:00Z')).toEqual(['2024-02 1'])
    expect(await sizeAt('2024-02-01T15:00:00Z')).toEqual(['2024-02 2'])
    await own.close()
  })

  it('growth and evolution: who signed up before the first call is new when signing up, and comes back with that call', async () => {
    const own = await ledgerOf([
      { user: 'ada', at: '2024-02-10T10:00:00Z', properties: { SignupDate: '2024-01-20' } },
      { user: 'ada', at: '2024-03-10T10:00:00Z' },
      { user: 'ben', at: '2024-02-10T10:00:00Z' },
      // A day late is right as clocks go, but nobody is new who was there the month before; two days are too late.
      { user: 'cyd', at: '2024-01-31T10:00:00Z', properties: { SignupDate: '2024-02-01' } },
      { user: 'cyd', at: '2024-02-03T10:00:00Z', properties: { SignupDate: '2024-02-01' } },
      { user: 'dan', at: '2024-02-10T10:00:00Z', properties: { SignupDate: '2024-02-12' } },
    ])
    const asked = openAnalytics(own, { now: () => AS_OF })
    const growthRows = async (options: Record<string, string>) =>
      lines((await asked.report('growth', { options })).rows, 'period', 'active', 'new', 'returning', 'resurrected', 'dormant').slice(0, 3)
    expect(await growthRows({})).toEqual(['2024-01 1 1 0 0 0', '2024-02 4 2 1 1 0', '2024-03 1 0 1 0 3'])
    expect(await growthRows({ begin: 'first_call' })).toEqual(['2024-01 1 1 0 0 0', '2024-02 4 3 1 0 0', '2024-03 1 0 1 0 3'])
    expect((await asked.report('growth')).meta.warnings).toContain(
      'the sign-up of 1 users lies more than a day after their first call, and is left out',
    )
    const weekOfAda = async (options: Record<string, string>) => {
      const { rows } = await asked.report('evolution', { user: 'ada', options: { weeks: '1,4', ...options } })
      return rows.map(({ users }) => users)
    }
    expect(await weekOfAda({})).toEqual([0, 1])
    expect(await weekOfAda({ begin: 'first_call' })).toEqual([1, 0])
    await own.close()
  })

  it('growth: who came, stayed, returned and left', async () => {
    const rows = await rowsOf('growth')
    expect(lines(rows, 'period', 'active', 'new', 'returning', 'resurrected', 'dormant', 'growth', 'quick_ratio', 'complete')).toEqual([
      '2024-01 5 5 0 0 0 null null true',
      '2024-02 8 4 4 0 1 0.6 4 true',
      '2024-03 9 3 6 0 2 0.125 1.5 true',
      '2024-04 8 0 7 1 2 0 0.5 false',
    ])
    expect((await rowsOf('growth', { options: { incomplete: 'complete_only' } })).at(-1)?.['growth']).toBeNull()
    expect(await rowsOf('growth', { by: ['time:week'], since: '2024-03-04', until: '2024-03-17' })).toHaveLength(2)
  })

  it('adoption --by time:month: of those who came in each month; a period chooses who came in it', async () => {
    const told = (rows: readonly Row[]) => lines(rows, 'cohort', 'aware', 'tried', 'adopted', 'power')
    const analysis = { options: { feature: 'analysis' } }
    expect(told(await rowsOf('adoption', { ...analysis, by: ['time:month'] }))).toEqual([
      '2024-01 5 2 1 0',
      '2024-02 4 2 0 0',
      '2024-03 3 2 0 0',
    ])
    expect(told(await rowsOf('adoption', { ...analysis, by: ['time:month'], since: '2024-02-02', until: '2024-02-29' }))).toEqual([
      '2024-02 3 1 0 0',
    ])
    const timing = await rowsOf('adoption', { options: { view: 'timing', feature: 'analysis' }, by: ['time:month'] })
    expect(timing.filter(({ first_use }) => first_use === 'day 0').map(({ cohort, users }) => [cohort, users])).toEqual([
      ['2024-01', 1],
      ['2024-02', 1],
      ['2024-03', 0],
    ])
  })

  it('adoption --view barriers: what those met in a feature who tried it and left it, beside those who kept it', async () => {
    const call = (user: string, day: number, n: number, words: Partial<CallWords> = {}): CallWords => ({
      at: AS_OF - day * 86_400_000 + n * 60_000,
      user,
      properties: { feature: 'chat' },
      ...words,
    })
    // Two who keep the feature fail once in ten; two who left it half of the time, and wait for long.
    const kept = ['ada', 'ben'].flatMap((user, n) =>
      [5, 12].flatMap((day) =>
        Array.from({ length: 5 }, (_, k) => call(user, day, 10 * n + k, { status: day === 5 && k === 0 ? 'error' : 'ok' })),
      ),
    )
    const left = ['cyd', 'dan'].flatMap((user, n) =>
      Array.from({ length: 4 }, (_, k) => call(user, 40, 10 * n + k, { status: k % 2 === 0 ? 'error' : 'ok', latencyMs: 20_000 })),
    )
    const own = await ledgerOf([...kept, ...left])
    const { rows } = await openAnalytics(own, { now: () => AS_OF }).report('adoption', { options: { view: 'barriers', feature: 'chat' } })
    await own.close()
    expect(lines(rows, 'barrier', 'stopped', 'adopted', 'stopped_rate', 'adopted_rate', 'difference')).toEqual([
      'errors 2 2 0.5 0.1 0.4',
      'retries 2 2 null null null',
      'rate_limits 2 2 0 0 0',
      'slow_answers 2 2 1 0 1',
      'negative_feedback 2 2 null null null',
    ])
  })

  it('adoption --view timing: when users first used a feature, and how many of these stayed', async () => {
    const rows = await rowsOf('adoption', { options: { view: 'timing', feature: 'analysis' } })
    const naive = [
      [0, 0],
      [1, 2],
      [3, 6],
      [7, 13],
      [14, 20],
    ].map(([from = 0, to = 0]) => naiveTiming(twelveUsers(), 'analysis', { from, to }))
    expect(rows.map(({ users, retained }) => [users, retained])).toEqual(naive)
    expect(rows.map(({ first_use }) => first_use)).toEqual(['day 0', 'days 1 to 2', 'days 3 to 6', 'days 7 to 13', 'days 14 to 20'])
  })

  it('churn_indicators: what users of the four weeks before the last thirty days met, and who left since', async () => {
    const rows = await rowsOf('churn_indicators')
    const single = rows.find(({ factor }) => factor === 'single_feature')
    const naive = naiveChurn(twelveUsers(), Date.parse('2024-02-17T00:00:00Z'), Date.parse('2024-03-16T00:00:00Z'))
    expect(single).toMatchObject({ n: naive.users, churned_with: naive.ofSingle, churned_without: naive.ofOthers })
    expect(single?.['reads']).toBe('not distinguishable from chance')
    expect(rows.map(({ factor }) => factor)).not.toContain('rate_limited')
  })

  it('cohorts: null where it cannot be known yet', async () => {
    expect(await rowsOf('cohorts')).toEqual([
      { cohort: '2024-01', size: 5, w1: 1, w2: 0.8, w4: 0.8, w8: 0.6, w12: 0.6, reason: null },
      { cohort: '2024-02', size: 4, w1: 1, w2: 0.75, w4: 0.75, w8: 0.5, w12: null, reason: 'censored' },
      { cohort: '2024-03', size: 3, w1: 1, w2: 1, w4: null, w8: null, w12: null, reason: 'censored' },
    ])
    // Of each week those of which it is told: others than the weeks before, so it may rise.
    const { totals } = await analytics.report('cohorts', { ci: true })
    expect(totals).toMatchObject({ size: 12, w1: 1, w2: 10 / 12, w4: 7 / 9, w8: 5 / 9, w12: 3 / 5, w12_numerator: 3, w12_denominator: 5 })
    const later = await rowsOf('cohorts', { options: { mode: 'on_or_after', weeks: '2, 4' }, until: '2024-01-31' })
    expect(later).toEqual([{ cohort: '2024-01', size: 5, w2: 1, w4: 0.8, reason: null }])
  })

  it('cohorts: have whom they have from the first hour on', async () => {
    const early = openAnalytics(store, { now: () => Date.parse('2024-01-02T12:01:00Z') })
    expect((await early.report('cohorts')).rows).toEqual([
      { cohort: '2024-01', size: 1, w1: null, w2: null, w4: null, w8: null, w12: null, reason: 'censored' },
    ])
  })

  it('segments: each user in one, and who moved', async () => {
    const members = await rowsOf('segment_members', { order_by: [['user', 'asc']] })
    expect(lines(members, 'user', 'segment', 'is_power', 'requests_30d')).toEqual([
      'u01 power true 20',
      'u02 casual false 5',
      'u03 churned false 0',
      'u04 at_risk false 14',
      'u05 casual false 2',
      'u06 power true 20',
      'u07 casual false 2',
      'u08 churned false 0',
      'u09 casual false 9',
      'u10 casual false 3',
      'u11 casual false 1',
      'u12 new false 9',
    ])
    // 30 days after the last call, of those who are gone.
    expect(members.flatMap(({ user, churned_at: at }) => (at === null ? [] : `${String(user)} ${String(at)}`))).toEqual([
      'u03 2024-02-16T12:00:00.000Z',
      'u08 2024-03-13T12:00:00.000Z',
    ])
    expect(members.find(({ user }) => user === 'u12')).toMatchObject({ tenure_days: 27, is_new: true })
    expect(members.find(({ user }) => user === 'u04')?.['risk_score']).toBeCloseTo(1 - 3 / 13, 12)
    const segments = await rowsOf('segments')
    const requestsOf = (...users: string[]): number => twelveUsers().filter(({ user }) => users.includes(user)).length
    expect(lines(segments, 'segment', 'users', 'requests')).toEqual([
      `power 2 ${requestsOf('u01', 'u06')}`,
      `casual 6 ${requestsOf('u02', 'u05', 'u07', 'u09', 'u10', 'u11')}`,
      `new 1 ${requestsOf('u12')}`,
      `at_risk 1 ${requestsOf('u04')}`,
      `churned 2 ${requestsOf('u03', 'u08')}`,
    ])
    const { totals } = await analytics.report('segments')
    expect(totals).toMatchObject({ users: 12, requests: twelveUsers().length })
    expect(segments.map(({ cost_usd: cost }) => cost)[2]).toBe('0.009000000')
    const moved = segments.map(({ moved_in: entered, moved_out: left }) => Number(entered) - Number(left))
    // Each of eleven users was in some segment thirty days before; u12 was not there yet.
    expect(moved.reduce((sum, one) => sum + one, 0)).toBe(1)
  })

  it('thresholds, insights and adoption: as worked out by hand', async () => {
    const { rows: thresholds, meta } = await analytics.report('thresholds')
    expect(thresholds[1]).toMatchObject({
      at_least: 2,
      phi: expect.closeTo(0.7698004, 7) as Cell,
      n: 11,
    })
    // Eleven users are too few to call any of them the best.
    expect(thresholds.some(({ is_best: best }) => best === true)).toBe(false)
    expect(meta.warnings).toContain('only 11 users have been seen for 28 days; a best threshold takes at least 100')
    const insights = await rowsOf('retention_insights')
    expect(insights.find(({ factor }) => factor === 'analysis')).toMatchObject({
      lift: expect.closeTo(1.75, 9) as Cell,
      p: expect.closeTo(0.2363636, 7) as Cell,
      reads: 'not distinguishable from chance',
    })
    expect(await rowsOf('adoption', { options: { feature: 'analysis' } })).toEqual([
      {
        feature: 'analysis',
        aware: 12,
        aware_basis: 'assumed',
        tried: 6,
        adopted: 1,
        power: 0,
        tried_rate: 0.5,
        adopted_rate: expect.closeTo(1 / 6, 12) as Cell,
        days_to_half: 7,
      },
    ])
  })

  it('stickiness: on how many days users came', async () => {
    const rows = await rowsOf('stickiness')
    expect(rows).toHaveLength(28)
    expect(rows.reduce((sum, { share }) => sum + Number(share), 0)).toBeCloseTo(1, 12)
  })

  it('are restricted by filters, and say what they do not take', async () => {
    expect((await rowsOf('active', { since: '2024-03-25', until: '2024-03-25', where: 'feature = analysis' }))[0]?.['dau']).toBe(0)
    await expect(analytics.report('growth', { options: { mode: 'on' } })).rejects.toThrow(
      'The growth report takes no mode. It takes: activity, begin, incomplete.',
    )
    await expect(analytics.report('cohorts', { options: { mode: 'onn' } })).rejects.toThrow(/Did you mean "on"/)
    await expect(analytics.report('cohorts', { options: { weeks: '1,x' } })).rejects.toThrow(QueryError)
    await expect(analytics.report('active', { metrics: ['requests'] })).rejects.toThrow('takes no metrics')
    await expect(analytics.report('growth', { by: ['property:plan'] })).rejects.toThrow('split by one interval')
    await expect(analytics.report('growth', { compare: 'previous' })).rejects.toThrow('give one: since or last')
  })

  it('are compared with the period before: the n-th step of time with the n-th, each as it was then', async () => {
    const march = await rowsOf('active', { since: '2024-03-25', until: '2024-03-31', compare: 'previous' })
    const before = await rowsOf('active', { since: '2024-03-18', until: '2024-03-24' })
    expect(march).toHaveLength(7)
    expect(march.map((row) => [row['dau_previous'], row['wau_previous']])).toEqual(before.map(({ dau, wau }) => [dau, wau]))
    expect(march.map((row) => row['dau_change'])).toEqual(
      march.map(({ dau }, n) =>
        before[n]?.['dau'] === 0 ? null : (Number(dau) - Number(before[n]?.['dau'])) / Number(before[n]?.['dau']),
      ),
    )
    expect(Object.keys(march[0] ?? {}).filter((key) => key.startsWith('date'))).toEqual(['date'])
  })

  it('of one row, and of rows by name, are compared too', async () => {
    const params = { since: '2024-03-01', until: '2024-03-31' }
    const [now] = await rowsOf('session_metrics', { ...params, compare: 'previous' })
    const ended = openAnalytics(store, { now: () => Date.parse('2024-03-01T00:00:00Z') })
    const before = (await ended.report('session_metrics', { since: '2024-01-30', until: '2024-02-29' })).rows[0]
    expect(now?.['sessions_previous']).toBe(before?.['sessions'])
    expect(Number(now?.['sessions'])).toBeGreaterThan(0)
    const days = await rowsOf('stickiness', { ...params, compare: 'previous' })
    expect(Object.keys(days[0] ?? {})).toEqual([
      'days',
      'users',
      'users_previous',
      'users_change',
      'share',
      'share_previous',
      'share_change',
    ])
    const { rows: then } = await ended.report('stickiness', { since: '2024-01-30', until: '2024-02-29' })
    expect(days.map((row) => row['users_previous'])).toEqual(then.map(({ users }) => users))
    const features = await rowsOf('behavior', { ...params, compare: 'previous' })
    expect(features.length).toBeGreaterThan(0)
  })

  it('are filtered by seconds as by any number', async () => {
    const [{ duration_avg_s: seconds } = {}] = await rowsOf('session_metrics')
    expect(await rowsOf('session_metrics', { having: `duration_avg_s >= ${String(seconds)}` })).toHaveLength(1)
    expect(await rowsOf('session_metrics', { having: `duration_avg_s < ${String(seconds)}` })).toHaveLength(0)
  })

  it('are not complete while a row of theirs is not', async () => {
    const complete = async (name: string, params = {}): Promise<boolean> => (await analytics.report(name, params)).meta.complete
    expect(await complete('growth')).toBe(false)
    expect(await complete('growth', { since: '2024-01-01', until: '2024-03-31' })).toBe(true)
    expect(await complete('active')).toBe(true)
  })

  it('say what each column is, where asked', async () => {
    for (const name of [
      'active',
      'growth',
      'stickiness',
      'cohorts',
      'segments',
      'segment_members',
      'retention_insights',
      'thresholds',
      'adoption',
    ]) {
      const { columns, definitions } = await analytics.report(name, { explain: true })
      expect(definitions?.map(({ key }) => key)).toEqual(columns.map(({ key }) => key))
      expect(definitions?.every(({ says }) => says.length > 3)).toBe(true)
    }
  })
})

it('reports about people of an empty ledger have no rows and no NaN', async () => {
  const store = await ledgerOf([])
  const analytics = openAnalytics(store, { now: () => AS_OF })
  for (const name of ['growth', 'stickiness', 'cohorts', 'segment_members', 'retention_insights', 'thresholds', 'adoption']) {
    expect((await analytics.report(name)).rows).toEqual([])
  }
  expect((await analytics.report('segments')).rows.every(({ users, share }) => users === 0 && share === null)).toBe(true)
  await store.close()
})

/** Histories counted from plain calls, one at a time. */
function slowHistories(calls: readonly { at: number; user?: string | undefined }[], timeZone: string, asOfMs: number): UserHistory[] {
  const local = localIn(timeZone)
  const dayNumber = (ms: number): number => dayOf(String(local(ms).day).replace(/(\d{4})(\d\d)(\d\d)/, '$1-$2-$3'))
  const users = new Map<string, Map<number, number>>()
  for (const { at, user } of calls) {
    if (user === undefined || at >= asOfMs) continue
    const days = users.get(user) ?? new Map<number, number>()
    days.set(dayNumber(at), (days.get(dayNumber(at)) ?? 0) + 1)
    users.set(user, days)
  }
  return [...users].map(([user, days]) => {
    const sorted = [...days].sort(([a], [b]) => a - b)
    return { user, firstDay: sorted[0]?.[0] ?? 0, days: sorted.map(([day, requests]) => ({ day, requests, features: new Map() })) }
  })
}

it('in any zone, from rollups or from calls, reports about people are what counting one call at a time finds', async () => {
  const random = fc.array(
    fc.record({
      at: fc.integer({ min: Date.parse('2025-02-20T00:00:00Z'), max: Date.parse('2025-06-10T00:00:00Z') }),
      user: fc.constantFrom('a', 'b', 'c', 'd', 'e', undefined),
    }),
    { minLength: 1, maxLength: 120 },
  )
  const zones = fc.constantFrom('UTC', 'America/New_York', 'Asia/Kathmandu', 'Australia/Lord_Howe')
  await fc.assert(
    fc.asyncProperty(random, zones, zones, fc.integer({ min: 0, max: 40 }), async (calls, ofStore, asked, back) => {
      const asOfMs = Date.parse('2025-06-12T00:00:00Z') - back * 60 * 60 * 1000 * 7
      const store = await ledgerOf(calls, { timeZone: ofStore })
      const analytics = openAnalytics(store, { now: () => asOfMs, timeZone: asked })
      const histories = slowHistories(calls, asked, asOfMs)
      const local = localIn(asked)
      const dayNumber = (ms: number): number => dayOf(String(local(ms).day).replace(/(\d{4})(\d\d)(\d\d)/, '$1-$2-$3'))
      const [asOfDay, knownTo] = [dayNumber(asOfMs), dayNumber(asOfMs - 1) + 1]
      const from = dayNumber(Date.parse('2025-03-10T12:00:00Z'))

      const active = await analytics.report('active', { since: dateOf(from) })
      const slowly = activeUsers(histories, { from, to: knownTo })
      expect(active.rows.map(({ date }) => date)).toEqual(slowly.map(({ day }) => dateOf(day)))
      expect(active.rows.map(({ dau, wau, mau, stickiness }) => [dau, wau, mau, stickiness])).toEqual(
        slowly.map(({ dau, wau, mau, stickiness }) => [dau, wau, mau, stickiness]),
      )
      for (const interval of ['day', 'week', 'month'] as const) {
        const grown = await analytics.report('growth', { since: dateOf(from), by: [`time:${interval}`] })
        expect(grown.rows.map((row) => Object.values(row))).toEqual(
          growth(histories, { interval, from, to: knownTo, asOfDay, knownTo }).map((row) => Object.values(row)),
        )
        const table = await analytics.report('cohorts', { since: dateOf(from), by: [`time:${interval}`] })
        expect(table.rows.map(({ cohort, size, w1, w4 }) => [cohort, size, w1, w4])).toEqual(
          cohorts(histories, { by: interval, from, to: knownTo, asOfDay }).map(({ cohort, size, weeks }) => [
            cohort,
            size,
            weeks[0]?.share,
            weeks[2]?.share,
          ]),
        )
      }
      await store.close()
    }),
    { numRuns: 40, seed: 5 },
  )
})

/** Who used one feature only in [fromMs, toMs), and which share of these and of the others called no more. */
function naiveChurn(calls: ReturnType<typeof twelveUsers>, fromMs: number, toMs: number) {
  const before = calls.filter(({ startMs }) => startMs >= fromMs && startMs < toMs)
  const users = [...new Set(before.map(({ user }) => user))]
  const left = (of: readonly string[]): number =>
    of.filter((user) => !calls.some((call) => call.user === user && call.startMs >= toMs)).length / of.length
  const isSingle = (user: string): boolean => new Set(before.filter((call) => call.user === user).map(({ feature }) => feature)).size === 1
  return { users: users.length, ofSingle: left(users.filter(isSingle)), ofOthers: left(users.filter((user) => !isSingle(user))) }
}

/** Of users first seen 28 days before the end: how many first used a feature on these own days, and how many called on days 21 to 27. */
function naiveTiming(calls: ReturnType<typeof twelveUsers>, feature: string, { from, to }: { from: number; to: number }): [number, number] {
  const dayOfMs = (ms: number): number => Math.floor(ms / 86_400_000)
  const users = [...new Set(calls.map(({ user }) => user))].filter((user) => {
    const own = calls.filter((call) => call.user === user)
    const first = Math.min(...own.map(({ startMs }) => dayOfMs(startMs)))
    const use = Math.min(...own.filter((call) => call.feature === feature).map(({ startMs }) => dayOfMs(startMs)))
    return first + 28 <= dayOfMs(AS_OF) && use - first >= from && use - first <= to
  })
  const stays = users.filter((user) => {
    const own = calls.filter((call) => call.user === user).map(({ startMs }) => dayOfMs(startMs))
    const first = Math.min(...own)
    return own.some((day) => day >= first + 21 && day < first + 28)
  })
  return [users.length, stays.length]
}

it('a feature that everybody used has no odds: there is nobody to compare with', async () => {
  const store = await ledgerOf([{ at: '2024-03-01T12:00:00Z', user: 'ann', properties: { Feature: 'chat' } }])
  const { rows } = await openAnalytics(store, { now: () => Date.parse('2024-04-15T00:00:00Z') }).report('retention_insights')
  expect(rows).toMatchObject([
    { factor: 'chat', n: 1, odds_ratio: null, ci_low: null, ci_high: null, reads: 'not distinguishable from chance' },
  ])
  await store.close()
})
