import type { Store, Trait } from '@spanledger/store'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'

import { openAnalytics, type Query } from '../../src/index.ts'
import { ledgerOf, type CallWords } from '../ledger.ts'

const open: Store[] = []
afterEach(async () => {
  for (const store of open.splice(0)) await store.close()
})

const asOf = Date.parse('2026-03-01T00:00:00Z')
const at = (text: string): number => Date.parse(text)

const calls: CallWords[] = [
  { at: '2026-01-05T10:00:00Z', user: 'ada', costNanoUsd: 1 },
  { at: '2026-01-20T10:00:00Z', user: 'ada', costNanoUsd: 2 },
  { at: '2026-01-06T10:00:00Z', user: 'bob', costNanoUsd: 4 },
  { at: '2026-01-07T10:00:00Z', costNanoUsd: 8 },
  { at: '2026-01-08T10:00:00Z', user: 'cyd', costNanoUsd: 16 },
]

async function ledger(traits: readonly Trait[], some: readonly CallWords[] = calls): Promise<Store> {
  const store = await ledgerOf(some)
  open.push(store)
  await store.writeTraits(traits)
  return store
}

async function ask(store: Store, query: Query): Promise<{ rows: unknown[][]; totals: object; warnings: readonly string[] }> {
  const { columns, rows, totals, meta } = await openAnalytics(store, { now: () => asOf }).query(query)
  return { rows: rows.map((row) => columns.map(({ key }) => row[key])), totals, warnings: meta.warnings }
}

const upgraded: Trait[] = [
  { user: 'ada', name: 'Plan', value: 'free', validFromMs: 0 },
  { user: 'ada', name: 'plan', value: 'pro', validFromMs: at('2026-01-10T00:00:00Z') },
  { user: 'bob', name: 'Plan', value: 'free', validFromMs: at('2026-01-06T10:00:00.001Z') },
]
const byPlan: Query = { metrics: ['requests', 'cost_usd'], by: ['trait:plan'], order_by: [['cost_usd', 'desc']] }

describe('a trait', () => {
  it('splits calls by what held when each was made, to the millisecond', async () => {
    const { rows, totals } = await ask(await ledger(upgraded), byPlan)
    expect(rows).toEqual([
      ['(none)', 3, '0.000000028'],
      ['pro', 1, '0.000000002'],
      ['free', 1, '0.000000001'],
    ])
    expect(totals).toEqual({ requests: 5, cost_usd: '0.000000031' })
  })

  it('or by what holds at as_of', async () => {
    const { rows } = await ask(await ledger(upgraded), { ...byPlan, traits: 'current' })
    expect(rows).toEqual([
      ['(none)', 2, '0.000000024'],
      ['free', 1, '0.000000004'],
      ['pro', 2, '0.000000003'],
    ])
    const before = openAnalytics(await ledger(upgraded), { now: () => at('2026-01-09T00:00:00Z') })
    expect((await before.query({ ...byPlan, traits: 'current' })).rows).toMatchObject([{ plan: '(none)' }, { plan: 'free', requests: 2 }])
  })

  it('filters calls and users, likewise', async () => {
    const store = await ledger(upgraded)
    const requests = async (where: string, traits?: 'current'): Promise<unknown> =>
      (await ask(store, { metrics: ['requests'], where, traits })).totals
    expect(await requests('trait:plan = pro')).toEqual({ requests: 1 })
    expect(await requests('trait:plan = pro', 'current')).toEqual({ requests: 2 })
    expect(await requests('trait:PLAN != pro')).toEqual({ requests: 4 })
    expect(await requests('exists trait:plan')).toEqual({ requests: 2 })
    expect(await requests('missing trait:plan', 'current')).toEqual({ requests: 2 })
    expect(await requests('trait:plan ~ r', 'current')).toEqual({ requests: 3 })
    const users = await openAnalytics(store, { now: () => asOf }).report('users', { where: 'trait:plan = pro', traits: 'current' })
    expect(users.rows).toMatchObject([{ user: 'ada', requests: 2 }])
  })

  it('stands beside a property of the same name, and says how it was spelled', async () => {
    const store = await ledger(upgraded, [{ at: '2026-01-05T10:00:00Z', user: 'ada', properties: { plan: 'team' } }])
    const { columns, rows } = await openAnalytics(store, { now: () => asOf }).query({
      metrics: ['requests'],
      by: ['property:plan', 'trait:plan'],
    })
    expect(rows).toEqual([{ 'property:plan': 'team', 'trait:plan': 'free', requests: 1 }])
    expect(columns.map(({ label }) => label)).toEqual(['plan', 'Plan', 'Requests'])
  })

  it('that no user has is said to be unknown', async () => {
    const store = await ledger(upgraded)
    const { rows, warnings } = await ask(store, { metrics: ['requests'], by: ['trait:region'] })
    expect(rows).toEqual([['(none)', 5]])
    expect(warnings).toContain('no user has trait "region"; there are: plan')
    expect((await ask(store, { metrics: ['requests'], where: 'trait:region = eu' })).warnings).toContain(
      'no user has trait "region"; there are: plan',
    )
    await expect(ask(store, { ...byPlan, traits: 'then' as 'current' })).rejects.toThrow('Unknown traits "then". Allowed: as-of, current.')
  })

  it('is one of opinions too', async () => {
    const store = await ledger(upgraded)
    expect((await ask(store, { metrics: ['feedback_count'], by: ['trait:plan'] })).warnings).toEqual([])
  })

  it('gives the same answer whether calls are read one by one or from rollups', async () => {
    const day = fc.integer({ min: 1, max: 20 })
    const user = fc.constantFrom('ada', 'bob', 'cyd')
    const call = fc.record({ user, day })
    const trait = fc.record({ user, day: fc.option(day, { nil: 0 }), value: fc.constantFrom('free', 'pro') })
    await fc.assert(
      fc.asyncProperty(fc.array(call, { maxLength: 15 }), fc.array(trait, { maxLength: 6 }), async (made, changes) => {
        const instant = (n: number): number => (n === 0 ? 0 : Date.UTC(2026, 0, n))
        const store = await ledger(
          changes.map((one) => ({ user: one.user, name: 'plan', value: one.value, validFromMs: instant(one.day) })),
          made.map((one) => ({ at: instant(one.day) + 3_600_000, user: one.user })),
        )
        for (const traits of ['as-of', 'current'] as const) {
          const { rows } = await ask(store, { metrics: ['requests'], by: ['trait:plan'], traits })
          const counts = new Map<string, number>()
          for (const one of made) {
            const time = traits === 'current' ? asOf : instant(one.day) + 3_600_000
            // Of equal instants the later line of the import is the one that counts.
            const held = changes
              .filter((change) => change.user === one.user && instant(change.day) <= time)
              .toSorted((a, b) => a.day - b.day)
              .at(-1)
            counts.set(held?.value ?? '(none)', (counts.get(held?.value ?? '(none)') ?? 0) + 1)
          }
          expect(new Map(rows as [string, number][])).toEqual(counts)
          const split = await ask(store, { metrics: ['requests'], by: ['trait:plan', 'session'], traits })
          expect(split.totals).toEqual({ requests: made.length })
        }
      }),
      { numRuns: 60 },
    )
  })
})
