import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { Store } from '@spanledger/store'

import { openAnalytics, type Analytics, type ReportParams, type Row } from '../../src/index.ts'
import { eventOf, scoreFacts } from '../events.ts'
import { callOf, ledgerOf, type CallWords } from '../ledger.ts'
import { play, START_MS, step } from '../random-behavior.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const AS_OF = Date.parse('2026-04-15T12:00:00Z')

it('how each session of a list ended is what session_metrics says of that session alone', async () => {
  const seen = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 3, maxLength: 12 }),
      fc.integer({ min: 12, max: 24 * 10 }),
      fc.constantFrom('inferred', 'strict'),
      async (steps, asOfHours, outcomes) => {
        const store = await ledgerOf([])
        for (const [n, one] of steps.entries()) await play(store, one, n)
        const analytics = openAnalytics(store, { now: () => START_MS + asOfHours * HOUR_MS })
        const { rows } = await analytics.report('sessions', { limit: 50, options: { outcomes } })
        for (const { session, user, outcome, requests, messages } of rows) {
          expect(messages).toBeUndefined()
          if (session === '(none)' || user === '(none)') continue
          const [alone = {}] = (
            await analytics.report('session_metrics', {
              where: ['is', 'session', [String(session)]],
              user: String(user),
              options: { outcomes },
            })
          ).rows
          // An id that came back a day later is two sessions there and one row here.
          if (alone['sessions'] !== 1) continue
          const { open_sessions: open, completed, abandoned } = alone
          const expected = open === 1 ? 'open' : completed === 1 ? 'completed' : abandoned === 1 ? 'abandoned' : 'unknown'
          expect([session, user, requests, outcome]).toEqual([session, user, requests, expected])
          seen.set(expected, (seen.get(expected) ?? 0) + 1)
        }
        await store.close()
      },
    ),
    { numRuns: 30 },
  )
  // Few are open at an hour drawn at random.
  expect([...seen.keys()]).toEqual(expect.arrayContaining(['abandoned', 'completed', 'unknown']))
}, 120_000)

const at = (minutesAgo: number): number => AS_OF - minutesAgo * MINUTE_MS
/** `minutesAgo` its calls began, each a second long. */
const session = (user: string, name: string, minutesAgo: readonly number[], words: Partial<CallWords> = {}): CallWords[] =>
  minutesAgo.map((minutes) => ({ at: at(minutes), user, session: name, latencyMs: 1000, ...words }))

