import { describe, expect, it } from 'vitest'

import { openStore, type Store, type Trait } from '../src/index.ts'
import { flatPrices } from './calls.ts'

async function inMemory(): Promise<Store> {
  return openStore({ path: ':memory:', priceBook: flatPrices })
}

const held = (store: Store): Promise<unknown[]> =>
  store.all(
    `SELECT u.name AS user, k.key, t.valid_from_ms AS "from", t.value FROM user_traits AS t JOIN users AS u USING (user_id) JOIN trait_keys AS k USING (key_id)
     ORDER BY 1, 2, 3`,
  )

describe('traits', () => {
  it('hold from the instant they say, and are known again when they are written again', async () => {
    const store = await inMemory()
    const traits: Trait[] = [
      { user: 'ada', name: 'Plan', value: 'free', validFromMs: 1000 },
      { user: ' ada ', name: 'PLAN', value: 'pro', validFromMs: 2000 },
      { user: 'bob', name: 'Region', value: 'eu', validFromMs: 5 },
    ]
    expect(await store.writeTraits(traits)).toEqual({ written: 3, unchanged: 0, refused: 0 })
    expect(await store.writeTraits(traits)).toEqual({ written: 0, unchanged: 3, refused: 0 })
    expect(await store.writeTraits([{ user: 'ada', name: 'plan', value: 'team', validFromMs: 2000 }])).toMatchObject({ written: 1 })
    expect(await held(store)).toEqual([
      { user: 'ada', key: 'plan', from: 1000, value: 'free' },
      { user: 'ada', key: 'plan', from: 2000, value: 'team' },
      { user: 'bob', key: 'region', from: 5, value: 'eu' },
    ])
    expect(await store.traits()).toEqual([
      { name: 'Plan', users: 1, values: 2, lastValidFromMs: 2000 },
      { name: 'Region', users: 1, values: 1, lastValidFromMs: 5 },
    ])
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
  })

  it('without an instant hold ever since the first time, then from now on where they are others', async () => {
    const store = await inMemory()
    await store.writeTraits([{ user: 'ada', name: 'plan', value: 'free' }])
    expect(await store.writeTraits([{ user: 'ada', name: 'plan', value: 'free' }])).toEqual({ written: 0, unchanged: 1, refused: 0 })
    const before = Date.now()
    await store.writeTraits([{ user: 'ada', name: 'plan', value: 'pro' }])
    expect(await held(store)).toEqual([
      { user: 'ada', key: 'plan', from: 0, value: 'free' },
      { user: 'ada', key: 'plan', from: expect.any(Number), value: 'pro' },
    ])
    const [, second] = (await held(store)) as { from: number }[]
    expect(second?.from).toBeGreaterThanOrEqual(before)
    await store.close()
  })

  it('are refused and counted where they have no user, name or instant that can be kept', async () => {
    const store = await inMemory()
    const good = { user: 'ada', name: 'plan', value: 'pro' }
    const bad: Trait[] = [
      { ...good, user: '' },
      { ...good, user: 'a\u0000' },
      { ...good, name: '__proto__' },
      { ...good, name: ' - ' },
      { ...good, validFromMs: -1 },
      { ...good, validFromMs: Number.NaN },
      { ...good, validFromMs: Date.UTC(2200, 0, 1) },
    ]
    expect(await store.writeTraits([...bad, good])).toEqual({ written: 1, unchanged: 0, refused: 7 })
    expect(await store.writeTraits(bad)).toEqual({ written: 0, unchanged: 0, refused: 7 })
    expect(await store.writeTraits([])).toEqual({ written: 0, unchanged: 0, refused: 0 })
    await store.close()
  })
})
