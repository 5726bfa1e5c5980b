import { once } from 'node:events'
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'

import { openStore } from '@spanledger/store'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'

import { contentsOf, fileOf, folder, helicone, heliconeRequest, imported, importInto, lines, newLedger } from './import-kit.ts'
import { lineOf, run, start } from './run-command.ts'

afterAll(() => rmSync(folder, { recursive: true }))

function request(n: number): Record<string, unknown> {
  return heliconeRequest({
    request_id: `r-${n}`,
    request_created_at: new Date(Date.UTC(2026, 0, 5) + n * 60_000).toISOString(),
    request_user_id: `user-${n % 7}`,
    request_properties: { plan: n % 3 === 0 ? 'pro' : 'free' },
    request_model: n % 5 === 0 ? 'nobody-knows' : 'gpt-4o',
    response_model: null,
  })
}

describe('any way of bringing in the same records', () => {
  it('gives the same ledger: in one file or several, again, in any order, interrupted anywhere', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ file: fc.integer({ min: 0, max: 3 }), copies: fc.integer({ min: 1, max: 2 }) }), {
          minLength: 1,
          maxLength: 40,
        }),
        fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }),
        fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 6 }),
        fc.constantFrom<'lines' | 'list'>('lines', 'list'),
        async (placed, order, stops, form) => {
          const records = placed.map((_, n) => request(n))
          const expected = await imported([fileOf(lines(records))])
          const files = order.map((file) => {
            const some = records.filter(
              (_, n) => placed[n]?.file === file || (placed[n]?.copies === 2 && (placed[n].file + 1) % 4 === file),
            )
            return fileOf(form === 'lines' ? lines(some) : JSON.stringify(some, null, 1))
          })
          const path = newLedger()
          for (const file of [...files, ...files]) {
            // Each time in a process of its own, as it were.
            for (const stopAfter of [...stops, undefined]) {
              const store = await openStore({ path })
              await importInto(store, file, { batch: 3, ...(stopAfter === undefined ? {} : { stopAfter }) })
              await store.close()
            }
          }
          const store = await openStore({ path })
          const { calls, users } = await contentsOf(store)
          expect({ calls, users }).toEqual({ calls: expected.calls, users: expected.users })
          expect(await store.verify()).toMatchObject({ ok: true })
          await store.close()
        },
      ),
      { numRuns: 15 },
    )
  })
})

describe('an import that is interrupted', { timeout: 180_000 }, () => {
  const many = Array.from({ length: 20_000 }, (_, n) => request(n))
  const text = lines(many)

  /** Begins to import and waits until the first batch is there. */
  async function begin(path: string, file: string): Promise<ReturnType<typeof start>> {
    const child = start(['import', 'helicone', file, '--store', path, '--format', 'json'])
    for (;;) {
      await wait(5)
      const store = await openStore({ path, readOnly: true }).catch(() => undefined)
      const [row] =
        (await store?.all<{ marks: number }>("SELECT count(*) AS marks FROM meta WHERE key LIKE 'mark:import:%'").catch(() => [])) ?? []
      await store?.close()
      if (row !== undefined && row.marks > 0) return child
      if (child.exitCode !== null) throw new Error('ended before it could be interrupted')
    }
  }

  /** As one text: thousands of rows are compared at once. */
  async function ledgerOf(path: string): Promise<string> {
    const store = await openStore({ path })
    const found = await contentsOf(store)
    expect(await store.verify()).toMatchObject({ ok: true })
    const marks = await store.all("SELECT key FROM meta WHERE key LIKE 'mark:%'")
    await store.close()
    return JSON.stringify({ ...found, marks })
  }

  it('by kill -9 goes on with the next run, and leaves the ledger and the summary of a single run', async () => {
    const [path, single] = [newLedger(), newLedger()]
    const file = fileOf(text)
    const child = await begin(path, file)
    child.kill('SIGKILL')
    await once(child, 'close')
    const again = await run(['import', 'helicone', file, '--store', path, '--format', 'json'])
    expect(again.err).toMatch(/going on at line \d+001, after \d+000 records/)
    const whole = await run(['import', 'helicone', file, '--store', single, '--format', 'json'])
    expect(whole.err).not.toContain('going on')
    expect(JSON.parse(again.out)).toEqual(JSON.parse(whole.out))
    expect(JSON.parse(whole.out)).toMatchObject({ totals: { records: 20_000, imported: 20_000, already_there: 0, unpriced: 4000 } })
    expect(await ledgerOf(path)).toBe(await ledgerOf(single))
  })

  it('by Ctrl-C ends with 130, keeps what is committed, and says how to go on', async () => {
    const path = newLedger()
    const file = fileOf(text)
    const child = await begin(path, file)
    child.kill('SIGINT')
    const said = lineOf(
      child.stderr,
      /Interrupted\. \d+ records of .* are done: (\d+) calls imported, 0 already there\. The same command goes on from there\./,
    )
    const [code] = (await once(child, 'close')) as [number]
    expect(code).toBe(130)
    const done = Number(/(\d+) calls imported/.exec(await said)?.[1])
    const store = await openStore({ path, readOnly: true })
    expect((await contentsOf(store)).calls).toHaveLength(done)
    await store.close()
    expect((await run(['import', 'helicone', file, '--store', path, '--format', 'json'])).out).toContain(
      '"imported":20000,"already_there":0',
    )
  })

  it('begins anew with --restart, or where the file was changed before that place', async () => {
    const file = fileOf(lines(many.slice(0, 12_000)))
    const store = await openStore({ path: newLedger() })
    const interrupt = (): ReturnType<typeof importInto> => importInto(store, file, { stopAfter: 6000 })
    expect(await interrupt()).toMatchObject({ records: 5000, imported: 5000 })
    expect(await importInto(store, file, { restart: true })).toMatchObject({ records: 12_000, imported: 7000, already_there: 5000 })
    expect(await interrupt()).toMatchObject({ records: 5000, already_there: 5000 })
    const changed = readFileSync(file, 'utf8').replace('"r-4999"', '"r-none"')
    writeFileSync(file, changed)
    expect(await importInto(store, file)).toMatchObject({ records: 12_000, imported: 1, already_there: 11_999 })
    await store.close()
  })

  it('begins anew where a record far before that place was changed, and its length was not, packed or not', async () => {
    for (const pack of [(plain: string) => Buffer.from(plain), (plain: string) => gzipSync(plain)]) {
      const file = fileOf(lines(many.slice(0, 12_000)))
      writeFileSync(file, pack(lines(many.slice(0, 12_000))))
      const store = await openStore({ path: newLedger() })
      await importInto(store, file, { stopAfter: 11_000 })
      // Behind the first 64 KiB, and not in the last record before the place.
      writeFileSync(file, pack(lines(many.slice(0, 12_000)).replace('"r-2000"', '"r-none"')))
      expect(await importInto(store, file)).toMatchObject({ records: 12_000, imported: 2001, already_there: 9999 })
      await store.close()
    }
  })

  it('goes on though the file has grown since', async () => {
    const file = fileOf(lines(many.slice(0, 8000)))
    const store = await openStore({ path: newLedger() })
    await importInto(store, file, { stopAfter: 6000 })
    appendFileSync(file, lines(many.slice(8000, 9000)))
    expect(await importInto(store, file, { open: helicone })).toMatchObject({ records: 9000, imported: 9000, already_there: 0 })
    await store.close()
  })
})
