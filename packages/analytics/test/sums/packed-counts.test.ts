import { decodeCounts, quantileMs } from '@spanledger/store'
import fc from 'fast-check'
import { expect, it } from 'vitest'

import { Durations } from '../../src/sums/durations.ts'
import { readPackedCounts } from '../../src/sums/packed-counts.ts'

it('reads packed counts as the store does, whatever they are', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(200_000), fc.integer({ min: 1, max: 5_000_000 }))), (pairs) => {
      const bytes = Buffer.from(pairs.flatMap((pair) => pair.flatMap(varint)))
      const once = decodeCounts(bytes)
      // A step of 0 names a key again: the store's reader keeps the last of them, and the store writes none.
      fc.pre(once.size === pairs.length)
      for (const hex of [bytes.toString('hex'), bytes.toString('hex').toUpperCase()]) {
        const counts: [number, number][] = []
        readPackedCounts(hex, (key, count) => counts.push([key, count]))
        expect(counts).toEqual([...once])
      }
    }),
  )
})

it('has the quantiles that the store reads from the same counts, also of several histograms together', () => {
  const histogram = fc.array(fc.tuple(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 900 })), { maxLength: 20 })
  fc.assert(
    fc.property(fc.array(histogram, { maxLength: 4 }), fc.constantFrom(0, 0.01, 0.5, 0.9, 0.99, 1), (histograms, q) => {
      const durations = new Durations()
      const counts = new Map<number, number>()
      for (const pairs of histograms) {
        const bytes = Buffer.from(pairs.flatMap((pair) => pair.flatMap(varint)))
        durations.addPacked(bytes.toString('hex'))
        for (const [bucket, count] of decodeCounts(bytes)) counts.set(bucket, (counts.get(bucket) ?? 0) + count)
      }
      expect(durations.quantile(q)).toBe(quantileMs(counts, q))
    }),
  )
})

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))]
}
