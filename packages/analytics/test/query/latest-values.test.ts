import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { openAnalytics, type ReportParams } from '../../src/index.ts'
import { dimensionSql } from '../../src/plan/compile-dimension.ts'
import type { Scope } from '../../src/plan/scope.ts'
import { ledgerOf, type CallWords } from '../ledger.ts'

const DAY = 86_400_000
const START = Date.parse('2026-03-02T10:00:00Z')

/** Calls of five users over ten days, some with a plan, an empty one, or none. */
const call = fc.record({
  day: fc.nat(9),
  minute: fc.nat(1439),
  user: fc.constantFrom('ada', 'bob', 'cyd', 'dan', undefined),
  plan: fc.constantFrom('free', 'pro', 'team', '', undefined),
  costNanoUsd: fc.nat(1000),
})
type Call = typeof call extends fc.Arbitrary<infer Of> ? Of : never

const histories = fc.uniqueArray(call, { minLength: 1, maxLength: 30, selector: ({ day, minute }) => `${day} ${minute}` })
const atOf = ({ day, minute }: Call): number => START - (START % DAY) + day * DAY + minute * 60_000
const wordsOf = (one: Call): CallWords => ({
  at: atOf(one),
  user: one.user,
  costNanoUsd: one.costNanoUsd,
  properties: one.plan === undefined ? {} : { plan: one.plan },
})

/** The same from plain lists: the last plan of each user before an instant that says anything. */
function naive(
  calls: readonly Call[],
  { fromMs, toMs, asOfMs }: { fromMs: number; toMs: number; asOfMs: number },
): Map<string, [number, number, number]> {
  const known = calls.filter((one) => atOf(one) < asOfMs).toSorted((a, b) => atOf(a) - atOf(b))
  const planOf = new Map(
    known.flatMap(({ user, plan }) => (user === undefined || plan === undefined || plan === '' ? [] : [[user, plan] as const])),
  )
  const rows = new Map<string, { requests: number; cost: number; users: Set<string> }>()
  for (const one of known.filter((each) => atOf(each) >= fromMs && atOf(each) < toMs)) {
    const plan = (one.user === undefined ? undefined : planOf.get(one.user)) ?? '(none)'
    const row = rows.get(plan) ?? { requests: 0, cost: 0, users: new Set<string>() }
    row.requests++
    row.cost += one.costNanoUsd
    if (one.user !== undefined) row.users.add(one.user)
    rows.set(plan, row)
  }
  return new Map([...rows].map(([plan, { requests, cost, users }]) => [plan, [requests, cost, users.size]]))
}

const nanoUsd = (text: unknown): number => Number(String(text).replace('.', ''))

