import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { PriceBook } from '@spanledger/pricing'
import fc from 'fast-check'
import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest'

import { decodeCounts, openStore, type Batch, type Store } from '../src/index.ts'
import { call, flatPrices, properties } from './calls.ts'

const folder = mkdtempSync(join(tmpdir(), 'spanledger-closed-days-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const HOUR_MS = 3_600_000
const noon = (day: number): number => Date.UTC(2026, 0, day, 12)

async function ledger(batches: readonly Batch[], timeZone = 'UTC'): Promise<Store> {
  const store = await openStore({ path: ':memory:', priceBook: flatPrices, timeZone })
  for (const batch of batches) await store.write(batch)
  return store
}

async function closedDays(store: Store): Promise<number[]> {
  return (await store.all<{ day: number }>('SELECT day FROM closed_days ORDER BY day')).map(({ day }) => day)
}

/** Who called on each closed day, and how often. */
async function usersOfDays(store: Store): Promise<Record<string, Record<string, number>>> {
  const rows = await store.all<{ day: number; requests: Uint8Array }>('SELECT day, requests FROM day_users ORDER BY day')
  const names = await store.all<{ user_id: number; name: string }>('SELECT user_id, name FROM users')
  const nameOf = new Map(names.map(({ user_id, name }) => [user_id, name]))
  return Object.fromEntries(
    rows.map(({ day, requests }) => [
      day,
      Object.fromEntries(
        [...decodeCounts(requests)]
          .map(([id, count]): [string, number] => [nameOf.get(id) ?? '', count])
          .sort(([a], [b]) => (a < b ? -1 : 1)),
      ),
    ]),
  )
}

describe('a day that is over', () => {
  const calls = [
    call({ n: 1, startMs: noon(15), user: 'ann' }),
    call({ n: 2, startMs: noon(15), user: 'bob' }),
    call({ n: 3, startMs: noon(15), user: 'ann' }),
    call({ n: 4, startMs: noon(17), user: undefined }),
  ]

  it('is closed: who called on it stands in one row', async () => {
    const store = await ledger([{ calls }])
    await store.closeDays()
    expect(await closedDays(store)).toEqual([20260115, 20260117])
    expect(await usersOfDays(store)).toEqual({ 20260115: { ann: 2, bob: 1 }, 20260117: { '(none)': 1 } })
    expect(await store.closeDays()).toBe(0)
    expect((await store.verify()).checks).toContainEqual({
      name: 'day_users',
      ok: true,
      isDerived: true,
      detail: '2 rows equal what the calls give',
    })
    await store.close()
  })

  it('is closed by itself, by a store that is written to half a minute after it was opened, and not at once', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    vi.setSystemTime('2026-11-26T12:00:00Z')
    const path = join(folder, 'by-itself.db')
    const store = await openStore({ path, priceBook: flatPrices })
    await store.write({ calls })
    // Behind what the write asked for.
    await store.count(new Map())
    expect(await closedDays(store)).toEqual([])
    vi.setSystemTime('2026-11-26T12:00:31Z')
    await store.write({ calls: calls.slice(0, 1) })
    await store.count(new Map())
    await store.close()
    const read = await openStore({ path, readOnly: true })
    expect((await closedDays(read)).length).toBeGreaterThan(0)
    await read.close()
  })

  it('stays open while who writes many days says so, until it is asked for', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    vi.setSystemTime('2026-11-26T12:00:00Z')
    const store = await openStore({ path: join(folder, 'at-the-end.db'), priceBook: flatPrices, closesDays: false })
    vi.setSystemTime('2026-11-26T13:00:00Z')
    await store.write({ calls })
    await store.count(new Map())
    expect(await closedDays(store)).toEqual([])
    expect(await store.closeDays()).toBe(2)
    await store.close()
  })

  it('is that of the zone of the ledger, and closed anew in another zone', async () => {
    const store = await ledger([{ calls: [call({ startMs: Date.UTC(2026, 0, 15, 22) })] }], 'Asia/Kathmandu')
    await store.closeDays()
    expect(await closedDays(store)).toEqual([20260116])
    await store.setTimeZone('America/New_York')
    expect(await closedDays(store)).toEqual([])
    expect(await usersOfDays(store)).toEqual({})
    await store.closeDays()
    expect(await closedDays(store)).toEqual([20260115])
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
  })

  it('stays closed when the rollups are computed anew', async () => {
    const store = await ledger([{ calls }])
    await store.closeDays()
    const before = await usersOfDays(store)
    await store.rebuildRollups()
    expect(await usersOfDays(store)).toEqual(before)
    expect(await closedDays(store)).toEqual([20260115, 20260117])
    await store.close()
  })

  it('whose rows are not what the calls give is found by verify, and mended by computing anew', async () => {
    const store = await ledger([{ calls }])
    await store.closeDays()
    await store.all("UPDATE day_users SET requests = x'0105' WHERE day = 20260117")
    expect((await store.verify()).checks).toContainEqual({
      name: 'day_users',
      ok: false,
      isDerived: true,
      detail: '2 rows differ from what the calls give',
    })
    await store.rebuildRollups()
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
  })
})

