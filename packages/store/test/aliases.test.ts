import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'

import { openStore, StoreError, type Batch, type SpanLink, type Store, type WrittenCall } from '../src/index.ts'
import { openSqlite } from '../src/sqlite/sqlite.ts'
import { call, contents, flatPrices, properties } from './calls.ts'
import { event, eventContents } from './events.ts'

const folder = mkdtempSync(join(tmpdir(), 'spanledger-aliases-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const newPath = (): string => join(folder, `${files++}.db`)

async function ledger(batches: readonly Batch[]): Promise<Store> {
  const store = await openStore({ path: ':memory:', priceBook: flatPrices })
  for (const batch of batches) await store.write(batch)
  return store
}

/** All that is derived or written for reports, byte for byte. */
async function bytes(store: Store): Promise<unknown> {
  const dump: Record<string, unknown> = {}
  for (const table of ['llm_calls', 'events', 'rollup_users', 'rollup_models']) {
    const columns = await store.all<{ name: string }>(`SELECT name FROM pragma_table_info('${table}')`)
    dump[table] = await store.all(`SELECT ${columns.map(({ name }) => `quote(${name}) AS ${name}`).join(', ')} FROM ${table}`)
  }
  dump['sessions'] = await store.all('SELECT * FROM sessions WHERE first_ms IS NOT NULL ORDER BY session_id')
  return dump
}

/** The same as reports may see it. */
async function seen(store: Store): Promise<unknown> {
  return { ...(await contents(store)), events: await eventContents(store) }
}

const eventOf = (n: number, user: string | undefined): ReturnType<typeof event> =>
  event(n, { attributes: { 'user.id': user, 'session.id': 's-1' } })

/** Calls and events of three users; who is anonymous first may be called otherwise. */
const history = (anon = 'anon', ann = 'ann'): Batch[] => [
  {
    calls: [
      call({ n: 1, user: anon, session: 's-1', properties: properties({ feature: 'chat' }) }),
      call({ n: 2, user: anon, session: 's-2', startMs: Date.UTC(2026, 0, 14) }),
      call({ n: 3, user: ann, session: 's-1', status: 'error', errorClass: 'rate_limit' }),
      call({ n: 4, user: 'bob', model: 'unknown' }),
      call({ n: 5, user: undefined }),
    ],
    events: [eventOf(1, anon), eventOf(2, ann), eventOf(3, 'bob')],
  },
]

describe('an alias', () => {
  it('puts calls, sessions, events and rollups under the other user, as if they had said that from the start', async () => {
    const store = await ledger(history())
    expect(await store.alias('anon', 'ann')).toEqual({ changed: true, calls: 2, events: 1 })
    const asSaid = await ledger(history('ann'))
    expect(await seen(store)).toEqual(await seen(asSaid))
    expect(await store.verify()).toMatchObject({ ok: true })
    expect(await store.all("SELECT * FROM rollup_users WHERE user_id = (SELECT user_id FROM users WHERE name = 'anon')")).toEqual([])
    await store.close()
    await asSaid.close()
  })

  it('leaves every total as it was', async () => {
    const store = await ledger(history())
    const totals = `SELECT sum(requests) AS requests, sum(cost_nano_usd) AS cost, sum(errors) AS errors, sum(input_tokens) AS tokens FROM rollup_users WHERE bucket % 100 <> 0`
    const before = await store.all(totals)
    await store.alias('anon', 'ann')
    expect(await store.all(totals)).toEqual(before)
    await store.close()
  })

  it('holds for what comes later, of other processes too', async () => {
    const path = newPath()
    const one = await openStore({ path, priceBook: flatPrices })
    const other = await openStore({ path, priceBook: flatPrices })
    await one.write({ calls: [call({ n: 1, user: 'anon', session: 's-1' })] })
    await other.write({ calls: [call({ n: 2, user: 'anon', session: 's-1' })] })
    await one.alias('anon', 'ann')
    await other.write({ calls: [call({ n: 3, user: 'anon', session: 's-1' })], events: [eventOf(1, 'anon')] })
    expect(await one.all('SELECT u.name, count(*) AS calls FROM llm_calls JOIN users AS u USING (user_id) GROUP BY 1')).toEqual([
      { name: 'ann', calls: 3 },
    ])
    expect(await eventContents(one)).toMatchObject([{ user: 'ann', session: 's-1' }])
    expect(await other.verify()).toMatchObject({ ok: true })
    await one.close()
    await other.close()
  })

  it('taken back leaves the calls, events and rollups as they were, byte for byte', async () => {
    const store = await ledger(history())
    const before = await bytes(store)
    await store.alias('anon', 'new-user')
    expect(await bytes(store)).not.toEqual(before)
    expect(await store.undoAlias('anon', 'new-user')).toEqual({ changed: true, calls: 2, events: 1 })
    expect(await bytes(store)).toEqual(before)
    await store.alias('anon', 'ann')
    await store.undoAlias('anon', 'ann')
    expect(await bytes(store)).toEqual(before)
    expect(await store.all('SELECT count(*) AS n FROM said_users')).toEqual([{ n: 0 }])
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
  })

  it('made or taken back twice changes nothing the second time, and every one is on record', async () => {
    const store = await ledger(history())
    await store.alias('anon', 'ann')
    const once = await bytes(store)
    expect(await store.alias(' anon ', 'ann')).toEqual({ changed: false, calls: 0, events: 0 })
    expect(await bytes(store)).toEqual(once)
    await store.undoAlias('anon', 'ann')
    expect(await store.undoAlias('anon', 'ann')).toEqual({ changed: false, calls: 0, events: 0 })
    await store.alias('anon', 'bob')
    expect(await store.aliases()).toEqual([
      { from: 'anon', to: 'bob', madeMs: expect.any(Number), undoneMs: undefined },
      { from: 'anon', to: 'ann', madeMs: expect.any(Number), undoneMs: expect.any(Number) },
    ])
    await store.close()
  })

  it('may be of an alias, in either order', async () => {
    const expected = await ledger(history('bob', 'bob'))
    for (const pairs of [
      [
        ['anon', 'ann'],
        ['ann', 'bob'],
      ],
      [
        ['ann', 'bob'],
        ['anon', 'ann'],
      ],
    ] as const) {
      const store = await ledger(history())
      for (const [from, to] of pairs) await store.alias(from, to)
      expect(await seen(store)).toEqual(await seen(expected))
      await store.undoAlias('ann', 'bob')
      const merged = await ledger(history('ann'))
      expect(await seen(store)).toEqual(await seen(merged))
      await store.undoAlias('anon', 'ann')
      const apart = await ledger(history())
      expect(await seen(store)).toEqual(await seen(apart))
      for (const one of [store, merged, apart]) await one.close()
    }
    await expected.close()
  })

  it('holds for a call that a batch of another trace decides anew', async () => {
    const one = { user: 'anon', responseId: 'resp_0123456789abcdefghij', settled: false }
    const [later, earlier] = [call({ n: 2, ...one }), call({ n: 1, ...one })]
    const store = await ledger([{ calls: [later] }])
    await store.alias('anon', 'ann')
    expect(await store.write({ calls: [earlier] })).toMatchObject({ revised: 1 })
    const expected = await ledger([{ calls: [{ ...later, user: 'ann' }] }, { calls: [{ ...earlier, user: 'ann' }] }])
    expect(await seen(store)).toEqual(await seen(expected))
    await store.close()
    await expected.close()
  })

  it('is refused for what is no user, for a user that is an alias of another already, and for a circle', async () => {
    const store = await ledger(history())
    await store.alias('anon', 'ann')
    const refusal = async (work: Promise<unknown>): Promise<string> => {
      const error: unknown = await work.catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(StoreError)
      expect((error as StoreError).kind).toBe('refused')
      return (error as StoreError).message
    }
    expect(await refusal(store.alias('', 'ann'))).toContain('is no user id')
    expect(await refusal(store.alias('a\u0000', 'ann'))).toContain('is no user id')
    expect(await refusal(store.alias('(none)', 'ann'))).toContain('is no user id')
    expect(await refusal(store.alias('ann', ' ann'))).toContain('one user already')
    expect(await refusal(store.alias('anon', 'bob'))).toContain('is an alias of "ann" already')
    expect(await refusal(store.undoAlias('anon', 'bob'))).toContain('is an alias of "ann", not of "bob"')
    expect(await refusal(store.alias('ann', 'anon'))).toContain("each other's")
    await store.alias('ann', 'bob')
    expect(await refusal(store.alias('bob', 'anon'))).toContain("each other's")
    await store.close()
  })

  it('moves ten thousand calls', async () => {
    const calls = Array.from({ length: 10_000 }, (_, n) => call({ n, user: n % 2 === 0 ? 'anon' : 'ann', session: `s-${n % 7}` }))
    const store = await ledger([{ calls }])
    const before = await bytes(store)
    expect(await store.alias('anon', 'ann')).toMatchObject({ calls: 5000 })
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.undoAlias('anon', 'ann')
    expect(await bytes(store)).toEqual(before)
    await store.close()
  })

  it('that somebody broke by hand does not verify', async () => {
    const path = newPath()
    const store = await openStore({ path, priceBook: flatPrices })
    await store.write({ calls: [], events: [eventOf(1, 'anon')] })
    await store.alias('anon', 'ann')
    await store.close()
    const db = await openSqlite(path, 'write')
    await db.exec("UPDATE events SET session_id = 0, target_kind = 'user', user_id = (SELECT user_id FROM users WHERE name = 'anon')")
    await db.close()
    const again = await openStore({ path, priceBook: flatPrices })
    expect((await again.verify()).checks.filter(({ ok }) => !ok)).toMatchObject([{ name: 'aliases' }])
    await again.close()
  })
})

describe('aliases, writes of traces in parts, and undoing', () => {
  const id = (n: number): string => n.toString(16).padStart(16, '0')
  const startMs = Date.UTC(2026, 0, 15)
  const names = ['anon', 'ann', 'bob', 'cyd'] as const
  const step = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constantFrom('call', 'settled', 'event', 'link'),
        parent: fc.integer({ min: -1, max: 5 }),
        user: fc.constantFrom(undefined, ...names),
        session: fc.constantFrom(undefined, 's'),
        trace: fc.constantFrom('a', 'b'),
        hasResponseId: fc.boolean(),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constantFrom('alias', 'undo'), from: fc.constantFrom(...names), to: fc.constantFrom(...names) }),
    },
  )
  type Step = typeof step extends fc.Arbitrary<infer Of> ? Of : never

  /** What a step writes, with users called by another name. */
  function batchOf(one: Step, n: number, called: (name: string) => string): Batch | undefined {
    if (!('parent' in one)) return undefined
    const user = one.user === undefined ? undefined : called(one.user)
    const parentSpanId = one.parent < 0 || one.parent >= n ? undefined : id(one.parent)
    const place = { traceId: one.trace.repeat(32), spanId: id(n), parentSpanId, startMs: startMs + n }
    if (one.kind === 'link') {
      const link: SpanLink = { ...place, identity: user === undefined ? undefined : { user, session: one.session, properties: new Map() } }
      return { calls: [], links: [link] }
    }
    if (one.kind === 'event')
      return { calls: [], events: [event(n, { ...place, attributes: { 'user.id': user, 'session.id': one.session } })] }
    // Two who turn out to be one person never reported one answer before: who is charged is decided by what was said then.
    const responseId = one.hasResponseId && one.user !== undefined ? `the answer to ${one.user}` : undefined
    const written: WrittenCall = call({ ...place, user, session: one.session, settled: one.kind === 'settled', responseId })
    return { calls: [written] }
  }

  it('come out as if all had said whom they are, whatever the order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const store = await openStore({ path: ':memory:', priceBook: flatPrices })
        const inForce = new Map<string, string>()
        for (const [n, one] of steps.entries()) {
          if ('parent' in one) await store.write(batchOf(one, n, (name) => name) ?? { calls: [] })
          else if (one.kind === 'alias') {
            await store.alias(one.from, one.to).then(
              ({ changed }) => changed && inForce.set(one.from, one.to),
              () => undefined,
            )
          } else if (inForce.get(one.from) === one.to) {
            await store.undoAlias(one.from, one.to)
            inForce.delete(one.from)
          }
        }
        const called = (name: string): string => {
          const next = inForce.get(name)
          return next === undefined ? name : called(next)
        }
        const expected = await ledger(steps.flatMap((one, n) => batchOf(one, n, called) ?? []))
        expect(await seen(store)).toEqual(await seen(expected))
        expect(await store.verify()).toMatchObject({ ok: true })
        // And taking all of them back leaves what was said.
        for (const [from, to] of inForce) await store.undoAlias(from, to)
        const said = await ledger(steps.flatMap((one, n) => batchOf(one, n, (name) => name) ?? []))
        expect(await seen(store)).toEqual(await seen(said))
        expect(await store.verify()).toMatchObject({ ok: true })
        for (const one of [store, expected, said]) await one.close()
      }),
      { numRuns: 150 },
    )
  })
})
