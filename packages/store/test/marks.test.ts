import { expect, it } from 'vitest'

import { openStore } from '../src/index.ts'
import { call, flatPrices } from './calls.ts'

it('a mark is kept with the batch it was made for, replaced and taken away by later ones', async () => {
  const store = await openStore({ path: ':memory:', priceBook: flatPrices })
  expect(await store.mark('import')).toBeUndefined()
  const write = (n: number, text: string | null): Promise<unknown> =>
    store.write({ calls: [call({ n }), call({ n: n + 1 })], marks: ({ inserted }) => new Map([['import', text && `${text} ${inserted}`]]) })
  await write(1, 'first')
  expect(await store.mark('import')).toBe('first 2')
  await write(2, 'second')
  expect(await store.mark('import')).toBe('second 1')
  await write(3, null)
  expect(await store.mark('import')).toBeUndefined()
  expect(await store.verify()).toMatchObject({ ok: true })
  await store.close()
})

it('a mark of a batch that failed is not there, and neither are its calls', async () => {
  const store = await openStore({ path: ':memory:', priceBook: flatPrices })
  const failing = store.write({
    calls: [call()],
    marks: () => {
      throw new Error('no mark')
    },
  })
  await expect(failing).rejects.toThrow('no mark')
  expect(await store.write({ calls: [call()], marks: () => new Map([['import', 'again']]) })).toMatchObject({ inserted: 1 })
  expect(await store.mark('import')).toBe('again')
  await store.close()
})

it('says how many of the new calls have no known price', async () => {
  const store = await openStore({ path: ':memory:', priceBook: flatPrices })
  expect(await store.write({ calls: [call(), call({ n: 2, model: 'unknown' })] })).toMatchObject({ inserted: 2, unpriced: 1 })
  await store.close()
})
