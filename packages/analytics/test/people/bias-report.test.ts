import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { Store } from '@spanledger/store'

import { openAnalytics, type Analytics, type Cell, type Row } from '../../src/index.ts'
import { eventOf, scoreFacts } from '../events.ts'
import { ledgerOf, type CallWords } from '../ledger.ts'

const START = Date.parse('2026-03-01T00:00:00Z')
const HOUR = 3_600_000
const count = 40
const users = ['free', 'pro'].flatMap((plan) => Array.from({ length: count }, (_, n) => ({ plan, n, user: `${plan}-${n}` })))

/** Free users call the small model 8 times of 10, pro users 2 times; for every fourth user half of these calls fail, and no other. */
function callsOf({ plan, n, user }: (typeof users)[number]): CallWords[] {
  const small = plan === 'free' ? 8 : 2
  const failing = n % 4 === 0 ? small / 2 : 0
  return Array.from({ length: 10 }, (_, k): CallWords => ({
    at: START + k * HOUR,
    user,
    model: k < small ? 'gpt-4o-mini' : 'gpt-4o',
    properties: { plan, feature: 'chat' },
    status: k < failing ? 'error' : 'ok',
    errorClass: k < failing ? (k % 2 === 0 ? 'rate_limit' : 'content_filter') : undefined,
    latencyMs: (plan === 'free' ? 200 : 100) * (1 + (n % 3)),
  }))
}

describe('bias', () => {
  let store: Store
  let analytics: Analytics
  beforeAll(async () => {
    store = await ledgerOf([
      ...users.flatMap(callsOf),
      { at: START, user: 'alone', properties: { plan: 'team' }, status: 'error' },
      { at: START, status: 'error', properties: { plan: 'free' } },
      { at: START, user: 'without' },
    ])
    await store.write({
      calls: [],
      events: users.flatMap(({ plan, n, user }) => {
        const properties = { plan }
        return [
          eventOf({
            at: START,
            kind: 'feedback',
            user,
            properties,
            says: scoreFacts({ name: 'stars', value: plan === 'free' ? 2 + (n % 2) : 4 + (n % 2), min: 1, max: 5 }),
          }),
          eventOf({
            at: START,
            kind: 'goal',
            user,
            properties,
            says: { 'event.name': 'sent', 'goal.success': n % (plan === 'free' ? 3 : 8) === 0 },
          }),
          eventOf({ at: START + HOUR, kind: 'goal', user, properties, says: { 'event.name': 'read' } }),
        ]
      }),
    })
    analytics = openAnalytics(store, { now: () => START + 240 * HOUR })
  })
  afterAll(() => store.close())

  const rowOf = (rows: readonly Row[], group: string, measure: string): Row | undefined =>
    rows.find((row) => row['group'] === group && row['measure'] === measure)
  const close = (value: number): Cell => expect.closeTo(value, 9) as Cell

  it('tells each group against the rest, and what the mix explains', async () => {
    const { rows, meta } = await analytics.report('bias', { by: ['property:plan'] })
    // For a quarter of free users 4 of 10 calls fail, of pro users 1 of 10; the calls of "alone" and "without" are among the rest.
    expect(rowOf(rows, 'free', 'error_rate')).toEqual({
      group: 'free',
      measure: 'error_rate',
      flag: 'adverse',
      users: 40,
      n: 400,
      value: 0.1,
      rest_value: close(11 / 402),
      ratio: close(0.1 / (11 / 402)),
      ci_low: expect.any(Number) as Cell,
      ci_high: expect.any(Number) as Cell,
      p: expect.any(Number) as Cell,
      q: expect.any(Number) as Cell,
      mix_explains: expect.any(Number) as Cell,
      adjusted_ratio: expect.any(Number) as Cell,
      reads: expect.stringMatching(
        /^plan free is associated with more errors \(3\.65 times the rest\); difference in mix explains \d+ %$/,
      ) as Cell,
    })
    expect(rowOf(rows, 'free', 'refusal_rate')).toMatchObject({ value: 0.05, rest_value: 0 })
    expect(rowOf(rows, 'free', 'rate_limit_rate')).toMatchObject({ value: 0.05, rest_value: close(10 / 402) })
    expect(rowOf(rows, 'free', 'goal_success')).toMatchObject({
      n: 80,
      value: close(54 / 80),
      rest_value: close(45 / 80),
      mix_explains: null,
    })
    expect(rowOf(rows, 'free', 'satisfaction')).toMatchObject({ n: 40, value: close(3.75), rest_value: close(8.75), flag: 'adverse' })
    expect(rowOf(rows, 'pro', 'satisfaction')).toMatchObject({ value: close(8.75), flag: 'favoured' })
    const latency = rowOf(rows, 'free', 'latency_ms')
    expect(Number(latency?.['value']) / Number(rowOf(rows, 'pro', 'latency_ms')?.['value'])).toBeCloseTo(2, 9)
    expect(latency).toMatchObject({ flag: 'adverse' })
    expect(rowOf(rows, 'team', 'error_rate')).toMatchObject({
      users: 1,
      n: 1,
      value: 1,
      flag: 'too_few',
      p: null,
      q: null,
      reads: 'too few users to tell',
    })
    expect(rowOf(rows, '(none)', 'error_rate')).toMatchObject({ users: 1, n: 1, value: 0, ratio: 0 })
    expect(meta.warnings.join()).toContain('an association, not a cause')
  })

  it('shows that within the same model there is no difference', async () => {
    const { rows, columns } = await analytics.report('bias', { by: ['property:plan'], where: 'plan in (free, pro)' })
    // It may leave 0 to 1, which a rate never does.
    expect(columns.find(({ key }) => key === 'mix_explains')?.type).toBe('number')
    const free = rowOf(rows, 'free', 'error_rate')
    expect(free).toMatchObject({ value: 0.1, rest_value: 0.025, ratio: close(4), mix_explains: close(1), adjusted_ratio: close(1) })
    expect(free?.['reads']).toBe('plan free is associated with more errors (4.00 times the rest); difference in mix explains 100 %')
  })

  it('takes traits and segments, and asks for one property', async () => {
    expect((await analytics.report('bias', { by: ['segment'] })).rows.map(({ group }) => group)).toContain('new')
    expect((await analytics.report('bias', { by: ['trait:region'] })).rows[0]).toMatchObject({
      group: '(none)',
      rest_value: null,
      ratio: null,
    })
    await expect(analytics.report('bias')).rejects.toThrow('needs --by property:KEY')
    await expect(analytics.report('bias', { by: ['model'] })).rejects.toThrow('split by one property')
    expect((await analytics.report('bias', { by: ['property:plann'] })).meta.warnings.join()).toContain('did you mean "plan"?')
  })

  it('tells of the hundred largest groups only, and has no rows in an empty ledger', async () => {
    const many = await ledgerOf(Array.from({ length: 120 }, (_, n) => ({ at: START, user: `u${n}`, properties: { tenant: `t${n}` } })))
    const { rows, meta } = await openAnalytics(many, { now: () => START + HOUR }).report('bias', { by: ['property:tenant'] })
    expect(new Set(rows.map(({ group }) => group)).size).toBe(100)
    expect(meta.warnings.join()).toContain('"tenant" has 120 values')
    await many.close()
    const empty = await ledgerOf([])
    const answer = await openAnalytics(empty).report('bias', { by: ['property:plan'] })
    expect(answer.rows).toEqual([])
    expect(JSON.stringify(answer)).not.toContain('NaN')
    await empty.close()
  })
})

