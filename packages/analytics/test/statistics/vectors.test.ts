import { describe, expect, it } from 'vitest'

import { assign, unitInterval } from '../../src/statistics/assignment.ts'
import { binomialCdf } from '../../src/statistics/distributions.ts'
import { falseDiscoveryRates, familyWise, sampleRatio } from '../../src/statistics/many-tests.ts'
import { adjustByBefore, compareMeans, meanFacts, ratioOfSums, type BeforeAfter } from '../../src/statistics/means.ts'
import { drift, robustZ } from '../../src/statistics/outliers.ts'
import { chanceToWinBeta, compareProportions, wilsonInterval } from '../../src/statistics/proportions.ts'
import { percentileRank, quantile } from '../../src/statistics/quantiles.ts'
import { lifetimeValue, netPromoterScore } from '../../src/statistics/scores.ts'
import { alwaysValid } from '../../src/statistics/sequential.ts'
import { reachedOverTime, shareLeft, shareReachedAt, timeToReach } from '../../src/statistics/survival.ts'
import {
  fisherExact,
  lift,
  mantelHaenszel,
  mutualInformation,
  oddsRatio,
  oddsRatioWithInterval,
  phi,
  youden,
} from '../../src/statistics/two-by-two.ts'

// Expected values: computed with scipy 1.x and with gbstats of GrowthBook, outside of this repository.

function welch(a: readonly number[], b: readonly number[]): NonNullable<ReturnType<typeof compareMeans>> {
  const [factsA, factsB] = [meanFacts(a), meanFacts(b)]
  const compared = factsA === null || factsB === null ? null : compareMeans(factsA, factsB)
  if (compared === null) throw new Error('nothing to compare')
  return compared
}

describe('two shares', () => {
  const [a, b] = [
    { successes: 120, n: 1000 },
    { successes: 150, n: 1000 },
  ]
  const compared = compareProportions(a, b)

  it('are compared by a pooled z and an unpooled interval', () => {
    expect(compared?.z).toBeCloseTo(1.963049807622355, 12)
    expect(compared?.p).toBeCloseTo(0.04964038686536878, 12)
    expect(compared?.difference).toBeCloseTo(0.03, 12)
    expect(compared?.interval[0]).toBeCloseTo(0.0000760288, 9)
    expect(compared?.interval[1]).toBeCloseTo(0.0599239712, 9)
  })

  it('have a relative lift with an error by the delta method', () => {
    expect(compared?.lift).toBeCloseTo(0.25, 12)
    expect(compared?.liftStandardError).toBeCloseTo(0.1425219281, 9)
    expect(compared?.liftInterval?.[0]).toBeCloseTo(-0.0293378, 7)
    expect(compared?.liftInterval?.[1]).toBeCloseTo(0.5293378, 7)
  })

  it('have a chance to win, by the normal approximation and exactly', () => {
    expect(compared?.chanceToWin).toBeCloseTo(0.9752896246702, 11)
    expect(chanceToWinBeta(a, b)).toBeCloseTo(0.9750678368, 9)
  })

  it('that look different once are not different under peeking', () => {
    const peeked = alwaysValid({ difference: compared?.difference ?? 0, standardError: compared?.standardError ?? 0, n: 2000 })
    expect(peeked.rho).toBeCloseTo(0.03984006677, 10)
    expect(peeked.halfWidth).toBeCloseTo(0.04769264958, 9)
    expect(peeked.interval[0]).toBeCloseTo(-0.0176926, 7)
    expect(peeked.interval[1]).toBeCloseTo(0.0776926, 7)
    expect(peeked.p).toBeCloseTo(0.47069077791, 9)
  })

  it('of nothing, or that cannot vary, are not compared', () => {
    expect(compareProportions({ successes: 0, n: 0 }, b)).toBeNull()
    expect(compareProportions({ successes: 0, n: 9 }, { successes: 0, n: 7 })).toBeNull()
  })

  it('have Wilson intervals that stay within what is possible', () => {
    const four = wilsonInterval({ successes: 4, n: 5 })
    expect(four?.[0]).toBeCloseTo(0.3755346297, 9)
    expect(four?.[1]).toBeCloseTo(0.9637758914, 9)
    const none = wilsonInterval({ successes: 0, n: 4 })
    expect(none?.[0]).toBe(0)
    expect(none?.[1]).toBeCloseTo(0.4898908366, 9)
    expect(wilsonInterval({ successes: 0, n: 0 })).toBeNull()
  })
})

