import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, describe, expect, it } from 'vitest'

import { inheritedTraitsSchema } from '../src/users/inherited-traits.ts'
import { openStore, type Store, type Trait } from '../src/index.ts'
import { migrations } from '../src/schema/schema.ts'
import { openSqlite } from '../src/sqlite/sqlite.ts'
import { flatPrices } from './calls.ts'

const folder = mkdtempSync(join(tmpdir(), 'spanledger-traits-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const plan = (user: string, value: string, validFromMs: number): Trait => ({ user, name: 'plan', value, validFromMs })

/** Every value as a row: whose, what, since when, and from whom. */
const held = async (store: Store): Promise<string[]> =>
  (
    await store.all<{ line: string }>(
      `SELECT u.name || ' ' || t.value || ' ' || t.valid_from_ms || iif(t.from_user_id = 0, '', ' of ' || f.name) AS line
       FROM user_traits AS t JOIN users AS u ON u.user_id = t.user_id JOIN users AS f ON f.user_id = t.from_user_id ORDER BY 1`,
    )
  ).map(({ line }) => line)

const own = ['ann pro 50', 'anon free 10', 'bob team 20']

async function ledger(): Promise<Store> {
  const store = await openStore({ path: ':memory:', priceBook: flatPrices })
  await store.writeTraits([plan('anon', 'free', 10), plan('ann', 'pro', 50), plan('bob', 'team', 20)])
  expect(await held(store)).toEqual(own)
  return store
}

describe('traits of an alias', () => {
  it('are those of whom it is too, through aliases of aliases, and no longer when it is taken back', async () => {
    const store = await ledger()
    await store.alias('anon', 'ann')
    expect(await held(store)).toEqual(['ann free 10 of anon', ...own])
    await store.alias('ann', 'bob')
    expect(await held(store)).toEqual([...own, 'bob free 10 of anon', 'bob pro 50 of ann'].toSorted())
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.undoAlias('anon', 'ann')
    expect(await held(store)).toEqual([...own, 'bob pro 50 of ann'].toSorted())
    await store.undoAlias('ann', 'bob')
    expect(await held(store)).toEqual(own)
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
  })

  it('are inherited also where they come after the alias, and counted once', async () => {
    const store = await ledger()
    await store.alias('anon', 'ann')
    await store.writeTraits([plan('anon', 'trial', 30)])
    expect(await held(store)).toEqual([
      'ann free 10 of anon',
      'ann pro 50',
      'ann trial 30 of anon',
      'anon free 10',
      'anon trial 30',
      'bob team 20',
    ])
    expect(await store.traits()).toEqual([{ name: 'plan', users: 3, values: 4, lastValidFromMs: 50 }])
    // What is known of ann herself decides whether a value of hers is her first.
    await store.writeTraits([{ user: 'cyd', name: 'plan', value: 'late' }])
    await store.alias('cyd', 'dan')
    await store.writeTraits([{ user: 'dan', name: 'plan', value: 'own' }])
    expect(await held(store)).toContain('dan own 0')
    await store.close()
  })

  it('that somebody broke by hand do not verify', async () => {
    const path = join(folder, 'broken.db')
    const store = await openStore({ path, priceBook: flatPrices })
    await store.writeTraits([plan('anon', 'free', 10)])
    await store.alias('anon', 'ann')
    await store.close()
    const db = await openSqlite(path, 'write')
    await db.exec('DELETE FROM user_traits WHERE from_user_id <> 0')
    await db.close()
    const again = await openStore({ path, priceBook: flatPrices })
    expect((await again.verify()).checks.filter(({ ok }) => !ok)).toMatchObject([{ name: 'traits' }])
    await again.close()
  })
})

it('an older file gets the traits of the aliases that it has', async () => {
  const path = join(folder, 'older.db')
  const version = migrations.indexOf(inheritedTraitsSchema)
  const db = await openSqlite(path, 'write')
  for (const step of migrations.slice(0, version)) await db.exec(step)
  await db.exec(`PRAGMA application_id = ${0x53504c44}; PRAGMA user_version = ${version};
    INSERT INTO users (user_id, name) VALUES (1, 'ann'), (2, 'anon'), (3, 'older'), (4, 'gone');
    INSERT INTO trait_keys VALUES (1, 'plan', 'Plan');
    INSERT INTO user_traits (user_id, key_id, valid_from_ms, value) VALUES (2, 1, 10, 'free'), (3, 1, 5, 'trial'), (4, 1, 0, 'x');
    INSERT INTO aliases (from_user_id, to_user_id, made_ms, undone_ms) VALUES (2, 1, 0, NULL), (3, 2, 0, NULL), (4, 1, 0, 1)`)
  await db.close()
  const store = await openStore({ path, priceBook: flatPrices })
  expect(await held(store)).toEqual(['ann free 10 of anon', 'ann trial 5 of older', 'anon free 10', 'gone x 0', 'older trial 5'])
  expect(await store.verify()).toMatchObject({ ok: true })
  await store.close()
})
