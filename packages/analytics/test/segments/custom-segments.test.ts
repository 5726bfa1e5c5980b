import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { openStore, type Store } from '@spanledger/store'

import { openAnalytics, parseSegments, QueryError, type Analytics, type AnalyticsOptions, type Row } from '../../src/index.ts'
import { callOf, ledgerOf, type CallWords } from '../ledger.ts'

const AS_OF = Date.parse('2026-06-30T12:00:00Z')
const DAY = 86_400_000

/** `counts`: calls by how many days ago. */
function calls(user: string, counts: Readonly<Record<number, number>>, words: Partial<CallWords> = {}): CallWords[] {
  return Object.entries(counts).flatMap(([daysAgo, count]) =>
    Array.from({ length: count }, (_, n) => ({ at: AS_OF - Number(daysAgo) * DAY - 1000 + n, user, ...words })),
  )
}
const plan = (value: string, feature = 'chat'): Partial<CallWords> => ({ properties: { Plan: value, Feature: feature } })

/** `up` moved from free to pro five days ago; `gone` is a pro user who left; `quiet` never said a plan. */
const ledger = [
  ...calls('free1', { 100: 1, 3: 4 }, plan('free')),
  ...calls('up', { 100: 2, 20: 8 }, plan('free')),
  ...calls('up', { 5: 3 }, plan('pro', 'analysis')),
  ...calls('pro1', { 100: 1, 12: 20, 2: 20 }, plan('pro')),
  ...calls('gone', { 60: 9 }, plan('pro')),
  ...calls('quiet', { 40: 2, 1: 2 }, { model: 'gpt-4o-mini' }),
]

const segments = {
  heavy_pro: { where: 'plan = pro', having: 'requests >= 30', support_level: 'priority', features: ['all'] },
  pro: { where: 'plan = pro', support_level: 'email', limits: { monthly_request_limit: 20 }, features: ['chat'] },
  analysts: { where: 'feature = analysis', match: 'any', having: 'requests >= 3', last: '14d' },
} as const

