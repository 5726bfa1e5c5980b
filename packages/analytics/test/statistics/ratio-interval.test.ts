import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { normalTwoSided } from '../../src/statistics/distributions.ts'
import { ratioInterval } from '../../src/statistics/means.ts'

describe('the interval of a ratio', () => {
  const rate = fc.record({
    ratio: fc.double({ min: 0.001, max: 1, noNaN: true }),
    standardError: fc.double({ min: 0.0001, max: 0.3, noNaN: true }),
  })

  it('holds 1 exactly where the test of the difference says nothing', () => {
    fc.assert(
      fc.property(rate, rate, (a, b) => {
        const interval = ratioInterval(a, b)
        if (interval === null) return b.ratio < 1.96 * b.standardError
        const p = normalTwoSided((a.ratio - b.ratio) / Math.hypot(a.standardError, b.standardError))
        return Math.abs(p - 0.05) < 1e-9 || (interval[0] <= 1 && interval[1] >= 1) === p > 0.05
      }),
    )
  })

  it('holds every number of times that a test cannot rule out, and no other', () => {
    fc.assert(
      fc.property(rate, rate, fc.double({ min: 0.01, max: 9, noNaN: true }), (a, b, times) => {
        const interval = ratioInterval(a, b)
        const z = (a.ratio - times * b.ratio) / Math.hypot(a.standardError, times * b.standardError)
        const isWithin = interval !== null && interval[0] <= times && times <= interval[1]
        return interval === null || Math.abs(Math.abs(z) - 1.959964) < 1e-4 || isWithin === Math.abs(z) < 1.959964
      }),
    )
  })

  it('is that of the first rate where the second is known, and has no end where the second may be 0', () => {
    const known = ratioInterval({ ratio: 0.1, standardError: 0.01 }, { ratio: 0.05, standardError: 0 })
    expect(known?.[0]).toBeCloseTo((0.1 - 0.0195996398454) / 0.05, 9)
    expect(known?.[1]).toBeCloseTo((0.1 + 0.0195996398454) / 0.05, 9)
    expect(ratioInterval({ ratio: 0.1, standardError: 0.01 }, { ratio: 0.01, standardError: 0.01 })).toBeNull()
    expect(ratioInterval({ ratio: 0, standardError: 0 }, { ratio: 0.05, standardError: 0.01 })).toEqual([0, 0])
  })
})
