import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'

import { openStore, type Batch, type SpanLink, type Store } from '../src/index.ts'
import { eventsSchema } from '../src/events/events-schema.ts'
import { migrations } from '../src/schema/schema.ts'
import { openSqlite } from '../src/sqlite/sqlite.ts'
import { call, flatPrices, properties } from './calls.ts'
import { event, eventContents, type EventShape } from './events.ts'

const folder = mkdtempSync(join(tmpdir(), 'spanledger-events-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const newPath = (): string => join(folder, `${files++}.db`)

async function inMemory(): Promise<Store> {
  return openStore({ path: ':memory:', priceBook: flatPrices })
}

async function written(batches: readonly Batch[]): Promise<unknown[]> {
  const store = await inMemory()
  for (const batch of batches) await store.write(batch)
  const found = await eventContents(store)
  expect(await store.verify()).toMatchObject({ ok: true })
  await store.close()
  return found
}

const trace = 'a'.repeat(32)
const id = (n: number): string => n.toString(16).padStart(16, '0')
const startMs = Date.UTC(2026, 0, 15)
const link = (n: number, parent: number | undefined, user?: string): SpanLink => ({
  traceId: trace,
  spanId: id(n),
  parentSpanId: parent === undefined ? undefined : id(parent),
  startMs: startMs + n,
  identity: user === undefined ? undefined : { user, session: 's', properties: properties({ plan: 'pro' }) },
})
const inTrace = (n: number, parent: number | undefined, shape: EventShape = {}): ReturnType<typeof event> =>
  event(n, { traceId: trace, startMs: startMs + n, parentSpanId: parent === undefined ? undefined : id(parent), ...shape })

describe('a written event', () => {
  it('stands in the ledger with what it says, its user, session and properties', async () => {
    const attributes = {
      'gen_ai.evaluation.name': 'rating',
      'gen_ai.evaluation.score.value': 4,
      'gen_ai.evaluation.score.label': 'good',
      'spanledger.score.min': 1,
      'spanledger.score.max': 5,
      'gen_ai.response.id': 'chatcmpl-1',
      'user.id': 'ann',
      'session.id': 's-1',
      'property.plan': 'pro',
      'property.feature': 'chat',
    }
    expect(await written([{ calls: [], events: [event(1, { attributes })] }])).toEqual([
      {
        start_ms: Date.UTC(2026, 0, 15, 12) + 1,
        start_fraction: 0,
        span: '000000000000E001',
        trace: '00000000000000000000000000000001',
        kind: 'feedback',
        name: 'rating',
        source: 'human',
        origin: 'app',
        user: 'ann',
        session: 's-1',
        target_kind: 'response',
        target: 'chatcmpl-1',
        outcome: 'good',
        previous: null,
        value: 4,
        min: 1,
        max: 5,
        amount_nano_usd: null,
        task: null,
        step: null,
        period: null,
        properties: 'feature=chat;plan=pro',
        overflow: null,
      },
    ])
  })

  it('is about its session, else its user, else itself, where it names nothing', async () => {
    const found = await written([
      {
        calls: [],
        events: [
          event(1, { attributes: { 'user.id': 'ann', 'session.id': 's-1' } }),
          event(2, { attributes: { 'user.id': 'ann' } }),
          event(3),
        ],
      },
    ])
    expect(found).toMatchObject([
      { target_kind: 'session', target: '', session: 's-1' },
      { target_kind: 'user', target: '' },
      { target_kind: 'itself', target: '' },
    ])
  })

  it('takes from the resource what it does not say itself', async () => {
    const found = await written([
      {
        calls: [],
        events: [
          event(1, { attributes: { 'user.id': 'ann' }, resourceAttributes: { 'property.environment': 'production', 'user.id': 'bot' } }),
        ],
      },
    ])
    expect(found).toMatchObject([{ user: 'ann', properties: 'environment=production' }])
  })

  it('counts once, however often and in whatever batches it comes', async () => {
    const events = [1, 2, 3].map((n) => event(n))
    const once = await written([{ calls: [], events }])
    expect(
      await written([
        { calls: [], events: [...events, ...events] },
        { calls: [], events: events.slice(1) },
      ]),
    ).toEqual(once)
    const store = await inMemory()
    expect(await store.write({ calls: [call()], events: [...events, event(1)] })).toMatchObject({ inserted: 1, insertedEvents: 3 })
    expect(await store.write({ calls: [], events })).toMatchObject({ insertedEvents: 0 })
    expect(await store.counters()).toEqual(new Map([['duplicate_events', 4]]))
    await store.close()
  })

  it('is refused and counted where its start is no instant, and takes nothing else with it', async () => {
    const store = await inMemory()
    const events = [event(1, { startMs: Number.NaN }), event(2, { startMs: -1 }), event(3, { startMs: Date.UTC(2200, 0, 1) }), event(4)]
    expect(await store.write({ calls: [call()], events })).toMatchObject({ inserted: 1, insertedEvents: 1 })
    expect(await store.counters()).toEqual(new Map([['refused_event_time', 3]]))
    await store.close()
  })

  it('counts what reading it had to refuse, once', async () => {
    const store = await inMemory()
    const euros = event(1, {
      name: 'spanledger.revenue',
      attributes: { 'spanledger.revenue.amount': 5, 'spanledger.revenue.currency': 'EUR' },
    })
    await store.write({ calls: [], events: [euros] })
    await store.write({ calls: [], events: [euros] })
    expect(await store.counters()).toEqual(
      new Map([
        ['duplicate_events', 1],
        ['event_currency_refused', 1],
      ]),
    )
    expect(await eventContents(store)).toMatchObject([{ kind: 'revenue', amount_nano_usd: null }])
    await store.close()
  })

  it('leaves calls, sessions and rollups as they are', async () => {
    const store = await inMemory()
    await store.write({ calls: [call({ session: 's-1' })] })
    const before = await store.all('SELECT * FROM rollup_users')
    await store.write({ calls: [], events: [event(1, { attributes: { 'user.id': 'bob', 'session.id': 's-2' } })] })
    expect(await store.all('SELECT * FROM rollup_users')).toEqual(before)
    expect(await store.all("SELECT first_ms FROM sessions WHERE name = 's-2'")).toEqual([{ first_ms: null }])
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
  })
})

describe('the events of a trace', () => {
  it('get the user of a root that comes last, and are then about its session', async () => {
    const batches: Batch[] = [
      { calls: [], links: [link(1, undefined, 'ann')] },
      { calls: [], links: [link(2, 1)] },
      { calls: [], events: [inTrace(3, 2)] },
    ]
    const early = await written(batches)
    expect(early).toMatchObject([{ user: 'ann', session: 's', properties: 'plan=pro', target_kind: 'session' }])
    expect(await written(batches.toReversed())).toEqual(early)
    expect(await written([batches[2] ?? { calls: [] }])).toMatchObject([{ user: '(none)', target_kind: 'itself' }])
  })

  it('get the user of the call they are about', async () => {
    const about = call({ traceId: trace, spanId: id(2), startMs, settled: false, user: 'ann' })
    expect(await written([{ calls: [], events: [inTrace(3, 2)] }, { calls: [about] }])).toMatchObject([{ user: 'ann' }])
  })

  it('come out the same in any order, any batches, with repeats, across a restart', async () => {
    const shape = fc.array(
      fc.record({
        parent: fc.integer({ min: -1, max: 6 }),
        kind: fc.constantFrom('event', 'event', 'link', 'call'),
        user: fc.constantFrom(undefined, 'ann', 'bob'),
        session: fc.constantFrom(undefined, 's1'),
        target: fc.constantFrom(undefined, 'r1'),
      }),
      { minLength: 1, maxLength: 7 },
    )
    await fc.assert(
      fc.asyncProperty(shape, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 3 })), { minLength: 7, maxLength: 14 }), async (spans, order) => {
        const batches = spans.map(({ parent, kind, user, session, target }, n): Batch => {
          // Circles too: a parent may be any span, itself included.
          const above = parent < 0 ? undefined : parent
          if (kind === 'link') return { calls: [], links: [link(n, above, user)] }
          if (kind === 'call') {
            const parentSpanId = above === undefined ? undefined : id(above)
            return { calls: [call({ traceId: trace, spanId: id(n), parentSpanId, startMs: startMs + n, settled: false, user })] }
          }
          const attributes = { 'user.id': user, 'session.id': session, 'gen_ai.response.id': target }
          return { calls: [], events: [inTrace(n, above, { spanId: id(n), attributes })] }
        })
        const all = (some: readonly Batch[]): Batch => ({
          calls: some.flatMap((one) => one.calls),
          links: some.flatMap((one) => one.links ?? []),
          events: some.flatMap((one) => one.events ?? []),
        })
        const expected = await written([all(batches)])
        const shuffled = order
          .map(([key, batch], n) => ({ key, batch, one: batches[n % batches.length] ?? { calls: [] } }))
          .sort((a, b) => a.key - b.key)
        const path = newPath()
        for (const part of [0, 1, 2, 3]) {
          const store = await openStore({ path, priceBook: flatPrices })
          await store.write(all(shuffled.filter(({ batch }) => batch === part).map(({ one }) => one)))
          await store.close()
        }
        const store = await openStore({ path, priceBook: flatPrices })
        for (const batch of batches) await store.write(batch)
        expect(await eventContents(store)).toEqual(expected)
        expect(await store.verify()).toMatchObject({ ok: true })
        await store.close()
        rmSync(path)
      }),
      { numRuns: 40 },
    )
  })
})

