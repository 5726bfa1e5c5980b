import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

import type { Store } from '@spanledger/store'

import { openAnalytics, type Analytics, type Answer, type Row } from '../../src/index.ts'
import { listedValues } from '../../src/query/list-values.ts'
import { ledgerOf, type CallWords } from '../ledger.ts'
import { figuresOf, readPlainCalls, type PlainCall } from '../naive.ts'

const AS_OF = Date.parse('2026-02-01T00:00:00Z')
const at = '2026-01-05T10:00:00Z'

describe('a list', () => {
  it('is a JSON array of texts, numbers and booleans; anything else is one value', () => {
    expect(listedValues('["b","a","b"]')).toEqual(['a', 'b'])
    expect(listedValues('[1, true, "1", null]')).toEqual(['1', 'true'])
    expect(listedValues('[]')).toEqual([])
    expect(listedValues('["(none)", "a"]')).toEqual(['a'])
    for (const text of ['a', '', '"a"', '[["a"]]', '[{"a":1}]', '["a"', '["a"…', '{"a":1}', ' ["a"]', 'null'])
      expect([text, listedValues(text)]).toEqual([text, undefined])
  })
})

describe('three calls with tags {a,b}, {a}, {} that cost 1, 2, 4 (F7)', () => {
  let store: Store
  afterEach(() => store.close())

  async function ask(attribution?: 'full' | 'split'): Promise<Answer> {
    store = await ledgerOf([
      { at, user: 'ada', properties: { tags: '["b","a"]' }, costNanoUsd: 1_000_000_000 },
      { at, user: 'ada', properties: { tags: '["a"]' }, costNanoUsd: 2_000_000_000 },
      { at, user: 'bob', properties: { tags: '[]' }, costNanoUsd: 4_000_000_000 },
    ])
    return openAnalytics(store, { now: () => AS_OF }).report('properties', {
      by: ['property:tags'],
      attribution,
      metrics: ['cost_usd', 'requests', 'users'],
    })
  }
  const cells = ({ rows }: Answer): unknown => rows.map((row) => [row['tags'], row['cost_usd'], row['requests'], row['users']])

  it('cost a = 3, b = 1, none = 4 with full attribution, and 7 together', async () => {
    const answer = await ask('full')
    expect(cells(answer)).toEqual([
      ['(none)', '4.000000000', 1, 1],
      ['a', '3.000000000', 2, 1],
      ['b', '1.000000000', 1, 1],
    ])
    expect(answer.totals).toEqual({ cost_usd: '7.000000000', requests: 3, users: 2 })
    expect(answer.meta.warnings).toContain(
      'calls with several values of "tags" are in the row of each: rows come to more than the totals, which have each call once',
    )
  })

  it('cost a = 2.5, b = 0.5, none = 4 when split', async () => {
    const answer = await ask('split')
    expect(cells(answer)).toEqual([
      ['(none)', '4.000000000', 1, 1],
      ['a', '2.500000000', 2, 1],
      ['b', '0.500000000', 1, 1],
    ])
    expect(answer.totals['cost_usd']).toBe('7.000000000')
  })

  it('stand under what is stored where nothing is said, and the answer says what could be', async () => {
    const answer = await ask()
    expect(cells(answer)).toEqual([
      ['[]', '4.000000000', 1, 1],
      ['["a"]', '2.000000000', 1, 1],
      ['["b","a"]', '1.000000000', 1, 1],
    ])
    expect(answer.meta.warnings).toContain(
      'some values of "tags" are lists; attribution full or split counts calls under each of their values',
    )
  })
})

