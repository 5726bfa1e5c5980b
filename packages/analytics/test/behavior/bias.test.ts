import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { findGaps, judgeGaps, measures, type BiasCell, type Gap } from '../../src/behavior/bias.ts'
import { compareRatios } from '../../src/behavior/compare-users.ts'
import { normalTwoSided } from '../../src/statistics/distributions.ts'
import { compareProportions } from '../../src/statistics/proportions.ts'

const gapOf = (group: string, words: Partial<Gap>): Gap => ({
  measure: 'error_rate',
  group,
  users: 100,
  restUsers: 100,
  n: 1000,
  value: 0.1,
  restValue: 0.1,
  ratio: 1,
  interval: null,
  p: 0.5,
  mixShare: null,
  adjustedRatio: null,
  ...words,
})

describe('gaps between groups', () => {
  it('follow the vector: free is adverse, enterprise favoured, pro neither', () => {
    const groups = { free: [60, 1000], pro: [30, 900], ent: [12, 600] } as const
    const gaps = Object.entries(groups).map(([group, [errors, n]]) => {
      const [restErrors, restN] = [102 - errors, 2500 - n]
      const compared = compareProportions({ successes: restErrors, n: restN }, { successes: errors, n })
      return { z: compared?.z ?? 0, gap: gapOf(group, { ratio: errors / n / (restErrors / restN), p: compared?.p ?? 1 }) }
    })
    const judged = judgeGaps(gaps.map(({ gap }) => gap))
    const close = (values: readonly (number | null)[], expected: readonly number[], digits: number): void => {
      for (const [n, value] of values.entries()) expect(value).toBeCloseTo(expected[n] ?? 0, digits)
    }
    close(
      gaps.map(({ gap }) => gap.ratio),
      [2.1428571, 0.7407407, 0.4222222],
      7,
    )
    close(
      gaps.map(({ z }) => z),
      [3.9622414, -1.415381, -2.9542517],
      7,
    )
    close(
      judged.map(({ q }) => q),
      [0.000222748, 0.156956814, 0.004701424],
      9,
    )
    expect(judged.map(({ verdict }) => verdict)).toEqual(['adverse', 'none', 'favoured'])
  })

  it('are flagged where they are beyond chance, material, and of enough users', () => {
    const verdict = (words: Partial<Gap>): string | undefined => judgeGaps([gapOf('a', { p: 0.001, ratio: 2, ...words })])[0]?.verdict
    expect(verdict({})).toBe('adverse')
    expect(verdict({ ratio: 1.25 })).toBe('adverse')
    expect(verdict({ ratio: 1.2499 })).toBe('none')
    expect(verdict({ ratio: 0.8 })).toBe('favoured')
    expect(verdict({ p: 0.05 })).toBe('none')
    expect(verdict({ users: 29 })).toBe('none')
    expect(verdict({ restUsers: 29 })).toBe('none')
    expect(verdict({ users: 19, p: null })).toBe('too_few')
    expect(verdict({ measure: 'goal_success', ratio: 0.79 })).toBe('adverse')
    expect(verdict({ measure: 'goal_success', ratio: 0.8 })).toBe('none')
    expect(verdict({ measure: 'satisfaction', ratio: 1.25 })).toBe('favoured')
    expect(verdict({ measure: 'latency_ms', ratio: 1.3 })).toBe('adverse')
    // The others have none at all.
    expect(verdict({ ratio: null, value: 0.2, restValue: 0 })).toBe('adverse')
    expect(verdict({ ratio: null, value: 0, restValue: 0 })).toBe('none')
    // Many tests at once: what one alone would say is no longer said.
    expect(judgeGaps(Array.from({ length: 20 }, (_, n) => gapOf(`g${n}`, { p: n === 0 ? 0.01 : 0.9, ratio: 2 })))[0]?.verdict).toBe('none')
  })

  it('are as a second, slower way has them, for any users', () => {
    const cell = fc.record({
      group: fc.constantFrom('a', 'b', 'c'),
      user: fc.nat(90),
      stratum: fc.constantFrom('x', 'y'),
      whole: fc.integer({ min: 1, max: 9 }),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    })
    fc.assert(
      fc.property(fc.array(cell, { maxLength: 160 }), fc.constantFrom('error_rate' as const, 'latency_ms' as const), (words, measure) => {
        const cells = words.map(({ share, ...one }): BiasCell => ({ ...one, measure, part: Math.round(share * one.whole * 4) / 4 }))
        for (const gap of findGaps(cells, ['a', 'b', 'c'])) if (gap.measure === measure) expectNaive(gap, cells)
      }),
      { numRuns: 60 },
    )
  })

  it('have the ratio and the error of the delta vector', () => {
    const parts = [1, 0, 2, 0, 5].map((part, n) => ({ part, whole: [10, 8, 20, 4, 25][n] ?? 0 }))
    // The same users twice: the same ratio, so no difference.
    const rest = [...parts, ...parts]
    const { value, restValue, p } = compareRatios(parts, rest, { least: 2 })
    expect(value).toBeCloseTo(0.1194029851, 10)
    expect([restValue, p]).toEqual([value, 1])
    const others = rest.map(({ whole }, n) => ({ part: n % 5 === 2 ? 4 : 0, whole }))
    const ofOthers = others.reduce((sum, { part }) => sum + part, 0) / 134
    const spread = others.reduce((sum, { part, whole }) => sum + (part - 0.8 - ofOthers * (whole - 13.4)) ** 2, 0) / 9
    const z = (0.11940298507 - ofOthers) / Math.hypot(0.0387367638, Math.sqrt(spread / 10) / 13.4)
    expect(compareRatios(parts, others, { least: 2 }).p).toBeCloseTo(normalTwoSided(z), 7)
  })

  it('are not sure of a rate that nobody has had yet', () => {
    const rest = Array.from({ length: 100 }, (_, n) => ({ part: n < 3 ? 1 : 0, whole: 10 }))
    const few = Array.from({ length: 30 }, () => ({ part: 0, whole: 2 }))
    const many = Array.from({ length: 30 }, () => ({ part: 0, whole: 1000 }))
    // 60 requests without one of an error that 3 of 1,000 have are no news; 30,000 are.
    expect(compareRatios(few, rest, { least: 20 }).p).toBeGreaterThan(0.5)
    expect(compareRatios(many, rest, { least: 20 }).p).toBeLessThan(0.1)
    const none = rest.map(({ whole }) => ({ part: 0, whole }))
    expect(compareRatios(few, none, { least: 20 })).toMatchObject({ value: 0, restValue: 0, ratio: null, p: null })
  })

  it('are seldom flagged where there are none, though users differ: a test by request is wrong of one in three', () => {
    const random = randomFrom(11)
    let [clustered, byRequest] = [0, 0]
    const runs = 300
    for (let run = 0; run < runs; run++) {
      const cells = Array.from({ length: 120 }, (_, user): BiasCell => {
        const [whole, rate] = [20 + Math.floor(random() * 60), random() < 0.2 ? 0.5 : 0.05]
        const part = Array.from({ length: whole }, () => random() < rate).filter(Boolean).length
        return { measure: 'error_rate', group: user % 2 === 0 ? 'a' : 'b', user, stratum: 's', part, whole }
      })
      const gap = findGaps(cells, ['a'])[0]
      if ((gap?.p ?? 1) < 0.05) clustered++
      const of = (group: string) => {
        const own = cells.filter((one) => one.group === group)
        return { successes: own.reduce((sum, { part }) => sum + part, 0), n: own.reduce((sum, { whole }) => sum + whole, 0) }
      }
      if ((compareProportions(of('b'), of('a'))?.p ?? 1) < 0.05) byRequest++
    }
    expect(clustered / runs).toBeLessThan(0.08)
    expect(byRequest / runs).toBeGreaterThan(0.33)
  })

  it('know what is good and what is bad of each measure', () => {
    expect(Object.entries(measures).map(([name, { more }]) => `${name} ${more}`)).toEqual([
      'error_rate bad',
      'refusal_rate bad',
      'rate_limit_rate bad',
      'goal_success good',
      'satisfaction good',
      'latency_ms bad',
      'ttft_ms bad',
    ])
    expect(findGaps([], ['a'])).toHaveLength(7)
    expect(findGaps([], ['a']).every(({ value, p, q }) => value === null && p === null && q === null)).toBe(true)
  })
})

