import type { Store } from '@spanledger/store'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'

import { openAnalytics, parseWhere, QueryError, type Filter, type Query } from '../../src/index.ts'
import { ledgerOf, type CallWords } from '../ledger.ts'

const open: Store[] = []
afterEach(async () => {
  for (const store of open.splice(0)) await store.close()
})

const asOf = '2026-03-01T00:00:00Z'
const calls: CallWords[] = [
  { at: '2026-01-02T10:00:00Z', user: 'ada', properties: { feature: 'export' } },
  { at: '2026-02-20T10:00:00Z', user: 'ada', properties: { feature: 'chat' } },
  { at: '2026-02-21T10:00:00Z', user: 'bob', properties: { feature: 'export' } },
  { at: '2026-02-22T10:00:00Z', user: 'bob', properties: { feature: 'export' } },
  { at: '2026-02-23T10:00:00Z', user: 'cyd', properties: { feature: 'chat' } },
  { at: '2026-02-24T10:00:00Z', properties: { feature: 'export' } },
]

async function requestsByUser(some: readonly CallWords[], query: Partial<Query>): Promise<Record<string, unknown>> {
  const store = await ledgerOf(some)
  open.push(store)
  const analytics = openAnalytics(store, { now: () => Date.parse(asOf) })
  const { rows } = await analytics.query({ metrics: ['requests'], by: ['user'], ...query })
  return Object.fromEntries(rows.map(({ user, requests }) => [user, requests]))
}

describe('has_done', () => {
  it("chooses all calls of users who made one that fits; calls without a user are nobody's", async () => {
    expect(await requestsByUser(calls, { where: 'has_done (feature = export)' })).toEqual({ ada: 2, bob: 2 })
    expect(await requestsByUser(calls, { where: 'not has_done (feature = export)' })).toEqual({ cyd: 1, '(none)': 1 })
  })

  it('looks at the period, or at the time that ends with it, and counts', async () => {
    expect(await requestsByUser(calls, { where: 'has_done (feature = export)', since: '2026-02-01' })).toEqual({ bob: 2 })
    expect(await requestsByUser(calls, { where: 'has_done (feature = export) within 90d', since: '2026-02-01' })).toEqual({
      ada: 1,
      bob: 2,
    })
    expect(await requestsByUser(calls, { where: 'has_done (feature = export) min 2 and feature = export' })).toEqual({ bob: 2 })
  })

  it('is read from text as the data it stands for', () => {
    expect(parseWhere('has_done (feature = export or cost_usd > 1) within 30d min 3 and plan = pro')).toEqual([
      'and',
      ['has_done', ['or', ['is', 'feature', ['export']], ['gt', 'cost_usd', 1]], { within: '30d', min: 3 }],
      ['is', 'plan', ['pro']],
    ])
  })

  it('holds in reports about people too, and in those compared with the period before', async () => {
    const store = await ledgerOf(calls)
    open.push(store)
    const analytics = openAnalytics(store, { now: () => Date.parse(asOf) })
    const where: Filter = ['has_done', ['is', 'feature', ['export']]]
    const [active] = (await analytics.report('active', { where, since: '2026-02-22', until: '2026-02-22' })).rows
    expect(active?.['dau']).toBe(1)
    const [before] = (await analytics.report('active', { where, since: '2026-02-22', until: '2026-02-22', compare: 'previous' })).rows
    expect(before).toMatchObject({ dau: 1, dau_previous: 1 })
  })

  it.each([
    [['has_done', ['is', 'feature', ['x']], { min: 0 }], 'whole number from 1'],
    [['has_done', ['is', 'feature', ['x']], { minimum: 2 }], 'Unknown option of has_done'],
    [['has_done', ['is', 'feature', ['x']], { within: 'soon' }], 'Cannot read last "soon"'],
    [['has_done'], 'must be a list that begins with an operator'],
  ])('refuses %j', async (where, says) => {
    await expect(requestsByUser(calls, { where: where as unknown as Filter })).rejects.toThrow(says)
  })

  it('is refused where rows are chosen', async () => {
    await expect(requestsByUser(calls, { having: ['has_done', ['gt', 'requests', 1]] })).rejects.toThrow(QueryError)
  })

  it('finds what looking at one call after the other finds', async () => {
    const call = fc.record({
      day: fc.integer({ min: 1, max: 28 }),
      user: fc.constantFrom('ada', 'bob', 'cyd', undefined),
      feature: fc.constantFrom('chat', 'export', undefined),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 25 }), fc.integer({ min: 1, max: 3 }), async (made, min) => {
        const words = made.map(({ day, user, feature }, n): CallWords => ({
          at: Date.UTC(2026, 1, day, 0, n),
          ...(user === undefined ? {} : { user }),
          properties: feature === undefined ? {} : { feature },
        }))
        const did = (user: string | undefined): boolean =>
          user !== undefined && made.filter((one) => one.user === user && one.feature === 'export' && one.day > 14).length >= min
        const expected: Record<string, number> = {}
        for (const { user } of made) if (user !== undefined && did(user)) expected[user] = (expected[user] ?? 0) + 1
        expect(
          await requestsByUser(words, { where: ['has_done', ['is', 'property:feature', ['export']], { min, within: '14d' }] }),
        ).toEqual(expected)
      }),
      { numRuns: 15 },
    )
  })
})