describe('segments of an app’s own', () => {
  let store: Store
  beforeAll(async () => {
    store = await ledgerOf(ledger)
  })
  afterAll(() => store.close())

  const open = (words: AnalyticsOptions['segments'] = segments): Analytics => openAnalytics(store, { now: () => AS_OF, segments: words })
  const segmentOf = async (analytics: Analytics): Promise<Record<string, unknown>> =>
    Object.fromEntries((await analytics.report('users', { order_by: [['user', 'asc']] })).rows.map(({ user, segment }) => [user, segment]))

  it('are the first that fits a user’s latest values; whom none fits keeps the automatic one', async () => {
    expect(await segmentOf(open())).toEqual({
      free1: 'casual',
      gone: 'pro',
      pro1: 'heavy_pro',
      quiet: 'casual',
      up: 'pro',
    })
  })

  it('that do not exclude each other are all the user’s, beside the automatic one', async () => {
    expect(await segmentOf(open({ mode: 'multi', segments }))).toEqual({
      free1: 'casual',
      gone: 'churned, pro',
      pro1: 'power, heavy_pro, pro',
      quiet: 'casual',
      up: 'casual, pro, analysts',
    })
  })

  it('are rows of the segments report behind the automatic ones, with what their users did and who moved', async () => {
    const { rows, totals } = await open().report('segments')
    expect(rows.map(({ segment, users, requests, moved_in, moved_out }) => [segment, users, requests, moved_in, moved_out])).toEqual([
      ['power', 0, 0, 0, 0],
      ['casual', 2, 9, 2, 0],
      ['new', 0, 0, 0, 1],
      ['at_risk', 0, 0, 0, 0],
      // 30 days ago free1 and up had been away for more than 30 days, and quiet was new.
      ['churned', 0, 0, 0, 2],
      ['heavy_pro', 1, 41, 1, 0],
      ['pro', 2, 22, 1, 1],
      ['analysts', 0, 0, 0, 0],
    ])
    expect(totals).toMatchObject({ users: 5, requests: 72 })
    const multi = await open({ mode: 'multi', segments }).report('segments')
    expect(multi.rows.map(({ segment, users }) => [segment, users])).toEqual([
      ['power', 1],
      ['casual', 3],
      ['new', 0],
      ['at_risk', 0],
      ['churned', 1],
      ['heavy_pro', 1],
      ['pro', 3],
      ['analysts', 1],
    ])
    expect(multi.totals).toMatchObject({ users: 5, requests: 72 })
    expect(multi.meta.warnings.join()).toContain('rows come to more than the totals')
  })

  it('are told of each user in segment_members, with the automatic one and all that fit', async () => {
    const { rows } = await open().report('segment_members', { order_by: [['user', 'asc']] })
    expect(
      rows.map((row) => [row['user'], row['segment'], row['automatic_segment'], row['custom_segments'], row['support_level']]),
    ).toEqual([
      ['free1', 'casual', 'casual', null, null],
      ['gone', 'pro', 'churned', 'pro', 'email'],
      ['pro1', 'heavy_pro', 'power', 'heavy_pro, pro', 'priority'],
      ['quiet', 'casual', 'casual', null, null],
      ['up', 'pro', 'casual', 'pro, analysts', 'email'],
    ])
  })

  it('restrict any report, and split and filter a query', async () => {
    const analytics = open()
    const users = async (name: string): Promise<unknown[]> =>
      (await analytics.report('users', { segment: name })).rows.map(({ user }) => user).toSorted()
    expect([await users('pro'), await users('heavy_pro'), await users('casual'), await users('analysts')]).toEqual([
      ['gone', 'up'],
      ['pro1'],
      ['free1', 'quiet'],
      [],
    ])
    expect((await analytics.report('models', { segment: 'pro' })).totals['requests']).toBe(22)
    expect((await analytics.report('behavior', { segment: 'heavy_pro' })).meta.requests).toBe(41)
    const split = await analytics.query({ metrics: ['users', 'requests'], by: ['segment'], order_by: [['segment', 'asc']] })
    expect(split.rows).toEqual([
      { segment: 'casual', users: 2, requests: 9 },
      { segment: 'heavy_pro', users: 1, requests: 41 },
      { segment: 'pro', users: 2, requests: 22 },
    ])
    expect((await analytics.query({ metrics: ['requests'], where: ['segment', ['pro', 'casual']] })).totals).toEqual({ requests: 31 })
    expect((await analytics.query({ metrics: ['requests'], where: 'segment ^= heavy' })).totals).toEqual({ requests: 41 })
  })

  it('count a user in each row of a split where they do not exclude each other, and once in totals and in what is left out', async () => {
    const analytics = open({ mode: 'multi', segments })
    const ask = { metrics: ['users', 'requests'], by: ['segment'], order_by: [['requests', 'desc']] } as const
    const whole = await analytics.query(ask)
    expect(whole.rows.map((row: Row) => Object.values(row))).toEqual([
      ['pro', 3, 63],
      ['heavy_pro', 1, 41],
      ['power', 1, 41],
      ['casual', 3, 22],
      ['analysts', 1, 13],
      ['churned', 1, 9],
    ])
    expect(whole.totals).toEqual({ users: 5, requests: 72 })
    expect(whole.meta.warnings.join()).toContain('rows come to more than the totals')
    // pro and heavy_pro pass: pro1 is in both, and counts once.
    const passing = await analytics.query({ ...ask, having: 'requests > 40' })
    expect([passing.totals, passing.meta.rows]).toEqual([{ users: 3, requests: 63 }, 3])
    const limited = await analytics.query({ ...ask, limit: 3, other: true })
    expect(limited.other).toEqual({ rows: 3, values: { users: 4, requests: 31 } })
    await expect(analytics.query({ ...ask, attribution: 'split' })).rejects.toThrow('several segments')
  })

  it('are known to an app at once', async () => {
    const analytics = open()
    expect(analytics.getUserMetrics('up').segment).toBeNull()
    await analytics.loadUserMetrics()
    expect(['up', 'pro1', 'free1', 'nobody'].map((user) => analytics.getUserMetrics(user).segment)).toEqual([
      'pro',
      'heavy_pro',
      'casual',
      null,
    ])
  })

  it('limit their users where they have limits: in the tiers report, and in checkLimit', async () => {
    const limited = { ...segments, heavy_pro: { ...segments.heavy_pro, monthly_request_limit: 'unlimited' } } as const
    const { rows } = await open(limited).report('tiers')
    expect(
      rows.map(({ user, tier, requests, request_limit, feature_violations }) => [user, tier, requests, request_limit, feature_violations]),
    ).toEqual([
      ['up', 'pro', 11, 20, 3],
      ['pro1', 'heavy_pro', 40, null, 0],
    ])
    const analytics = open(limited)
    await analytics.loadLimits()
    expect(analytics.checkLimit('up')).toMatchObject({ tier: 'pro', used: 11, limit: 20, allowed: true })
    await expect(openAnalytics(store).report('tiers')).rejects.toThrow('--segments FILE')
  })

  it('take an unknown name for a mistake, and suggest the nearest', async () => {
    await expect(open().report('users', { segment: 'heavy_pr' })).rejects.toThrow('Did you mean "heavy_pro"?')
    await expect(open().query({ metrics: ['requests'], where: ['segment', ['analyst']] })).rejects.toThrow('Did you mean "analysts"?')
    await expect(open({ x: { where: 'plann = pro' } }).report('segments')).rejects.toThrow('Did you mean "plan"?')
    await expect(open({ x: { where: 'segment = pro' } }).report('segments')).rejects.toThrow(/Unknown segment "pro"/)
  })

  it('may look at the automatic one, at traits as they are at as_of, at missing values and at numbers', async () => {
    const traited = await ledgerOf(ledger)
    await traited.writeTraits([
      { user: 'free1', name: 'region', value: 'eu' },
      { user: 'up', name: 'region', value: 'eu' },
      { user: 'up', name: 'region', value: 'us', validFromMs: AS_OF - DAY },
    ])
    const report = async (words: AnalyticsOptions['segments'], now = AS_OF): Promise<Record<string, unknown>> =>
      segmentOf(openAnalytics(traited, { now: () => now, segments: words }))
    expect(await report({ eu: { where: 'trait:region = eu' }, silent: { where: 'missing plan' } })).toMatchObject({
      free1: 'eu',
      up: 'casual',
      quiet: 'silent',
    })
    expect(await report({ eu: { where: 'trait:region = eu' } }, AS_OF - 2 * DAY)).toMatchObject({ free1: 'eu', up: 'eu' })
    expect(await report({ best: { where: 'segment = power and model = gpt-4o' } })).toMatchObject({ pro1: 'best', up: 'casual' })
    expect(await report({ small: { where: 'total_tokens < 100 and plan != pro', having: 'error_rate = 0' } })).toMatchObject({
      free1: 'small',
      quiet: 'small',
      up: 'casual',
    })
    expect(await report({ idle: { having: 'requests = 0' } })).toMatchObject({ gone: 'idle', quiet: 'casual' })
    await traited.close()
  })

  it('of a ledger without calls have nobody', async () => {
    const empty = await openStore({ path: ':memory:' })
    const analytics = openAnalytics(empty, { now: () => AS_OF, segments })
    expect((await analytics.report('segments')).rows.map(({ segment, users, share }) => [segment, users, share])).toEqual([
      ['power', 0, null],
      ['casual', 0, null],
      ['new', 0, null],
      ['at_risk', 0, null],
      ['churned', 0, null],
      ['heavy_pro', 0, null],
      ['pro', 0, null],
      ['analysts', 0, null],
    ])
    for (const history of ['users', 'moves']) expect((await analytics.report('segments', { options: { history } })).rows).toEqual([])
    await empty.close()
  })

  it('follow a call that comes late', async () => {
    const growing = await ledgerOf(ledger)
    await growing.write({ calls: [callOf({ at: AS_OF - 1000, user: 'free1', properties: { plan: 'pro' } })] })
    expect(await segmentOf(openAnalytics(growing, { now: () => AS_OF, segments }))).toMatchObject({ free1: 'pro' })
    await growing.close()
  })
})

