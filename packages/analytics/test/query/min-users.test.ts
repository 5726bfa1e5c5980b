import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { Store } from '@spanledger/store'

import { openAnalytics, type Analytics, type Query } from '../../src/index.ts'
import { ledgerOf, type CallWords } from '../ledger.ts'

/** Users of plans and regions: `pro` of eight users, `team` of six, `trial` of two, `odd` of one. */
const plans = { pro: 8, team: 6, trial: 2, odd: 1 }

function calls(): CallWords[] {
  return Object.entries(plans).flatMap(([plan, users], p) =>
    Array.from({ length: users }, (_, n): CallWords[] => [
      {
        at: `2026-03-0${1 + (n % 5)}T10:00:00Z`,
        user: `${plan}${n}`,
        properties: { plan, region: n % 2 === 0 ? 'eu' : 'us' },
        costNanoUsd: 1000 * (p + 1) + n,
      },
      {
        at: '2026-03-10T10:00:00Z',
        user: `${plan}${n}`,
        properties: { plan, region: 'eu' },
        costNanoUsd: 7,
        status: n % 3 === 0 ? 'error' : 'ok',
      },
    ]).flat(),
  )
}

let store: Store
let analytics: Analytics
beforeAll(async () => {
  store = await ledgerOf(calls())
  analytics = openAnalytics(store, { now: () => Date.parse('2026-04-01T00:00:00Z') })
})
afterAll(() => store.close())

const metrics = ['requests', 'users', 'cost_usd', 'errors']
const ask = (query: Partial<Query>) => analytics.query({ metrics, ...query })

describe('with min_users', () => {
  it('rows of few users are told as one, with the next smallest as long as these are too few, and rows add up', async () => {
    const whole = await ask({ by: ['property:plan'], order_by: [['plan', 'asc']] })
    const { rows, totals, meta } = await ask({ by: ['property:plan'], order_by: [['plan', 'asc']], min_users: 5 })
    expect(rows.map(({ plan, users, requests }) => [plan, users, requests])).toEqual([
      ['(suppressed)', 9, 18],
      ['pro', 8, 16],
    ])
    expect(meta.suppressed_rows).toBe(3)
    expect(meta.rows).toBe(2)
    expect(totals).toEqual(whole.totals)
    // Two of them suffice where they are enough users together.
    const three = await ask({ by: ['property:plan'], min_users: 3 })
    expect(three.rows.map(({ plan, users }) => [plan, users])).toEqual(
      [
        ['team', 6],
        ['pro', 8],
        ['(suppressed)', 3],
      ].toSorted(([, a], [, b]) => Number(b) - Number(a)),
    )
    expect(three.meta.suppressed_rows).toBe(2)
  })

  it('what is not listed leaves the rows together too, and pages go on after them', async () => {
    const first = await ask({ by: ['property:plan'], order_by: [['requests', 'desc']], min_users: 5, limit: 1, other: true })
    expect(first.rows.map(({ plan }) => plan)).toEqual(['(suppressed)'])
    expect(first.other).toEqual({ rows: 1, values: expect.objectContaining({ requests: 16, users: 8 }) })
    const next = await ask({
      by: ['property:plan'],
      order_by: [['requests', 'desc']],
      min_users: 5,
      limit: 1,
      other: true,
      after: first.meta.next ?? '',
    })
    expect(next.rows.map(({ plan }) => plan)).toEqual(['pro'])
    expect(next.other).toEqual({ rows: 1, values: expect.objectContaining({ requests: 18, users: 9 }) })
  })

  it('having looks at them as at any row, and totals are of the rows that pass', async () => {
    const { rows, totals } = await ask({ by: ['property:plan'], min_users: 5, having: 'requests > 17' })
    expect([rows.length, totals['requests'], totals['users']]).toEqual([1, 18, 9])
  })

  it('a split by time has no time for them', async () => {
    const { rows } = await ask({ by: ['time:day'], min_users: 4 })
    expect(rows.filter(({ users }) => Number(users) < 4)).toEqual([])
    expect(rows.filter(({ day }) => day === null)).toHaveLength(1)
    expect(rows.reduce((sum, { requests }) => sum + Number(requests), 0)).toBe(34)
  })

  it('a table that cannot be hidden from its lines keeps its small rows from the total, and says so', async () => {
    const cells: [plan: string, region: string, users: number][] = [
      ['a', 'x', 1],
      ['a', 'y', 6],
      ['b', 'x', 6],
    ]
    const own = await ledgerOf(
      cells.flatMap(([plan, region, users]) =>
        Array.from({ length: users }, (_, n) => ({
          at: '2026-03-01T10:00:00Z',
          user: `${plan}${region}${n}`,
          properties: { plan, region },
        })),
      ),
    )
    const { rows, meta } = await openAnalytics(own, { now: () => Date.parse('2026-04-01T00:00:00Z') }).query({
      metrics,
      by: ['property:plan', 'property:region'],
      min_users: 5,
    })
    await own.close()
    // Each of the others stands alone in a line whose total is told: it hides nothing from who asks for that.
    expect(rows.map(({ plan, users }) => [plan, users])).toEqual([
      ['(suppressed)', 7],
      ['b', 6],
    ])
    expect(meta.warnings.filter((warning) => warning.includes('share this answer alone'))).toHaveLength(1)
  })

  it('intervals and metrics that were not asked for do not matter', async () => {
    const { rows, columns } = await analytics.query({ metrics: ['error_rate'], by: ['property:plan'], min_users: 5, ci: true })
    expect(columns.map(({ key }) => key)).not.toContain('users')
    expect(rows.map((row) => row['error_rate_denominator'])).toEqual([18, 16].toSorted((a, b) => b - a))
  })

  it('nothing is told where fewer are behind all of it, and an empty ledger is empty', async () => {
    await expect(ask({ where: 'plan = odd', min_users: 5 })).rejects.toThrow(/Fewer than 5 users are behind this answer/)
    await expect(ask({ where: 'plan in (odd, trial)', by: ['property:plan'], min_users: 5 })).rejects.toThrow(/Fewer than 5 users/)
    expect((await ask({ where: 'plan = none_such', by: ['property:plan'], min_users: 5 })).rows).toEqual([])
  })

  it.each([
    [{ by: ['user'] }, /rows by user or session are of one user each/],
    [{ by: ['session'] }, /rows by user or session/],
    [{ by: ['property:plan'], last: '7d', compare: 'previous' }, /with compare/],
    [{ by: ['property:plan'], attribution: 'full' }, /with attribution/],
    [{ by: ['property:plan'], min_users: 1 }, /min_users must be a whole number from 2/],
    [{ by: ['property:plan'], min_users: 2.5 }, /min_users must be a whole number/],
  ] as const)('%j is refused', async (query, why) => {
    await expect(ask({ min_users: 5, ...(query as Partial<Query>) })).rejects.toThrow(why)
  })

  it.each(['users', 'sessions', 'active', 'cohorts'])('the report %s refuses it', async (name) => {
    await expect(analytics.report(name, { min_users: 5 })).rejects.toThrow(/min_users/)
  })
})

