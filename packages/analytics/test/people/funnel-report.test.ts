import type { Store } from '@spanledger/store'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'

import { openAnalytics, type Row } from '../../src/index.ts'
import { twelveUsers } from '../behavior/histories.ts'
import { eventOf, type EventWords } from '../events.ts'
import { callOf, ledgerOf, type CallWords } from '../ledger.ts'

const DAY = 86_400_000
const HOUR = 3_600_000
const AS_OF = Date.parse('2024-04-15T00:00:00Z')

const open: Store[] = []
afterEach(async () => {
  for (const store of open.splice(0)) await store.close()
})

async function ledger(calls: readonly CallWords[], events: readonly EventWords[] = []): Promise<Store> {
  const store = await ledgerOf(calls)
  open.push(store)
  await store.write({ calls: [], events: events.map(eventOf) })
  return store
}

const ask = (store: Store, steps: string | undefined, { asOf = AS_OF, options = {}, ...params } = {}) =>
  openAnalytics(store, { now: () => asOf }).report('funnel', {
    ...params,
    options: { ...options, ...(steps === undefined ? {} : { steps }) },
  })
const lines = (rows: readonly Row[], ...keys: string[]): string[] => rows.map((row) => keys.map((key) => String(row[key])).join(' '))

const twelve = (): CallWords[] =>
  twelveUsers().map(({ user, startMs, feature }) => ({ at: startMs, user, properties: { Feature: feature ?? '' } }))

describe('a funnel over twelve users', () => {
  it('counts who took the steps one after the other, in two weeks or in what is asked for', async () => {
    const store = await ledger(twelve())
    const { rows } = await ask(store, 'feature = chat, feature = analysis, feature in (summary, "not there")')
    expect(rows).toEqual([
      {
        n: 1,
        step: 'feature = chat',
        users: 12,
        rate: 1,
        conversion: null,
        drop_off: null,
        time_p50_s: null,
        time_p90_s: null,
        total_p50_s: null,
        basis: 'inferred',
        reason: null,
      },
      {
        n: 2,
        step: 'feature = analysis',
        users: 6,
        rate: 0.5,
        conversion: 0.5,
        drop_off: 0.5,
        time_p50_s: 86490,
        time_p90_s: 475290,
        total_p50_s: 86490,
        basis: 'inferred',
        reason: null,
      },
      {
        n: 3,
        step: 'feature in (summary, "not there")',
        users: 0,
        rate: 0,
        conversion: 0,
        drop_off: 1,
        time_p50_s: null,
        time_p90_s: null,
        total_p50_s: null,
        basis: 'inferred',
        reason: null,
      },
    ])
    const month = await ask(store, 'feature = chat,feature = summary', { options: { within: '30d' } })
    // u12 came less than 30 days ago.
    expect(lines(month.rows, 'users')).toEqual(['11', '1'])
  })

  it('takes two calls for two steps, and one for a step and what it is the first of', async () => {
    const store = await ledger(twelve())
    // All but u08, who called once.
    expect(lines((await ask(store, 'feature = chat, feature = chat')).rows, 'users')).toEqual(['12', '11'])
    expect(lines((await ask(store, 'feature = chat, first_request, first_success, feature = chat')).rows, 'users')).toEqual([
      '12',
      '12',
      '12',
      '11',
    ])
  })

  it('takes two events for the same step twice, and what happens once for one step', async () => {
    const at = (minutes: number): number => AS_OF - 20 * DAY + minutes * 60_000
    const goal = (minutes: number, user: string): EventWords => ({ at: at(minutes), kind: 'goal', user, says: { 'event.name': 'solved' } })
    const store = await ledger(
      [
        { at: at(0), user: 'ann' },
        { at: at(0), user: 'bob' },
      ],
      [goal(1, 'ann'), goal(2, 'ann'), goal(1, 'bob'), { at: at(3), kind: 'plan_change', user: 'bob', says: { 'plan.to': 'pro' } }],
    )
    const users = async (steps: string) => lines((await ask(store, steps)).rows, 'users').join(' ')
    expect(await users('goal:solved, goal:solved, goal:solved')).toBe('2 1 0')
    expect(await users('goal:solved, plan:pro, plan:pro')).toBe('2 1 0')
    expect(await users('first_request, first_success, first_request')).toBe('2 2 0')
  })

  it('begins in the period, and goes on after it; is split by when users began; filters choose users', async () => {
    const store = await ledger(twelve())
    const february = await ask(store, 'first_request, feature = analysis', { since: '2024-02-01', until: '2024-02-12' } as object)
    // u06 on day 0, u07 on day 4, u08 never.
    expect(lines(february.rows, 'users')).toEqual(['3', '2'])
    const cohorts = await ask(store, 'first_request, first_multi_turn', { by: ['time:month'] } as object)
    expect(lines(cohorts.rows, 'cohort', 'n', 'users')).toEqual([
      '2024-01 1 5',
      '2024-01 2 3',
      '2024-02 1 4',
      '2024-02 2 2',
      '2024-03 1 3',
      '2024-03 2 2',
    ])
    const chosen = await ask(store, 'feature = chat, feature = analysis', { where: 'feature = analysis' } as object)
    expect(lines(chosen.rows, 'users')).toEqual(['6', '6'])
  })
})