describe('latest:KEY', () => {
  it.each(['UTC', 'Asia/Kathmandu'])(
    'is what a user had last, for all of its calls, as counted over plain lists (ledger of UTC, asked in %s)',
    async (timeZone) => {
      await fc.assert(
        fc.asyncProperty(histories, fc.nat(10), fc.nat(9), fc.boolean(), async (calls, asOfDay, sinceDay, isClosed) => {
          const asOfMs = START - (START % DAY) + asOfDay * DAY + 43_200_000
          const fromMs = START - (START % DAY) + sinceDay * DAY
          const store = await ledgerOf(calls.map(wordsOf))
          if (isClosed) await store.closeDays()
          const analytics = openAnalytics(store, { now: () => asOfMs, timeZone })
          const period = { since: new Date(fromMs).toISOString(), until: new Date(fromMs + 20 * DAY).toISOString() }
          const expected = naive(calls, { fromMs, toMs: fromMs + 20 * DAY, asOfMs })
          const { rows } = await analytics.query({ ...period, by: ['latest:plan'], metrics: ['requests', 'cost_usd', 'users'] })
          expect(new Map(rows.map(({ plan, requests, cost_usd, users }) => [plan, [requests, nanoUsd(cost_usd), users]]))).toEqual(expected)
          const { totals } = await analytics.query({
            ...period,
            where: ['is', 'latest:plan', ['pro']],
            metrics: ['requests', 'cost_usd', 'users'],
          })
          const [requests, cost, users] = expected.get('pro') ?? [0, 0, 0]
          expect([totals['requests'], nanoUsd(totals['cost_usd']), totals['users']]).toEqual([requests, cost, users])
          const others = await analytics.query({ ...period, where: ['is_not', 'latest:plan', ['pro', '(none)']], metrics: ['requests'] })
          expect(others.totals['requests']).toBe((expected.get('free')?.[0] ?? 0) + (expected.get('team')?.[0] ?? 0))
          await store.close()
        }),
        { numRuns: 40 },
      )
    },
  )

  const calls: CallWords[] = [
    { at: '2026-03-02T10:00:00Z', user: 'ada', properties: { plan: 'free', feature: 'chat' } },
    { at: '2026-03-03T10:00:00Z', user: 'ada', properties: { plan: 'pro' } },
    { at: '2026-03-03T10:00:00Z', user: 'bob', properties: { plan: 'free' }, status: 'error' },
    { at: '2026-03-04T10:00:00Z', user: 'anon' },
  ]

  it('follows aliases, and stands beside the property itself', async () => {
    const store = await ledgerOf(calls)
    await store.alias('anon', 'ada')
    const analytics = openAnalytics(store, { now: () => START + 5 * DAY })
    const { rows, columns } = await analytics.query({
      by: ['property:plan', 'latest:plan'],
      metrics: ['requests'],
      order_by: [
        ['property:plan', 'asc'],
        ['latest:plan', 'asc'],
      ],
    })
    expect(columns.map(({ key }) => key)).toEqual(['property:plan', 'latest:plan', 'requests'])
    expect(rows.map((row) => Object.values(row))).toEqual([
      ['(none)', 'pro', 1],
      ['free', 'free', 1],
      ['free', 'pro', 1],
      ['pro', 'pro', 1],
    ])
    await store.close()
  })

  it('splits and filters reports about people, and says where nothing has the property', async () => {
    const store = await ledgerOf(calls)
    const analytics = openAnalytics(store, { now: () => START + 5 * DAY })
    const ask = async (name: string, params: ReportParams): Promise<unknown[]> =>
      (await analytics.report(name, params)).rows.map(({ user, group, plan, requests }) => user ?? group ?? [plan, requests])
    expect(await ask('users', { where: 'latest:plan = pro' })).toEqual(['ada'])
    expect(await ask('properties', { by: ['latest:plan'] })).toEqual([
      ['pro', 2],
      ['(none)', 1],
      ['free', 1],
    ])
    expect((await analytics.report('bias', { by: ['latest:plan'] })).rows.length).toBeGreaterThan(0)
    expect((await analytics.query({ by: ['latest:paln'], metrics: ['requests'] })).meta.warnings.join()).toContain('did you mean "plan"')
    await store.close()
  })

  it('is what users are now in the period before too, which is of the same users', async () => {
    const store = await ledgerOf(calls)
    const analytics = openAnalytics(store, { now: () => Date.parse('2026-03-04T00:00:00Z') })
    const period = { since: '2026-03-03', until: '2026-03-03', compare: 'previous' as const }
    const { rows } = await analytics.report('session_metrics', { ...period, where: 'latest:plan = pro' })
    // On the day before ada was not pro yet.
    expect(rows[0]).toMatchObject({ sessions: 1, sessions_previous: 1 })
    await store.close()
  })

  it('is refused in a segment of one’s own, whose tests are of latest values anyway', async () => {
    const store = await ledgerOf(calls)
    const analytics = openAnalytics(store, { now: () => START + 5 * DAY, segments: { payers: { where: 'latest:plan = pro' } } })
    await expect(analytics.report('segments', {})).rejects.toThrow('write the property itself')
    await store.close()
  })
})

it.each(['latest', 'segment'] as const)(
  'what is known of users (%s) is looked up by an index, not compared with each of them for each call',
  async (kind) => {
    const store = await ledgerOf([{ at: START, user: 'ada' }])
    const known = {
      latest: new Map([['plan', new Map([[1, 'pro']])]]),
      memberships: { of: new Map([[1, { segments: ['power'] }]]), exclusive: true },
    }
    const dimension = kind === 'latest' ? ({ kind, key: 'plan' } as const) : ({ kind } as const)
    const [join] = dimensionSql(dimension, 'calls', known as unknown as Scope)?.joins ?? []
    const plan = await store.all<{ detail: string }>(
      `EXPLAIN QUERY PLAN SELECT count(*) FROM llm_calls AS c ${join?.text}`,
      ...(join?.values ?? []).map((value) => (typeof value === 'bigint' ? String(value) : value)),
    )
    expect(plan.map(({ detail }) => detail).join('; ')).toContain('USING AUTOMATIC COVERING INDEX (user_id=?)')
    await store.close()
  },
)