describe('the calls of a closed day are grouped', () => {
  const parts = (store: Store): Promise<unknown[]> =>
    store.all(`SELECT coalesce(k.key, p.part) AS part, p.kept, count(g.id) AS "groups" FROM day_parts AS p
      LEFT JOIN property_keys AS k ON k.key_id = p.part LEFT JOIN day_groups AS g ON g.day = p.day AND g.part = p.part
      GROUP BY p.part ORDER BY p.part`)

  it('by model, by kind, by each property, and by those with few values together', async () => {
    const store = await ledger([
      {
        calls: Array.from({ length: 60 }, (_, n) =>
          call({
            n: n + 1,
            startMs: noon(15) + n,
            user: n % 3 === 0 ? undefined : `u${n % 7}`,
            model: n % 5 === 0 ? 'gpt-4o' : 'gpt-4o-mini',
            status: n % 10 === 0 ? 'error' : 'ok',
            properties: properties({
              plan: n % 2 === 0 ? 'pro' : 'free',
              ...(n % 4 === 0 ? { feature: 'chat' } : {}),
              tenant: `t${n % 20}`,
            }),
          }),
        ),
      },
    ])
    await store.closeDays()
    expect(await parts(store)).toEqual([
      { part: -2, kept: 1, groups: 2 },
      { part: -1, kept: 1, groups: 2 },
      { part: 'feature', kept: 2, groups: 2 },
      { part: 'plan', kept: 2, groups: 2 },
      { part: 'tenant', kept: 2, groups: 20 },
    ])
    const [joint] = await store.all(
      `SELECT count(*) AS "groups", sum(requests) AS requests, sum(anonymous_requests) AS anonymous, sum(cost_nano_usd) AS cost,
         sum((SELECT count(*) FROM segment_values AS v WHERE v.segment_id = g.id)) AS "values" FROM day_groups AS g WHERE part = 0`,
    )
    expect(joint).toEqual({ groups: 20, requests: 60, anonymous: 20, cost: 60 * 110, values: 45 })
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
  })

  it('not by a property of so many values that there would be more groups than a sixteenth of the calls, 64 at least', async () => {
    const store = await ledger([
      {
        calls: Array.from({ length: 100 }, (_, n) =>
          call({ n: n + 1, startMs: noon(15) + n, properties: properties({ plan: 'pro', tenant: `t${n}` }) }),
        ),
      },
    ])
    await store.closeDays()
    expect(await parts(store)).toEqual([
      { part: -2, kept: 1, groups: 1 },
      { part: -1, kept: 1, groups: 1 },
      { part: 'plan', kept: 1, groups: 1 },
      { part: 'tenant', kept: 0, groups: 0 },
    ])
    await store.close()
  })

  it('not by a property whose values stand in the calls themselves, or that has no key', async () => {
    const tenants = Array.from({ length: 201 }, (_, n) =>
      call({ n: n + 1, startMs: noon(14) + n, properties: properties({ tenant: `t${n}` }) }),
    )
    const store = await ledger([
      { calls: tenants },
      { calls: [call({ n: 300, startMs: noon(15), properties: properties({ tenant: 't1' }) })] },
    ])
    await store.closeDays()
    expect(await store.all('SELECT kept FROM day_parts WHERE day = 20260115 AND part > 0')).toEqual([{ kept: 0 }])
    await store.close()
  })
})

describe('a day that is not over', () => {
  it('is not closed, nor within the hour after', async () => {
    const now = Date.now()
    const store = await ledger([{ calls: [call({ n: 1, startMs: now }), call({ n: 2, startMs: now + 48 * HOUR_MS })] }])
    expect(await store.closeDays()).toBe(0)
    // A zone in which the day of these calls ended less than an hour ago has midnight within the last hour.
    const midnight = new Date(now).getUTCHours()
    const zone = midnight <= 12 ? `Etc/GMT+${midnight}` : `Etc/GMT-${24 - midnight}`
    const other = await ledger([{ calls: [call({ startMs: now - 2 * HOUR_MS })] }], zone)
    expect(await other.closeDays()).toBe(0)
    await store.close()
    await other.close()
  })
})

