import fc from 'fast-check'
import { expect, it } from 'vitest'

import { nthSmallest } from '../../src/sums/nth-smallest.ts'

it('finds what sorting would put at that place', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constant(Number.POSITIVE_INFINITY), fc.integer()), { maxLength: 60 }),
      fc.integer({ min: -1, max: 61 }),
      (values, n) => {
        const sorted = values.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0))
        expect(nthSmallest(Float64Array.from(values), n)).toBe(sorted.at(n < 0 ? values.length : n))
      },
    ),
  )
})
