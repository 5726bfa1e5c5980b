import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { usageOf } from '@spanledger/conventions'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'

import { openStore, type Batch, type SpanLink, type Store, type WrittenCall } from '../src/index.ts'
import { call, contents, flatPrices, properties, tokens } from './calls.ts'

const folder = mkdtempSync(join(tmpdir(), 'spanledger-store-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const newPath = (): string => join(folder, `${files++}.db`)

async function inMemory(timeZone = 'UTC'): Promise<Store> {
  return openStore({ path: ':memory:', priceBook: flatPrices, timeZone })
}

async function written(batches: readonly Batch[]): Promise<Awaited<ReturnType<typeof contents>>> {
  const store = await inMemory()
  for (const batch of batches) await store.write(batch)
  const found = await contents(store)
  expect(await store.verify()).toMatchObject({ ok: true })
  await store.close()
  return found
}

describe('a written call', () => {
  it('stands in the ledger with its cost, tokens, user, session and properties', async () => {
    const { calls, users, sessions } = await written([
      { calls: [call({ session: 's-1', usage: tokens(200, 30), properties: properties({ plan: 'pro', feature: 'chat' }) })] },
    ])
    expect(calls).toMatchObject([
      {
        user: 'ann',
        session: 's-1',
        model: 'gpt-4o-mini',
        cost_nano_usd: 230,
        input_tokens: 200,
        output_tokens: 30,
        properties: 'feature=chat;plan=pro',
        counted: 1,
      },
    ])
    expect(users).toMatchObject([
      { bucket: 20260100, name: 'ann', requests: 1, cost_nano_usd: 230, active_days: 1 },
      { bucket: 20260115, name: 'ann', requests: 1, cost_nano_usd: 230, active_days: 1 },
    ])
    expect(sessions).toEqual([{ user: 'ann', name: 's-1', first_ms: call().startMs, last_ms: call().startMs }])
  })

  it('without a price has no cost, and is counted as unpriced', async () => {
    const { calls, users } = await written([{ calls: [call({ model: 'unknown' })] }])
    expect(calls).toMatchObject([{ cost_nano_usd: null }])
    expect(users).toMatchObject([{ unpriced_requests: 1, cost_nano_usd: 0 }, { unpriced_requests: 1 }])
  })

  it('counts once, however often and in whatever batches it comes', async () => {
    const calls = [1, 2, 3, 4, 5].map((n) => call({ n, usage: tokens(n, n) }))
    const once = await written([{ calls }])
    expect(await written([{ calls: [...calls, ...calls] }, { calls }, { calls: calls.slice(2) }])).toEqual(once)
    const store = await inMemory()
    expect(await store.write({ calls: [...calls, call({ n: 1 })] })).toEqual({
      inserted: 5,
      duplicates: 1,
      uncounted: 0,
      revised: 0,
      unpriced: 0,
      insertedEvents: 0,
    })
    expect(await store.write({ calls })).toMatchObject({ inserted: 0, duplicates: 5, uncounted: 0, revised: 0, unpriced: 0 })
    expect(await store.counters()).toEqual(new Map([['duplicate_calls', 6]]))
    await store.close()
  })

  it('of a batch of thousands stands there as if it had come alone, whatever is new in the batch', async () => {
    const calls = Array.from({ length: 2600 }, (_, n) =>
      call({
        n,
        user: `u${n % 700}`,
        session: `s${n % 1300}`,
        model: `model-${n % 5}`,
        requestedModel: `model-${n % 3}`,
        usage: n === 2000 ? usageOf({ inputTokens: 5, imageInputTokens: 7 }) : tokens(n, 1),
        properties: properties({ tenant: `t${n % 400}`, feature: `f${n % 9}` }),
      }),
    )
    const small = Array.from({ length: 26 }, (_, n) => ({ calls: calls.slice(n * 100, n * 100 + 100) }))
    expect(await written([{ calls }])).toEqual(await written(small))
  })

  it('is another call where only the trace differs', async () => {
    const { calls } = await written([{ calls: [call(), call({ traceId: 'f'.repeat(32) })] }])
    expect(calls).toHaveLength(2)
  })

  it('is refused and counted where its start is no instant, and takes nothing else with it', async () => {
    const store = await inMemory()
    expect(await store.write({ calls: [call({ startMs: -1 }), call({ startMs: Number.NaN }), call({ n: 3 })] })).toMatchObject({
      inserted: 1,
      duplicates: 0,
    })
    expect(await store.counters()).toEqual(new Map([['refused_start_time', 2]]))
    await store.close()
  })

  it('keeps costs exact beyond what a double holds', async () => {
    const dear = { ...flatPrices, costOf: () => ({ costNanoUsd: Number.MAX_SAFE_INTEGER, price: {} }) } as unknown as typeof flatPrices
    const store = await openStore({ path: ':memory:', priceBook: dear })
    await store.write({ calls: [1, 2, 3].map((n) => call({ n })) })
    expect(await store.all('SELECT CAST(sum(cost_nano_usd) AS TEXT) AS sum FROM rollup_users WHERE bucket = 20260115')).toEqual([
      { sum: '27021597764222973' },
    ])
    await store.close()
  })

  it('has a user of 500 bytes, of emoji, of SQL, of HTML, as it was given', async () => {
    const users = [
      "Robert'); DROP TABLE llm_calls;--",
      '<script>alert(1)</script>',
      '👩‍👩‍👧 ü',
      'x'.repeat(500),
      '__proto__',
      'constructor',
      '0',
      '-0',
      '1e3',
    ]
    const { calls } = await written([{ calls: users.map((user, n) => call({ n, user })) }])
    expect((calls as { user: string }[]).map(({ user }) => user)).toEqual(users)
  })
})

describe('writes that do not wait for each other', () => {
  it('are made ready side by side and written one after the other: calls of one trace and repeats in several of them count once', async () => {
    const store = await inMemory()
    const traceId = 'ab'.repeat(16)
    const chat = (n: number): WrittenCall => call({ n, traceId, parentSpanId: 'aa'.repeat(8), user: undefined, settled: false })
    const root: SpanLink = {
      traceId,
      spanId: 'aa'.repeat(8),
      parentSpanId: undefined,
      startMs: 1,
      identity: { user: 'bob', session: undefined, properties: new Map() },
    }
    await Promise.all([
      store.write({ calls: Array.from({ length: 300 }, (_, n) => chat(n + 1)) }),
      store.write({ calls: Array.from({ length: 200 }, (_, n) => chat(n + 200)) }),
      store.write({ calls: [], links: [root] }),
      store.write({ calls: [chat(5)], links: [root] }),
    ])
    const users = await store.all('SELECT name, requests FROM rollup_users JOIN users USING (user_id) WHERE bucket % 100 <> 0')
    expect(users).toEqual([{ name: 'bob', requests: 399 }])
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
  })

  it('fail of what they are to write as they would inside their transaction, so that who writes can take out what is at fault', async () => {
    const store = await inMemory()
    const broken = call({ settled: false, responseId: null as unknown as string })
    await expect(store.write({ calls: [broken, call({ n: 2 })] })).rejects.toMatchObject({ name: 'StoreError', isOfValues: true })
    expect(await store.write({ calls: [call({ n: 2 })] })).toMatchObject({ inserted: 1 })
    await store.close()
  })

  it('are in the ledger when it is closed right after them', async () => {
    const path = newPath()
    const store = await openStore({ path, priceBook: flatPrices })
    const writes = [1, 2, 3].map((batch) => store.write({ calls: Array.from({ length: 500 }, (_, n) => call({ n: batch * 1000 + n })) }))
    await store.close()
    expect((await Promise.all(writes)).map(({ inserted }) => inserted)).toEqual([500, 500, 500])
    const again = await openStore({ path, readOnly: true })
    expect(await again.all('SELECT count(*) AS calls FROM llm_calls')).toEqual([{ calls: 1500 }])
    await again.close()
  })
})

describe('the calls of a trace', () => {
  const trace = 'a'.repeat(32)
  const id = (n: number): string => n.toString(16).padStart(16, '0')
  const startMs = Date.UTC(2026, 0, 15)
  const inTrace = (n: number, parent: number | undefined, more: Partial<WrittenCall> = {}): WrittenCall =>
    call({
      traceId: trace,
      spanId: id(n),
      parentSpanId: parent === undefined ? undefined : id(parent),
      startMs: startMs + n,
      settled: false,
      user: undefined,
      ...more,
    })
  const link = (n: number, parent: number | undefined, user?: string): SpanLink => ({
    traceId: trace,
    spanId: id(n),
    parentSpanId: parent === undefined ? undefined : id(parent),
    startMs: startMs + n,
    identity: user === undefined ? undefined : { user, session: 's', properties: properties({ plan: 'pro' }) },
  })

  it('count 14,426 in and 771 out once, for an agent and the chats that add up to it, whichever comes first', async () => {
    const agent = inTrace(1, undefined, { role: 'aggregate', usage: tokens(14_426, 771) })
    const chats = [inTrace(2, 1, { usage: tokens(10_000, 700) }), inTrace(3, 1, { usage: tokens(4_426, 71) })]
    for (const batches of [
      [{ calls: [agent, ...chats] }],
      [{ calls: [agent] }, { calls: chats }],
      [{ calls: chats }, { calls: [agent] }],
    ]) {
      const { users } = await written(batches)
      expect(users).toMatchObject([
        { requests: 2, input_tokens: 14_426, output_tokens: 771 },
        { requests: 2, input_tokens: 14_426, output_tokens: 771 },
      ])
    }
  })

  it('take their time to first token back out of the rollups when they turn out not to count', async () => {
    const agent = inTrace(1, undefined, { role: 'aggregate', usage: tokens(10, 1), timeToFirstTokenMs: 300 })
    const chat = inTrace(2, 1, { usage: tokens(10, 1), timeToFirstTokenMs: undefined })
    const late = await written([{ calls: [agent] }, { calls: [chat] }])
    expect(late.users).toMatchObject([
      { requests: 1, ttft: '' },
      { requests: 1, ttft: '' },
    ])
    expect(late).toEqual(await written([{ calls: [agent, chat] }]))
  })

  it('get the user of a root that comes last', async () => {
    const early = await written([{ calls: [], links: [link(1, undefined, 'ann')] }, { calls: [inTrace(2, 1)] }])
    const late = await written([{ calls: [inTrace(2, 1)] }, { calls: [], links: [link(1, undefined, 'ann')] }])
    expect(late).toEqual(early)
    expect(late.calls).toMatchObject([{ user: 'ann', session: 's', properties: 'plan=pro' }])
    expect(late.sessions).toMatchObject([{ user: 'ann', name: 's' }])
  })

  it('come out the same in any order, any batches, with repeats, across a restart', async () => {
    const shape = fc.array(
      fc.record({
        parent: fc.integer({ min: 0, max: 6 }),
        kind: fc.constantFrom('call', 'call', 'aggregate', 'link', 'failed'),
        user: fc.constantFrom(undefined, 'ann', 'bob'),
        responseId: fc.constantFrom(undefined, undefined, 'r1'),
      }),
      { minLength: 1, maxLength: 7 },
    )
    await fc.assert(
      fc.asyncProperty(shape, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 3 })), { minLength: 7, maxLength: 14 }), async (spans, order) => {
        const batches = spans.map(({ parent, kind, user, responseId }, n): Batch => {
          const above = parent < n ? parent : undefined
          if (kind === 'link') return { calls: [], links: [link(n, above, user)] }
          const usage = kind === 'failed' ? undefined : tokens(n + 1, 1)
          return {
            calls: [
              inTrace(n, above, {
                role: kind === 'aggregate' ? 'aggregate' : 'call',
                usage,
                usageQuality: usage === undefined ? 'missing' : 'reported',
                user,
                responseId,
              }),
            ],
          }
        })
        const expected = await written([
          { calls: batches.flatMap((batch) => batch.calls), links: batches.flatMap((batch) => batch.links ?? []) },
        ])
        const shuffled = order
          .map(([key, batch], n) => ({ key, batch, one: batches[n % batches.length] ?? { calls: [] } }))
          .sort((a, b) => a.key - b.key)
        const path = newPath()
        for (const part of [0, 1, 2, 3]) {
          const store = await openStore({ path, priceBook: flatPrices })
          const some = shuffled.filter(({ batch }) => batch === part).map(({ one }) => one)
          await store.write({ calls: some.flatMap((one) => one.calls), links: some.flatMap((one) => one.links ?? []) })
          await store.close()
        }
        const store = await openStore({ path, priceBook: flatPrices })
        for (const batch of batches) await store.write(batch)
        expect(await contents(store)).toEqual(expected)
        expect(await store.verify()).toMatchObject({ ok: true })
        await store.close()
        rmSync(path)
      }),
      { numRuns: 40 },
    )
  })
})

