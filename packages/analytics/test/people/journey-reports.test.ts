import type { Store } from '@spanledger/store'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

import { openAnalytics, type Analytics, type Cell, type Row } from '../../src/index.ts'
import { twelveUsers } from '../behavior/histories.ts'
import { eventOf, type EventWords } from '../events.ts'
import { callOf, ledgerOf, type CallWords } from '../ledger.ts'

const AS_OF = Date.parse('2024-04-15T00:00:00Z')

const open: Store[] = []
afterEach(async () => {
  for (const store of open.splice(0)) await store.close()
})

interface Ledger {
  readonly calls?: readonly CallWords[]
  readonly events?: readonly EventWords[]
  readonly timeZone?: string
}

async function ledger({ calls = [], events = [], timeZone = 'UTC' }: Ledger): Promise<Store> {
  const store = await ledgerOf(calls, { timeZone })
  open.push(store)
  await store.write({ calls: [], events: events.map(eventOf) })
  return store
}

const rowsAt = async (store: Store, asOf: string | number, name: string, params = {}): Promise<readonly Row[]> => {
  const asOfMs = typeof asOf === 'number' ? asOf : Date.parse(asOf)
  return (await openAnalytics(store, { now: () => asOfMs }).report(name, params)).rows
}
const lines = (rows: readonly Row[], ...keys: string[]): string[] => rows.map((row) => keys.map((key) => String(row[key])).join(' '))