describe('two means', () => {
  it('are compared by the t test of Welch, not by the pooled one', () => {
    const compared = welch([12, 15, 11, 14, 13, 20, 9, 16], [18, 21, 14, 19, 25, 17, 22])
    expect(compared.t).toBeCloseTo(3.140265341542, 11)
    expect(compared.degrees).toBeCloseTo(12.454638073208, 10)
    expect(compared.p).toBeCloseTo(0.008186802920756, 10)
    expect(compared.interval[0]).toBeCloseTo(1.7544959592, 9)
    expect(compared.interval[1]).toBeCloseTo(9.6026468979, 9)
  })

  it('are compared more sharply once the time before is taken out', () => {
    const arm = (before: readonly number[], after: readonly number[]): BeforeAfter[] =>
      before.map((one, n) => ({ before: one, after: after[n] ?? 0 }))
    const adjusted = adjustByBefore(
      arm([10, 12, 9, 14, 11, 18, 8, 15], [12, 15, 11, 14, 13, 20, 9, 16]),
      arm([12, 16, 10, 15, 20, 13, 17], [18, 21, 14, 19, 25, 17, 22]),
    )
    expect(adjusted?.theta).toBeCloseTo(1.178988326848, 9)
    expect(adjusted?.a.mean).toBeCloseTo(15.1746108949, 9)
    expect(adjusted?.b.mean).toBeCloseTo(17.8004446915, 9)
    const compared = adjusted === null ? null : compareMeans(adjusted.a, adjusted.b)
    expect(compared?.t).toBeCloseTo(5.047277768, 8)
    expect(compared?.degrees).toBeCloseTo(12.690380616, 8)
    expect(compared?.p).toBeCloseTo(0.000240668561, 11)
  })

  it('of sums over sums take the user as their unit', () => {
    const errors = [1, 0, 2, 0, 5]
    const requests = [10, 8, 20, 4, 25]
    const found = ratioOfSums(errors.map((part, n) => ({ part, whole: requests[n] ?? 0 })))
    expect(found?.ratio).toBeCloseTo(0.1194029851, 9)
    expect(found?.standardError).toBeCloseTo(0.0387367638, 9)
  })
})

describe('a factor and an outcome', () => {
  const table = { a: 4, b: 0, c: 4, d: 3 }

  it('have lift, odds, an exact test and information', () => {
    expect(lift(table)).toBeCloseTo(1.75, 12)
    expect(oddsRatio(table)).toBeNull()
    const odds = oddsRatioWithInterval(table)
    expect(odds.oddsRatio).toBeCloseTo(7, 12)
    expect(odds.interval[0]).toBeCloseTo(0.2746, 4)
    expect(odds.interval[1]).toBeCloseTo(178.47, 2)
    expect(fisherExact(table)).toBeCloseTo(0.2363636363636, 10)
    expect(mutualInformation(table)).toBeCloseTo(0.218388, 6)
  })

  it('have an odds ratio common to all strata, which a mix of strata does not distort', () => {
    expect(mantelHaenszel([{ a: 10, b: 5, c: 4, d: 8 }])).toBeCloseTo(4, 12)
    // Odds of 2 in each stratum; the sum of the tables has odds of less than 1 (Simpson's paradox).
    const strata = [
      { a: 80, b: 20, c: 400, d: 200 },
      { a: 40, b: 400, c: 1, d: 20 },
    ]
    const whole = strata.reduce((sum, { a, b, c, d }) => ({ a: sum.a + a, b: sum.b + b, c: sum.c + c, d: sum.d + d }))
    expect(mantelHaenszel(strata)).toBeCloseTo(2, 12)
    expect(oddsRatio(whole)).toBeLessThan(1)
    expect(mantelHaenszel([])).toBeNull()
  })

  it('correlate not at all where one never varies', () => {
    expect(phi({ a: 5, b: 5, c: 0, d: 0 })).toBeNull()
    expect(phi({ a: 5, b: 0, c: 0, d: 5 })).toBe(1)
    expect(youden({ a: 5, b: 0, c: 0, d: 5 })).toBe(1)
    expect(youden({ a: 5, b: 0, c: 5, d: 0 })).toBeNull()
  })
})

