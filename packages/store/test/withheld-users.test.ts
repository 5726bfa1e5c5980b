import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'

import { openStore, StoreError, type Batch, type SpanLink, type Store } from '../src/index.ts'
import { call, contents, flatPrices, properties } from './calls.ts'
import { event, eventContents } from './events.ts'

const folder = mkdtempSync(join(tmpdir(), 'spanledger-withheld-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const newPath = (): string => join(folder, `${files++}.db`)

async function ledger(batches: readonly Batch[], path = ':memory:'): Promise<Store> {
  const store = await openStore({ path, priceBook: flatPrices, busyTimeoutMs: 500 })
  for (const batch of batches) await store.write(batch)
  return store
}

/** How often a text stands in the bytes of a ledger: its file, its log and its index of that. */
function timesIn(path: string, text: string): number {
  const name = path.slice(folder.length + 1)
  const own = readdirSync(folder).filter((file) => file.startsWith(name))
  return own.reduce((times, file) => times + readFileSync(join(folder, file)).toString('latin1').split(text).length - 1, 0)
}

const id = (n: number): string => n.toString(16).padStart(16, '0')
const linkOf = (n: number, user: string, more: Partial<SpanLink> = {}): SpanLink => ({
  traceId: 'a'.repeat(32),
  spanId: id(0xa000 + n),
  parentSpanId: undefined,
  startMs: Date.UTC(2026, 0, 15, 12),
  identity: { user, session: undefined, properties: new Map() },
  ...more,
})
const paid = (n: number, user: string): ReturnType<typeof event> =>
  event(n, {
    name: 'spanledger.revenue',
    attributes: { 'user.id': user, 'spanledger.revenue.amount': 5, 'spanledger.revenue.currency': 'USD' },
  })

const CANARY = 'canary-4711'
/** Everything in which a ledger may keep who somebody is. */
const history: readonly Batch[] = [
  {
    calls: [
      call({
        n: 1,
        user: CANARY,
        session: `${CANARY}-s`,
        properties: properties({ email: `${CANARY}@example.com`, plan: 'pro', feature: 'chat' }),
      }),
      call({ n: 2, user: `anon-${CANARY}`, session: 's', properties: properties({ plan: 'pro' }), fingerprint: 77 }),
      call({ n: 3, user: 'bob', session: 's', properties: properties({ plan: 'pro', feature: 'search' }) }),
      call({ n: 4, user: undefined, settled: false, traceId: 'a'.repeat(32), parentSpanId: id(0xa001) }),
      call({ n: 5, user: CANARY, model: 'unknown', startMs: Date.UTC(2026, 1, 3), status: 'error', errorClass: 'rate_limit' }),
    ],
    links: [linkOf(1, CANARY)],
    events: [
      event(1, { attributes: { 'user.id': CANARY, 'session.id': `${CANARY}-s` } }),
      event(2, { attributes: { 'user.id': 'bob' } }),
      paid(3, CANARY),
      event(4, { parentSpanId: id(0xa001), traceId: 'a'.repeat(32) }),
    ],
  },
]

async function withAll(path: string): Promise<Store> {
  const store = await ledger(history, path)
  await store.alias(`anon-${CANARY}`, CANARY)
  await store.writeTraits([{ user: CANARY, name: 'Name', value: `Dr ${CANARY}`, validFromMs: undefined }])
  await store.closeDays()
  return store
}

const sums = `SELECT count(*) AS calls, sum(cost_nano_usd) AS cost, sum(input_tokens) AS tokens,
  (SELECT sum(amount_nano_usd) FROM events) AS paid FROM llm_calls`

describe('a user who is erased', () => {
  it('is in no byte of the file, nor are its aliases, sessions, properties and traits', async () => {
    const path = newPath()
    const store = await withAll(path)
    expect(timesIn(path, CANARY)).toBeGreaterThan(0)
    expect(await store.erase(CANARY)).toEqual({
      names: [CANARY, `anon-${CANARY}`],
      calls: 4,
      events: 2,
      payments: 1,
      traits: 1,
      vacuumed: true,
    })
    expect(timesIn(path, CANARY)).toBe(0)
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
    expect(timesIn(path, CANARY)).toBe(0)
  })

  it('leaves all calls, costs, tokens and payments, of nobody', async () => {
    const store = await withAll(newPath())
    const before = await store.all(sums)
    await store.erase(`anon-${CANARY}`)
    expect(await store.all(sums)).toEqual(before)
    expect(
      await store.all(
        'SELECT u.name, sum(r.requests) AS requests FROM rollup_users AS r JOIN users AS u USING (user_id) WHERE bucket % 100 <> 0 GROUP BY 1',
      ),
    ).toEqual([
      { name: '(none)', requests: 4 },
      { name: 'bob', requests: 1 },
    ])
    expect(await store.all('SELECT name FROM users')).toEqual([{ name: '(none)' }, { name: 'bob' }])
    await store.close()
  })

  it('leaves to others what is theirs: properties, sessions of one name, events', async () => {
    const store = await withAll(newPath())
    const theirs = async (): Promise<unknown> => ({
      calls: (await contents(store)).calls.filter((one) => (one as { user: string }).user === 'bob'),
      events: (await eventContents(store)).filter((one) => (one as { user: string }).user === 'bob'),
    })
    const before = await theirs()
    await store.erase(CANARY)
    expect(await theirs()).toEqual(before)
    expect(
      await store.all("SELECT k.key, k.value_count AS n FROM property_keys AS k WHERE k.key IN ('email', 'feature', 'plan') ORDER BY 1"),
    ).toEqual([
      { key: 'email', n: 0 },
      { key: 'feature', n: 1 },
      { key: 'plan', n: 1 },
    ])
    await store.close()
  })

  it('does not come back with what is sent again, or late, through any writer', async () => {
    const path = newPath()
    const other = await openStore({ path, priceBook: flatPrices })
    const store = await withAll(path)
    // It remembers ids of users that are gone afterwards.
    await other.write({
      calls: [call({ n: 9, user: CANARY, session: 'x', properties: properties({ plan: 'pro', email: `${CANARY}@example.com` }) })],
    })
    await store.erase(CANARY)
    const erased = [await contents(store), await eventContents(store)]
    for (const batch of history) await other.write(batch)
    expect([await contents(store), await eventContents(store)]).toEqual(erased)
    await other.write({
      calls: [call({ n: 10, user: CANARY, session: 'late', properties: properties({ plan: 'pro' }) })],
      links: [linkOf(2, CANARY)],
      events: [event(10, { attributes: { 'user.id': `anon-${CANARY}` } })],
    })
    await other.close()
    expect(timesIn(path, CANARY)).toBe(0)
    expect(await store.all('SELECT count(*) AS n FROM llm_calls WHERE user_id = 0')).toEqual([{ n: 6 }])
    expect((await store.counters()).get('withheld_calls')).toBe(1)
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
  })

  it('is a new user with what it does from then on', async () => {
    const path = newPath()
    const other = await openStore({ path, priceBook: flatPrices })
    const store = await withAll(path)
    await other.write({ calls: [call({ n: 9, user: CANARY, session: 'x' })] })
    await store.erase(CANARY)
    await other.write({
      calls: [call({ n: 11, user: CANARY, session: 'new', startMs: Date.now() + 1000, properties: properties({ plan: 'pro' }) })],
    })
    expect(
      await store.all(
        'SELECT u.name AS user, s.name AS session, count(*) AS n FROM llm_calls JOIN users AS u USING (user_id) JOIN sessions AS s USING (session_id) GROUP BY 1, 2',
      ),
    ).toEqual([
      { user: '(none)', session: '(none)', n: 5 },
      { user: 'bob', session: 's', n: 1 },
      { user: CANARY, session: 'new', n: 1 },
    ])
    expect(await store.verify()).toMatchObject({ ok: true })
    await other.close()
    await store.close()
  })

  it('a second time changes nothing, and the record says what was erased, not whose it was', async () => {
    const store = await withAll(newPath())
    await store.erase(CANARY)
    const once = [await contents(store), await eventContents(store), await store.erasures()]
    expect(await store.erase(CANARY)).toMatchObject({ names: [CANARY], calls: 0, events: 0, payments: 0, traits: 0 })
    expect([await contents(store), await eventContents(store), await store.erasures()]).toEqual(once)
    expect(await store.erasures()).toEqual([{ erasedMs: expect.any(Number), ids: 2, calls: 4, events: 2, payments: 1, traits: 1 }])
    await store.close()
  })

  it('with dryRun is only counted, and without vacuum only deleted', async () => {
    const path = newPath()
    const store = await withAll(path)
    const before = [await contents(store), await eventContents(store)]
    expect(await store.erase(CANARY, { dryRun: true })).toMatchObject({ calls: 4, events: 2, payments: 1, traits: 1, vacuumed: false })
    expect([await contents(store), await eventContents(store)]).toEqual(before)
    expect(await store.erase(CANARY, { vacuum: false })).toMatchObject({ calls: 4, vacuumed: false, reason: 'it was not asked for' })
    await store.close()
  })

  it('is in no byte either where properties have very many values or keys, where a resource says who it is, or events name a call or a session', async () => {
    const path = newPath()
    const withKeys = (n: number): Record<string, string> =>
      Object.fromEntries(Array.from({ length: 60 }, (_, k) => [`key${n * 60 + k}`, `${CANARY}-${k}`]))
    const traceId = 'b'.repeat(32)
    const resourceIdentity = { user: CANARY, session: `${CANARY}-r`, properties: properties({ host: `${CANARY}-host` }) }
    const store = await ledger(
      [
        {
          calls: Array.from({ length: 500 }, (_, n) =>
            call({ n, user: n % 5 === 0 ? CANARY : 'bob', properties: properties({ job: n % 5 === 0 ? `${CANARY}-${n}` : `job-${n}` }) }),
          ),
        },
        ...Array.from({ length: 20 }, (_, n): Batch => ({
          calls: [call({ n: 1000 + n, user: CANARY, properties: properties(withKeys(n)) })],
        })),
        {
          calls: [call({ n: 2000, user: undefined, traceId, parentSpanId: id(0xa009), settled: false })],
          links: [linkOf(9, '', { traceId, identity: undefined, resourceIdentity })],
        },
        {
          calls: [call({ n: 2001, user: CANARY, responseId: 'an answer of sixteen', session: `${CANARY}-s` })],
          events: [
            event(20, { attributes: { 'session.id': `${CANARY}-s` } }),
            event(21, { attributes: { 'gen_ai.response.id': 'an answer of sixteen' } }),
          ],
        },
      ],
      path,
    )
    await store.alias('other', CANARY)
    await store.undoAlias('other', CANARY)
    await store.closeDays()
    const places = await store.all('SELECT DISTINCT place FROM property_keys ORDER BY 1')
    expect([places, await store.all('SELECT count(*) > 1 AS n FROM llm_calls WHERE overflow IS NOT NULL')]).toEqual([
      [{ place: 'segment' }, { place: 'slot' }],
      [{ n: 1 }],
    ])
    expect(await store.erase(CANARY)).toMatchObject({ calls: 122, events: 2, vacuumed: true })
    expect(timesIn(path, CANARY)).toBe(0)
    expect(await store.all("SELECT count(*) AS n FROM property_values WHERE value LIKE 'job-%'")).toEqual([{ n: 400 }])
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
  })

  it('leaves a ledger that is repriced and undone, closed, rebuilt and moved to another zone as any', async () => {
    const store = await ledger(history)
    await store.reprice({
      priceBook: Object.assign({}, flatPrices, {
        source: 'other prices',
        costOf: () => ({ costNanoUsd: 7, price: { provider: 'test', model: 'any', source: 'other' } }),
      }),
    })
    await store.erase(CANARY)
    const [repricing] = await store.repricings()
    const steps: readonly (() => Promise<unknown>)[] = [
      () => store.undoRepricing(repricing?.id ?? 0),
      () => store.closeDays(),
      () => store.rebuildRollups(),
      () => store.setTimeZone('Asia/Kathmandu'),
    ]
    for (const step of steps) {
      await step()
      expect(await store.verify()).toMatchObject({ ok: true })
    }
    const plain = await ledger(history)
    expect(await store.all(sums)).toEqual(await plain.all(sums))
    await plain.close()
    await store.close()
  })

  it('may have made ten thousand calls', async () => {
    const calls = Array.from({ length: 20_000 }, (_, n) => call({ n, user: n % 2 === 0 ? 'ann' : 'bob', session: `s-${n % 7}` }))
    const store = await ledger([{ calls }])
    const before = await store.all(sums)
    expect(await store.erase('ann')).toMatchObject({ calls: 10_000 })
    expect(await store.all(sums)).toEqual(before)
    expect(await store.all('SELECT user_id = 0 AS nobody, count(*) AS n FROM llm_calls GROUP BY 1')).toEqual([
      { nobody: 0, n: 10_000 },
      { nobody: 1, n: 10_000 },
    ])
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
  })

  it('leaves its payments apart from those of others with the same id, and finds corrections of them', async () => {
    const invoice = (n: number, user: string): ReturnType<typeof event> =>
      event(n, {
        name: 'spanledger.revenue',
        attributes: {
          'user.id': user,
          'spanledger.revenue.amount': n,
          'spanledger.revenue.currency': 'USD',
          'spanledger.revenue.id': 'march',
        },
      })
    const store = await ledger([{ calls: [], events: [invoice(1, 'ann'), invoice(2, 'bob')] }])
    await store.erase('ann')
    await store.erase('bob')
    await store.write({ calls: [], events: [invoice(3, 'ann')] })
    const [first, second, corrected] = await store.all<{ target: string }>('SELECT target FROM events ORDER BY start_ms')
    expect(first?.target).not.toBe(second?.target)
    expect(corrected).toEqual(first)
    expect(first?.target).not.toContain('march')
    await store.close()
  })

  it('is said not to be gone from the log while somebody reads it', async () => {
    const path = newPath()
    const store = await withAll(path)
    const reader = await openStore({ path, readOnly: true })
    await reader.all('BEGIN')
    await reader.all('SELECT count(*) FROM llm_calls')
    expect(await store.erase(CANARY)).toMatchObject({ calls: 4, vacuumed: false, reason: expect.stringContaining('another program reads') })
    await reader.all('COMMIT')
    expect(await store.erase(CANARY)).toMatchObject({ calls: 0, vacuumed: true })
    expect(timesIn(path, CANARY)).toBe(0)
    await reader.close()
    await store.close()
  })

  it.each(['', '(none)', 'a\u0000b'])('is refused where %j is no user id', async (given) => {
    const store = await ledger(history)
    const refusals = await Promise.all(
      [store.erase(given), store.optOut(given), store.optIn(given)].map((asked) => asked.catch((error: unknown) => error)),
    )
    for (const refusal of refusals) {
      expect(refusal).toBeInstanceOf(StoreError)
      expect((refusal as StoreError).message).toContain('is no user id')
    }
    await store.close()
  })
})

describe('a user who opted out', () => {
  it('is in no byte of what is written from then on, while every call is counted and paid', async () => {
    const path = newPath()
    const store = await ledger([], path)
    expect(await store.optOut(CANARY)).toEqual({ changed: true, ids: 1 })
    for (const batch of history) await store.write(batch)
    const plain = await ledger(history)
    expect(await store.all(sums)).toEqual(await plain.all(sums))
    expect(await store.all('SELECT name FROM users ORDER BY 1')).toEqual([{ name: '(none)' }, { name: `anon-${CANARY}` }, { name: 'bob' }])
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
    expect(timesIn(path, `anon-${CANARY}`)).toBeGreaterThan(0)
    expect(timesIn(path, CANARY)).toBe(timesIn(path, `anon-${CANARY}`))
    await plain.close()
  })

  it('stays nobody where a span above says whose a call is, in whatever order they come', async () => {
    for (const order of [0, 1]) {
      const store = await ledger([])
      await store.optOut('ann')
      const batches: Batch[] = [
        {
          calls: [
            call({
              n: 1,
              user: undefined,
              session: 's',
              properties: properties({ plan: 'pro' }),
              settled: false,
              traceId: 'a'.repeat(32),
              parentSpanId: id(0xa001),
            }),
          ],
        },
        { calls: [], links: [linkOf(1, 'ann')] },
      ]
      for (const batch of order === 0 ? batches : batches.toReversed()) await store.write(batch)
      expect((await contents(store)).calls).toMatchObject([{ user: '(none)', session: '(none)', properties: null }])
      expect(await store.verify()).toMatchObject({ ok: true })
      await store.close()
    }
  })

  it('is not known by an alias either, made before or after', async () => {
    const before = await ledger([])
    await before.alias('anon', 'ann')
    expect(await before.optOut('anon')).toEqual({ changed: true, ids: 2 })
    const after = await ledger([])
    await after.optOut('ann')
    await after.alias('anon', 'ann')
    for (const store of [before, after]) {
      expect(await store.optedOutSince('anon')).toBeGreaterThan(0)
      await store.write({ calls: [call({ n: 1, user: 'anon' }), call({ n: 2, user: 'ann' })] })
      expect((await contents(store)).calls).toMatchObject([{ user: '(none)' }, { user: '(none)' }])
      await store.close()
    }
  })

  it('is known again once it opts in, and what was nobody stays so', async () => {
    const store = await ledger([])
    await store.optOut('ann')
    expect(await store.optOut('ann')).toEqual({ changed: false, ids: 1 })
    await store.write({ calls: [call({ n: 1, user: 'ann' })] })
    expect(await store.optOuts()).toEqual([{ id: expect.stringMatching(/^[0-9a-f]{12}$/), sinceMs: expect.any(Number) }])
    expect(await store.optIn('ann')).toEqual({ changed: true, ids: 1 })
    expect(await store.optIn('ann')).toEqual({ changed: false, ids: 1 })
    expect(await store.optedOutSince('ann')).toBeUndefined()
    await store.write({ calls: [call({ n: 2, user: 'ann' })] })
    expect((await contents(store)).calls).toMatchObject([{ user: '(none)' }, { user: 'ann' }])
    expect(await store.optOuts()).toEqual([])
    await store.close()
  })
})

describe('erasing and opting out in the midst of traces that grow', () => {
  const names = ['ann', 'bob', 'cyd'] as const
  const step = fc.record({
    kind: fc.constantFrom('call', 'settled', 'event', 'paid', 'link'),
    parent: fc.integer({ min: -1, max: 5 }),
    user: fc.constantFrom(undefined, ...names),
    session: fc.constantFrom(undefined, 's'),
    plan: fc.constantFrom(undefined, 'free', 'pro'),
    trace: fc.constantFrom('a', 'b', 'c'),
    hasResponseId: fc.boolean(),
  })
  type Step = typeof step extends fc.Arbitrary<infer Of> ? Of : never

  /**
   * A call without a user says nothing else, so that all it has is of whoever it inherits from. In trace a all may stand above each
   * other, and say only who they are: what else ann says is passed on to nobody. Traces b and c are of ann and of the others.
   */
  function batchOf({ kind, trace, ...one }: Step, n: number): Batch {
    const plan = trace === 'a' ? undefined : one.plan
    const user = one.user === undefined || trace === 'a' ? one.user : trace === 'b' ? 'ann' : one.user === 'ann' ? 'bob' : one.user
    const place = {
      traceId: trace.repeat(32),
      spanId: id(n),
      parentSpanId: one.parent < 0 || one.parent >= n ? undefined : id(one.parent),
      startMs: Date.UTC(2026, 0, 15) + n * 43_200_000,
    }
    const session = user === undefined || trace === 'a' ? undefined : one.session
    const own = user === undefined || plan === undefined ? new Map<string, never>() : properties({ plan })
    if (kind === 'link')
      return {
        calls: [],
        links: [{ ...place, identity: user === undefined ? undefined : { user, session: undefined, properties: new Map() } }],
      }
    if (kind === 'event' || kind === 'paid') {
      const said = {
        'user.id': user ?? (trace === 'b' ? 'ann' : 'dan'),
        'session.id': session,
        'spanledger.revenue.amount': 5,
        'spanledger.revenue.currency': 'USD',
      }
      return {
        calls: [],
        events: [event(n, { ...place, name: kind === 'paid' ? 'spanledger.revenue' : 'spanledger.feedback', attributes: said })],
      }
    }
    const responseId = one.hasResponseId && user !== undefined ? `the answer to ${user}` : undefined
    return { calls: [call({ ...place, user, session, properties: own, settled: kind === 'settled', responseId })] }
  }

  type Row = Record<string, unknown>
  /** What a ledger is to hold, from one that knew everybody: the plain way to say it. */
  function withoutAnn(calls: readonly unknown[], events: readonly unknown[]): unknown {
    const nobodys = (row: Row): Row => ({ ...row, user: '(none)', session: '(none)', properties: null, overflow: null })
    return {
      calls: (calls as Row[]).map((row) => (row['user'] === 'ann' ? nobodys(row) : row)),
      events: (events as Row[]).flatMap((row) => {
        if (row['user'] !== 'ann') return [row]
        return row['kind'] === 'revenue' ? [nobodys(row)] : []
      }),
    }
  }

  it.each(['erase', 'opt out'] as const)('(%s) comes out as if nothing but the money had been said of the user', async (how) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), fc.nat(12), async (steps, at) => {
        const batches = steps.map(batchOf)
        const plain = await ledger(batches)
        const expected = withoutAnn((await contents(plain)).calls, await eventContents(plain))
        const store = await ledger([])
        if (how === 'opt out') await store.optOut('ann')
        for (const [n, batch] of batches.entries()) {
          if (how === 'erase' && n === at) await store.erase('ann')
          await store.write(batch)
        }
        if (how === 'erase' && at >= batches.length) await store.erase('ann')
        const seen = async (): Promise<unknown> => ({ calls: (await contents(store)).calls, events: await eventContents(store) })
        expect(await seen()).toEqual(expected)
        expect(await store.verify()).toMatchObject({ ok: true })
        // Sent again, the other way around.
        for (const batch of batches.toReversed()) await store.write(batch)
        expect(await seen()).toEqual(expected)
        await plain.close()
        await store.close()
      }),
      { numRuns: 30 },
    )
  })
})