it('bias: the time to the first token, of calls that went well and report it, by the mean of logarithms of each user', async () => {
  const waits = (plan: string, n: number): (number | undefined)[] => [
    (plan === 'free' ? 400 : 200) * (1 + (n % 3)),
    n % 2 === 0 ? undefined : plan === 'free' ? 900 : 300,
  ]
  const store = await ledgerOf(
    users.flatMap(({ plan, n, user }): CallWords[] => [
      ...waits(plan, n).map((ttftMs, k): CallWords => ({ at: START + k * HOUR, user, properties: { plan }, ttftMs, latencyMs: 1000 })),
      // What failed waited for nothing.
      { at: START + 3 * HOUR, user, properties: { plan }, ttftMs: 50_000, latencyMs: 60_000, status: 'error' },
    ]),
  )
  const { rows } = await openAnalytics(store, { now: () => START + 240 * HOUR }).report('bias', { by: ['property:plan'] })
  await store.close()
  const mean = (numbers: readonly number[]): number => numbers.reduce((sum, one) => sum + one, 0) / numbers.length
  const told = (plan: string) => users.filter((one) => one.plan === plan).map(({ n }) => waits(plan, n).filter((ms) => ms !== undefined))
  const [free, pro] = ['free', 'pro'].map((plan) => Math.exp(mean(told(plan).map((own) => mean(own.map(Math.log))))))
  expect(rows.find(({ group, measure }) => group === 'free' && measure === 'ttft_ms')).toMatchObject({
    flag: 'adverse',
    users: 40,
    n: told('free').flat().length,
    value: expect.closeTo(free ?? 0, 9) as Cell,
    rest_value: expect.closeTo(pro ?? 0, 9) as Cell,
    ratio: expect.closeTo((free ?? 0) / (pro ?? 1), 9) as Cell,
  })
})