it('what the app tells is a step: goals, milestones, exposures, plans, and sign-ups', async () => {
  const at = (hours: number): number => Date.parse('2024-03-01T12:00:00Z') + hours * HOUR
  const store = await ledger(
    [
      { at: at(2), user: 'ann' },
      { at: at(5), user: 'bob' },
    ],
    [
      { at: at(1), kind: 'milestone', user: 'ann', says: { 'event.name': 'signup' } },
      { at: at(2), kind: 'milestone', user: 'cyd', says: { 'event.name': 'signup' } },
      { at: at(3), kind: 'exposed', user: 'ann', says: { 'feature.name': 'search' } },
      { at: at(3), kind: 'exposed', user: 'bob', says: { 'experiment.key': 'search', 'experiment.variant': 'a' } },
      { at: at(4), kind: 'goal', user: 'ann', session: 's', says: { 'event.name': 'solved, done' } },
      { at: at(5), kind: 'milestone', user: 'ann', says: { 'event.name': 'tour' } },
      { at: at(6), kind: 'plan_change', user: 'ann', says: { 'plan.from': 'free', 'plan.to': 'pro' } },
      // The goal was taken back, the tour was before the goal, the plan is another.
      { at: at(6), kind: 'goal', user: 'bob', session: 't', says: { 'event.name': 'solved, done' } },
      { at: at(7), kind: 'goal', user: 'bob', session: 't', says: { 'event.name': 'solved, done', 'goal.success': false } },
    ],
  )
  const { rows } = await ask(store, 'signup, first_request, exposed:search, goal:"solved, done", milestone:tour, plan:pro')
  expect(lines(rows, 'step', 'users', 'time_p50_s', 'total_p50_s', 'basis')).toEqual([
    'signup 2 null null explicit',
    'first_request 1 3600 3600 inferred',
    'exposed:search 1 3600 7200 explicit',
    'goal:"solved, done" 1 3600 10800 explicit',
    'milestone:tour 1 3600 14400 explicit',
    'plan:pro 1 3600 18000 explicit',
  ])
  const { rows: others } = await ask(store, 'first_request, goal:"solved, done"')
  expect(lines(others, 'users')).toEqual(['2', '1'])
  const { meta } = await ask(store, 'first_request, goal:sloved, plan:team')
  expect(meta.warnings).toEqual(['nobody has told "goal:sloved"', 'nobody has told "plan:team"'])
})

