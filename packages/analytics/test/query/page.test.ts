import fc from 'fast-check'
import { expect, it } from 'vitest'

import { comparePlaces, decodeCursor, pageOf, type Place } from '../../src/query/page.ts'
import type { Order } from '../../src/query/query.ts'

const places = fc.uniqueArray(
  fc.record({ values: fc.tuple(fc.option(fc.nat(5)), fc.constantFrom('a', 'b')), names: fc.tuple(fc.nat(500).map(String)) }),
  { selector: ({ names }) => names[0], maxLength: 120 },
)
const orders = fc.constantFrom<Order[]>(
  [],
  [['n', 'desc']],
  [['n', 'asc']],
  [
    ['n', 'desc'],
    ['letter', 'asc'],
  ],
)

it('a page is the next rows of all in order, however few of how many they are', () => {
  fc.assert(
    fc.property(places, orders, fc.integer({ min: 1, max: 20 }), (all, order, limit) => {
      const placeOf = (place: Place): Place => ({ ...place, values: place.values.slice(0, order.length) })
      const sorted = all.toSorted((a, b) => comparePlaces(placeOf(a), placeOf(b), order))
      const first = pageOf(all, placeOf, { order, after: undefined, limit })
      expect(first.items).toEqual(sorted.slice(0, limit))
      expect(first.next === null).toBe(all.length <= limit)
      if (first.next === null) return
      const second = pageOf(all, placeOf, { order, after: decodeCursor(first.next, order, 1), limit })
      expect(second.items).toEqual(sorted.slice(limit, limit * 2))
    }),
    { numRuns: 500 },
  )
})