describe('many tests', () => {
  it('have the false discovery rates of Benjamini and Hochberg', () => {
    const q = falseDiscoveryRates([0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205])
    const expected = [0.008, 0.032, 0.0672, 0.0672, 0.0672, 0.08, 0.0845714, 0.205]
    for (const [n, value] of expected.entries()) expect(q[n]).toBeCloseTo(value, 7)
  })

  it('have p values that hold together, by Holm', () => {
    const adjusted = familyWise([0.03, 0.01, 0.04])
    for (const [n, value] of [0.06, 0.03, 0.06].entries()) expect(adjusted[n]).toBeCloseTo(value, 12)
  })

  it('tell a split that did not go as planned', () => {
    const fine = sampleRatio([5100, 4900], [1, 1])
    expect(fine?.chiSquared).toBeCloseTo(4, 12)
    expect(fine?.p).toBeCloseTo(0.04550026, 8)
    const broken = sampleRatio([5300, 4700], [0.5, 0.5])
    expect(broken?.chiSquared).toBeCloseTo(36, 12)
    expect((broken?.p ?? 0) / 1.9731752901e-9).toBeCloseTo(1, 7)
    expect(sampleRatio([0, 0], [1, 1])).toBeNull()
  })
})

describe('outliers', () => {
  const history = [10, 12, 9, 11, 10, 13, 8, 11, 10, 12, 9, 10, 11, 12]

  it('are told by the median deviation, and by the mean deviation where most of the history is one value', () => {
    expect(robustZ(history, 40)).toBeCloseTo(19.89775, 5)
    expect(robustZ(history.map(Math.log1p), Math.log1p(40))).toBeCloseTo(10.273073, 6)
    expect(robustZ([5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 6, 5, 5], 12)).toBeCloseTo(78.1926955, 6)
    expect(robustZ([5, 5, 5], 12)).toBeNull()
    expect(robustZ([], 12)).toBeNull()
  })

  it('that creep are told by a moving average', () => {
    const steps = drift(history, [11, 13, 16, 18])
    for (const [n, value] of [10.7, 11.39, 12.773, 14.3411].entries()) expect(steps?.[n]?.average).toBeCloseTo(value, 10)
    expect(steps?.[2]?.limit).toBeCloseTo(12.227074, 6)
    expect(steps?.map(({ alarm }) => alarm)).toEqual([false, false, true, true])
  })
})

describe('the rest', () => {
  it('a drop from 12 to 2 is unlikely by chance, one from 6 to 3 is not', () => {
    expect(binomialCdf(2, 14, 0.5)).toBeCloseTo(106 / 16384, 12)
    expect(binomialCdf(3, 9, 0.5)).toBeCloseTo(0.25390625, 12)
    expect(binomialCdf(-1, 9, 0.5)).toBe(0)
    expect(binomialCdf(9, 9, 0.5)).toBe(1)
  })

  it('a net promoter score has an error', () => {
    const nps = netPromoterScore([10, 9, 9, 8, 7, 6, 3, 10, 10, 5])
    expect(nps?.score).toBeCloseTo(20, 12)
    expect(nps?.standardError).toBeCloseTo(27.5680975, 7)
    expect(netPromoterScore([])).toBeNull()
  })

  it('a lifetime value is capped at its months', () => {
    // Of twenty payers one left after the first month: 5 % a month.
    const watched = Array.from({ length: 20 }, (_, n) => ({ time: 1, happened: n === 0 }))
    expect(lifetimeValue({ monthlyMargin: 12, left: shareLeft(watched), months: 36 })).toBeCloseTo(202.1329884508, 9)
    expect(lifetimeValue({ monthlyMargin: 12, left: shareLeft([{ time: 5, happened: false }]), months: 3 })).toBe(36)
    expect(lifetimeValue({ monthlyMargin: 12, left: shareLeft([{ time: 0, happened: false }]), months: 3 })).toBe(36)
    // Two of four left, after one month and after two; one was watched for one month only: 1, 3/4, 3/8, then the root of that a month.
    const mixed = [1, 2].map((time) => ({ time, happened: true })).concat([1, 2].map((time) => ({ time, happened: false })))
    const left = shareLeft(mixed)
    expect([0, 1, 2].map(left)).toEqual([1, 0.75, 0.375])
    expect(left(3)).toBeCloseTo(0.375 ** 1.5, 12)
  })

  it('what is reached is counted among those still watched', () => {
    // 12 watched for 100 days: three began on day 0, one each on days 2, 4 and 7.
    const days = [0, 0, 0, 2, 4, 7]
    const watched = [
      ...days.map((time) => ({ time, happened: true })),
      ...Array.from({ length: 6 }, () => ({ time: 100, happened: false })),
    ]
    const steps = reachedOverTime(watched)
    for (const [n, share] of [0.25, 1 / 3, 5 / 12, 0.5].entries()) expect(steps[n]?.share).toBeCloseTo(share, 12)
    expect(shareReachedAt(watched, 3)).toBeCloseTo(1 / 3, 12)
    expect(shareReachedAt(watched, -1)).toBe(0)
    expect(shareReachedAt(watched, 100)).toBeCloseTo(0.5, 12)
    // Nobody was watched for longer; what all have reached stays reached.
    expect(shareReachedAt(watched, 101)).toBeNull()
    expect(shareReachedAt([{ time: 2, happened: true }], 101)).toBe(1)
    expect(shareReachedAt([], 0)).toBeNull()
    expect(timeToReach(steps, 0.5)).toBe(7)
    expect(timeToReach(steps, 0.6)).toBeNull()
  })

  it('quantiles lie between the two nearest ranks, ranks of equals in the middle', () => {
    expect(quantile([1, 2, 3, 4], 0.9)).toBeCloseTo(3.7, 12)
    expect(quantile([], 0.9)).toBeNull()
    expect(percentileRank([1, 2, 2, 3], 2)).toBe(50)
    expect(percentileRank([], 2)).toBeNull()
  })
})

