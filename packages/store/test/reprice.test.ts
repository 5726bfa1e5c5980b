import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import type { Usage } from '@spanledger/conventions'
import type { PriceBook } from '@spanledger/pricing'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'

import { openStore, type RepriceOutcome, type Store, type WrittenCall } from '../src/index.ts'
import { call, contents, flatPrices, properties, tokens } from './calls.ts'

const folder = mkdtempSync(join(tmpdir(), 'spanledger-reprice-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const newPath = (): string => join(folder, `${files++}.db`)

/** So many nano-USD a token, for every model but those named. */
function pricesOf(
  perToken: number,
  { unknown = [], source = `x${perToken}` }: { unknown?: readonly string[]; source?: string } = {},
): PriceBook {
  const price = { provider: 'test', model: 'any', source }
  return {
    source,
    costOf: ({ usage, model, parts }: { usage?: Usage | undefined; model: string; parts?: readonly { usage: Usage }[] }) => {
      if (usage === undefined) return { costNanoUsd: undefined, reason: 'no_usage', detail: '' }
      if (unknown.includes(model)) return { costNanoUsd: undefined, reason: 'unknown_model', detail: '' }
      const used = parts?.map((part) => part.usage) ?? [usage]
      return { costNanoUsd: used.reduce((sum, { inputTokens, outputTokens }) => sum + perToken * (inputTokens + outputTokens), 0), price }
    },
  } as unknown as PriceBook
}

/** Every byte that a repricing may change, and must give back. */
async function bytes(store: Store): Promise<string> {
  return JSON.stringify([
    await store.all('SELECT *, hex(span_id) AS span, hex(trace_id) AS trace FROM llm_calls'),
    await store.all('SELECT *, hex(latency), hex(ttft), hex(models), hex(features) FROM rollup_users'),
    await store.all('SELECT *, hex(latency), hex(ttft) FROM rollup_models'),
  ])
}

async function ledger(calls: readonly WrittenCall[], priceBook: PriceBook = flatPrices): Promise<Store> {
  const store = await openStore({ path: ':memory:', priceBook })
  await store.write({ calls })
  return store
}

const day = (n: number): number => Date.UTC(2026, 0, n, 12)

describe('repricing', () => {
  it('gives each call the cost and price of the book, moves the rollups, and keeps what it cost before', async () => {
    const store = await ledger([
      call({ n: 1, user: 'ann' }),
      call({ n: 2, user: 'bob', usage: tokens(1, 1) }),
      call({ n: 3, usage: undefined, usageQuality: 'missing' }),
    ])
    const outcome = await store.reprice({ priceBook: pricesOf(3) })
    expect(outcome).toEqual({
      repricingId: 1,
      callsRead: 3,
      callsRewritten: 2,
      overridesLost: 0,
      total: { callsChanged: 2, newlyPriced: 0, newlyUnpriced: 0, costBeforeNanoUsd: 112n, costAfterNanoUsd: 336n },
      users: [
        { user: 'ann', callsChanged: 1, newlyPriced: 0, newlyUnpriced: 0, costBeforeNanoUsd: 110n, costAfterNanoUsd: 330n },
        { user: 'bob', callsChanged: 1, newlyPriced: 0, newlyUnpriced: 0, costBeforeNanoUsd: 2n, costAfterNanoUsd: 6n },
      ],
      models: [
        {
          provider: 'openai',
          model: 'gpt-4o-mini',
          callsChanged: 2,
          newlyPriced: 0,
          newlyUnpriced: 0,
          costBeforeNanoUsd: 112n,
          costAfterNanoUsd: 336n,
        },
      ],
    })
    expect(await store.all('SELECT cost_nano_usd AS cost, price FROM llm_calls JOIN prices USING (price_id) ORDER BY start_ms')).toEqual([
      { cost: 330, price: '{"provider":"test","model":"any","source":"x3"}' },
      { cost: 6, price: '{"provider":"test","model":"any","source":"x3"}' },
      { cost: null, price: '{"unpriced":"no_usage"}' },
    ])
    expect(
      await store.all(
        `SELECT old_cost_nano_usd AS old, new_cost_nano_usd AS new, price FROM repriced_calls JOIN prices ON price_id = old_price_id ORDER BY start_ms`,
      ),
    ).toEqual([
      { old: 110, new: 330, price: '{"provider":"test","model":"any","source":"test"}' },
      { old: 2, new: 6, price: '{"provider":"test","model":"any","source":"test"}' },
    ])
    expect(await store.repricings()).toMatchObject([
      { id: 1, state: 'done', priceSource: 'x3', callsChanged: 2, costBeforeNanoUsd: 112n, costAfterNanoUsd: 336n },
    ])
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
  })

  it('writes nothing in a dry run, and says what the real run then does', async () => {
    const store = await ledger([1, 2, 3].map((n) => call({ n, user: `u${n}`, model: n === 3 ? 'unknown' : 'gpt-4o' })))
    const before = await bytes(store)
    const dry = await store.reprice({ priceBook: pricesOf(2), dryRun: true })
    expect(await bytes(store)).toEqual(before)
    expect(await store.repricings()).toEqual([])
    expect(dry.total).toEqual({ callsChanged: 3, newlyPriced: 1, newlyUnpriced: 0, costBeforeNanoUsd: 220n, costAfterNanoUsd: 660n })
    expect(await store.reprice({ priceBook: pricesOf(2) })).toEqual({ ...dry, repricingId: 1 })
    await store.close()
  })

  it('changes nothing the second time, and remembers no second repricing', async () => {
    const store = await ledger([call({ n: 1 }), call({ n: 2 })])
    await store.reprice({ priceBook: pricesOf(2) })
    expect(await store.reprice({ priceBook: pricesOf(2) })).toMatchObject({
      repricingId: undefined,
      callsRead: 2,
      callsRewritten: 0,
      users: [],
    })
    expect(await store.repricings()).toHaveLength(1)
    await store.close()
  })

  it('notes a new source of the same price without calling it a change of cost', async () => {
    const store = await ledger([call()], pricesOf(1, { source: 'list 1' }))
    expect(await store.reprice({ priceBook: pricesOf(1, { source: 'list 2' }) })).toMatchObject({
      repricingId: 1,
      callsRewritten: 1,
      total: { callsChanged: 0 },
      users: [],
    })
    expect(await store.all("SELECT price ->> 'source' AS source FROM llm_calls JOIN prices USING (price_id)")).toEqual([
      { source: 'list 2' },
    ])
    await store.close()
  })

  it('counts the calls whose price was the user’s own and no longer is', async () => {
    const store = await ledger([call({ n: 1 }), call({ n: 2 })], pricesOf(1, { source: 'override' }))
    expect(await store.reprice({ priceBook: pricesOf(2), dryRun: true })).toMatchObject({ overridesLost: 2 })
    expect(await store.reprice({ priceBook: pricesOf(2, { source: 'override of list 1' }) })).toMatchObject({ overridesLost: 0 })
    await store.close()
  })

  it.each([
    [{ sinceMs: day(2) }, [2, 3, 4]],
    [{ untilMs: day(3) }, [1, 2]],
    [{ sinceMs: day(2), untilMs: day(4) }, [2, 3]],
    [{ model: 'GPT-4o' }, [1, 3]],
    [{ model: 'asked-for' }, [2]],
    [{ model: 'nobody' }, []],
    [{ unpricedOnly: true }, [4]],
    [{ unpricedOnly: true, untilMs: day(4) }, []],
  ])('of %j only touches those calls', async (scope, days) => {
    const store = await ledger([
      call({ n: 1, startMs: day(1), model: 'gpt-4o' }),
      call({ n: 2, startMs: day(2), requestedModel: 'asked-for', model: 'answered' }),
      call({ n: 3, startMs: day(3), model: 'gpt-4o' }),
      call({ n: 4, startMs: day(4), model: 'unknown' }),
    ])
    const outcome = await store.reprice({ ...scope, priceBook: pricesOf(2) })
    expect(outcome.callsRead).toBe(days.length)
    expect(
      await store.all("SELECT start_ms FROM llm_calls JOIN prices USING (price_id) WHERE price ->> 'source' = 'x2' ORDER BY 1"),
    ).toEqual(days.map((n) => ({ start_ms: day(n) })))
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
  })
})

describe('undoing', () => {
  it('is refused for a number that is none, twice, and where a later repricing changed the same calls', async () => {
    const store = await ledger([call({ n: 1, model: 'a' }), call({ n: 2, model: 'b' })])
    await expect(store.undoRepricing(1)).rejects.toMatchObject({
      kind: 'refused',
      message: 'There is no repricing 1. This ledger was never repriced.',
    })
    await store.reprice({ priceBook: pricesOf(2) })
    await store.reprice({ priceBook: pricesOf(3), model: 'a' })
    await expect(store.undoRepricing(7)).rejects.toThrow('There is no repricing 7. There are: 2, 1.')
    await expect(store.undoRepricing(1)).rejects.toThrow('spanledger reprice --undo 2')
    await store.undoRepricing(2)
    await store.undoRepricing(1)
    await expect(store.undoRepricing(1)).rejects.toThrow('Repricing 1 was undone already')
    expect(await store.all('SELECT cost_nano_usd AS cost FROM llm_calls')).toEqual([{ cost: 110 }, { cost: 110 }])
    await store.close()
  })

  it('does not wait for a later repricing of other calls', async () => {
    const store = await ledger([call({ n: 1, model: 'a' }), call({ n: 2, model: 'b' })])
    await store.reprice({ priceBook: pricesOf(2), model: 'a' })
    await store.reprice({ priceBook: pricesOf(3), model: 'b' })
    await store.undoRepricing(1)
    expect(await store.all('SELECT cost_nano_usd AS cost FROM llm_calls ORDER BY start_ms')).toEqual([{ cost: 110 }, { cost: 330 }])
    expect((await store.repricings()).map(({ id, state }) => [id, state])).toEqual([
      [2, 'done'],
      [1, 'undone'],
    ])
    await store.close()
  })

  it('gives the old cost to a call that since counts for somebody else, or no longer', async () => {
    const trace = 'a'.repeat(32)
    const leaf = call({
      n: 1,
      traceId: trace,
      spanId: '1'.padStart(16, '0'),
      parentSpanId: '2'.padStart(16, '0'),
      settled: false,
      user: undefined,
    })
    const copied = call({ n: 9, traceId: trace, spanId: '9'.padStart(16, '0'), settled: false, responseId: 'r1' })
    const store = await ledger([leaf, copied])
    await store.reprice({ priceBook: pricesOf(5) })
    await store.write({
      calls: [call({ n: 0, traceId: trace, spanId: '8'.padStart(16, '0'), settled: false, responseId: 'r1', usage: tokens(1, 0) })],
      links: [
        {
          traceId: trace,
          spanId: '2'.padStart(16, '0'),
          parentSpanId: undefined,
          startMs: 0,
          identity: { user: 'late', session: undefined, properties: new Map() },
        },
      ],
    })
    const { users } = await store.undoRepricing(1)
    expect(users).toMatchObject([{ user: 'late', costBeforeNanoUsd: 550n, costAfterNanoUsd: 110n }])
    expect(await store.all('SELECT counted, cost_nano_usd AS cost FROM llm_calls ORDER BY start_ms')).toEqual([
      { counted: 1, cost: 1 },
      { counted: 1, cost: 110 },
      { counted: 0, cost: 110 },
    ])
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
  })
})

it('is undone for whomever the calls belong to since: an alias between takes the difference along', async () => {
  const store = await ledger([call({ n: 1, user: 'anon-1' }), call({ n: 2, user: 'ann' })])
  await store.reprice({ priceBook: pricesOf(3) })
  await store.alias('anon-1', 'ann')
  const { users } = await store.undoRepricing(1)
  expect(users).toMatchObject([{ user: 'ann', callsChanged: 2, costBeforeNanoUsd: 660n, costAfterNanoUsd: 220n }])
  expect(await store.verify()).toMatchObject({ ok: true })
  await store.close()
})

const randomCall = fc.record({
  minute: fc.integer({ min: 0, max: 100_000 }),
  user: fc.constantFrom(undefined, 'ann', 'bob', 'cid'),
  model: fc.constantFrom('a', 'b', 'unknown'),
  input: fc.integer({ min: 0, max: 1000 }),
  quality: fc.constantFrom('reported' as const, 'partial' as const, 'missing' as const),
  trace: fc.integer({ min: 0, max: 5 }),
  settled: fc.boolean(),
  responseId: fc.constantFrom(undefined, 'r1'),
  parts: fc.boolean(),
  plan: fc.constantFrom('pro', 'free'),
})

type RandomCall = typeof randomCall extends fc.Arbitrary<infer T> ? T : never

function toCalls(shapes: readonly RandomCall[]): WrittenCall[] {
  return shapes.map(({ minute, user, model, input, quality, trace, settled, responseId, parts, plan }, n) => {
    const usage = quality === 'missing' ? undefined : tokens(input, 1)
    return call({
      n: n + 1,
      traceId: trace.toString(16).padStart(32, '0'),
      startMs: Date.UTC(2026, 0, 1) + minute * 60_000,
      user,
      model,
      requestedModel: model,
      usage,
      usageQuality: quality,
      parts:
        parts && usage !== undefined
          ? [
              { model, usage: tokens(input, 0) },
              { model, usage: tokens(0, 1) },
            ]
          : undefined,
      settled,
      responseId,
      properties: properties({ plan }),
    })
  })
}

function sumOf(changes: readonly { costBeforeNanoUsd: bigint; costAfterNanoUsd: bigint }[]): bigint {
  return changes.reduce((sum, { costBeforeNanoUsd, costAfterNanoUsd }) => sum + costAfterNanoUsd - costBeforeNanoUsd, 0n)
}

async function totalCost(store: Store): Promise<bigint> {
  const [row] = await store.all<{ sum: string }>(
    'SELECT CAST(coalesce(sum(cost_nano_usd), 0) AS TEXT) AS sum FROM rollup_models WHERE bucket % 100 <> 0',
  )
  return BigInt(row?.sum ?? 0)
}

it('makes any ledger what it would be had its calls been written at those prices, and its undo gives back every byte', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(randomCall, { minLength: 1, maxLength: 25 }), fc.integer({ min: 0, max: 3 }), async (shapes, perToken) => {
      const calls = toCalls(shapes)
      const [old, next] = [pricesOf(1, { unknown: ['unknown'] }), pricesOf(perToken, { unknown: ['b'] })]
      const store = await ledger(calls, old)
      const written = await bytes(store)
      const costBefore = await totalCost(store)
      const outcome: RepriceOutcome = await store.reprice({ priceBook: next })
      const fresh = await ledger(calls, next)
      expect(await contents(store)).toEqual(await contents(fresh))
      expect(await store.verify()).toMatchObject({ ok: true })
      for (const changes of [[outcome.total], outcome.users, outcome.models])
        expect(sumOf(changes)).toBe((await totalCost(store)) - costBefore)
      if (outcome.repricingId !== undefined) await store.undoRepricing(outcome.repricingId)
      expect(await bytes(store)).toEqual(written)
      expect(await store.verify()).toMatchObject({ ok: true })
      await store.close()
      await fresh.close()
    }),
    { numRuns: 60 },
  )
})

