import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { Store } from '@spanledger/store'

import { openAnalytics, type Analytics, type Answer, type Order, type Query, type ReportParams, type Row } from '../src/index.ts'
import { callOf, ledgerOf } from './ledger.ts'
import { figuresOf, groupCalls, readPlainCalls, type PlainCall } from './naive.ts'
import { approximate, AS_OF, bys, exact, expectFigures, periods, randomCalls } from './random-ledger.ts'

let store: Store
let plain: PlainCall[]
let analytics: Analytics
beforeAll(async () => {
  store = await ledgerOf(randomCalls.slice(0, 700))
  plain = await readPlainCalls(store)
  analytics = openAnalytics(store, { now: () => AS_OF })
})
afterAll(() => store.close())

const metrics = [...exact, ...approximate]
const groupings = bys.filter((by) => by.length > 0)
const orders = fc.array(fc.tuple(fc.constantFrom(...metrics), fc.constantFrom('asc' as const, 'desc' as const)), { maxLength: 2 })

async function askUsers(params: ReportParams): Promise<Answer> {
  return analytics.report('users', params)
}

/** Every row, a page at a time. */
async function allPages(ask: (after: string | undefined) => Promise<Answer>): Promise<{ rows: Row[]; counts: Set<number>; pages: number }> {
  const rows: Row[] = []
  const counts = new Set<number>()
  let after: string | undefined
  for (let pages = 1; ; pages++) {
    const answer = await ask(after)
    rows.push(...answer.rows)
    counts.add(answer.meta.rows)
    if (answer.meta.next === null) return { rows, counts, pages }
    after = answer.meta.next
  }
}

/** The calls of an answer's rows, or of all others. */
function callsOf(rows: readonly Row[], answer: Answer, by: readonly string[]): PlainCall[] {
  const [from, to] = [Date.parse(answer.meta.from), Math.min(Date.parse(answer.meta.to), AS_OF)]
  const groups = groupCalls(
    plain.filter(({ startMs }) => startMs >= from && startMs < to),
    by,
    'UTC',
  )
  const keys = answer.columns.slice(0, by.length).map(({ key }) => key)
  return rows.flatMap((row) => groups.get(JSON.stringify(keys.map((key) => row[key]))) ?? [])
}

describe('pages', () => {
  it('of a query hold every row once, in the order of the whole, whatever it is sorted by', async () => {
    await fc.assert(
      fc.asyncProperty(groupings, orders, periods, fc.integer({ min: 1, max: 40 }), async (by, order_by, period, size) => {
        const whole = await analytics.query({ metrics, by, order_by, ...period })
        const limit = Math.max(size, Math.ceil(whole.rows.length / 6))
        const { rows, counts, pages } = await allPages((after) => analytics.query({ metrics, by, order_by, ...period, limit, after }))
        expect(rows).toEqual(whole.rows)
        expect([...counts]).toEqual([whole.rows.length])
        expect(pages).toBe(Math.max(1, Math.ceil(whole.rows.length / limit)))
      }),
      { numRuns: 40, seed: 3 },
    )
  })

  it('of the users report do so for every column, up and down, unknown last', async () => {
    const calls = Array.from({ length: 60 }, (_, n) => ({
      at: AS_OF - (n + 1) * 3_600_000,
      user: n % 7 === 0 ? undefined : `u${n % 23}`,
      costNanoUsd: n % 3 === 0 ? undefined : (n % 5) * 1000,
      usage: n % 4 === 0 ? null : { inputTokens: n % 6 },
      ttftMs: n % 2 === 0 ? n : undefined,
      properties: n % 2 === 0 ? { feature: `f${n % 3}` } : undefined,
    }))
    const small = await ledgerOf(calls)
    const users = openAnalytics(small, { now: () => AS_OF })
    const { columns } = await users.report('users')
    for (const { key } of columns) {
      for (const direction of ['asc', 'desc'] as const) {
        const order_by: Order[] = [[key, direction]]
        const whole = await users.report('users', { order_by })
        const { rows } = await allPages((after) => users.report('users', { order_by, limit: 7, after }))
        expect(rows).toEqual(whole.rows)
        const values = whole.rows.map((row) => row[key] ?? null)
        const unknown = values.indexOf(null)
        expect(unknown === -1 || values.slice(unknown).every((value) => value === null)).toBe(true)
      }
    }
    await small.close()
  })

  it('tell rows of one name apart: sessions of two users may both be called "1"', async () => {
    const { rows } = await allPages((after) => analytics.query({ metrics: ['requests'], by: ['session'], limit: 1, after }))
    expect(rows).toEqual((await analytics.query({ metrics: ['requests'], by: ['session'] })).rows)
    expect(new Set(rows.map(({ session }) => session)).size).toBeLessThan(rows.length)
  })

  it('go on where they were when calls come in between', async () => {
    const growing = await ledgerOf(['a', 'b', 'c', 'd'].map((user, n) => ({ at: AS_OF - 1000, user, costNanoUsd: 100 - n })))
    const users = openAnalytics(growing, { now: () => AS_OF })
    const first = await users.report('users', { limit: 2 })
    await growing.write({ calls: [callOf({ at: AS_OF - 500, user: 'z', costNanoUsd: 1000 })] })
    const second = await users.report('users', { limit: 2, after: first.meta.next ?? '' })
    expect([...first.rows, ...second.rows].map(({ user }) => user)).toEqual(['a', 'b', 'c', 'd'])
    await growing.close()
  })

  it('of reports about people hold every row once too', async () => {
    for (const [report, order_by] of [
      ['active', []],
      ['active', [['dau', 'desc']]],
      ['segment_members', [['segment', 'asc']]],
    ] as [string, Order[]][]) {
      const whole = await analytics.report(report, { order_by, last: '28d' })
      const { rows, counts } = await allPages((after) => analytics.report(report, { order_by, last: '28d', limit: 3, after }))
      expect([rows, [...counts]]).toEqual([whole.rows, [whole.rows.length]])
    }
  })

  it('refuse a cursor that is none, or of another order', async () => {
    const { meta } = await analytics.query({ metrics: ['requests'], by: ['user'], limit: 1 })
    const after = meta.next ?? ''
    await expect(analytics.query({ metrics: ['requests'], by: ['user'], order_by: [['requests', 'asc']], after })).rejects.toThrow(
      'another question or another order',
    )
    await expect(analytics.query({ metrics: ['requests'], by: ['user', 'model'], after })).rejects.toThrow('another question')
    for (const text of ['', 'x', '%%%', Buffer.from('[1,2]').toString('base64url'), Buffer.from('[[],[{}],[]]').toString('base64url')])
      await expect(analytics.query({ metrics: ['requests'], by: ['user'], after: text })).rejects.toThrow('is no cursor')
  })
})