describe('over twelve users', () => {
  let store: Store
  let analytics: Analytics
  beforeAll(async () => {
    store = await ledgerOf(
      twelveUsers().map(({ user, startMs, endMs, feature }) => ({
        at: startMs,
        user,
        latencyMs: endMs - startMs,
        properties: { Feature: feature ?? '' },
      })),
    )
    analytics = openAnalytics(store, { now: () => AS_OF })
  })
  afterAll(() => store.close())

  const rowsOf = async (name: string, params = {}): Promise<readonly Row[]> => (await analytics.report(name, params)).rows

  it('milestones: who reached them in two weeks, how fast, and where users get lost', async () => {
    const rows = await rowsOf('milestones', { options: { advanced_features: 'analysis' } })
    expect(lines(rows, 'milestone', 'users', 'of', 'time_p50_s', 'days_to_half', 'in_order')).toEqual([
      'first_success 12 12 0 0 12',
      'first_multi_turn 7 12 60 0 7',
      'first_advanced_feature 6 12 86490 7 5',
      'first_week_retention 10 12 820800 10 4',
    ])
    expect(rows.map(({ rate }) => rate)).toEqual([1, 7 / 12, 0.5, 10 / 12].map((rate) => expect.closeTo(rate, 12) as Cell))
    expect(rows.map(({ drop_off: dropOff }) => dropOff)).toEqual([0, 5 / 12, 2 / 7, 1 / 5].map((rate) => expect.closeTo(rate, 12) as Cell))
    // The curve of the first use of analysis: .25 on day 0, .3333 on day 2, .4167 on day 4, .5 on day 7.
    for (const [within, share] of [
      ['1d', 0.25],
      ['3d', 1 / 3],
      ['5d', 5 / 12],
      ['7d', 5 / 12],
      ['8d', 0.5],
    ] as const) {
      const [, , advanced] = await rowsOf('milestones', { options: { advanced_features: 'analysis', within } })
      expect(advanced?.['survival_rate']).toBeCloseTo(share, 12)
    }
  })

  it('milestones: guess no advanced features, and tell no second week of users seen for less', async () => {
    const { rows, meta } = await analytics.report('milestones', { options: { within: '7d' } })
    expect(lines(rows, 'milestone', 'rate', 'reason').slice(2)).toEqual([
      'first_advanced_feature null not_configured',
      'first_week_retention null too_few_days',
    ])
    expect(meta.warnings.join()).toContain('--advanced-features')
  })

  it('milestones: say which advanced features no call has', async () => {
    const { meta } = await analytics.report('milestones', { options: { advanced_features: 'analysis,anaylsis,agents' } })
    expect(meta.warnings.filter((one) => one.includes('the feature'))).toEqual([
      'no call has the feature "anaylsis"; did you mean "analysis"?',
      'no call has the feature "agents"',
    ])
  })

  it('onboarding: first requests, first sessions, and no times without a sign-up', async () => {
    const { rows, meta } = await analytics.report('onboarding')
    expect(lines(rows, 'step', 'users', 'of', 'rate', 'drop_off', 'time_p50_s', 'timed', 'basis', 'reason')).toEqual([
      'signed_up 0 12 0 null null 0 null null',
      'first_request 12 12 1 0 null 0 inferred no_sign_up',
      'first_request_ok 12 12 1 null null 0 inferred null',
      'first_success 12 12 1 0 null 0 inferred no_sign_up',
      'first_session 12 12 1 null 70 12 inferred null',
      'first_session_success 12 12 1 null null 0 inferred null',
      'value 12 12 1 0 null 0 inferred no_sign_up',
    ])
    expect(rows[4]).toMatchObject({ features_avg: 1.25, messages_avg: 2, features: 'chat, analysis' })
    expect(meta.warnings.join()).toContain('no sign-up is known')
  })

  it('onboarding: says why it is not known how first sessions went', async () => {
    const success = async (calls: readonly CallWords[], asOf: string): Promise<unknown> => {
      const rows = await rowsAt(await ledger({ calls }), asOf, 'onboarding', { options: { outcomes: 'strict' } })
      return lines(rows, 'step', 'users', 'of', 'rate', 'reason')[5]
    }
    const calls: CallWords[] = [{ at: '2024-03-01T12:00:00Z', user: 'ann', session: 's' }]
    expect(await success(calls, '2024-03-20T00:00:00Z')).toBe('first_session_success 0 0 null no_outcomes')
    expect(await success(calls, '2024-03-01T12:05:00Z')).toBe('first_session_success 0 0 null censored')
  })

  it('are split by when users came, and chosen by filters, which never change who was first', async () => {
    const rows = await rowsOf('milestones', { by: ['time:month'] })
    expect(lines(rows, 'cohort', 'milestone', 'users', 'of').filter((line) => line.includes('multi_turn'))).toEqual([
      '2024-01 first_multi_turn 3 5',
      '2024-02 first_multi_turn 2 4',
      '2024-03 first_multi_turn 2 3',
    ])
    const [success] = await rowsOf('milestones', { since: '2024-03-01', until: '2024-03-11' })
    expect(success).toMatchObject({ users: 2, of: 2 })
    // u02 and nobody else wrote summaries; the first request is that of day 0, not that of day 22.
    const ofSummary = await rowsOf('milestones', { where: 'feature = summary' })
    expect(lines(ofSummary, 'milestone', 'users', 'of', 'time_p50_s').slice(0, 2)).toEqual([
      'first_success 1 1 0',
      'first_multi_turn 1 1 60',
    ])
  })

  it('say what their columns are, and what they do not take', async () => {
    for (const name of ['onboarding', 'milestones']) {
      const { columns, definitions } = await analytics.report(name, { explain: true, by: ['time:week'] })
      expect(definitions?.map(({ key }) => key)).toEqual(columns.map(({ key }) => key))
      await expect(analytics.report(name, { options: { within: '2w' } })).rejects.toThrow('Write a number of days from 1 to 365: 14d.')
      await expect(analytics.report(name, { options: { within: '0d' } })).rejects.toThrow('from 1 to 365')
      await expect(analytics.report(name, { options: { withn: '7d' } })).rejects.toThrow('Did you mean "within"?')
    }
    await expect(analytics.report('onboarding', { options: { advanced_features: 'a' } })).rejects.toThrow('takes no advanced_features')
    await expect(analytics.report('milestones', { options: { advanced_features: ' , ' } })).rejects.toThrow('must name from 1 to 100')
  })
})