describe('assignment', () => {
  it('follows the public vectors of the hash', () => {
    expect(unitInterval('seed', 'a')).toBe(0.0505)
    expect(unitInterval('seed', 'b')).toBe(0.2696)
    expect(unitInterval('foo', 'ab')).toBe(0.2575)
    expect(unitInterval('foo', 'def')).toBe(0.2019)
  })

  it('gives each user one variant for ever', () => {
    const ui = {
      seed: 'new_chat_ui',
      coverage: 1,
      variants: [
        { name: 'control', weight: 1 },
        { name: 'variant_a', weight: 1 },
      ],
    }
    expect(unitInterval('new_chat_ui', 'user-12345')).toBe(0.0996)
    expect(assign(ui, 'user-12345')).toBe('control')
    expect(unitInterval('new_chat_ui', 'user-3')).toBe(0.8195)
    expect(assign(ui, 'user-3')).toBe('variant_a')
    const model = {
      seed: 'model_selection',
      coverage: 1,
      variants: [
        { name: 'gpt_first', weight: 1 },
        { name: 'claude_first', weight: 1 },
      ],
    }
    expect(assign(model, 'user-12345')).toBe('gpt_first')
    expect(unitInterval('model_selection', 'user-2')).toBe(0.5628)
    expect(assign(model, 'user-2')).toBe('claude_first')
    expect(unitInterval('new_chat_ui', 'user-2')).toBe(0.1409)
    expect(assign({ ...ui, coverage: 0.2 }, 'user-2')).toBeUndefined()
    // A namespace takes users out and moves none of the others.
    const half = Array.from({ length: 1000 }, (_, n) => assign({ ...ui, namespace: { name: 'n', from: 0, to: 0.5 } }, `u${n}`))
    const whole = Array.from({ length: 1000 }, (_, n) => assign(ui, `u${n}`))
    const left = half.filter((variant, n) => variant !== undefined && variant === whole[n]).length
    expect(left).toBe(half.filter((variant) => variant !== undefined).length)
    expect(Math.abs(left - 500)).toBeLessThan(60)
    const controls = Array.from({ length: 10_000 }, (_, n) => assign(ui, `u${n}`)).filter((name) => name === 'control').length
    expect(controls).toBe(4990)
  })

  it('moves nobody to another variant when more users take part', () => {
    const split = (coverage: number) => ({
      seed: 'e',
      coverage,
      variants: [
        { name: 'a', weight: 2 },
        { name: 'b', weight: 1 },
      ],
    })
    const few = Array.from({ length: 2000 }, (_, n) => `u${n}`).filter((user) => assign(split(0.3), user) !== undefined)
    expect(few.length).toBeGreaterThan(400)
    expect(few.map((user) => assign(split(0.9), user))).toEqual(few.map((user) => assign(split(0.3), user)))
  })
})