describe('rollups', () => {
  const someCalls = fc.array(
    fc.record({
      n: fc.nat({ max: 60 }),
      day: fc.integer({ min: -40, max: 40 }),
      minute: fc.nat({ max: 1439 }),
      user: fc.constantFrom(undefined, 'ann', 'bob', 'cy'),
      session: fc.constantFrom(undefined, 's1', 's2'),
      feature: fc.constantFrom(undefined, 'chat', 'search'),
      model: fc.constantFrom('gpt-4o-mini', 'claude-haiku-4-5', 'unknown'),
      status: fc.constantFrom('ok' as const, 'error' as const, 'cancelled' as const),
      latency: fc.nat({ max: 100_000 }),
      usage: fc.boolean(),
    }),
    { maxLength: 60 },
  )
  const made = (
    shape: { n: number; day: number; minute: number; feature: string | undefined; latency: number; usage: boolean } & Pick<
      WrittenCall,
      'user' | 'session' | 'model' | 'status'
    >,
  ): WrittenCall =>
    call({
      ...shape,
      startMs: Date.UTC(2026, 2, 1 + shape.day, 0, shape.minute),
      durationMs: shape.latency,
      timeToFirstTokenMs: shape.latency > 50_000 ? 7 : undefined,
      usage: shape.usage ? usageOf({ inputTokens: shape.n, reasoningTokens: 3, audioInputTokens: 1 }) : undefined,
      usageQuality: shape.usage ? 'reported' : 'missing',
      properties: shape.feature === undefined ? new Map() : properties({ feature: shape.feature }),
    })

  it('are what the calls give, in equal bytes, after any writes and in any zone', async () => {
    await fc.assert(
      fc.asyncProperty(
        someCalls,
        fc.constantFrom('UTC', 'Asia/Kathmandu', 'America/New_York'),
        fc.integer({ min: 1, max: 20 }),
        async (shapes, zone, size) => {
          const store = await inMemory(zone)
          const calls = shapes.map(made)
          for (let at = 0; at < calls.length; at += size) await store.write({ calls: calls.slice(at, at + size) })
          const tables = ['rollup_users', 'rollup_models']
          const before = await Promise.all(tables.map((table) => store.all(`SELECT * FROM ${table}`)))
          expect(await store.verify()).toMatchObject({ ok: true })
          await store.rebuildRollups()
          expect(await Promise.all(tables.map((table) => store.all(`SELECT * FROM ${table}`)))).toEqual(before)
          await store.setTimeZone('Australia/Lord_Howe')
          expect(await store.verify()).toMatchObject({ ok: true })
          await store.close()
        },
      ),
      { numRuns: 60 },
    )
  })

  it('fall on the local day, so that a call at 23:30 and one at 00:30 UTC are one active day in New York and two in UTC', async () => {
    const calls = [call({ n: 1, startMs: Date.UTC(2026, 0, 15, 23, 30) }), call({ n: 2, startMs: Date.UTC(2026, 0, 16, 0, 30) })]
    const activeDays = async (zone: string): Promise<unknown> => {
      const store = await inMemory(zone)
      await store.write({ calls })
      const rows = await store.all('SELECT active_days FROM rollup_users WHERE bucket = 20260100')
      await store.close()
      return rows
    }
    expect(await activeDays('America/New_York')).toEqual([{ active_days: 1 }])
    expect(await activeDays('UTC')).toEqual([{ active_days: 2 }])
  })

  it('that were tampered with are found by verify, and mended by a rebuild', async () => {
    const path = newPath()
    const store = await openStore({ path, priceBook: flatPrices })
    await store.write({ calls: [call({ session: 's' }), call({ n: 2 })] })
    for (const [change, check] of [
      ['UPDATE rollup_users SET cost_nano_usd = cost_nano_usd + 1 WHERE bucket % 100 = 0', 'rollup_users'],
      ['UPDATE rollup_models SET requests = 7', 'rollup_models'],
      ['UPDATE sessions SET to_last_ms = 5 WHERE session_id > 0', 'sessions'],
    ] as const) {
      await runRaw(path, change)
      const { ok, checks } = await store.verify()
      expect(ok).toBe(false)
      expect(checks.filter((one) => !one.ok).map((one) => one.name)).toContain(check)
      await store.rebuildRollups()
    }
    expect((await store.verify()).checks.filter((one) => !one.ok)).toEqual([])
    await store.close()
  })
})