describe('the time for a funnel', () => {
  const begin = Date.parse('2024-03-01T12:00:00Z')
  const until = begin + 14 * DAY
  const steps = 'feature = a, feature = b'
  const users = async (atMs: number, asOf: number): Promise<string[]> => {
    const store = await ledger([
      { at: begin, user: 'ann', properties: { Feature: 'a' } },
      { at: atMs, user: 'ann', properties: { Feature: 'b' } },
    ])
    const { rows, meta } = await ask(store, steps, { asOf })
    return [...lines(rows, 'users', 'rate', 'reason'), ...meta.warnings.filter((warning) => warning.includes('left out'))]
  }

  it('ends exactly two weeks after the first step', async () => {
    expect(await users(until - 1, until)).toEqual(['1 1 null', '1 1 null'])
    expect(await users(until, until + DAY)).toEqual(['1 1 null', '0 0 null'])
  })

  it('must be over, whether or not the steps were taken already', async () => {
    expect(await users(begin + 1, until)).toEqual(['1 1 null', '1 1 null'])
    expect(await users(begin + 1, until - 1)).toEqual([
      '0 null censored',
      '0 null censored',
      '1 users took the first step less than 14 days before as_of, and are left out',
    ])
  })
})

describe('steps that cannot be meant are refused', () => {
  it.each([
    [undefined, 'The funnel report needs steps'],
    ['feature = chat', 'from 2 to 20 steps'],
    ['', 'from 2 to 20 steps'],
    ['first_requst, first_success', 'Unknown step 1 "first_requst". Did you mean "first_request"?'],
    ['first_request, feature =', 'Cannot read step 2: Filter "feature ="'],
    ['first_request, goal:', 'Step 2 "goal:" names no goal.'],
    ['first_request,,first_success', 'Unknown step 2 ""'],
    ['first_request, featur = chat', 'Unknown name "featur". Did you mean "feature"?'],
    ['first_request, first_advanced_feature', 'needs --advanced-features'],
    [Array.from({ length: 21 }, () => 'first_request').join(','), 'has 21'],
  ])('%s', async (steps, message) => {
    const store = await ledger([{ at: AS_OF - DAY, user: 'ann', properties: { Plan: 'pro', 'Feature Set': 'a' } }])
    await expect(ask(store, steps)).rejects.toThrow(message)
  })
})

it('of an empty ledger has no rows; steps that nobody takes have nobody', async () => {
  const empty = await ledger([])
  expect((await ask(empty, 'first_request, first_success')).rows).toEqual([])
  const store = await ledger([{ at: AS_OF - 20 * DAY, user: 'ann' }, { at: AS_OF - 20 * DAY }])
  expect(lines((await ask(store, 'feature = chat, first_success')).rows, 'users', 'rate', 'reason')).toEqual([
    '0 null no_users',
    '0 null no_users',
  ])
  expect(lines((await ask(store, 'first_request, first_success')).rows, 'users')).toEqual(['1', '1'])
})

/** One user's occurrences of each step, and the walk through them, over plain arrays. */
function slowPath(
  steps: readonly string[],
  calls: readonly ReturnType<typeof callOf>[],
  goals: readonly number[],
  withinMs: number,
): number[] {
  const sorted = calls.toSorted((a, b) => a.startMs - b.startMs || (a.spanId < b.spanId ? -1 : 1))
  const path: number[] = []
  let last = -1
  // Of what the app tells there is no order within a millisecond: the same step again comes later.
  let lastGoalMs = Number.NEGATIVE_INFINITY
  let hadSuccess = false
  for (const step of steps) {
    const [enteredMs] = path
    const fits = (ms: number): boolean => ms >= (path.at(-1) ?? 0) && (enteredMs === undefined || ms < enteredMs + withinMs)
    if (step === 'goal:g') {
      const ms = goals.toSorted((a, b) => a - b).find((one) => fits(one) && one > lastGoalMs)
      if (ms === undefined) return path
      path.push((lastGoalMs = ms))
    } else {
      const n = sorted.findIndex(({ startMs, properties, status }, at) => {
        const isIt =
          step === 'first_success'
            ? status === 'ok' && sorted.findIndex((one) => one.status === 'ok') === at
            : `feature = ${properties.get('feature')?.value}` === step
        return isIt && fits(startMs) && (step === 'first_success' || at > last)
      })
      if (n < 0 || (step === 'first_success' && hadSuccess)) return path
      hadSuccess ||= step === 'first_success'
      path.push(sorted[n]?.startMs ?? 0)
      if (step !== 'first_success') last = n
    }
  }
  return path
}

