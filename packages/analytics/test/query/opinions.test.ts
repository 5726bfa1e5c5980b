import type { Store } from '@spanledger/store'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'

import { openAnalytics, type Query } from '../../src/index.ts'
import { eventOf, scoreFacts } from '../events.ts'
import { ledgerOf, type CallWords } from '../ledger.ts'

const open: Store[] = []
afterEach(async () => {
  for (const store of open.splice(0)) await store.close()
})

const asOf = Date.parse('2026-02-01T00:00:00Z')

/** A rating, a thumb or an NPS answer in a few words. */
interface Words {
  readonly at?: string | undefined
  readonly user?: string | undefined
  readonly session?: string | undefined
  readonly plan?: string | undefined
  readonly about?: string | undefined
  readonly name?: string | undefined
  readonly stars?: number | undefined
  readonly thumbs?: 0 | 1 | undefined
  readonly nps?: number | undefined
  readonly label?: string | undefined
  readonly source?: string | undefined
  readonly faulty?: boolean
}

function opinionOf({
  at = '2026-01-05T10:00:00Z',
  user,
  session,
  plan,
  about,
  name = 'answer',
  stars,
  thumbs,
  nps,
  label,
  source,
  faulty,
}: Words) {
  const common = { at, user, session, properties: { plan }, faulty }
  if (nps !== undefined) return eventOf({ ...common, kind: 'nps', says: { 'nps.score': nps } })
  const scale = stars !== undefined ? { min: 1, max: 5 } : thumbs !== undefined ? { min: 0, max: 1 } : {}
  return eventOf({ ...common, kind: 'feedback', says: scoreFacts({ name, value: stars ?? thumbs, ...scale, label, source, about }) })
}

async function ask(said: readonly Words[], query: Query, calls: readonly CallWords[] = [{ at: '2026-01-01T00:00:00Z', user: 'ada' }]) {
  const store = await ledgerOf(calls)
  open.push(store)
  await store.write({ calls: [], events: said.map(opinionOf) })
  const { columns, rows, totals, meta } = await openAnalytics(store, { now: () => asOf }).query(query)
  return { rows: rows.map((row) => columns.map(({ key }) => row[key])), totals, warnings: meta.warnings }
}

async function total(said: readonly Words[], metrics: readonly string[]): Promise<unknown[]> {
  const { totals } = await ask(said, { metrics })
  return metrics.map((name) => totals[name])
}

const all = ['feedback_count', 'feedback_positive', 'csat', 'satisfaction', 'satisfaction_users', 'nps', 'nps_answers']

describe('satisfaction', () => {
  it('is a mean over users of the mean of each, so that who rates much does not decide it', async () => {
    const five = ['a1', 'a2', 'a3', 'a4'].map((about) => ({ user: 'ada', about, stars: 5 }))
    expect(
      await total([...five, { user: 'bob', about: 'b1', stars: 2 }], ['feedback_count', 'feedback_positive', 'csat', 'satisfaction']),
    ).toEqual([5, 4, 0.8, 6.25])
  })

  it('puts stars and thumbs on one scale from 0 to 10, and leaves scores of judges and of NPS out', async () => {
    const said: Words[] = [
      { user: 'ada', stars: 4, name: 'stars' },
      { user: 'ada', thumbs: 0, name: 'thumbs' },
      { user: 'ada', nps: 10 },
      { user: 'ada', thumbs: 1, name: 'truth', source: 'judge' },
    ]
    expect(await total(said, all)).toEqual([2, 1, 0.5, 3.75, 1, 100, 1])
  })

  it('counts of each user, name and target the latest, whatever came in first', async () => {
    const said: Words[] = [
      { user: 'ada', about: 'r1', stars: 5, at: '2026-01-07T00:00:00Z' },
      { user: 'ada', about: 'r1', stars: 1, at: '2026-01-05T00:00:00Z' },
      { user: 'ada', about: 'r2', stars: 3, at: '2026-01-05T00:00:00Z' },
      { user: 'bob', about: 'r1', stars: 1, at: '2026-01-06T00:00:00Z' },
    ]
    for (const order of [said, said.toReversed()]) expect(await total(order, ['feedback_count', 'satisfaction'])).toEqual([3, 3.75])
  })

  it('keeps an answer that a later one without a value does not replace', async () => {
    const said: Words[] = [
      { user: 'ada', stars: 5 },
      { user: 'ada', at: '2026-01-06T00:00:00Z', faulty: true },
      { user: 'bob', stars: 9, faulty: true },
    ]
    expect(await total(said, ['feedback_count', 'satisfaction'])).toEqual([1, 10])
  })

  it('an NPS of few answers is flagged, and none that is not', async () => {
    const warningsOf = async (answers: number): Promise<readonly string[]> => {
      const store = await ledgerOf([{ at: '2026-01-01T00:00:00Z', user: 'u0', properties: {} }])
      const events = Array.from({ length: answers }, (_, n) =>
        eventOf({ at: '2026-01-05T00:00:00Z', kind: 'nps', user: `u${n}`, says: { 'nps.score': 9 } }),
      )
      await store.write({ calls: [], events })
      const { meta } = await openAnalytics(store, { now: () => Date.parse('2030-01-01T00:00:00Z') }).query({
        metrics: ['nps', 'nps_answers'],
      })
      await store.close()
      return meta.warnings.filter((warning) => warning.includes('NPS'))
    }
    expect(await warningsOf(29)).toEqual(['an NPS of fewer than 30 answers is hardly one: look at nps_low and nps_high'])
    expect([await warningsOf(30), await warningsOf(0)]).toEqual([[], []])
  })

  it('is unknown where nobody gave a score, while words and answers of nobody are counted', async () => {
    expect(await total([], all)).toEqual([0, 0, null, null, 0, null, 0])
    expect(await total([{ user: 'ada', label: 'good' }, { thumbs: 1 }, { thumbs: 0 }], all)).toEqual([3, 1, 0.5, null, 0, null, 0])
  })
})