describe('all other rows', () => {
  it('are together exactly what plain loops over their calls give; with the listed ones they are the total', async () => {
    await fc.assert(
      fc.asyncProperty(groupings, orders, periods, fc.integer({ min: 1, max: 30 }), async (by, order_by, period, limit) => {
        const answer = await analytics.query({ metrics, by, order_by, ...period, limit, other: true })
        fc.pre(answer.meta.rows > limit)
        const whole = await analytics.query({ metrics, by, order_by, ...period })
        expect(answer.other?.rows).toBe(whole.rows.length - limit)
        expectFigures(answer.other?.values ?? {}, figuresOf(callsOf(whole.rows.slice(limit), whole, by), 'UTC'))
        for (const name of ['requests', 'cost_usd', 'total_tokens', 'errors'] as const) {
          const parts = [...answer.rows, answer.other?.values ?? {}].map((row) => unitsOf(row[name]))
          expect(parts.reduce((sum, part) => sum + part, 0n)).toBe(unitsOf(answer.totals[name]))
        }
      }),
      { numRuns: 60, seed: 5 },
    )
  })

  it.each([{}, { last: '28d' }, { having: 'requests > 3' }, { where: 'latency_ms > 9000' }])(
    'of the users report are what plain loops give: %j',
    async (params) => {
      const order_by: Order[] = [['requests', 'desc']]
      const whole = await askUsers({ ...params, order_by })
      const names = exact.filter((name) => name in whole.totals)
      for (const limit of [1, 2, 4]) {
        const { other } = await askUsers({ ...params, limit, other: true, order_by })
        const others = callsOf(whole.rows.slice(limit), whole, ['user']).filter(
          ({ latencyMs }) => params.where === undefined || latencyMs > 9000,
        )
        const expected = figuresOf(others, 'UTC')
        expect(names.map((name) => [name, other?.values[name]])).toEqual(names.map((name) => [name, expected[name]]))
        expectNear(other?.values['latency_p95_ms'], expected['latency_p95_ms'])
      }
    },
  )

  it('of the period before add up too', async () => {
    for (const having of [undefined, 'requests > 3', 'cost_usd_change > -0.5']) {
      const params = { last: '28d', compare: 'previous', having, limit: 1, other: true } as const
      for (const answer of [
        await askUsers(params),
        await analytics.query({ ...params, metrics: ['requests', 'cost_usd'], by: ['user'] }),
      ]) {
        const before = [...answer.rows, answer.other?.values ?? {}].map((row) => unitsOf(row['cost_usd_previous']))
        expect(before.reduce((sum, part) => sum + part, 0n)).toBe(unitsOf(answer.totals['cost_usd_previous']))
      }
    }
  })

  it('have no line where all are listed, and are not spoken of where nobody asks', async () => {
    const query: Query = { metrics: ['requests'], by: ['status'] }
    expect((await analytics.query({ ...query, other: true })).other).toBeNull()
    expect(Object.keys(await analytics.query({ ...query, limit: 1 }))).not.toContain('other')
  })
})

