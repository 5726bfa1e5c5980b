import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import fc from 'fast-check'
import { afterAll, expect, it } from 'vitest'

import { openStore, type WrittenCall } from '../src/index.ts'
import { rateLimitedSchema } from '../src/rate-limited.ts'
import { call, contents, flatPrices } from './calls.ts'

const folder = mkdtempSync(join(tmpdir(), 'spanledger-rate-limited-'))
afterAll(() => rmSync(folder, { recursive: true }))

const calls: WrittenCall[] = fc
  .sample(
    fc.record({
      startMs: fc.integer({ min: Date.UTC(2026, 0, 25), max: Date.UTC(2026, 2, 5) }),
      user: fc.constantFrom('ada', 'bob', undefined),
      model: fc.constantFrom('gpt-4o', 'gpt-4o-mini'),
      errorClass: fc.constantFrom('rate_limit', 'rate_limit', 'server_error', undefined) as fc.Arbitrary<
        'rate_limit' | 'server_error' | undefined
      >,
    }),
    { numRuns: 300, seed: 4 },
  )
  .map(({ errorClass, ...words }, n) =>
    call({
      n: n + 1,
      ...words,
      requestedModel: words.model,
      errorClass,
      status: errorClass === undefined ? 'ok' : 'error',
      errorType: errorClass,
    }),
  )

it('rollups count the calls that a rate limit refused, by user and model, day and month', async () => {
  const store = await openStore({ path: ':memory:', priceBook: flatPrices, timeZone: 'Asia/Kathmandu' })
  for (let at = 0; at < calls.length; at += 40) await store.write({ calls: calls.slice(at, at + 40) })
  const refused = calls.filter(({ errorClass }) => errorClass === 'rate_limit').length
  for (const table of ['rollup_users', 'rollup_models']) {
    expect(await store.all(`SELECT bucket % 100 = 0 AS month, sum(rate_limited_requests) AS n FROM ${table} GROUP BY 1`)).toEqual([
      { month: 0, n: refused },
      { month: 1, n: refused },
    ])
  }
  expect(await store.verify()).toMatchObject({ ok: true })
  await store.close()
})

it('the step that adds them to a file finds them in its calls', async () => {
  const path = join(folder, 'older.db')
  const store = await openStore({ path, priceBook: flatPrices, timeZone: 'America/St_Johns' })
  await store.write({ calls })
  const before = await contents(store)
  await store.close()
  await bend(
    path,
    `ALTER TABLE rollup_users DROP COLUMN rate_limited_requests; ALTER TABLE rollup_models DROP COLUMN rate_limited_requests;
     ${rateLimitedSchema}`,
  )
  const migrated = await openStore({ path, priceBook: flatPrices })
  expect(await contents(migrated)).toEqual(before)
  expect(await migrated.verify()).toMatchObject({ ok: true })
  await migrated.close()
})

/** Changes a ledger behind its back. */
async function bend(file: string, statements: string): Promise<void> {
  const { Database } = createRequire(import.meta.url)('sqlite3') as {
    Database: new (path: string) => { exec(sql: string, done: (error: Error | null) => void): void; close(done: () => void): void }
  }
  const database = new Database(file)
  await new Promise<void>((resolve, reject) => database.exec(statements, (error) => (error === null ? resolve() : reject(error))))
  await new Promise<void>((resolve) => database.close(resolve))
}