const values = fc.oneof(
  fc.constantFrom('a', 'b', '', '(none)', '[["a"]]', '["a"'),
  fc
    .uniqueArray(fc.constantFrom<string | number | boolean>('a', 'b', 'c', "it's", '(none)', '', 1, true), { maxLength: 5 })
    .map((list) => JSON.stringify(list)),
)
const calls: CallWords[] = fc.sample(
  fc.record({
    at: fc.integer({ min: AS_OF - 20 * 86_400_000, max: AS_OF - 1 }),
    user: fc.constantFrom('ada', 'bob', 'eve', undefined),
    session: fc.constantFrom('1', undefined),
    properties: fc.record(
      {
        tags: values,
        teams: fc.constantFrom('["x","y","z"]', '["y"]', 'x'),
        // So many different ones that the ledger has no room for ids of theirs.
        many: fc.tuple(fc.integer({ min: 1, max: 500 }), fc.boolean()).map(([n, isList]) => (isList ? `["m","m${n}"]` : `m${n}`)),
      },
      { requiredKeys: [] },
    ) as fc.Arbitrary<Record<string, string>>,
    status: fc.constantFrom('ok', 'ok', 'error') as fc.Arbitrary<'ok' | 'error'>,
    latencyMs: fc.integer({ min: 0, max: 90_000 }),
    usage: fc.option(fc.record({ inputTokens: fc.nat(9000), outputTokens: fc.nat(90) }), { nil: null, freq: 8 }),
    reportedNanoUsd: fc.option(fc.nat(50_000), { nil: undefined, freq: 1 }),
    costNanoUsd: fc.option(fc.nat(50_000_000), { nil: undefined, freq: 6 }),
  }),
  { numRuns: 900, seed: 17 },
)

let ledger: Store
let analytics: Analytics
let plain: PlainCall[]
beforeAll(async () => {
  ledger = await ledgerOf(calls)
  analytics = openAnalytics(ledger, { now: () => AS_OF })
  plain = await readPlainCalls(ledger)
})
afterAll(() => ledger.close())

/** The values of a call's property; null is none. */
function valuesOf(call: PlainCall, key: string): (string | null)[] {
  const stored = call.properties[key]
  if (stored === undefined || stored === '(none)') return [null]
  const list = listedValues(stored)
  if (list === undefined) return [stored]
  return list.length === 0 ? [null] : [...list]
}

/** Each combination of a call's values, in order. */
function cellsOf(call: PlainCall, by: readonly string[]): string[] {
  let cells: (readonly (string | null)[])[] = [[]]
  for (const key of by) cells = cells.flatMap((cell) => valuesOf(call, key).map((value) => cell.concat(value)))
  return cells.map((cell) => JSON.stringify(cell.map((value) => value ?? '(none)')))
}

function groupsOf(of: readonly PlainCall[], by: readonly string[]): Map<string, PlainCall[]> {
  const groups = new Map<string, PlainCall[]>()
  for (const call of of) for (const cell of cellsOf(call, by)) groups.set(cell, [...(groups.get(cell) ?? []), call])
  return groups
}

const exact = [
  'requests',
  'users',
  'sessions',
  'cost_usd',
  'total_tokens',
  'input_tokens',
  'errors',
  'unpriced_requests',
  'active_days',
  'reported_cost_usd',
] as const
const bys = fc.constantFrom(['tags'], ['teams'], ['many'], ['tags', 'teams'], ['many', 'tags'])
const keyOf = (row: Row, by: readonly string[]): string => JSON.stringify(by.map((key) => row[key]))
const nano = (cell: unknown): bigint => BigInt(String(cell ?? 0).replace('.', ''))

const ask = (by: readonly string[], params: object): Promise<Answer> =>
  analytics.query({ metrics: exact, by: by.map((key) => `property:${key}`), ...params })