describe('a repricing of many calls', () => {
  const program = fileURLToPath(new URL('programs/reprice.mjs', import.meta.url))
  const many = 12_000

  async function manyCalls(): Promise<{ path: string; written: string }> {
    const path = newPath()
    const store = await openStore({ path, priceBook: flatPrices })
    await store.write({
      calls: Array.from({ length: many }, (_, n) => call({ n: n + 1, user: `u${n % 50}`, startMs: day(1) + n * 300_000 })),
    })
    const written = await bytes(store)
    await store.close()
    return { path, written }
  }

  /** Runs the program and kills it right after its first step, which is in the middle of the next. */
  async function killedAfterOneStep(...args: readonly string[]): Promise<void> {
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    expect(String(line)).toContain('5000 of 12000')
    child.kill('SIGKILL')
    await once(child, 'close')
  }

  it('that is killed leaves a ledger that agrees with itself; run again it does the rest, and both are undone', async () => {
    const { path, written } = await manyCalls()
    await killedAfterOneStep(path)
    const store = await openStore({ path, priceBook: pricesOf(2, { source: 'twice' }) })
    expect(await store.verify()).toMatchObject({ ok: true })
    const [first] = await store.repricings()
    expect(first).toMatchObject({ id: 1, state: 'interrupted' })
    const outcome = await store.reprice()
    expect(outcome.callsRewritten + (first?.callsChanged ?? 0)).toBe(many)
    expect(await store.all('SELECT count(*) AS n FROM llm_calls WHERE cost_nano_usd = 220')).toEqual([{ n: many }])
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()

    await killedAfterOneStepOfUndo(path)
    const again = await openStore({ path, priceBook: flatPrices })
    expect(await again.verify()).toMatchObject({ ok: true })
    expect((await again.repricings()).map(({ state }) => state)).toEqual(['undo interrupted', 'interrupted'])
    await again.undoRepricing(2)
    await again.undoRepricing(1)
    expect(await bytes(again)).toEqual(written)
    expect(await again.verify()).toMatchObject({ ok: true })
    await again.close()
  })

  async function killedAfterOneStepOfUndo(path: string): Promise<void> {
    const child = spawn(process.execPath, [program, path, '2'], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(child.stdout, 'data')
    child.kill('SIGKILL')
    await once(child, 'close')
  }

  it('lets others write between its steps, and prices what they write neither twice nor wrongly', async () => {
    const { path } = await manyCalls()
    const store = await openStore({ path, priceBook: pricesOf(2) })
    const other = await openStore({ path, priceBook: pricesOf(2) })
    let written = 0
    const writing = (async () => {
      for (; written < 40; written++)
        await other.write({ calls: [call({ n: 1_000_000 + written, startMs: day(1) + written * 86_400_000 })] })
    })()
    await Promise.all([store.reprice(), writing])
    expect(await store.all('SELECT count(*) AS n FROM llm_calls WHERE cost_nano_usd = 220')).toEqual([{ n: many + written }])
    expect(await store.verify()).toMatchObject({ ok: true })
    await other.close()
    await store.close()
  })
})

it('is refused on a ledger opened for reading, where a dry run and the list are not', async () => {
  const path = newPath()
  const store = await openStore({ path, priceBook: flatPrices })
  await store.write({ calls: [call()] })
  await store.close()
  const reader = await openStore({ path, readOnly: true })
  await expect(reader.reprice({ priceBook: pricesOf(2) })).rejects.toMatchObject({ kind: 'read_only' })
  expect(await reader.reprice({ priceBook: pricesOf(2), dryRun: true })).toMatchObject({ callsRewritten: 1 })
  expect(await reader.repricings()).toEqual([])
  await reader.close()
})
