import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { associations, type Observed } from '../../src/retention/associations.ts'
import { churnIndicators, type ChurnUser } from '../../src/retention/churn.ts'
import { activationThresholds, bestThreshold, bestThresholdInterval, firstWeekCounts } from '../../src/retention/insights.ts'
import { dayOf } from '../../src/behavior/user-history.ts'
import { twelveUsers } from '../behavior/histories.ts'
import { historiesOf } from './user-histories.ts'

function users(n: number, words: Partial<ChurnUser>): ChurnUser[] {
  const one: ChurnUser = {
    requests: 10,
    errorRate: 0,
    retryRate: null,
    latencyP95Ms: 100,
    rateLimited: 0,
    sessions: 3,
    features: 2,
    negativeFeedback: 0,
    churned: false,
    ...words,
  }
  return Array.from({ length: n }, () => one)
}

describe('churn indicators', () => {
  it('tell what those who left met more often than the others, and by how much', () => {
    const found = churnIndicators([
      ...users(30, { rateLimited: 2, churned: true }),
      ...users(10, { rateLimited: 1 }),
      ...users(20, { churned: true }),
      ...users(60, {}),
    ])
    expect(found).toHaveLength(1)
    expect(found[0]).toMatchObject({
      factor: 'rate_limited',
      n: 120,
      shareWith: 0.75,
      shareWithout: 0.25,
      oddsRatio: 9,
      isDistinguishable: true,
    })
    expect(found[0]?.difference).toBeCloseTo(0.5, 12)
  })

  it('tell of retries where the ledger knows any', () => {
    const found = churnIndicators([
      ...users(3, { retryRate: 0.2, churned: true }),
      ...users(1, { retryRate: 0.1, churned: true }),
      ...users(4, { retryRate: 0.1 }),
    ])
    expect(found.map(({ factor, table }) => [factor, table])).toEqual([['retry_rate', { a: 3, b: 0, c: 1, d: 4 }]])
  })

  it('split numbers at the median, and leave out what holds of all or of none', () => {
    const found = churnIndicators([...users(3, { errorRate: 0.5, churned: true }), ...users(3, { errorRate: 0.1 })])
    expect(found.map(({ factor, table }) => [factor, table])).toEqual([['error_rate', { a: 3, b: 0, c: 0, d: 3 }]])
    expect(churnIndicators([])).toEqual([])
  })

  it('are not distinguishable where few users show them, or none stays away', () => {
    const few = churnIndicators([...users(5, { features: 1, churned: true }), ...users(100, {})])
    expect(few.find(({ factor }) => factor === 'single_feature')?.isDistinguishable).toBe(false)
  })
})

describe('associations', () => {
  const observed = fc.array(
    fc.record({
      has: fc.constantFrom(new Set<string>(), new Set(['f'])) as fc.Arbitrary<ReadonlySet<string>>,
      outcome: fc.boolean(),
      activity: fc.integer({ min: 0, max: 5 }),
    }),
    { maxLength: 40 },
  ) as fc.Arbitrary<Observed[]>

  it('count each user once, and their shares lie around the difference', () => {
    fc.assert(
      fc.property(observed, (list) => {
        const [row] = associations(list, ['f'])
        const { a = 0, b = 0, c = 0, d = 0 } = row?.table ?? {}
        expect(a + b + c + d).toBe(list.length)
        expect(a).toBe(list.filter(({ has, outcome }) => has.has('f') && outcome).length)
        if (row?.difference === null || row === undefined) return
        expect(row.differenceInterval?.[0]).toBeLessThanOrEqual(row.difference + 1e-12)
        expect(row.differenceInterval?.[1]).toBeGreaterThanOrEqual(row.difference - 1e-12)
      }),
    )
  })

  it('adjusted for activity are the odds ratio itself where all users did equally much', () => {
    fc.assert(
      fc.property(observed, (list) => {
        const [row] = associations(
          list.map(({ has, outcome }) => ({ has, outcome, activity: 7 })),
          ['f'],
        )
        if (row?.oddsRatio === null || row?.oddsRatio === undefined) return
        expect(row.oddsRatioAdjusted).toBeCloseTo(row.oddsRatio, 9)
      }),
    )
  })

  it('that only heavy use explains vanish when adjusted for it', () => {
    const list = (n: number, activity: number, factor: boolean, outcome: boolean): Observed[] =>
      Array.from({ length: n }, () => ({ has: new Set(factor ? ['f'] : []), outcome, activity }))
    // Within light, medium and heavy users the factor makes no difference; heavy users have it more often, and stay.
    const [row] = associations(
      [
        [list(1, 1, true, true), list(9, 1, true, false), list(9, 1, false, true), list(81, 1, false, false)],
        [list(25, 5, true, true), list(25, 5, true, false), list(25, 5, false, true), list(25, 5, false, false)],
        [list(81, 9, true, true), list(9, 9, true, false), list(9, 9, false, true), list(1, 9, false, false)],
      ].flat(2),
      ['f'],
    )
    expect(row?.oddsRatio).toBeGreaterThan(5)
    expect(row?.oddsRatioAdjusted).toBeCloseTo(1, 9)
  })
})

it('the best threshold of resampled users varies around that of all, the same every time', () => {
  // Of each of the twelve users twenty: of fewer no threshold is called the best.
  const histories = historiesOf(twelveUsers()).flatMap((history) => Array.from({ length: 20 }, () => history))
  const asOfDay = dayOf('2024-04-15')
  const best = bestThreshold(activationThresholds(histories, firstWeekCounts.requests, asOfDay))?.k ?? 0
  const interval = bestThresholdInterval(histories, firstWeekCounts.requests, asOfDay)
  expect(interval?.[0]).toBeLessThanOrEqual(best)
  expect(interval?.[1]).toBeGreaterThanOrEqual(best)
  expect(bestThresholdInterval(histories, firstWeekCounts.requests, asOfDay)).toEqual(interval)
  expect(bestThresholdInterval([], firstWeekCounts.requests, asOfDay)).toBeUndefined()
})
