import type { PriceBook } from '@spanledger/pricing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { openStore, type Store } from '../src/index.ts'
import { call, flatPrices, properties } from './calls.ts'

const HOUR_MS = 3_600_000
const START_MS = Date.UTC(2026, 0, 10)

const tables = ['kept_sessions', 'open_sessions', 'session_days', 'session_endings', 'stale_sessions']

/** What is kept of sessions, byte for byte. */
async function kept(store: Store): Promise<Record<string, unknown[]>> {
  const dump: Record<string, unknown[]> = {}
  for (const table of tables) {
    const columns = await store.all<{ name: string }>(`SELECT name FROM pragma_table_info('${table}')`)
    dump[table] = await store.all(`SELECT ${columns.map(({ name }) => `quote(${name}) AS ${name}`).join(', ')} FROM ${table}`)
  }
  return dump
}

interface KeptRow {
  user: string
  session: string
  start: number
  last: number
  end: number
  next: number | null
  requests: number
  active: number
  cost: number
}

async function rows(store: Store): Promise<KeptRow[]> {
  return store.all<KeptRow>(
    `SELECT u.name AS user, s.name AS session, (k.start_ms - ${START_MS}) / 60000.0 AS start, (k.last_ms - ${START_MS}) / 60000.0 AS last,
       (k.end_ms - ${START_MS}) / 60000.0 AS end, (k.next_ms - ${START_MS}) / 60000.0 AS next, k.requests, k.active_ms / 60000.0 AS active, k.cost_nano_usd AS cost
     FROM kept_sessions AS k JOIN users AS u USING (user_id) JOIN sessions AS s USING (session_id) ORDER BY k.start_ms, u.name`,
  )
}

describe('sessions that are over', () => {
  const at = (minutes: number, more: Parameters<typeof call>[0] = {}): ReturnType<typeof call> =>
    call({ n: minutes, startMs: START_MS + minutes * 60_000, durationMs: 60_000, ...more })
  /** What ends everything before it: four days later. */
  const after = at(5 * 24 * 60, { user: 'zoe' })

  it('are kept once a later day is closed, with what their user did next', async () => {
    const store = await openStore({ path: ':memory:', priceBook: flatPrices })
    await store.write({ calls: [at(10), at(20), at(60), at(90, { session: 's' }), at(1450, { session: 's' }), after] })
    await store.closeDays()
    expect(await rows(store)).toEqual([
      { user: 'ann', session: '(none)', start: 10, last: 20, end: 21, next: 60, requests: 2, active: 7, cost: 220 },
      { user: 'ann', session: '(none)', start: 60, last: 60, end: 61, next: 90, requests: 1, active: 1, cost: 110 },
      { user: 'ann', session: 's', start: 90, last: 1450, end: 1451, next: null, requests: 2, active: 7, cost: 220 },
    ])
    expect(await store.all('SELECT day, sessions, requests, returned FROM session_days')).toEqual([
      { day: 20260110, sessions: 3, requests: 5, returned: 2 },
    ])
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
  })

  it('are put right when one of their calls comes late, and are those of a ledger that had it in time', async () => {
    const calls = [at(10), at(60), at(10, { n: 9000, user: 'bob' }), after]
    const late = at(35, { durationMs: 120_000 })
    const store = await openStore({ path: ':memory:', priceBook: flatPrices })
    await store.write({ calls })
    await store.closeDays()
    await store.write({ calls: [late] })
    expect(await store.all('SELECT user_id, day FROM stale_sessions')).toEqual([{ user_id: 1, day: 20260110 }])
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.closeDays()
    const inTime = await openStore({ path: ':memory:', priceBook: flatPrices })
    await inTime.write({ calls: [...calls, late] })
    await inTime.closeDays()
    expect(await kept(store)).toEqual(await kept(inTime))
    expect(await rows(store)).toMatchObject([{ requests: 3 }, { user: 'bob' }])
    await store.close()
    await inTime.close()
  })

  it('that are not what the calls give are found by verify, and mended by computing anew', async () => {
    const store = await openStore({ path: ':memory:', priceBook: flatPrices })
    await store.write({ calls: [at(10), after] })
    await store.closeDays()
    const before = await kept(store)
    await store.all('UPDATE kept_sessions SET messages = 7')
    expect((await store.verify()).checks).toContainEqual({
      name: 'kept_sessions',
      ok: false,
      isDerived: true,
      detail: '2 rows differ from what the calls give',
    })
    await store.rebuildRollups()
    expect(await kept(store)).toEqual(before)
    await store.close()
  })

  it('are forgotten with the zone of the ledger, whose days they are summed by', async () => {
    const store = await openStore({ path: ':memory:', priceBook: flatPrices })
    await store.write({ calls: [at(10), after] })
    await store.closeDays()
    await store.setTimeZone('Asia/Kathmandu')
    expect(await rows(store)).toEqual([])
    await store.closeDays()
    expect(await rows(store)).toHaveLength(1)
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
  })
})