describe('NPS', () => {
  it('is 20 for the answers 10 9 9 8 7 6 3 10 10 5', async () => {
    const said = [10, 9, 9, 8, 7, 6, 3, 10, 10, 5].map((nps, n) => ({ user: `u${n}`, nps }))
    expect(await total(said, ['nps', 'nps_answers'])).toEqual([20, 10])
  })

  it('takes the latest answer of each user in the period', async () => {
    const said: Words[] = [
      { user: 'ada', nps: 0, at: '2026-01-05T00:00:00Z' },
      { user: 'ada', nps: 10, at: '2026-01-20T00:00:00Z' },
      { user: 'bob', nps: 10, at: '2026-01-21T00:00:00Z' },
    ]
    expect(await total(said, ['nps'])).toEqual([100])
    expect((await ask(said, { metrics: ['nps'], until: '2026-01-10' })).totals['nps']).toBe(-100)
  })
})

describe('what the users that are not listed said', () => {
  it('is what they said, as users report and query have it, also of the period before', async () => {
    const at = '2026-01-20T00:00:00Z'
    const store = await ledgerOf(['ada', 'bob', 'cid'].map((user, n) => ({ at, user, costNanoUsd: 100 - n })))
    open.push(store)
    const said: Words[] = [
      { user: 'ada', stars: 1, nps: undefined, at },
      { user: 'bob', stars: 5, at },
      { user: 'cid', stars: 4, at },
      { user: 'cid', stars: 2, at: '2026-01-05T00:00:00Z' },
      { user: 'dan', stars: 3, at },
    ]
    await store.write({ calls: [], events: said.map(opinionOf) })
    const analytics = openAnalytics(store, { now: () => asOf })
    const asked = { metrics: ['feedback_count', 'satisfaction'], last: '14d', compare: 'previous', limit: 1, other: true } as const
    const order_by = [['user', 'asc']] as const
    const ofUsers = await analytics.report('users', { ...asked, order_by })
    const ofQuery = await analytics.query({ ...asked, by: ['user'], order_by })
    expect(ofUsers.rows.map(({ user }) => user)).toEqual(['ada'])
    expect(ofUsers.other?.values).toMatchObject({
      feedback_count: 3,
      satisfaction: 22.5 / 3,
      feedback_count_previous: 1,
      satisfaction_previous: 2.5,
    })
    expect(ofUsers.other?.values).toEqual(ofQuery.other?.values)
  })
})

