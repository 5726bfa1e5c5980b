import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterAll, describe, expect, it } from 'vitest'

import { openStore, StoreError, type StoreErrorKind } from '../src/index.ts'
import { migrations } from '../src/schema/schema.ts'
import { openSqlite } from '../src/sqlite/sqlite.ts'
import { call, contents, flatPrices } from './calls.ts'

const folder = mkdtempSync(join(tmpdir(), 'spanledger-trouble-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const newPath = (): string => join(folder, `${files++}.db`)

async function refusal(work: () => Promise<unknown>): Promise<{ kind: StoreErrorKind; message: string; retryable: boolean }> {
  const error = await work().then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(StoreError)
  const { kind, message, retryable } = error as StoreError
  return { kind, message, retryable }
}

describe('opening', () => {
  it('creates a file for its owner only', async () => {
    const path = newPath()
    await (await openStore({ path, priceBook: flatPrices })).close()
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  it('a folder is refused, and says to name a file in it', async () => {
    const path = join(folder, 'a-folder')
    mkdirSync(path)
    expect(await refusal(() => openStore({ path }))).toMatchObject({
      kind: 'cannot_open',
      message: expect.stringContaining(`Name a file in it, e.g. "${path}/spanledger.db"`),
    })
  })

  it('in a folder that does not exist is refused, and names the path', async () => {
    const path = join(folder, 'nowhere', 'x.db')
    expect(await refusal(() => openStore({ path }))).toMatchObject({ kind: 'cannot_open', message: expect.stringContaining(path) })
  })

  it('an empty file for reading is refused, and says that nothing was written to it', async () => {
    const path = newPath()
    writeFileSync(path, '')
    expect(await refusal(() => openStore({ path, readOnly: true }))).toMatchObject({
      kind: 'not_a_ledger',
      message: expect.stringContaining('is empty'),
    })
  })

  it('below a file, as if that were a folder, is refused', async () => {
    const file = newPath()
    writeFileSync(file, '')
    expect(await refusal(() => openStore({ path: join(file, 'x.db') }))).toMatchObject({ kind: 'cannot_open' })
  })

  it('for reading what does not exist is refused, and creates nothing', async () => {
    const path = newPath()
    expect(await refusal(() => openStore({ path, readOnly: true }))).toMatchObject({ kind: 'cannot_open' })
    expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined()
  })

  it('a text file, and a SQLite file of another application, are refused and left as they are', async () => {
    const text = newPath()
    writeFileSync(text, 'this is no database, but it is long enough to have had a header of a hundred bytes, were it one.......')
    expect(await refusal(() => openStore({ path: text }))).toMatchObject({ kind: 'not_a_ledger' })
    const foreign = newPath()
    const db = await openSqlite(foreign, 'write')
    await db.exec('CREATE TABLE theirs (x)')
    await db.close()
    expect(await refusal(() => openStore({ path: foreign }))).toMatchObject({
      kind: 'not_a_ledger',
      message: expect.stringContaining('another application'),
    })
    expect((await refusal(() => openStore({ path: foreign, readOnly: true }))).kind).toBe('not_a_ledger')
  })

  it('a file of a newer version is refused, and says to update', async () => {
    const path = newPath()
    await (await openStore({ path, priceBook: flatPrices })).close()
    const db = await openSqlite(path, 'write')
    await db.exec('PRAGMA user_version = 999')
    await db.close()
    for (const readOnly of [false, true]) {
      expect(await refusal(() => openStore({ path, readOnly }))).toMatchObject({
        kind: 'newer_version',
        message: expect.stringContaining('999'),
      })
    }
  })

  it('a file of an older version for reading is refused, and says to write to it once, which brings it up to date', async () => {
    const path = newPath()
    const db = await openSqlite(path, 'write')
    await db.exec(`${migrations[0]}; PRAGMA application_id = 0x53504c44; PRAGMA user_version = 1`)
    await db.close()
    expect(await refusal(() => openStore({ path, readOnly: true }))).toMatchObject({
      kind: 'older_version',
      message: expect.stringContaining('spanledger verify --repair'),
    })
    const store = await openStore({ path, priceBook: flatPrices })
    await store.write({ calls: [call()] })
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
    const reader = await openStore({ path, readOnly: true })
    expect((await contents(reader)).calls).toHaveLength(1)
    await reader.close()
  })

  it('with a zone that nobody knows is refused', async () => {
    await expect(openStore({ path: ':memory:', timeZone: 'Mars/Olympus' })).rejects.toThrow(RangeError)
  })

  it('keeps the zone the file was made with', async () => {
    const path = newPath()
    await (await openStore({ path, timeZone: 'Asia/Tokyo' })).close()
    const store = await openStore({ path, timeZone: 'UTC' })
    expect(store.timeZone).toBe('Asia/Tokyo')
    await store.close()
  })
})

describe('writing', () => {
  it('to a file opened for reading, or to a closed store, is refused', async () => {
    const path = newPath()
    const store = await openStore({ path, priceBook: flatPrices })
    await store.close()
    expect((await refusal(() => store.write({ calls: [call()] }))).kind).toBe('closed')
    const reader = await openStore({ path, readOnly: true })
    expect((await refusal(() => reader.write({ calls: [call()] }))).kind).toBe('read_only')
    expect(await reader.verify()).toMatchObject({ ok: true })
    await reader.close()
  })

  it('waits for another writer, and says "busy, try again" when it waits too long', async () => {
    const path = newPath()
    const store = await openStore({ path, priceBook: flatPrices, busyTimeoutMs: 50 })
    const other = await openSqlite(path, 'write')
    await other.exec('BEGIN EXCLUSIVE')
    expect(await refusal(() => store.write({ calls: [call()] }))).toMatchObject({ kind: 'busy', retryable: true })
    await other.exec('ROLLBACK')
    expect(await store.write({ calls: [call()] })).toMatchObject({ inserted: 1 })
    await other.close()
    await store.close()
  })

  it('to a file that may not grow keeps nothing of the batch, loses nothing written before, and goes on when there is room', async () => {
    const path = newPath()
    const many = (from: number): ReturnType<typeof call>[] =>
      Array.from({ length: 200 }, (_, n) => call({ n: from + n, user: `u${from + n}` }))
    const small = await openStore({ path, priceBook: flatPrices, maxMiB: 1 })
    let acknowledged = 0
    const full = await refusal(async () => {
      for (; acknowledged < 1_000_000; acknowledged += 200) await small.write({ calls: many(acknowledged) })
    })
    expect(full).toMatchObject({ kind: 'full', retryable: true, message: expect.stringContaining('no space left') })
    expect((await contents(small)).calls).toHaveLength(acknowledged)
    expect((await small.verify()).ok).toBe(true)
    await small.close()
    const roomy = await openStore({ path, priceBook: flatPrices })
    expect(await roomy.write({ calls: many(acknowledged) })).toMatchObject({ inserted: 200 })
    expect((await contents(roomy)).calls).toHaveLength(acknowledged + 200)
    expect((await roomy.verify()).ok).toBe(true)
    await roomy.close()
  })

  it('by two connections to one file loses and doubles nothing', async () => {
    const path = newPath()
    const [one, two] = [await openStore({ path, priceBook: flatPrices }), await openStore({ path, priceBook: flatPrices })]
    const batch = (from: number): ReturnType<typeof call>[] =>
      Array.from({ length: 40 }, (_, n) => call({ n: from + n, user: `u${(from + n) % 9}`, session: `s${n % 5}` }))
    // Every batch goes to both: whoever comes second finds it there.
    await Promise.all(
      Array.from({ length: 20 }, async (_, n) => Promise.all([one.write({ calls: batch(n * 40) }), two.write({ calls: batch(n * 40) })])),
    )
    expect((await contents(two)).calls).toHaveLength(800)
    expect((await one.verify()).ok).toBe(true)
    await one.close()
    await two.close()
  })

  it('that is killed at any moment loses no call that was acknowledged, and leaves a sound file', async () => {
    const path = newPath()
    for (let round = 0; round < 8; round++) {
      const acknowledged = await killWhileWriting(path, round)
      const store = await openStore({ path, readOnly: true })
      const [row] = await store.all<{ calls: number }>(
        "SELECT count(*) AS calls FROM llm_calls WHERE hex(span_id) LIKE ? || '%'",
        String(round),
      )
      expect(row?.calls).toBeGreaterThanOrEqual(acknowledged)
      expect((await store.verify()).checks.filter((check) => !check.ok)).toEqual([])
      await store.close()
    }
  })
})

function killWhileWriting(path: string, round: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const program = fileURLToPath(new URL('programs/write-forever.mjs', import.meta.url))
    const child = spawn(process.execPath, [program, path, String(round)], { stdio: ['ignore', 'pipe', 'inherit'] })
    let acknowledged = 0
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      acknowledged = Number(text.trim().split('\n').at(-1))
      // Some milliseconds after the first acknowledgement: in the middle of one of the next transactions.
      if (acknowledged >= 50) setTimeout(() => child.kill('SIGKILL'), (round * 7) % 23)
    })
    child.on('error', reject)
    child.on('close', () => resolve(acknowledged))
  })
}

it('an error says whether what was to be written is at fault, or the ledger', async () => {
  const db = await openSqlite(':memory:', 'write')
  await db.exec('CREATE TABLE numbers (id INTEGER PRIMARY KEY, n INTEGER NOT NULL CHECK (n > 0)) STRICT')
  const isOfValues = (sql: string): Promise<unknown> => db.exec(sql).catch((error: unknown) => (error as StoreError).isOfValues)
  expect([
    await isOfValues('INSERT INTO numbers VALUES (1, -1)'),
    await isOfValues("INSERT INTO numbers VALUES ('x', 1)"),
    await isOfValues('SELECT length(zeroblob(2147483647) || zeroblob(2147483647))'),
    await isOfValues('INSERT INTO missing VALUES (1)'),
    await isOfValues(
      'PRAGMA max_page_count = 2; INSERT INTO numbers WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 9999) SELECT n, n FROM c',
    ),
  ]).toEqual([true, true, true, false, false])
  await db.close()
})