describe('full attribution', () => {
  it('counts each call under each of its values as plain loops do, and in the totals once', async () => {
    for (const by of [['tags'], ['teams'], ['many'], ['tags', 'teams'], ['many', 'tags']]) {
      const { rows, totals } = await ask(by, { attribution: 'full' })
      const groups = groupsOf(plain, by)
      expect(rows.map((row) => keyOf(row, by)).toSorted()).toEqual([...groups.keys()].toSorted())
      for (const row of rows) {
        const expected = figuresOf(groups.get(keyOf(row, by)) ?? [], 'UTC')
        expect(exact.map((name) => [name, row[name]])).toEqual(exact.map((name) => [name, expected[name]]))
      }
      const whole = figuresOf(plain, 'UTC')
      expect(exact.map((name) => [name, totals[name]])).toEqual(exact.map((name) => [name, whole[name]]))
    }
  })

  it('has in what is not listed each call with any of those values, once', async () => {
    await fc.assert(
      fc.asyncProperty(bys, fc.integer({ min: 1, max: 5 }), async (by, limit) => {
        const all = await ask(by, { attribution: 'full' })
        fc.pre(all.rows.length > limit)
        const { other } = await ask(by, { attribution: 'full', limit, other: true })
        const unlisted = new Set(all.rows.slice(limit).map((row) => keyOf(row, by)))
        const expected = figuresOf(
          plain.filter((call) => cellsOf(call, by).some((cell) => unlisted.has(cell))),
          'UTC',
        )
        expect(exact.map((name) => [name, other?.values[name]])).toEqual(exact.map((name) => [name, expected[name]]))
      }),
      { numRuns: 15, seed: 1 },
    )
  })

  it.each(['a', '(none)', '', "it's", '["a"', '["a","b"]'])('lets a filter find %j among the values of a list', async (value) => {
    for (const key of ['tags', 'many']) {
      for (const operator of ['is', 'is_not'] as const) {
        const { totals } = await ask([], { attribution: 'full', where: [operator, `property:${key}`, [value]] })
        const found = plain.filter((call) => valuesOf(call, key).some((one) => (one ?? '(none)') === value) === (operator === 'is'))
        expect([key, operator, totals['requests']]).toEqual([key, operator, found.length])
      }
    }
    const { totals } = await ask(['tags'], { attribution: 'full', where: 'exists property:tags' })
    expect(totals['requests']).toBe(plain.filter((call) => valuesOf(call, 'tags').some((one) => one !== null)).length)
  })
})

describe('split attribution', () => {
  it('shares what a call cost among its values, to the nano-USD, the first ones by name having what is left over', async () => {
    for (const by of [['tags'], ['teams'], ['many'], ['tags', 'teams'], ['many', 'tags']]) {
      const { rows, totals } = await ask(by, { attribution: 'split' })
      const shares = new Map<string, { cost: bigint; tokens: bigint }>()
      for (const call of plain) {
        const cells = cellsOf(call, by)
        const share = (amount: number, n: number): bigint => BigInt(Math.floor(amount / cells.length) + (n < amount % cells.length ? 1 : 0))
        const tokens = Object.values(call.tokens)
        for (const [n, cell] of cells.entries()) {
          const { cost, tokens: counted } = shares.get(cell) ?? { cost: 0n, tokens: 0n }
          shares.set(cell, {
            cost: cost + share(call.costNanoUsd ?? 0, n),
            tokens: tokens.reduce((sum, count) => sum + share(count, n), counted),
          })
        }
      }
      for (const row of rows)
        expect([nano(row['cost_usd']), nano(row['total_tokens'])]).toEqual(Object.values(shares.get(keyOf(row, by)) ?? {}))
      for (const name of ['cost_usd', 'total_tokens', 'input_tokens', 'reported_cost_usd'] as const)
        expect(rows.reduce((sum, row) => sum + nano(row[name]), 0n)).toBe(nano(totals[name]))
      expect(totals['cost_usd']).toBe(figuresOf(plain, 'UTC')['cost_usd'])
    }
  })

  it('adds up with what is not listed, by day as for all days', async () => {
    for (const by of [['tags'], ['many', 'tags']]) {
      const { rows, other, totals } = await ask(by, { attribution: 'split', limit: 2, other: true })
      for (const name of ['cost_usd', 'total_tokens'] as const)
        expect([...rows, other?.values ?? {}].reduce((sum, row) => sum + nano(row[name]), 0n)).toBe(nano(totals[name]))
    }
    const byDay = await analytics.query({ metrics: ['cost_usd'], by: ['property:tags', 'time:day'], attribution: 'split' })
    const whole = await analytics.query({ metrics: ['cost_usd'], by: ['property:tags'], attribution: 'split' })
    for (const row of whole.rows) {
      const days = byDay.rows.filter(({ tags }) => tags === row['tags'])
      expect(days.reduce((sum, day) => sum + nano(day['cost_usd']), 0n)).toBe(nano(row['cost_usd']))
    }
  })
})

it('an attribution that is none is refused', async () => {
  await expect(ask(['tags'], { attribution: 'half' })).rejects.toThrow('Unknown attribution "half"')
})
