import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { commonRatio, partMix, type Stratum } from '../../src/statistics/mix.ts'

const stratum = (partA: number, wholeA: number, partB: number, wholeB: number): Stratum => ({
  a: { part: partA, whole: wholeA },
  b: { part: partB, whole: wholeB },
})

describe('a difference of two ratios', () => {
  it('is all mix where every stratum has one ratio on both sides', () => {
    const strata = [stratum(80, 800, 20, 200), stratum(10, 200, 40, 800)]
    const parted = partMix(strata)
    expect(parted?.difference).toBeCloseTo(0.09 - 0.06, 12)
    expect(parted?.mixShare).toBeCloseTo(1, 12)
    expect(commonRatio(strata)).toBeCloseTo(1, 12)
  })

  it('is no mix where both sides have the same of each stratum', () => {
    const strata = [stratum(20, 100, 10, 100), stratum(8, 400, 4, 400)]
    expect(partMix(strata)?.mixShare).toBeCloseTo(0, 12)
    expect(commonRatio(strata)).toBeCloseTo(2, 12)
  })

  it('may turn round within the strata: kidney stones (Charig et al. 1986)', () => {
    // Open surgery against the other: better with small and with large stones, and worse over all.
    const strata = [stratum(81, 87, 234, 270), stratum(192, 263, 55, 80)]
    const parted = partMix(strata)
    expect(parted?.difference).toBeCloseTo(273 / 350 - 289 / 350, 12)
    expect(parted?.mixShare).toBeGreaterThan(1)
    expect(commonRatio(strata)).toBeGreaterThan(1)
  })

  it('is null of nothing, and without a share where there is none', () => {
    expect(partMix([])).toBeNull()
    expect(partMix([stratum(1, 2, 0, 0)])).toBeNull()
    expect(commonRatio([])).toBeNull()
    expect(partMix([stratum(1, 2, 1, 2)])).toEqual({ difference: 0, mix: 0, mixShare: null })
  })

  it('is the sum of its parts, and turns its sign with its sides', () => {
    const side = fc.nat(50).chain((whole) => fc.record({ whole: fc.constant(whole), part: fc.nat(whole) }))
    fc.assert(
      fc.property(fc.array(fc.record({ a: side, b: side }), { maxLength: 8 }), (strata) => {
        const [parted, turned] = [partMix(strata), partMix(strata.map(({ a, b }) => ({ a: b, b: a })))]
        const of = (name: 'a' | 'b', field: 'part' | 'whole'): number => strata.reduce((sum, one) => sum + one[name][field], 0)
        if (of('a', 'whole') === 0 || of('b', 'whole') === 0) return parted === null
        const difference = of('a', 'part') / of('a', 'whole') - of('b', 'part') / of('b', 'whole')
        return (
          Math.abs((parted?.difference ?? 9) - difference) < 1e-9 &&
          Math.abs((parted?.mix ?? 9) + (turned?.mix ?? 9)) < 1e-9 &&
          Math.abs((parted?.difference ?? 9) + (turned?.difference ?? 9)) < 1e-9
        )
      }),
    )
  })
})
