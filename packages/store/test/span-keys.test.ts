import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

import { expect, it, onTestFinished } from 'vitest'

import { openStore, type SpanLink } from '../src/index.ts'
import { migrate } from '../src/schema/migrate.ts'
import {
  answerKeys,
  childKey,
  deleteKeys,
  findKnown,
  insertKeys,
  keysText,
  readyKeys,
  spanKey,
  traceKeys,
} from '../src/traces/span-keys.ts'
import { openSqlite, type Sqlite } from '../src/sqlite/sqlite.ts'
import { call, flatPrices } from './calls.ts'

const traceId = (n: number): string => n.toString(16).padStart(32, '0')
const spanId = (n: number): string => n.toString(16).padStart(16, '0')

async function newDb(): Promise<Sqlite> {
  const db = await openSqlite(':memory:', 'write')
  onTestFinished(() => db.close())
  await migrate(db, ':memory:')
  return db
}

async function counts(db: Sqlite): Promise<unknown> {
  const [row] = await db.all('SELECT (SELECT count(*) FROM young_span_keys) AS young, (SELECT count(*) FROM span_keys) AS old')
  return row
}

it('finds a span by its trace and its response id, also when its keys are no longer young', async () => {
  const db = await newDb()
  const rows = Array.from({ length: 70_000 }, (_, n) => ({
    row: n + 1,
    span: { traceId: traceId(n), spanId: spanId(n), parentSpanId: undefined, responseId: `chatcmpl-${n}` },
  }))
  for (let at = 0; at < rows.length; at += 7000) {
    const ready = readyKeys(rows.slice(at, at + 7000))
    if (ready !== undefined) await insertKeys(db, ready)
  }
  const { young, old } = (await counts(db)) as { young: number; old: number }
  expect(young + old).toBe(140_000)
  expect(old).toBeGreaterThan(1000)

  const firstKeys = rows.flatMap(({ span }) => [traceKeys(span.traceId), answerKeys(span.responseId)])
  expect(await findKnown(db, keysText(firstKeys))).toEqual(new Set(firstKeys))
  // Of 1,000 others some may have a key of these.
  const others = Array.from({ length: 1000 }, (_, n) => traceKeys(traceId(n + 1_000_000)))
  expect((await findKnown(db, keysText(others))).size).toBeLessThan(10)

  await deleteKeys(db, rows)
  expect(await counts(db)).toEqual({ young: 0, old: 0 })
})

it('a span of another trace is nobody’s parent, though it stands under the same key', async () => {
  const [one, other] = firstTwoUnderOneKey()
  expect(spanKey(one, spanId(1))).toBe(spanKey(other, spanId(1)))
  const root: SpanLink = {
    traceId: one,
    spanId: spanId(1),
    parentSpanId: undefined,
    startMs: 5,
    identity: { user: 'bob', session: undefined, properties: new Map() },
  }
  const below = (traceOf: string, n: number): ReturnType<typeof call> =>
    call({ n, traceId: traceOf, spanId: spanId(n), parentSpanId: spanId(1), user: undefined, settled: false })
  const store = await openStore({ path: ':memory:', priceBook: flatPrices })
  await store.write({ calls: [], links: [root] })
  await store.write({ calls: [below(one, 2), below(other, 3)] })
  expect(await store.all('SELECT u.name FROM llm_calls JOIN users AS u USING (user_id) ORDER BY start_ms')).toEqual([
    { name: 'bob' },
    { name: '(none)' },
  ])
  await store.close()
})

it('a span may have one key for two reasons', async () => {
  const [parent, below] = parentAndSpanUnderOneKey()
  expect(childKey(traceId(1), parent)).toBe(spanKey(traceId(1), below))
  const store = await openStore({ path: ':memory:', priceBook: flatPrices })
  await store.write({ calls: [call({ traceId: traceId(1), spanId: below, parentSpanId: parent, settled: false })] })
  expect(await store.all('SELECT count(*) AS calls FROM llm_calls')).toEqual([{ calls: 1 }])
  await store.close()
})

function parentAndSpanUnderOneKey(): [string, string] {
  const bySpanKey = new Map(Array.from({ length: 20_000 }, (_, n) => [spanKey(traceId(1), spanId(n)), spanId(n)]))
  for (let n = 20_000; n < 40_000; n++) {
    const below = bySpanKey.get(childKey(traceId(1), spanId(n)))
    if (below !== undefined) return [spanId(n), below]
  }
  throw new Error('no parent and span under one key')
}

it('spans are found in a file that was vacuumed, as it was', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'spanledger-')), 'ledger.db')
  onTestFinished(() => rmSync(dirname(path), { recursive: true, force: true }))
  const rootOf = (n: number, user: string): SpanLink => ({
    traceId: traceId(n),
    spanId: spanId(1),
    parentSpanId: undefined,
    startMs: 5,
    identity: { user, session: undefined, properties: new Map() },
  })
  const store = await openStore({ path, priceBook: flatPrices })
  await store.write({ calls: [], links: [rootOf(1, 'ann'), rootOf(2, 'bob'), rootOf(3, 'cyd')] })
  const raw = await openSqlite(path, 'write')
  // As if the first had had its days.
  await raw.exec('DELETE FROM trace_spans WHERE number = 1; VACUUM')
  await raw.close()
  await store.write({ calls: [call({ traceId: traceId(2), spanId: spanId(2), parentSpanId: spanId(1), user: undefined, settled: false })] })
  expect(await store.all('SELECT u.name FROM llm_calls JOIN users AS u USING (user_id)')).toEqual([{ name: 'bob' }])
  await store.close()
})

/** Two traces whose keys are the same: of so many there are some by chance. */
function firstTwoUnderOneKey(): [string, string] {
  const seen = new Map<number, string>()
  for (let n = 0; n < 2_000_000; n++) {
    const earlier = seen.get(traceKeys(traceId(n)))
    if (earlier !== undefined) return [earlier, traceId(n)]
    seen.set(traceKeys(traceId(n)), traceId(n))
  }
  throw new Error('no two traces under one key')
}

it('looks for keys by their index only', async () => {
  const db = await newDb()
  const plan = await db.all<{ detail: string }>(
    "EXPLAIN QUERY PLAN DELETE FROM span_keys WHERE (key, span) IN (SELECT value->>0, value->>1 FROM jsonb_each('[]'))",
  )
  expect(plan.map(({ detail }) => detail)).toContain('SEARCH span_keys USING PRIMARY KEY (key=? AND span=?)')
})