describe('exported events', () => {
  it('are all that there are, in the order of start, the replaced too, from before the first call on', async () => {
    const store = await ledgerOf([{ at: '2026-01-06T00:00:00Z', user: 'ada' }])
    open.push(store)
    const said: Words[] = [
      { user: 'ada', plan: 'pro', stars: 5, at: '2026-01-07T00:00:00Z' },
      { user: 'ada', plan: 'free', stars: 1, label: 'poor', at: '2026-01-05T00:00:00Z' },
    ]
    await store.write({ calls: [], events: said.map(opinionOf) })
    const analytics = openAnalytics(store, { now: () => asOf })
    const read = async (words = {}): Promise<unknown[]> => {
      const rows: unknown[] = []
      for await (const step of analytics.events(words)) rows.push(...step)
      return rows
    }
    const [first, second, ...others] = await read()
    expect(others).toEqual([])
    expect(first).toEqual({
      start: '2026-01-05T00:00:00.000Z',
      trace_id: expect.stringMatching(/^[0-9a-f]{32}$/),
      span_id: expect.stringMatching(/^[0-9a-f]{16}$/),
      kind: 'feedback',
      name: 'answer',
      source: 'human',
      user: 'ada',
      session: null,
      target_kind: 'user',
      target: null,
      outcome: 'poor',
      previous: null,
      value: 1,
      min: 1,
      max: 5,
      amount_usd: null,
      task: null,
      step: null,
      period: null,
      origin: 'app',
      properties: '{"plan":"free"}',
    })
    expect(second).toMatchObject({ value: 5, properties: '{"plan":"pro"}' })
    expect(await read({ since: '2026-01-06' })).toEqual([second])
    expect(await read({ where: 'plan = free' })).toEqual([first])
    await expect(read({ where: 'model = gpt-4o' })).rejects.toThrow('Events are filtered by user, session, property and segment')
  })
})

describe('opinions', () => {
  const said: Words[] = [
    { user: 'ada', session: 's1', plan: 'pro', thumbs: 1, at: '2026-01-05T10:00:00Z' },
    { user: 'bob', session: 's2', plan: 'free', thumbs: 0, at: '2026-01-06T10:00:00Z' },
    { user: 'bob', session: 's3', plan: 'pro', thumbs: 1, at: '2026-01-06T11:00:00Z' },
  ]
  const metrics = ['feedback_count', 'satisfaction']

  it('are split by user, session, property, segment and time', async () => {
    const by = async (...dimensions: string[]): Promise<unknown[][]> => (await ask(said, { metrics, by: dimensions })).rows
    expect(await by('user')).toEqual([
      ['bob', 2, 5],
      ['ada', 1, 10],
    ])
    expect(await by('session', 'user')).toEqual([
      ['s1', 'ada', 1, 10],
      ['s2', 'bob', 1, 0],
      ['s3', 'bob', 1, 10],
      ['(none)', 'ada', 0, null],
    ])
    expect(await by('property:plan')).toEqual([
      ['pro', 2, 10],
      ['free', 1, 0],
      ['(none)', 0, null],
    ])
    expect(await by('time:day')).toEqual([
      ['2026-01-01', 0, null],
      ['2026-01-05', 1, 10],
      ['2026-01-06', 2, 5],
    ])
    expect(await by('segment')).toEqual([
      ['(none)', 2, 5],
      ['churned', 1, 10],
    ])
  })

  it('stand in the row of their group beside its calls', async () => {
    const calls: CallWords[] = [{ at: '2026-01-05T00:00:00Z', user: 'ada', properties: { Plan: 'pro' } }]
    const { rows, totals } = await ask(said, { metrics: ['requests', 'cost_usd', ...metrics], by: ['property:plan'] }, calls)
    expect(rows).toEqual([
      ['pro', 1, '0.000001000', 2, 10],
      ['free', 0, '0.000000000', 1, 0],
    ])
    expect(totals).toEqual({ requests: 1, cost_usd: '0.000001000', feedback_count: 3, satisfaction: 7.5 })
  })

  it('are filtered by whom they are of and by their properties', async () => {
    const where = async (filter: string): Promise<unknown> => (await ask(said, { metrics, where: filter })).totals
    expect(await where('plan = pro')).toEqual({ feedback_count: 2, satisfaction: 10 })
    expect(await where('user = bob and plan != pro')).toEqual({ feedback_count: 1, satisfaction: 0 })
  })

  it('are unknown, not 0, by what only calls have, and the answer says so', async () => {
    const byModel = await ask(said, { metrics: ['requests', ...metrics], by: ['model'] })
    expect(byModel.rows).toEqual([['gpt-4o/openai', 1, null, null]])
    expect(byModel.totals).toMatchObject({ feedback_count: 3 })
    expect(byModel.warnings).toContain('feedback is known by user, session, property, segment and time only; elsewhere it is null')
    const filtered = await ask(said, { metrics, where: 'latency_ms > 5' })
    expect(filtered.totals).toEqual({ feedback_count: null, satisfaction: null })
    expect((await ask(said, { metrics, by: ['user'] })).warnings.filter((text) => text.includes('feedback'))).toEqual([])
  })

  it('are columns of the users and the properties report', async () => {
    const store = await ledgerOf([
      { at: '2026-01-05T00:00:00Z', user: 'ada', properties: { Plan: 'pro' } },
      { at: '2026-01-05T00:00:00Z', user: 'cyd', properties: { Plan: 'free' } },
    ])
    open.push(store)
    await store.write({ calls: [], events: said.map(opinionOf) })
    const analytics = openAnalytics(store, { now: () => asOf })
    expect((await analytics.report('users', { order_by: [['satisfaction', 'desc']] })).rows).toMatchObject([
      { user: 'ada', feedback_count: 1, satisfaction: 10 },
      { user: 'cyd', feedback_count: 0, satisfaction: null },
    ])
    expect((await analytics.report('properties', { by: ['property:plan'], order_by: [['feedback_count', 'desc']] })).rows).toMatchObject([
      { plan: 'pro', feedback_count: 2, satisfaction: 10 },
      { plan: 'free', feedback_count: 1, satisfaction: 0 },
    ])
  })

  it('are what a naive reading of the answers gives, in any order', async () => {
    const words = fc.record({
      at: fc.constantFrom('2026-01-05T10:00:00Z', '2026-01-05T10:00:00.001Z', '2026-01-06T00:00:00Z', '2026-01-09T00:00:00Z'),
      user: fc.constantFrom(undefined, 'ada', 'bob', 'cyd'),
      session: fc.constantFrom(undefined, 's1', 's2'),
      plan: fc.constantFrom(undefined, 'pro', 'free'),
      about: fc.constantFrom(undefined, undefined, 'r1'),
      name: fc.constantFrom('answer', 'tone'),
      stars: fc.constantFrom(1, 2, 3, 4, 5),
      nps: fc.constantFrom(undefined, undefined, 0, 6, 7, 9, 10),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(words, { maxLength: 15 }), fc.infiniteStream(fc.nat()), async (list, keys) => {
        const store = await ledgerOf([{ at: '2026-01-01T00:00:00Z', user: 'ada' }])
        // Of equal times the later id is the latest.
        const keyed = list.map((one) => ({ key: Number(keys.next().value), event: opinionOf(one) }))
        for (const { event } of keyed.toSorted((a, b) => a.key - b.key)) await store.write({ calls: [], events: [event] })
        const analytics = openAnalytics(store, { now: () => asOf })
        const { totals } = await analytics.query({ metrics: all, where: 'not plan = free' })
        await store.close()
        const expected = naive(
          list.filter(({ nps }) => nps === undefined).map(toNaive),
          list.filter(({ nps }) => nps !== undefined),
        )
        expect(rounded(totals)).toEqual(rounded(expected))
      }),
      { numRuns: 60 },
    )
  })
})

