import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { usageOf } from '@spanledger/conventions'
import fc from 'fast-check'
import { afterAll, expect, it } from 'vitest'

import { openStore, type Store, type WrittenCall } from '../src/index.ts'
import { measureColumns } from '../src/rollups/measures.ts'
import { rareMeasures } from '../src/rollups/rare-measures.ts'
import { migrations } from '../src/schema/schema.ts'
import { call, flatPrices } from './calls.ts'
import { writeOlder } from './older-ledger.ts'

const folder = mkdtempSync(join(tmpdir(), 'spanledger-slim-rows-'))
afterAll(() => rmSync(folder, { recursive: true }))

const DAY_MS = 86_400_000
const START_MS = Date.UTC(2026, 0, 25)
const tables = [
  'rollup_users',
  'sessions',
  'kept_sessions',
  'open_sessions',
  'session_days',
  'session_endings',
  'closed_days',
  'day_groups',
]

/** Calls that have every rare measure, close together and far apart. */
const calls: WrittenCall[] = fc
  .sample(
    fc.record({
      startMs: fc.oneof(
        fc.integer({ min: START_MS, max: START_MS + 8 * DAY_MS }),
        fc.integer({ min: START_MS + 3 * DAY_MS, max: START_MS + 3.2 * DAY_MS }),
      ),
      durationMs: fc.integer({ min: 0, max: 600_000 }),
      user: fc.constantFrom('ada', 'bob', undefined),
      session: fc.constantFrom('s', 't', undefined),
      model: fc.constantFrom('gpt-4o', 'unknown'),
      status: fc.constantFrom('ok', 'ok', 'ok', 'error', 'cancelled') as fc.Arbitrary<WrittenCall['status']>,
      usageQuality: fc.constantFrom('reported', 'reported', 'estimated', 'partial') as fc.Arbitrary<WrittenCall['usageQuality']>,
      origin: fc.constantFrom('app', 'app', 'sample') as fc.Arbitrary<WrittenCall['origin']>,
      usage: fc.constantFrom(
        usageOf({ inputTokens: 10, outputTokens: 5 }),
        usageOf({ cacheWrite1hTokens: 7, audioInputTokens: 3, audioCacheReadTokens: 2, audioOutputTokens: 1 }),
        undefined,
        usageOf({ imageInputTokens: 11, imageOutputTokens: 12, webSearches: 1, cacheWrite5mTokens: 90 }),
      ),
    }),
    { numRuns: 500, seed: 11 },
  )
  .map((words, n) =>
    call({
      n: n + 1,
      ...words,
      requestedModel: words.model,
      usageQuality: words.usage === undefined ? 'missing' : words.usageQuality,
      errorClass: words.status === 'error' ? 'rate_limit' : undefined,
    }),
  )

/** Every column of the tables with slim rows, those that are computed too, byte for byte. */
async function dump(store: Store): Promise<Record<string, unknown[]>> {
  const found: Record<string, unknown[]> = {}
  for (const table of tables) {
    const columns = await store.all<{ name: string }>(`SELECT name FROM pragma_table_xinfo('${table}') ORDER BY name`)
    found[table] = await store.all(`SELECT ${columns.map(({ name }) => `quote(${name}) AS ${name}`).join(', ')} FROM ${table}`)
  }
  return found
}

it('a ledger with a column for each measure becomes one with slim rows, and is the one that was written so', async () => {
  const today = join(folder, 'today.db')
  const store = await openStore({ path: today, priceBook: flatPrices, timeZone: 'America/St_Johns' })
  for (let at = 0; at < calls.length; at += 100) await store.write({ calls: calls.slice(at, at + 100) })
  await store.closeDays()
  const written = await dump(store)
  expect(written['kept_sessions']?.length).toBeGreaterThan(20)
  await store.close()

  const older = join(folder, 'older.db')
  await writeOlder(older, { version: 18, from: today })
  const migrated = await openStore({ path: older, priceBook: flatPrices })
  expect(await migrated.all('PRAGMA user_version')).toEqual([{ user_version: migrations.length }])
  expect(await dump(migrated)).toEqual(written)
  expect(await migrated.verify()).toMatchObject({ ok: true })
  await migrated.close()
})

it('measures that stand together in a column are read as what the calls have', async () => {
  const store = await openStore({ path: ':memory:', priceBook: flatPrices })
  for (let at = 0; at < calls.length; at += 7) await store.write({ calls: calls.slice(at, at + 7) })
  const sums = measureColumns.map((name) => `sum(${name}) AS ${name}`).join(', ')
  const [users] = await store.all<Record<string, number>>(`SELECT ${sums} FROM rollup_users WHERE bucket % 100 <> 0`)
  const [months] = await store.all(`SELECT ${sums} FROM rollup_users WHERE bucket % 100 = 0`)
  const [models] = await store.all(`SELECT ${sums} FROM rollup_models WHERE bucket % 100 <> 0`)
  expect(users).toEqual(models)
  expect(months).toEqual(models)
  const count = (test: (one: WrittenCall) => boolean): number => calls.filter(test).length
  expect(users).toMatchObject({
    requests: calls.length,
    errors: count(({ status }) => status === 'error'),
    cancelled: count(({ status }) => status === 'cancelled'),
    samples: count(({ origin }) => origin === 'sample'),
    web_searches: count(({ usage }) => usage?.webSearches === 1),
    rate_limited_requests: count(({ errorClass }) => errorClass === 'rate_limit'),
  })
  expect(rareMeasures.filter((name) => users?.[name] === 0)).toEqual([])
  await store.close()
})