/** A generator of its own, so that the simulation is the same each time (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

function expectNaive(gap: ReturnType<typeof findGaps>[number], cells: readonly BiasCell[]): void {
  const sideOf = (isOwn: boolean): { part: number; whole: number }[] =>
    [...new Set(cells.map(({ user }) => user))].flatMap((user) => {
      const mine = cells.filter((cell) => cell.user === user && (cell.group === gap.group) === isOwn)
      const [part, whole] = [mine.reduce((sum, one) => sum + one.part, 0), mine.reduce((sum, one) => sum + one.whole, 0)]
      return mine.length === 0 ? [] : [{ part, whole }]
    })
  const [own, rest] = [sideOf(true), sideOf(false)]
  expect([gap.users, gap.restUsers]).toEqual([own.length, rest.length])
  const average = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length
  const pooled = (users: typeof own): number => users.reduce((a, { part }) => a + part, 0) / users.reduce((a, { whole }) => a + whole, 0)
  const isRate = gap.measure === 'error_rate'
  const value = (users: typeof own): number => (isRate ? pooled(users) : Math.exp(average(users.map(({ part, whole }) => part / whole))))
  expect(gap.value === null).toBe(own.length === 0)
  expect(gap.value ?? 0).toBeCloseTo(own.length === 0 ? 0 : value(own), 9)
  expect(gap.p === null || Math.min(own.length, rest.length) >= 20).toBe(true)
  if (gap.p === null || !isRate) return
  if (Math.min(...[own, rest].map((users) => new Set(users.map(({ part, whole }) => part / whole)).size)) < 2) return
  // The variance of the ratio of means, from the variances and the covariance.
  const variance = (users: typeof own): number => {
    const [n, ratio] = [users.length, pooled(users)]
    const [part, whole] = [average(users.map((one) => one.part)), average(users.map((one) => one.whole))]
    const of = (f: (one: (typeof own)[number]) => number): number => users.reduce((sum, one) => sum + f(one), 0) / (n - 1)
    const [vp, vw] = [of((one) => (one.part - part) ** 2), of((one) => (one.whole - whole) ** 2)]
    const cov = of((one) => (one.part - part) * (one.whole - whole))
    return (vp - 2 * ratio * cov + ratio ** 2 * vw) / (n * whole ** 2)
  }
  const z = (pooled(own) - pooled(rest)) / Math.sqrt(variance(own) + variance(rest))
  expect(gap.p).toBeCloseTo(normalTwoSided(z), 8)
}