/** Changes a file behind the store's back. */
async function runRaw(path: string, sql: string): Promise<void> {
  const { openSqlite } = await import('../src/sqlite/sqlite.ts')
  const db = await openSqlite(path, 'write')
  await db.exec(sql)
  await db.close()
}

describe('properties', () => {
  it('with few values stand in interned sets, with many in a slot, and are read from either', async () => {
    const store = await inMemory()
    const calls = Array.from({ length: 450 }, (_, n) =>
      call({ n, properties: properties({ tenant: `t${n}`, plan: n % 2 === 0 ? 'pro' : 'free' }) }),
    )
    for (let at = 0; at < calls.length; at += 90) await store.write({ calls: calls.slice(at, at + 90) })
    expect(await store.all('SELECT key, place, slot, value_count FROM property_keys ORDER BY key')).toEqual([
      { key: 'plan', place: 'segment', slot: null, value_count: 2 },
      { key: 'tenant', place: 'slot', slot: 1, value_count: 450 },
    ])
    const { calls: found } = await contents(store)
    expect((found as { properties: string }[]).map((one) => one.properties)).toEqual(
      calls.map((_, n) => `plan=${n % 2 === 0 ? 'pro' : 'free'};tenant=t${n}`),
    )
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
  })

  it('beyond eight keys of many values stand in the overflow, none lost', async () => {
    const store = await inMemory()
    const values = (n: number): Record<string, string> => Object.fromEntries(Array.from({ length: 10 }, (_, k) => [`key${k}`, `${k}-${n}`]))
    await store.write({ calls: Array.from({ length: 250 }, (_, n) => call({ n, properties: properties(values(n)) })) })
    await store.write({ calls: [call({ n: 999, properties: properties(values(999)) })] })
    const [row] = await store.all<{ overflow: string }>('SELECT overflow FROM llm_calls ORDER BY start_ms DESC LIMIT 1')
    expect(JSON.parse(row?.overflow ?? '{}')).toEqual({ key8: '8-999', key9: '9-999' })
    await store.close()
  })

  it('of more keys than there is room for are kept with their calls', async () => {
    const store = await inMemory()
    const calls = Array.from({ length: 30 }, (_, n) =>
      call({ n, properties: properties(Object.fromEntries(Array.from({ length: 50 }, (__, k) => [`k${n}_${k}`, 'v']))) }),
    )
    await store.write({ calls })
    const [keys] = await store.all<{ keys: number }>('SELECT count(*) AS keys FROM property_keys')
    const [kept] = await store.all<{ kept: number }>(
      `SELECT sum((SELECT count(*) FROM segment_values AS sv WHERE sv.segment_id = c.segment_id) + coalesce((SELECT count(*) FROM json_each(c.overflow)), 0)) AS kept FROM llm_calls AS c`,
    )
    expect([keys, kept]).toEqual([{ keys: 1000 }, { kept: 1500 }])
    await store.close()
  })
})