describe('a user counts once the days looked at are over', () => {
  // Clocks go forward in New York on 2024-03-10, so that the two weeks from the first are an hour short.
  const calls: CallWords[] = [
    { at: '2024-03-01T10:00:00-05:00', user: 'ann' },
    // The last instant of own day 13, and the first of own day 14.
    { at: '2024-03-14T23:59:59.999-04:00', user: 'ann', properties: { Feature: 'agents' } },
    { at: '2024-03-15T00:00:00-04:00', user: 'ann', properties: { Feature: 'search' } },
  ]
  const reached = async (store: Store, asOf: string, feature: string) => {
    const rows = await rowsAt(store, asOf, 'milestones', { options: { advanced_features: feature } })
    return lines(rows, 'users', 'of', 'rate', 'reason')[2]
  }

  it('exactly at the local midnight after them, on days that clocks make shorter too', async () => {
    const store = await ledger({ calls, timeZone: 'America/New_York' })
    expect(await reached(store, '2024-03-14T23:59:59.999-04:00', 'agents')).toBe('0 0 null censored')
    expect(await reached(store, '2024-03-15T00:00:00-04:00', 'agents')).toBe('1 1 1 null')
    expect(await reached(store, '2024-03-15T00:00:01-04:00', 'search')).toBe('0 1 0 null')
  })

  it('as the zone asked for has the days', async () => {
    const store = await ledger({ calls })
    // In UTC ann came on March 1 too, but wrote both calls on March 15.
    expect(await reached(store, '2024-03-15T23:00:00Z', 'agents')).toBe('0 1 0 null')
  })

  it('whether or not it came far already', async () => {
    const store = await ledger({
      calls: [
        { at: '2024-03-01T10:00:00Z', user: 'ann', status: 'error' },
        { at: '2024-03-14T10:00:00Z', user: 'bob' },
      ],
    })
    const [success] = await rowsAt(store, '2024-03-15T12:00:00Z', 'milestones')
    // Bob's success is known and not counted: of those who came with him nobody else could have been seen to fail.
    expect(success).toMatchObject({ users: 0, of: 1, rate: 0, survival_rate: 0.5 })
    // A day earlier nobody has been seen for two weeks, so that nobody knows which share reaches it in them.
    const [early, multiTurn] = await rowsAt(store, '2024-03-14T23:00:00Z', 'milestones')
    expect(early).toMatchObject({ of: 0, rate: null, survival_rate: null, reason: 'censored' })
    expect(multiTurn).toMatchObject({ survival_rate: null, reason: 'censored' })
  })
})