describe('whatever happened in whatever order', () => {
  const users = fc.constantFrom('ann', 'bob', 'cid', undefined)
  const oneCall = fc.record({
    n: fc.integer({ min: 1, max: 60 }),
    quarters: fc.nat(4 * 24 * 5),
    minutes: fc.constantFrom(0, 1, 5, 30, 60 * 23, 60 * 30),
    user: users,
    session: fc.constantFrom('s', 't', undefined),
  })
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ calls: fc.array(oneCall, { maxLength: 8 }), user: users, isLinked: fc.boolean() }) },
    fc.record({ from: fc.constantFrom('ann', 'bob'), to: fc.constantFrom('bob', 'cid'), undo: fc.boolean() }),
    fc.record({ nanoUsd: fc.integer({ min: 0, max: 3 }) }),
    { weight: 4, arbitrary: fc.constant('close' as const) },
  )

  it('what is kept of sessions is what the calls give, and the same when computed at once', async () => {
    await fc.assert(
      // Close together or far apart: sessions then touch each other, or the days between have none.
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 14 }), fc.constantFrom(1, 5), async (steps, stretch) => {
        const store = await openStore({ path: ':memory:', priceBook: flatPrices })
        for (const one of steps) {
          if (one === 'close') await store.closeDays()
          else if ('calls' in one) {
            const calls = one.calls.map(({ n, quarters, minutes, user, session }) =>
              call({
                n,
                startMs: START_MS + (quarters * stretch * HOUR_MS) / 4,
                durationMs: minutes * 60_000,
                user,
                session,
                status: n % 5 === 0 ? 'error' : 'ok',
                settled: n % 2 === 0,
                parentSpanId: 'e'.repeat(16),
                properties: properties(n % 3 === 0 ? { feature: `f${n % 4}` } : {}),
              }),
            )
            const identity = { user: one.user, session: 't', properties: properties({}) }
            const links = calls.map(({ traceId, startMs }) => ({
              traceId,
              spanId: 'e'.repeat(16),
              parentSpanId: undefined,
              startMs,
              identity,
            }))
            await store.write({ calls, links: one.isLinked ? links : [] })
          } else if ('undo' in one)
            await (one.undo ? store.undoAlias(one.from, one.to) : store.alias(one.from, one.to)).catch(() => undefined)
          else {
            const costOf = (): unknown => ({ costNanoUsd: one.nanoUsd, price: { source: `test ${one.nanoUsd}` } })
            await store.reprice({ priceBook: { costOf, source: 'test' } as unknown as PriceBook })
          }
          const { checks } = await store.verify()
          expect(checks.filter(({ ok }) => !ok)).toEqual([])
        }
        await store.closeDays()
        const before = await kept(store)
        await store.rebuildRollups()
        expect(await kept(store)).toEqual(before)
        await store.close()
      }),
      { numRuns: 60 },
    )
  })
})