describe('a file', () => {
  it('of the version before there were events is brought up to date, with all it holds', async () => {
    const path = newPath()
    const db = await openSqlite(path, 'write')
    const version = migrations.indexOf(eventsSchema)
    for (const step of migrations.slice(0, version)) await db.exec(step)
    await db.exec(`PRAGMA application_id = ${0x53504c44}; PRAGMA user_version = ${version}; INSERT INTO users (name) VALUES ('ann')`)
    await db.close()
    const store = await openStore({ path, priceBook: flatPrices })
    await store.write({ calls: [call()], events: [event(1, { attributes: { 'user.id': 'ann' } })] })
    expect(await eventContents(store)).toMatchObject([{ user: 'ann' }])
    expect(await store.all("SELECT user_id FROM users WHERE name = 'ann'")).toEqual([{ user_id: 1 }])
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
  })

  it('with an event whose session is another user’s does not verify', async () => {
    const path = newPath()
    const store = await openStore({ path, priceBook: flatPrices })
    const events = [event(1, { attributes: { 'user.id': 'ann', 'session.id': 's' } }), event(2, { attributes: { 'user.id': 'bob' } })]
    await store.write({ calls: [], events })
    await store.close()
    const db = await openSqlite(path, 'write')
    await db.exec("UPDATE events SET user_id = (SELECT user_id FROM users WHERE name = 'bob')")
    await db.close()
    const again = await openStore({ path, priceBook: flatPrices })
    expect((await again.verify()).checks.filter(({ ok }) => !ok)).toEqual([
      { name: 'events', ok: false, isDerived: false, detail: '1 of 2 events contradict themselves' },
    ])
    await again.close()
  })
})
