import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, expect, it } from 'vitest'

import { openStore } from '../src/index.ts'
import { repeatsSchema } from '../src/write/repeats.ts'
import { migrations } from '../src/schema/schema.ts'
import { openSqlite } from '../src/sqlite/sqlite.ts'
import { call, flatPrices } from './calls.ts'

const folder = mkdtempSync(join(tmpdir(), 'spanledger-repeats-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it('the step that gives kinds more words keeps those that calls have', async () => {
  const path = join(folder, 'older.db')
  const version = migrations.indexOf(repeatsSchema)
  const db = await openSqlite(path, 'write')
  for (const step of migrations.slice(0, version)) await db.exec(step)
  await db.exec(`PRAGMA application_id = ${0x53504c44}; PRAGMA user_version = ${version};
    INSERT INTO kinds (kind_id, operation, status, error_class, error_type, finish_reason, service_tier, streamed, usage_quality, origin)
    VALUES (7, 'chat', 'ok', '', '', 'stop', '', 0, 'reported', 'app'), (9, 'chat', 'error', 'timeout', '408', '', '', 1, 'missing', 'otlp')`)
  await db.close()
  const store = await openStore({ path, priceBook: flatPrices })
  expect(await store.all('SELECT kind_id, status, auto_retry, cache_verdict FROM kinds ORDER BY kind_id')).toEqual([
    { kind_id: 7, status: 'ok', auto_retry: '', cache_verdict: '' },
    { kind_id: 9, status: 'error', auto_retry: '', cache_verdict: '' },
  ])
  await store.write({ calls: [call({ n: 1 }), call({ n: 2, autoRetry: 'inside' })] })
  // What says nothing of either is the kind that was there.
  expect(await store.all('SELECT kind_id = 7 AS old, count(*) AS n FROM llm_calls GROUP BY 1 ORDER BY 1')).toEqual([
    { old: 0, n: 1 },
    { old: 1, n: 1 },
  ])
  expect(await store.verify()).toMatchObject({ ok: true })
  await store.close()
})

it('what an app says is a retry is kept once, and only of calls that are there', async () => {
  const store = await openStore({ path: ':memory:', priceBook: flatPrices })
  const of = `${'a'.repeat(32)}-${'b'.repeat(16)}`
  const retry = call({ n: 1, retryOf: of, fingerprint: 2 ** 48 - 1 })
  for (let times = 0; times < 2; times++) await store.write({ calls: [retry, call({ n: 2, retryOf: of, startMs: -1 })] })
  expect(
    await store.all(
      "SELECT lower(hex(of_trace_id)) || '-' || lower(hex(of_span_id)) AS of, (SELECT fingerprint FROM llm_calls) AS f FROM retried_calls",
    ),
  ).toEqual([{ of, f: 2 ** 48 - 1 }])
  await store.close()
})