describe('a filter on rows', () => {
  it('leaves the rows that pass, and totals are of their calls', async () => {
    const bounds = fc.tuple(
      fc.constantFrom('gt' as const, 'gte' as const, 'lt' as const, 'lte' as const),
      fc.constantFrom('requests', 'errors', 'total_tokens', 'active_days', 'users'),
      fc.integer({ min: 0, max: 40 }),
    )
    await fc.assert(
      fc.asyncProperty(groupings, periods, bounds, fc.boolean(), async (by, period, bound, isNot) => {
        const having = isNot ? (['not', bound] as const) : bound
        const answer = await analytics.query({ metrics, by, having, ...period })
        const whole = await analytics.query({ metrics, by, ...period })
        const [operator, name, value] = bound
        const passes = (row: Row): boolean => {
          const cell = row[name] ?? null
          const fits =
            cell !== null &&
            { gt: Number(cell) > value, gte: Number(cell) >= value, lt: Number(cell) < value, lte: Number(cell) <= value }[operator]
          return fits !== isNot
        }
        expect(answer.rows).toEqual(whole.rows.filter(passes))
        const calls = callsOf(answer.rows, answer, by)
        expectFigures(answer.totals, figuresOf(calls, 'UTC'))
        expect(answer.meta).toMatchObject({ rows: answer.rows.length, requests: calls.length })
      }),
      { numRuns: 60, seed: 9 },
    )
  })

  it('of users counts, sums and ranks among all: cost > 5 and requests < 10', async () => {
    const whole = await askUsers({})
    for (const having of [
      'cost_usd > 0.5 and requests < 400',
      'segment = power or latency_p95_ms > 60000',
      'not cost_usd > 0.5',
      'top_feature ^= chat and exists cost_usd',
      'requests = 140 or requests != 140',
      'user in (ada, bob)',
    ]) {
      const answer = await askUsers({ having })
      const users = new Set(answer.rows.map(({ user }) => user))
      expect(answer.rows).toEqual(whole.rows.filter(({ user }) => users.has(user ?? null)))
      expect(answer.totals['requests']).toBe(answer.rows.reduce((sum, row) => sum + Number(row['requests']), 0))
      expect(answer.meta).toMatchObject({ rows: users.size, users: answer.rows.filter(({ user }) => user !== '(none)').length })
    }
    const bound = Number(whole.rows[0]?.['cost_usd'])
    expect((await askUsers({ having: ['gte', 'cost_usd', bound] })).rows).toHaveLength(1)
    expect((await askUsers({ having: ['gt', 'cost_usd', bound] })).rows).toEqual([])
    expect((await askUsers({ having: ['gt', 'cost_usd', bound], other: true })).totals['requests']).toBe(0)
  })

  it('holds for reports about people', async () => {
    const whole = await analytics.report('segment_members')
    const { rows, meta } = await analytics.report('segment_members', { having: 'is_power = true and requests_30d > 3' })
    expect(rows).toEqual(whole.rows.filter((row) => row['is_power'] === true && Number(row['requests_30d']) > 3))
    expect(meta.rows).toBe(rows.length)
    expect(rows.length).toBeGreaterThan(0)
  })

  it('that cannot be meant is refused', async () => {
    const ask = (having: string): Promise<Answer> => analytics.query({ metrics: ['requests', 'cost_usd'], by: ['user'], having })
    await expect(ask('errors > 1')).rejects.toThrow('Unknown column in having "errors"')
    await expect(ask('plan = pro')).rejects.toThrow('goes into where')
    await expect(ask('user > 1')).rejects.toThrow('is no number')
    await expect(ask('requests ~ 1')).rejects.toThrow('is a number')
    await expect(ask('requests = many')).rejects.toThrow('is a number')
  })
})

describe('users by the beginning of their id', () => {
  it('are those and no others; what SQL or patterns mean is text', async () => {
    const named = await ledgerOf(['test-1', 'test-2', 'TEST-3', 'te%', 'te_x', undefined].map((user) => ({ at: AS_OF - 1000, user })))
    const users = openAnalytics(named, { now: () => AS_OF })
    const found = async (user_prefix: string): Promise<unknown> =>
      (await users.report('users', { user_prefix })).rows.map(({ user }) => user).toSorted()
    expect(await found('test-')).toEqual(['test-1', 'test-2'])
    expect(await found('te%')).toEqual(['te%'])
    expect(await found('te_')).toEqual(['te_x'])
    expect(await found("' OR 1=1")).toEqual([])
    expect(await found('(')).toEqual([])
    expect((await users.report('models', { user_prefix: 'test-' })).totals['requests']).toBe(2)
    await expect(users.report('users', { user_prefix: '' })).rejects.toThrow('must not be empty')
    await named.close()
  })
})

function unitsOf(cell: Row[string] | undefined): bigint {
  return BigInt(String(cell ?? 0).replace('.', ''))
}

function expectNear(found: Row[string] | undefined, exactly: Row[string] | undefined): void {
  expect(Math.abs(Number(found) - Number(exactly))).toBeLessThanOrEqual(Number(exactly) * 0.011 + 0.051)
}
