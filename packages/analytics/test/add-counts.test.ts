import { decodeCounts } from '@spanledger/store'
import fc from 'fast-check'
import { expect, it } from 'vitest'

import { addCounts } from '../src/add-counts.ts'

it('reads packed counts as the store does, whatever they are', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(200_000), fc.integer({ min: 1, max: 5_000_000 }))), (pairs) => {
      const bytes = Buffer.from(pairs.flatMap((pair) => pair.flatMap(varint)))
      for (const hex of [bytes.toString('hex'), bytes.toString('hex').toUpperCase()]) {
        const counts = new Map<number, number>()
        addCounts(counts, hex)
        const once = decodeCounts(bytes)
        // A step of 0 names a key again: the store's reader keeps the last of them, and the store writes none.
        fc.pre(once.size === pairs.length)
        expect(counts).toEqual(once)
        addCounts(counts, hex)
        expect(counts).toEqual(new Map([...once].map(([key, count]) => [key, 2 * count])))
      }
    }),
  )
})

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))]
}