describe('what cannot be meant is refused with what could be:', () => {
  it.each([
    [[], 'must be an object by name'],
    [{ power: { where: 'plan = pro' } }, 'is an automatic segment'],
    [{ segments: { power: { where: 'plan = pro' } } }, 'is an automatic segment'],
    [{ casual: 'requests' }, 'is an automatic segment'],
    [{ power: 'costs' }, 'Did you mean "cost"?'],
    [{ at_risk: 'days' }, 'Unknown measure of segment "at_risk" "days". Allowed: requests, active_days'],
    [{ new: 'signup' }, 'Did you mean "sign_up"?'],
    [{ power: 'cost', vip: { were: 'plan = pro' } }, 'Did you mean "where"?'],
    [{ mode: { where: 'plan = pro' }, segments: {} }, 'Unknown mode of segments'],
    [{ '(none)': {} }, 'cannot be the name of a segment'],
    [{ 'a, b': {} }, 'cannot be the name of a segment'],
    [{ vip: { were: 'plan = pro' } }, 'Did you mean "where"?'],
    [{ vip: { where: 'plan ==' } }, 'In segment "vip": Filter'],
    [{ vip: { having: 'requets > 5' } }, 'In segment "vip": Unknown column in having "requets". Did you mean "requests"?'],
    [{ vip: { having: 'requests ~ 5' } }, 'is a number'],
    [{ vip: { last: '30 days' } }, 'Cannot read last "30 days"'],
    [{ vip: { match: 'all' } }, 'Allowed: latest, any'],
    [{ vip: { match: 'any' } }, 'without a "where"'],
    [{ vip: { limits: { monthly_limit: 5 } } }, 'Unknown limit of segment "vip" "monthly_limit"'],
    [{ vip: { monthly_request_limit: -1 } }, 'must be a number from 0'],
    [{ vip: { features: 'chat' } }, 'must be a list of names'],
    [{ vip: { support_level: 3 } }, 'must be a text'],
    [{ mode: 'both', segments: { vip: {} } }, 'Unknown mode of segments "both"'],
    [Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`s${n}`, {}])), 'At most 100 segments'],
  ])('%j', (words, message) => {
    expect(() => parseSegments(words)).toThrow(QueryError)
    expect(() => parseSegments(words)).toThrow(message)
  })
})