describe('the list of sessions', () => {
  let store: Store
  let analytics: Analytics
  beforeAll(async () => {
    store = await ledgerOf([
      ...session('ada', 'fine', [500, 490]),
      ...session('ada', 'failed', [400, 390]),
      { at: at(389), user: 'ada', session: 'failed', status: 'error', costNanoUsd: 1 },
      ...session('bob', 'fine', [300]),
      ...session('bob', 'told', [280], { status: 'error' }),
      ...session('cid', 'disliked', [200, 199]),
      ...session('cid', 'now', [29]),
      // Began an hour ago and runs until ten minutes ago; the call after it was over at once. Another runs for two days.
      { at: at(60), user: 'dan', session: 'long', latencyMs: 50 * MINUTE_MS },
      ...session('dan', 'long', [59]),
      { at: at(10), user: 'eve' },
      { at: at(2900), user: 'fay', session: 'days', latencyMs: 2890 * MINUTE_MS },
      ...session('fay', 'days', [2899]),
    ])
    await store.write({
      calls: [],
      events: [
        eventOf({ kind: 'session_end', user: 'bob', session: 'told', at: at(270), says: { 'session.outcome': 'completed' } }),
        eventOf({ kind: 'feedback', user: 'cid', session: 'disliked', at: at(190), says: scoreFacts({ value: 0, min: 0, max: 1 }) }),
      ],
    })
    analytics = openAnalytics(store, { now: () => AS_OF })
  })
  afterAll(() => store.close())

  const outcomes = async (params: ReportParams = {}, asked = analytics): Promise<string[]> =>
    (await asked.report('sessions', { order_by: [['started_at', 'asc']], ...params })).rows.map(
      ({ user, session: name, outcome }: Row) => `${String(user)} ${String(name)} ${String(outcome)}`,
    )
  const all = [
    'fay days open',
    'ada fine completed',
    'ada failed abandoned',
    'bob fine completed',
    'bob told completed',
    'cid disliked abandoned',
    'dan long open',
    'cid now open',
    'eve (none) null',
  ]

  it('says how each ended: as the app said, else as the last call and what the user said of it tell', async () => {
    expect(await outcomes()).toEqual(all)
    expect((await outcomes({ options: { outcomes: 'strict' } })).slice(1, 5)).toEqual([
      'ada fine unknown',
      'ada failed unknown',
      'bob fine unknown',
      'bob told completed',
    ])
  })

  it('says it of the whole session where a filter lets some of its calls through, and where one looks at it from before it went on', async () => {
    expect(await outcomes({ where: 'status = ok' })).toEqual(all.filter((row) => !row.includes('told')))
    const early = openAnalytics(store, { now: () => at(389) })
    expect(await outcomes({}, early)).toEqual(['fay days open', 'ada fine completed', 'ada failed open'])
    const late = openAnalytics(store, { now: () => AS_OF + HOUR_MS })
    expect((await outcomes({}, late)).slice(6, 8)).toEqual(['dan long completed', 'cid now completed'])
  })

  it('is filtered and sorted by it, and shows it only where the columns asked for have it', async () => {
    expect(await outcomes({ having: 'outcome = abandoned' })).toEqual(['ada failed abandoned', 'cid disliked abandoned'])
    expect(await outcomes({ having: 'outcome = abandoned', limit: 1, order_by: [['started_at', 'desc']] })).toEqual([
      'cid disliked abandoned',
    ])
    const sorted = await outcomes({
      order_by: [
        ['outcome', 'desc'],
        ['started_at', 'asc'],
      ],
      limit: 3,
    })
    expect(sorted).toEqual(['fay days open', 'dan long open', 'cid now open'])
    const first = await analytics.report('sessions', { order_by: [['outcome', 'asc']], limit: 3 })
    const next = await analytics.report('sessions', { order_by: [['outcome', 'asc']], limit: 50, after: String(first.meta.next) })
    expect([...first.rows, ...next.rows].map(({ outcome }) => outcome).join()).toBe(
      'abandoned,abandoned,completed,completed,completed,open,open,open,',
    )
    const columns = async (metrics: string[]): Promise<string> =>
      (await analytics.report('sessions', { metrics })).columns.map(({ key }) => key).join()
    expect(await columns(['outcome'])).toBe('session,user,requests,outcome')
    expect(await columns(['requests', 'messages', 'outcome'])).toBe('session,user,requests,messages,outcome')
    expect(await columns(['requests'])).toBe('session,user,requests')
    await expect(analytics.report('models', { metrics: ['outcome'] })).rejects.toThrow('outcome')
    expect((await analytics.report('sessions')).totals).not.toHaveProperty('outcome')
  })
})

it('messages of a session are its chats that are no retries', async () => {
  const store = await ledgerOf([])
  const asks = (minutesAgo: number, fingerprint: number, words: Partial<CallWords> = {}) =>
    Object.assign(callOf({ at: at(minutesAgo), user: 'ada', session: 's', ...words }), { fingerprint })
  const calls = [asks(9, 1), asks(8, 1), asks(7, 2), asks(6, 3, { operation: 'embeddings' }), asks(5, 4, { operation: 'text_completion' })]
  await store.write({ calls: [...calls, callOf({ at: at(4), user: 'bob' })] })
  const analytics = openAnalytics(store, { now: () => AS_OF })
  const { rows, totals } = await analytics.report('sessions', {
    metrics: ['requests', 'messages'],
    order_by: [['messages', 'desc']],
    limit: 9,
  })
  expect(rows).toEqual([
    { session: 's', user: 'ada', requests: 5, messages: 3 },
    { session: '(none)', user: 'bob', requests: 1, messages: 1 },
  ])
  expect(totals).toEqual({ requests: 6, messages: 4 })
  const one = await analytics.report('sessions', { metrics: ['requests', 'messages'], limit: 1, other: true })
  expect(one.other?.values).toEqual({ requests: 1, messages: 1 })
  await store.close()
  const plain = await ledgerOf([
    { at: at(3), user: 'ada' },
    { at: at(3), user: 'ada', operation: 'embeddings' },
  ])
  expect((await openAnalytics(plain, { now: () => AS_OF }).query({ metrics: ['messages'], by: ['user'] })).rows).toEqual([
    { user: 'ada', messages: 1 },
  ])
  await plain.close()
})