describe('sign-ups', () => {
  const day = (n: number, time = '12:00:00'): string => `2024-02-${String(n).padStart(2, '0')}T${time}Z`

  it('are told by a milestone, else by the trait, else by the property', async () => {
    const store = await ledger({
      calls: [
        { at: day(3), user: 'event', properties: { SignupDate: '2024-01-01' } },
        { at: day(3), user: 'trait', properties: { SignupDate: '2024-01-01' } },
        { at: day(3), user: 'property', properties: { 'Signup-Date': '2024-01-20' } },
        { at: day(4), user: 'property', properties: { SignupDate: '2024-02-01' } },
        { at: day(4), user: 'instant', properties: { signupdate: '2024-02-04T11:59:30+00:00' } },
        { at: day(3), user: 'nobody knows' },
      ],
      events: [
        { at: day(3, '11:00:00'), kind: 'milestone', user: 'event', says: { 'event.name': 'signup' } },
        { at: day(3, '11:30:00'), kind: 'milestone', user: 'event', says: { 'event.name': 'signup' } },
      ],
    })
    await store.writeTraits([{ user: 'trait', name: 'SignupDate', value: '2024-02-02', validFromMs: 0 }])
    const since = async (user: string) => {
      const rows = await rowsAt(store, day(28), 'onboarding', { user })
      return lines(rows, 'time_p50_s', 'timed', 'reason')[1]
    }
    expect(await since('event')).toBe('3600 1 null')
    // Of a date only whole days are known.
    expect(await since('trait')).toBe('86400 1 null')
    expect(await since('property')).toBe('172800 1 null')
    expect(await since('instant')).toBe('30 1 null')
    expect(await since('nobody knows')).toBe('null 0 no_sign_up')
  })

  it('of an alias are those of whom it is, whose own come first, and nobody else signed up', async () => {
    const store = await ledger({
      calls: [
        { at: day(3), user: 'anon-1' },
        { at: day(3), user: 'anon-2' },
        { at: day(3), user: 'anon-3' },
      ],
    })
    const signUp = (user: string, value: string, validFromMs = 0) => ({ user, name: 'SignupDate', value, validFromMs })
    await store.writeTraits([
      signUp('anon-1', '2024-02-01'),
      signUp('anon-2', '2024-02-01', Date.parse(day(20))),
      signUp('bob', '2024-02-02'),
      signUp('anon-3', '2024-02-02'),
      signUp('anon-4', '2024-02-01'),
    ])
    for (const [from, to] of [
      ['anon-1', 'ann'],
      ['anon-2', 'bob'],
      ['anon-4', 'cyd'],
      ['anon-3', 'cyd'],
    ] as const)
      await store.alias(from, to)
    const rows = await rowsAt(store, day(28), 'onboarding')
    expect(lines(rows, 'step', 'users', 'of').slice(0, 2)).toEqual(['signed_up 3 3', 'first_request 3 3'])
    const since = async (user: string) => (await rowsAt(store, day(28), 'onboarding', { user }))[1]?.['time_p50_s']
    // Two days after what the alias said; a day after what bob's own trait says; of two aliases the first by value.
    expect([await since('ann'), await since('bob'), await since('cyd')]).toEqual([172_800, 86_400, 172_800])
    expect((await rowsAt(store, day(28), 'lifecycle')).reduce((sum, { users }) => sum + Number(users), 0)).toBe(3)
  })

  it('that cannot be read, or lie behind the first call, are left out and counted', async () => {
    const store = await ledger({
      calls: [
        { at: day(1), user: 'a', properties: { SignupDate: '2024-02-30' } },
        { at: day(1), user: 'b', properties: { SignupDate: 'yesterday' } },
        { at: day(1), user: 'c', properties: { SignupDate: '2024-02-03' } },
        // A day later may be the zone's doing.
        { at: day(1), user: 'd', properties: { SignupDate: '2024-02-02' } },
      ],
    })
    const analytics = openAnalytics(store, { now: () => Date.parse(day(28)) })
    const { rows, meta } = await analytics.report('onboarding')
    expect(lines(rows, 'users', 'of', 'time_p50_s')[0]).toBe('1 4 null')
    expect(lines(rows, 'users', 'of', 'time_p50_s', 'timed')[1]).toBe('4 4 0 1')
    expect(meta.warnings.filter((warning) => warning.includes('sign-up'))).toEqual([
      'the sign-up of 2 users is neither a date (2026-01-31) nor an instant with its offset, and is left out',
      'the sign-up of 1 users lies more than a day after their first call, and is left out',
    ])
    // Also as a number, of each report that they decide something in, and of no other.
    const badOf = async (name: string, options: Record<string, string> = {}) =>
      (await analytics.report(name, { options })).meta.bad_signup_dates ?? null
    const asked = ['onboarding', 'milestones', 'lifecycle', 'growth', 'cohorts', 'evolution', 'stickiness']
    expect(await Promise.all(asked.map((name) => badOf(name)))).toEqual([3, 3, 3, 3, 3, 3, null])
    expect(await badOf('lifecycle', { stage: 'activation' })).toBe(3)
    expect(await badOf('growth', { begin: 'first_call' })).toBeNull()
    expect([await badOf('funnel', { steps: 'signup, feature = a' }), await badOf('funnel', { steps: 'feature = a, feature = b' })]).toEqual(
      [3, null],
    )
    expect(
      (await openAnalytics(await ledger({ calls: [{ at: day(1), user: 'a' }] }), { now: () => Date.parse(day(28)) }).report('growth')).meta,
    ).toHaveProperty('bad_signup_dates', 0)
  })

  it('without a request after them are those who were lost first', async () => {
    const store = await ledger({
      calls: [{ at: day(2), user: 'came' }],
      events: [
        { at: day(1), kind: 'milestone', user: 'came', says: { 'event.name': 'signup' } },
        { at: day(1), kind: 'milestone', user: 'did not', says: { 'event.name': 'signed_up' } },
        { at: day(20), kind: 'milestone', user: 'came lately', says: { 'event.name': 'signup' } },
        { at: day(27), kind: 'milestone', user: 'is to come', says: { 'event.name': 'signup' } },
      ],
    })
    const rows = await rowsAt(store, day(25), 'onboarding')
    expect(lines(rows, 'step', 'users', 'of', 'rate', 'drop_off').slice(0, 2)).toEqual([
      'signed_up 3 3 1 null',
      'first_request 1 2 0.5 0.5',
    ])
  })
})

