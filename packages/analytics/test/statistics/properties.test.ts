import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import {
  binomialCdf,
  chiSquaredTail,
  normalCdf,
  normalQuantile,
  normalTwoSided,
  studentTwoSided,
  studentTwoSidedQuantile,
} from '../../src/statistics/distributions.ts'
import { falseDiscoveryRates, familyWise } from '../../src/statistics/many-tests.ts'
import { compareProportions, newcombeInterval, wilsonInterval } from '../../src/statistics/proportions.ts'
import { alwaysValid } from '../../src/statistics/sequential.ts'
import { fisherExact } from '../../src/statistics/two-by-two.ts'

const share = fc.nat(2000).chain((n) => fc.record({ n: fc.constant(n + 1), successes: fc.nat(n + 1) }))

describe('statistics hold what they must', () => {
  it('a cdf rises, is symmetric, and its quantile leads back', () => {
    fc.assert(
      fc.property(fc.double({ min: -8, max: 8, noNaN: true }), fc.double({ min: 0, max: 4, noNaN: true }), (z, step) => {
        expect(normalCdf(z + step)).toBeGreaterThanOrEqual(normalCdf(z) - 1e-15)
        expect(normalCdf(z) + normalCdf(-z)).toBeCloseTo(1, 12)
      }),
    )
    fc.assert(
      fc.property(fc.double({ min: 1e-6, max: 1 - 1e-6, noNaN: true }), (p) => {
        expect(normalCdf(normalQuantile(p))).toBeCloseTo(p, 8)
      }),
    )
    fc.assert(
      fc.property(fc.double({ min: 0.5, max: 0.999, noNaN: true }), fc.double({ min: 1, max: 500, noNaN: true }), (level, degrees) => {
        expect(studentTwoSided(studentTwoSidedQuantile(level, degrees), degrees)).toBeCloseTo(1 - level, 9)
      }),
    )
  })

  it('what is too improbable for a double has probability 0', () => {
    expect(normalTwoSided(60)).toBe(0)
    expect(normalCdf(-60)).toBe(0)
    // The library itself says NaN of this one.
    expect([normalCdf(172773685.12208658), normalCdf(-172773685.12208658)]).toEqual([1, 0])
    expect([normalCdf(Infinity), normalCdf(1e200), normalCdf(-Infinity)]).toEqual([1, 1, 0])
    expect(studentTwoSided(1e200, 50)).toBe(0)
    expect(chiSquaredTail(5000, 2)).toBe(0)
    expect(binomialCdf(1, 5000, 0.5)).toBe(0)
  })

  it('swapping the arms swaps the sign and nothing else', () => {
    fc.assert(
      fc.property(share, share, (a, b) => {
        const [ab, ba] = [compareProportions(a, b), compareProportions(b, a)]
        expect(ab === null).toBe(ba === null)
        if (ab === null || ba === null) return
        expect(ab.z).toBeCloseTo(-ba.z, 9)
        expect(ab.p).toBeCloseTo(ba.p, 12)
        expect(ab.chanceToWin + ba.chanceToWin).toBeCloseTo(1, 9)
      }),
    )
  })

  it('an interval of a share holds the share and lies between 0 and 1', () => {
    fc.assert(
      fc.property(share, share, (a, b) => {
        const [low, high] = wilsonInterval(a) ?? [2, -1]
        expect(low).toBeGreaterThanOrEqual(0)
        expect(high).toBeLessThanOrEqual(1)
        expect(low).toBeLessThanOrEqual(a.successes / a.n + 1e-12)
        expect(high).toBeGreaterThanOrEqual(a.successes / a.n - 1e-12)
        const [from, to] = newcombeInterval(a, b) ?? [2, -2]
        const difference = b.successes / b.n - a.successes / a.n
        expect(from).toBeLessThanOrEqual(difference + 1e-12)
        expect(to).toBeGreaterThanOrEqual(difference - 1e-12)
      }),
    )
  })

  it('what may be looked at always is never sharper than what is looked at once', () => {
    fc.assert(
      fc.property(share, share, (a, b) => {
        const once = compareProportions(a, b)
        if (once === null) return
        const always = alwaysValid({ difference: once.difference, standardError: once.standardError, n: a.n + b.n })
        expect(always.halfWidth).toBeGreaterThan((once.interval[1] - once.interval[0]) / 2)
      }),
    )
  })

  it('the exact test is symmetric in rows and columns, and a probability', () => {
    const cell = fc.nat(40)
    fc.assert(
      fc.property(cell, cell, cell, cell, (a, b, c, d) => {
        const p = fisherExact({ a, b, c, d })
        expect(p).toBeGreaterThan(0)
        expect(p).toBeLessThanOrEqual(1)
        expect(fisherExact({ a: c, b: d, c: a, d: b })).toBeCloseTo(p, 8)
        expect(fisherExact({ a, b: c, c: b, d })).toBeCloseTo(p, 8)
      }),
    )
  })

  it('correcting for many tests keeps their order and never helps one', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 30 }), (ps) => {
        for (const adjusted of [falseDiscoveryRates(ps), familyWise(ps)]) {
          expect(adjusted.every((value, n) => value >= (ps[n] ?? 2) - 1e-15)).toBe(true)
          const byP = ps.map((p, n) => ({ p, value: adjusted[n] ?? 2 })).sort((x, y) => x.p - y.p)
          expect(byP.every(({ p, value }, n) => p === byP[n + 1]?.p || value <= (byP[n + 1]?.value ?? 1) + 1e-12)).toBe(true)
        }
      }),
    )
  })
})