it('of any ledger is what walking through the calls of users one by one finds, and never grows', async () => {
  const start = Date.parse('2025-03-01T00:00:00Z')
  const when = fc.integer({ min: 0, max: 40 }).map((n) => start + n * 6 * HOUR)
  const user = fc.constantFrom('ann', 'bob', 'cyd', undefined)
  const call = fc.record({
    at: when,
    user,
    feature: fc.constantFrom('a', 'b', 'c'),
    status: fc.constantFrom<'ok' | 'error'>('ok', 'error'),
  })
  const goal = fc.record({ at: when, user })
  const step = fc.constantFrom('feature = a', 'feature = b', 'feature = c', 'goal:g', 'first_success')
  await fc.assert(
    fc.asyncProperty(
      fc.array(call, { maxLength: 40 }),
      fc.array(goal, { maxLength: 8 }),
      fc.array(step, { minLength: 2, maxLength: 4 }),
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 0, max: 50 }),
      async (words, told, steps, within, back) => {
        const calls = words.map(({ at, user: own, feature, status }) => callOf({ at, user: own, status, properties: { Feature: feature } }))
        const store = await ledgerOf([])
        // Goals are each about themselves, so that all of them count.
        await store.write({
          calls,
          events: told.map(({ at, user: own }) => eventOf({ at, kind: 'goal', user: own, says: { 'event.name': 'g' } })),
        })
        const asOf = start + 12 * DAY - back * 6 * HOUR
        const { rows, meta } = await ask(store, steps.join(', '), { asOf, options: { within: `${within}d` } })
        const paths = ['ann', 'bob', 'cyd'].map((own) =>
          slowPath(
            steps,
            calls.filter(({ user: of, startMs }) => of === own && startMs < asOf),
            told.filter(({ user: of, at }) => of === own && at < asOf).map(({ at }) => at),
            within * DAY,
          ),
        )
        const entered = paths.filter((path) => path.length > 0)
        const known = entered.filter(([ms = 0]) => ms + within * DAY <= asOf)
        const users = steps.map((_, n) => known.filter((path) => path.length > n).length)
        const isEmpty = calls.length === 0
        expect(rows.map((row) => row['users'])).toEqual(isEmpty && known.length === 0 ? [] : users)
        expect(users).toEqual(users.toSorted((a, b) => b - a))
        const pending = entered.length - known.length
        expect(meta.warnings.some((warning) => warning.startsWith(`${pending} users took`))).toBe(pending > 0)
        await store.close()
      },
    ),
    { numRuns: 150 },
  )
})

it('does not depend on the order in which calls came, nor on repeats', async () => {
  const calls = twelve().map(callOf)
  const answers: string[] = []
  for (const step of [1, 7]) {
    const store = await ledgerOf([])
    open.push(store)
    const shuffled = calls.map((_, n) => calls[(n * step) % calls.length] ?? calls[0]).filter((call) => call !== undefined)
    await store.write({ calls: shuffled })
    await store.write({ calls: shuffled.slice(9, 40) })
    answers.push(JSON.stringify((await ask(store, 'feature = chat, feature = analysis, feature = chat')).rows))
  }
  expect(answers[0]).toBe(answers[1])
})