describe('whatever the calls', () => {
  const call = fc.record({
    user: fc.integer({ min: 0, max: 14 }),
    plan: fc.integer({ min: 0, max: 3 }),
    region: fc.integer({ min: 0, max: 2 }),
  })

  it('no told row has fewer users, rows come to the totals, and what is put together is of two rows and enough users', async () => {
    const told = { some: 0 }
    await fc.assert(
      fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 60 }), fc.integer({ min: 2, max: 6 }), async (some, minUsers) => {
        const own = await ledgerOf(
          some.map(({ user, plan, region }, n) => ({
            at: `2026-03-01T00:${String(n).padStart(2, '0')}:00Z`,
            user: user === 0 ? undefined : `u${user}`,
            properties: { plan: `p${plan}`, region: `r${region}` },
            costNanoUsd: 2 ** (n % 30),
          })),
        )
        const asked = openAnalytics(own, { now: () => Date.parse('2026-04-01T00:00:00Z') })
        try {
          const by = ['property:plan', 'property:region']
          const { rows, totals, meta } = await asked.query({ metrics, by, min_users: minUsers })
          const whole = await asked.query({ metrics, by })
          told.some++
          expect(totals).toEqual(whole.totals)
          expect(rows.reduce((sum, { requests }) => sum + Number(requests), 0)).toBe(some.length)
          expect(rows.filter(({ users }) => Number(users) < minUsers)).toEqual([])
          const together = rows.filter((row) => row['plan'] === '(suppressed)')
          expect(together.length).toBe(meta.suppressed_rows === 0 ? 0 : 1)
          expect(meta.suppressed_rows).not.toBe(1)
          expect(rows.length - together.length + (meta.suppressed_rows ?? 0)).toBe(whole.rows.length)
        } catch (error) {
          if (!/Fewer than/.test((error as Error).message)) throw error
        } finally {
          await own.close()
        }
      }),
      { numRuns: 60, seed: 3 },
    )
    expect(told.some).toBeGreaterThan(20)
  })
})