it('time to value ends with the first goal that was reached, else with the first success', async () => {
  const at = (n: number): string => `2024-02-01T12:00:${String(n).padStart(2, '0')}Z`
  const goal = (user: string, n: number, session: string, success = true): EventWords => ({
    at: at(n),
    kind: 'goal',
    user,
    session,
    says: { 'event.name': 'solved', 'goal.success': success },
  })
  const signUp = (user: string): EventWords => ({ at: at(0), kind: 'milestone', user, says: { 'event.name': 'signup' } })
  const store = await ledger({
    calls: [
      { at: at(5), user: 'ann', status: 'error' },
      { at: at(7), user: 'ann', session: 's' },
      { at: at(9), user: 'bob' },
    ],
    events: [
      signUp('ann'),
      signUp('bob'),
      // Taken back: it was not reached.
      goal('ann', 10, 's-1'),
      goal('ann', 11, 's-1', false),
      goal('ann', 20, 's-2', false),
      goal('ann', 30, 's-3'),
      goal('ann', 40, 's-3'),
    ],
  })
  const rows = await rowsAt(store, '2024-03-01T00:00:00Z', 'onboarding')
  expect(lines(rows, 'step', 'users', 'time_avg_s', 'explicit', 'basis')).toEqual([
    'signed_up 2 null 2 explicit',
    'first_request 2 7 0 inferred',
    'first_request_ok 1 null 0 inferred',
    'first_success 2 8 0 inferred',
    'first_session 2 0.1 0 inferred',
    // Ann's first session, which has no id, is a failed call.
    'first_session_success 1 null 0 inferred',
    'value 2 19.5 1 mixed',
  ])
  const told = await rowsAt(store, '2024-03-01T00:00:00Z', 'milestones')
  expect(told.at(-1)).toMatchObject({ milestone: 'goal:solved', users: 1, of: 2, time_p50_s: 30, basis: 'explicit', in_order: null })
})

it('adoption counts as aware whom the app showed a feature to, and who found it', async () => {
  const at = '2024-03-01T12:00:00Z'
  const shown = (user: string, feature: string): EventWords => ({ at, kind: 'exposed', user, says: { 'feature.name': feature } })
  const store = await ledger({
    calls: ['ann', 'bob', 'cyd', 'dan'].map((user): CallWords => ({
      at,
      user,
      properties: { Feature: user === 'dan' ? 'search' : 'chat' },
    })),
    events: [shown('ann', 'search'), shown('ann', 'agents'), shown('bob', 'search')],
  })
  const rows = await rowsAt(store, AS_OF, 'adoption')
  expect(lines(rows, 'feature', 'aware', 'aware_basis', 'tried', 'tried_rate')).toEqual([
    'chat 4 assumed 3 0.75',
    `search 3 explicit 1 ${1 / 3}`,
    'agents 1 explicit 0 0',
  ])
})

it('cohorts go by the sign-up where it is known, and those who never called are in them', async () => {
  const signUp = (user: string, at: string): EventWords => ({ at, kind: 'milestone', user, says: { 'event.name': 'signup' } })
  const store = await ledger({
    calls: [
      { at: '2024-02-02T12:00:00Z', user: 'ann' },
      { at: '2024-01-25T12:00:00Z', user: 'bob' },
      { at: '2024-02-03T12:00:00Z', user: 'eve' },
    ],
    events: [signUp('ann', '2024-01-30T12:00:00Z'), signUp('bob', '2024-01-10T12:00:00Z'), signUp('cyd', '2023-12-31T12:00:00Z')],
  })
  const weeks = '1,3'
  const told = async (params: object): Promise<string[]> =>
    lines(await rowsAt(store, AS_OF, 'cohorts', params), 'cohort', 'size', 'w1', 'w3')
  expect(await told({ options: { weeks } })).toEqual(['2023-12 1 0 0', '2024-01 2 0.5 0.5', '2024-02 1 1 0'])
  expect(await told({ options: { weeks }, since: '2024-01-01' })).toEqual(['2024-01 2 0.5 0.5', '2024-02 1 1 0'])
  expect(await told({ options: { weeks, begin: 'first_call' } })).toEqual(['2024-01 1 1 0', '2024-02 2 1 0'])
})