describe('a closed day is open again', () => {
  const first = call({ n: 1, startMs: noon(15), user: 'ann', usage: undefined, settled: false, parentSpanId: 'f'.repeat(16) })
  const closed = async (): Promise<Store> => {
    const store = await ledger([{ calls: [first, call({ n: 2, startMs: noon(17), user: 'bob' })] }])
    await store.closeDays()
    expect(await closedDays(store)).toEqual([20260115, 20260117])
    return store
  }
  const link = { traceId: first.traceId, spanId: 'f'.repeat(16), parentSpanId: undefined, startMs: noon(15) }

  it.each<[string, (store: Store) => Promise<unknown>]>([
    ['by a call that comes late', (store) => store.write({ calls: [call({ n: 3, startMs: noon(15) })] })],
    [
      'by what makes one of its calls another property',
      (store) =>
        store.write({
          calls: [],
          links: [{ ...link, identity: { user: undefined, session: undefined, properties: properties({ plan: 'pro' }) } }],
        }),
    ],
    ['by an alias', (store) => store.alias('ann', 'ada')],
    [
      'by other prices',
      (store) =>
        store.reprice({
          untilMs: noon(16),
          priceBook: { costOf: () => ({ costNanoUsd: 7, price: { source: 'test' } }), source: 'test' } as unknown as PriceBook,
        }),
    ],
  ])('%s; the others are not', async (_, change) => {
    const store = await closed()
    await change(store)
    expect(await closedDays(store)).toEqual([20260117])
    expect(Object.keys(await usersOfDays(store))).toEqual(['20260117'])
    await store.closeDays()
    expect(await closedDays(store)).toEqual([20260115, 20260117])
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
  })

  it('not by a call that is there already', async () => {
    const store = await closed()
    await store.write({ calls: [first] })
    expect(await closedDays(store)).toEqual([20260115, 20260117])
    await store.close()
  })

  it('not by a transaction that is taken back', async () => {
    const store = await closed()
    const late = call({ n: 3, startMs: noon(15) })
    const failing = {
      costOf: () => {
        throw new Error('no')
      },
    } as unknown as PriceBook
    await expect(store.reprice({ priceBook: failing })).rejects.toThrow('no')
    await expect(
      store.write({
        calls: [late],
        marks: () => {
          throw new Error('no')
        },
      }),
    ).rejects.toThrow('no')
    expect(await closedDays(store)).toEqual([20260115, 20260117])
    await store.close()
  })
})

describe('whatever happened in whatever order', () => {
  const users = fc.constantFrom('ann', 'bob', 'cid', undefined)
  const step = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        calls: fc.array(fc.record({ n: fc.integer({ min: 1, max: 40 }), day: fc.integer({ min: 10, max: 14 }), user: users }), {
          maxLength: 12,
        }),
        parent: fc.constantFrom('pro', undefined),
      }),
    },
    fc.record({ from: fc.constantFrom('ann', 'bob'), to: fc.constantFrom('bob', 'cid'), undo: fc.boolean() }),
    fc.record({ nanoUsd: fc.integer({ min: 0, max: 3 }) }),
    { weight: 3, arbitrary: fc.constant('close' as const) },
  )

  it('closed days hold what the calls give, to the byte', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 14 }), async (steps) => {
        const store = await ledger([])
        for (const one of steps) {
          if (one === 'close') await store.closeDays()
          else if ('calls' in one) {
            const calls = one.calls.map(({ n, day, user }) =>
              call({ n, startMs: noon(day) + n, user, settled: n % 2 === 0, parentSpanId: 'e'.repeat(16) }),
            )
            const identity = { user: 'cid', session: undefined, properties: properties({ plan: one.parent ?? '' }) }
            const links = calls.map(({ traceId, startMs }) => ({
              traceId,
              spanId: 'e'.repeat(16),
              parentSpanId: undefined,
              startMs,
              identity,
            }))
            await store.write({ calls, links: one.parent === undefined ? [] : links })
          } else if ('undo' in one)
            await (one.undo ? store.undoAlias(one.from, one.to) : store.alias(one.from, one.to)).catch(() => undefined)
          else {
            const costOf = (): unknown => ({ costNanoUsd: one.nanoUsd, price: { source: `test ${one.nanoUsd}` } })
            await store.reprice({ priceBook: { costOf, source: 'test' } as unknown as PriceBook })
          }
          expect(await store.verify()).toMatchObject({ ok: true })
        }
        await store.close()
      }),
      { numRuns: 60 },
    )
  })
})
