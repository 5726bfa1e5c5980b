import { describe, expect, it } from 'vitest'

import { bootstrapQuantile } from '../../src/statistics/bootstrap.ts'
import { chanceAbove, detectableDifference, expectedLoss } from '../../src/statistics/decision.ts'
import { seededRandom } from '../../src/statistics/seeded-random.ts'

describe('a difference between two arms', () => {
  // Of 120 and 150 of 1,000 each; the loss by numeric integration outside of this repository.
  const found = { difference: 0.03, standardError: 0.015267612779999369 }

  it('has an expected loss: how far the second falls short where it does', () => {
    expect(expectedLoss(found)).toBeCloseTo(0.000142327722, 11)
    expect(expectedLoss({ ...found, difference: -0.03 })).toBeCloseTo(0.030142327722, 11)
    expect(chanceAbove(found)).toBeCloseTo(0.9752896246702, 11)
    // Without a difference half of the mean distance of a normal value from 0.
    expect(expectedLoss({ difference: 0, standardError: 2 })).toBeCloseTo(2 / Math.sqrt(2 * Math.PI), 12)
  })

  it('has a least size that four of five experiments show', () => {
    expect(detectableDifference(found.standardError)).toBeCloseTo(2.801585218112968 * found.standardError, 12)
    expect(detectableDifference(1, { alpha: 0.05, power: 0.5 })).toBeCloseTo(1.959963985, 8)
  })
})

describe('a quantile over users', () => {
  it('has the standard error of resampled users', () => {
    // Of two users with 1 and 3 the median of a resample (nearest rank) is 1 in three of four: the deviation is the root of 0.75.
    expect(bootstrapQuantile([[1], [3]], 0.5)).toEqual({ quantile: 1, standardError: expect.closeTo(Math.sqrt(0.75), 1) as number })
    // The median of 400 normal values: 1.2533 / root of 400.
    const random = seededRandom(3)
    const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
    const found = bootstrapQuantile(
      Array.from({ length: 400 }, () => [normal()]),
      0.5,
    )
    expect((found?.standardError ?? 0) / (1.2533 / 20)).toBeGreaterThan(0.8)
    expect((found?.standardError ?? 0) / (1.2533 / 20)).toBeLessThan(1.2)
  })

  it('takes the user as its unit: a hundred values of one user are no hundred users', () => {
    const users = Array.from({ length: 40 }, (_, n) => [n])
    const many = users.map(([value = 0]) => Array.from({ length: 100 }, () => value))
    expect(bootstrapQuantile(many, 0.5)).toEqual(bootstrapQuantile(users, 0.5))
  })

  it('is the same in whatever order users and their values come', () => {
    const users = Array.from({ length: 50 }, (_, n) => [n * 7, (n * 31) % 50, 200 - n])
    expect(
      bootstrapQuantile(
        users.toReversed().map((values) => values.toReversed()),
        0.95,
      ),
    ).toEqual(bootstrapQuantile(users, 0.95))
  })

  it('is not told of fewer than two users', () => {
    expect(bootstrapQuantile([], 0.5)).toBeNull()
    expect(bootstrapQuantile([[1, 2, 3], []], 0.5)).toBeNull()
  })
})