it('milestones that an app has very many of are told of the commonest', async () => {
  const store = await ledger({
    calls: [{ at: '2024-03-01T12:00:00Z', user: 'ann' }],
    events: Array.from({ length: 60 }, (_, n): EventWords => ({
      at: Date.parse('2024-03-01T12:00:00Z') + n,
      kind: 'goal',
      user: 'ann',
      session: `s${n}`,
      says: { 'event.name': `goal-${n}` },
    })),
  })
  const { rows, meta } = await openAnalytics(store, { now: () => AS_OF }).report('milestones')
  expect(rows).toHaveLength(4 + 50)
  expect(meta.warnings.join()).toContain('10 of 60 goals and milestones that few users reached are left out')
})

it('what is asked once more is no second message', async () => {
  const at = Date.parse('2024-03-01T12:00:00Z')
  const calls = [0, 10, 20, 30].map((seconds) => callOf({ at: at + seconds * 1000, user: seconds < 20 ? 'again' : 'two', latencyMs: 10 }))
  const [first, second] = calls
  const store = await ledgerOf([])
  open.push(store)
  await store.write({
    calls: calls.map((call) => (call === second ? Object.assign(call, { retryOf: `${first?.traceId}-${first?.spanId}` }) : call)),
  })
  const rows = await rowsAt(store, AS_OF, 'milestones')
  expect(lines(rows, 'milestone', 'users', 'of')[1]).toBe('first_multi_turn 1 2')
  expect((await rowsAt(store, AS_OF, 'onboarding'))[4]).toMatchObject({ step: 'first_session', messages_avg: 1.5 })
})

it('of an empty ledger there are no rows; before anybody came neither', async () => {
  const store = await ledger({})
  for (const name of ['onboarding', 'milestones']) expect(await rowsAt(store, AS_OF, name)).toEqual([])
  const later = await ledger({ calls: [{ at: '2024-05-01T00:00:00Z', user: 'ann' }, { at: '2024-01-01T00:00:00Z' }] })
  for (const name of ['onboarding', 'milestones']) expect(await rowsAt(later, AS_OF, name)).toEqual([])
})

it('the answers do not depend on the order in which calls and events came, nor on repeats', async () => {
  const calls = twelveUsers().map(({ user, startMs, feature }, n) =>
    callOf({
      at: startMs,
      user,
      session: n % 3 === 0 ? 's' : undefined,
      status: n % 5 === 0 ? 'error' : 'ok',
      properties: { Feature: feature ?? '' },
    }),
  )
  const events = ['u01', 'u04', 'u07', 'u07'].map((user, n) =>
    eventOf({ at: calls[0]?.startMs ?? 0, kind: n % 2 === 0 ? 'milestone' : 'goal', user, session: 's', says: { 'event.name': 'm' } }),
  )
  const answers: string[] = []
  for (const step of [1, 7, 11]) {
    const store = await ledgerOf([])
    open.push(store)
    // 180 calls; the steps have no divisor in common with that.
    const shuffled = calls.map((_, n) => calls[(n * step) % calls.length] ?? calls[0]).filter((call) => call !== undefined)
    await store.write({ calls: shuffled.slice(0, 100), events: events.toReversed() })
    await store.write({ calls: shuffled.slice(50), events })
    const rows = []
    for (const name of ['onboarding', 'milestones'])
      rows.push(await rowsAt(store, AS_OF, name, { options: name === 'milestones' ? { advanced_features: 'analysis' } : {} }))
    answers.push(JSON.stringify(rows))
  }
  expect(new Set(answers).size).toBe(1)
})
