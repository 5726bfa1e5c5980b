import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import fc from 'fast-check'
import { afterAll, expect, it } from 'vitest'

import { openStore, type Store, type WrittenCall } from '../src/index.ts'
import { rateLimitedSchema } from '../src/rollups/rate-limited.ts'
import { migrations } from '../src/schema/schema.ts'
import { call, flatPrices } from './calls.ts'
import { writeOlder } from './older-ledger.ts'

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
  const path = join(folder, 'today.db')
  const store = await openStore({ path, priceBook: flatPrices, timeZone: 'America/St_Johns' })
  await store.write({ calls })
  const before = await rateLimited(store)
  await store.close()
  await writeOlder(join(folder, 'older.db'), { version: migrations.indexOf(rateLimitedSchema), from: path })
  const migrated = await openStore({ path: join(folder, 'older.db'), priceBook: flatPrices })
  expect(await rateLimited(migrated)).toEqual(before)
  expect(await migrated.verify()).toMatchObject({ ok: true })
  await migrated.close()
})

function rateLimited(store: Store): Promise<unknown[]> {
  return store.all(`SELECT bucket, 'user ' || user_id AS id, rate_limited_requests AS n FROM rollup_users
    UNION ALL SELECT bucket, 'model ' || model_id, rate_limited_requests FROM rollup_models ORDER BY 1, 2`)
}