describe('a trace of very many spans', () => {
  const trace = 'b'.repeat(32)
  const id = (n: number): string => n.toString(16).padStart(16, '0')
  const startMs = Date.UTC(2026, 0, 15)
  const leaf = (n: number, more: Partial<WrittenCall> = {}): WrittenCall =>
    call({
      traceId: trace,
      spanId: id(n),
      parentSpanId: id(0),
      startMs: startMs + n,
      settled: false,
      user: undefined,
      usage: tokens(10, 1),
      ...more,
    })

  it('counts its calls once, though the agent that repeats their sum comes last', async () => {
    const store = await inMemory()
    for (let at = 1; at <= 21_000; at += 1500) await store.write({ calls: Array.from({ length: 1500 }, (_, n) => leaf(at + n)) })
    const agent = leaf(0, { parentSpanId: undefined, role: 'aggregate', usage: tokens(210_000, 21_000), user: 'ann' })
    expect(await store.write({ calls: [agent] })).toMatchObject({ inserted: 1, uncounted: 1, revised: 21_000 })
    expect(
      await store.all('SELECT sum(requests) AS requests, sum(input_tokens) AS input FROM rollup_users WHERE bucket = 20260115'),
    ).toEqual([{ requests: 21_000, input: 210_000 }])
    expect(
      await store.all("SELECT requests FROM rollup_users JOIN users USING (user_id) WHERE name = 'ann' AND bucket = 20260115"),
    ).toEqual([{ requests: 21_000 }])
    expect((await store.verify()).ok).toBe(true)
    await store.close()
  })

  it('looks at none of the siblings of a call below a root that is no call', async () => {
    const store = await inMemory()
    const root: SpanLink = { traceId: trace, spanId: id(0), parentSpanId: undefined, startMs, identity: undefined }
    await store.write({ calls: Array.from({ length: 2000 }, (_, n) => leaf(n + 1)), links: [root] })
    expect(await store.write({ calls: [leaf(5000), leaf(5001, { parentSpanId: id(5000) })] })).toMatchObject({
      inserted: 2,
      uncounted: 1,
      revised: 0,
    })
    expect((await store.verify()).ok).toBe(true)
    await store.close()
  })
})