const toNaive = (one: Words, n: number): Words & { target: string } => ({
  ...one,
  target: one.about ?? (one.session !== undefined ? `session ${one.session}` : one.user !== undefined ? 'user' : `itself ${n}`),
})

/** Sums of doubles differ in the last bits by their order. */
function rounded(row: object): object {
  return Object.fromEntries(
    Object.entries(row).map(([key, value]) => [key, typeof value === 'number' ? Math.round(value * 1e8) / 1e8 : value]),
  )
}

/** The same numbers over plain lists; of equal times the later in the list is the latest. */
function naive(feedback: readonly (Words & { target: string })[], answers: readonly Words[]): object {
  const latest = <Word extends Words>(words: readonly Word[], same: (word: Word) => string): Word[] => {
    const kept = new Map<string, Word>()
    for (const word of words) {
      const before = kept.get(same(word))
      if (before === undefined || Date.parse(word.at ?? '') >= Date.parse(before.at ?? '')) kept.set(same(word), word)
    }
    return [...kept.values()].filter(({ plan }) => plan !== 'free')
  }
  const opinions = latest(feedback, ({ user, name, target }) => JSON.stringify([user, name, target]))
  const scores = opinions.map(({ stars = 1 }) => ((stars - 1) / 4) * 10)
  const means = ['ada', 'bob', 'cyd'].flatMap((user) => {
    const own = scores.filter((_, n) => opinions[n]?.user === user)
    return own.length === 0 ? [] : [own.reduce((a, b) => a + b, 0) / own.length]
  })
  const nps = latest(
    answers.filter(({ user }) => user !== undefined),
    ({ user }) => String(user),
  ).map((one) => one.nps ?? 0)
  const share = (test: (score: number) => boolean): number => nps.filter(test).length / nps.length
  const positive = scores.filter((score) => score >= 7.5).length
  return {
    feedback_count: opinions.length,
    feedback_positive: positive,
    csat: opinions.length === 0 ? null : positive / opinions.length,
    satisfaction: means.length === 0 ? null : means.reduce((a, b) => a + b, 0) / means.length,
    satisfaction_users: means.length,
    nps: nps.length === 0 ? null : (share((score) => score >= 9) - share((score) => score <= 6)) * 100,
    nps_answers: nps.length,
  }
}
