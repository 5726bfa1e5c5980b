import { describe, expect, it } from 'vitest'

import { compareArms, extremeFrom, foresee } from '../../src/people/experiments/compare-arms.ts'
import { experimentMetrics } from '../../src/people/experiments/experiment-metrics.ts'
import type { ExposedUser } from '../../src/people/experiments/exposed-user.ts'
import { compareMeans, meanFacts, ratioOfSums } from '../../src/statistics/means.ts'
import { compareProportions } from '../../src/statistics/proportions.ts'

function users(count: number, words: (n: number) => Partial<ExposedUser>): ExposedUser[] {
  return Array.from({ length: count }, (_, n) => ({
    userId: n + 1,
    variant: '',
    requests: 1,
    errors: 0,
    costNanoUsd: 0,
    reachedGoal: false,
    requestsBefore: 0,
    latenciesMs: [],
    retries: null,
    satisfaction: null,
    ...words(n),
  }))
}

const once = { sequential: false, adjusted: false }

describe('arms', () => {
  it('with few successes are compared by the exact test of Fisher, others by z', () => {
    const metric = experimentMetrics.goals
    const reached = (count: number) => users(160, (n) => ({ reachedGoal: n < count }))
    // 4 of 320 are expected to be 2 in each arm. Two-sided: all four in the one or in the other arm, C(160, 4) / C(320, 4) each.
    expect(compareArms(reached(0), reached(4), { metric, how: once }).compared?.p).toBeCloseTo(0.12265261117648803, 10)
    // Ten are expected to be five in each arm.
    expect(compareArms(reached(3), reached(7), { metric, how: once }).compared?.p).toBeCloseTo(
      compareProportions({ successes: 3, n: 160 }, { successes: 7, n: 160 })?.p ?? 0,
      12,
    )
  })

  it('that are all alike within themselves, and not with each other, are as far apart as can be', () => {
    const [none, all] = [users(200, () => ({})), users(200, () => ({ reachedGoal: true, errors: 1, requests: 2 }))]
    const of = (metric: 'goals' | 'error_rate' | 'requests', a = none, b = all) =>
      compareArms(a, b, { metric: experimentMetrics[metric], how: once }).compared
    expect(of('goals')).toMatchObject({ difference: 1, lift: null, interval: [expect.closeTo(0.902, 3), expect.closeTo(1.098, 3)] })
    expect(of('goals')?.p).toBeLessThan(1e-50)
    expect(of('error_rate')).toMatchObject({ difference: 0.5 })
    expect(of('error_rate')?.p).toBeLessThan(1e-50)
    expect(of('requests')).toMatchObject({ difference: 1, lift: 1 })
    expect(of('requests')?.p).toBeLessThan(1e-50)
    // Nothing differs anywhere: nothing can be told.
    expect([of('goals', none, none), of('error_rate', none, none), of('requests', none, none)]).toEqual([null, null, null])
  })

  it('have the interval of the lift too, wider where one may look at any time', () => {
    const [a, b] = [users(1000, (n) => ({ reachedGoal: n < 120 })), users(1000, (n) => ({ reachedGoal: n < 150 }))]
    const of = (sequential: boolean) =>
      compareArms(a, b, { metric: experimentMetrics.goals, how: { ...once, sequential } }).compared?.liftInterval
    expect(of(false)).toEqual([expect.closeTo(-0.0293378, 6), expect.closeTo(0.5293378, 6)])
    const [low = 0, high = 0] = of(true) ?? []
    expect(low).toBeLessThan(-0.03)
    expect(high).toBeGreaterThan(0.53)
  })

  it('are better with less cost, and with more goals', () => {
    const cheap = users(200, (n) => ({ costNanoUsd: 1e9 + n, reachedGoal: n % 4 === 0 }))
    const dear = users(200, (n) => ({ costNanoUsd: 2e9 + n, reachedGoal: n % 2 === 0 }))
    const of = (metric: 'cost_usd' | 'goals') => compareArms(cheap, dear, { metric: experimentMetrics[metric], how: once }).compared
    expect(of('cost_usd')?.chanceToWin).toBeLessThan(1e-9)
    expect(of('cost_usd')?.expectedLoss).toBeCloseTo(1, 9)
    expect(of('goals')?.chanceToWin).toBeGreaterThan(0.999)
    expect(of('goals')?.expectedLoss).toBeLessThan(1e-6)
  })

  it('have extreme users cut off at the 99.5 % quantile of all of them', () => {
    const metric = experimentMetrics.requests
    const all = users(1001, (n) => ({ requests: n }))
    expect(extremeFrom(all, metric)).toBeCloseTo(995, 9)
    expect(extremeFrom(all, experimentMetrics.goals)).toBeUndefined()
    const [a, b] = [users(200, (n) => ({ requests: n % 5 })), users(200, (n) => ({ requests: n === 0 ? 1_000_000 : n % 5 }))]
    const most = extremeFrom([...a, ...b], metric)
    expect(most).toBe(4)
    const { b: measured, compared } = compareArms(a, b, { metric, how: { ...once, most } })
    const [factsA, factsB] = [meanFacts(a.map(({ requests }) => requests)), meanFacts(b.map(({ requests }) => Math.min(4, requests)))]
    expect(measured.value).toBe(factsB?.mean)
    expect(compared?.difference).toBeCloseTo(0.02, 12)
    expect(compared?.p).toBeCloseTo((factsA && factsB && compareMeans(factsA, factsB)?.p) ?? 0, 12)
  })

  it('are compared by satisfaction of those who gave any, by retries per request, by cost per request', () => {
    const a = users(200, (n) => ({ satisfaction: n < 100 ? n % 3 : null, retries: n % 2, requests: 3, costNanoUsd: 6e9 }))
    const b = users(200, (n) => ({ satisfaction: n < 50 ? 5 + (n % 3) : null, retries: n % 3, requests: 4, costNanoUsd: (n % 2) * 8e9 }))
    const of = (metric: 'satisfaction' | 'retry_rate' | 'cost_per_request_usd') =>
      compareArms(a, b, { metric: experimentMetrics[metric], how: once })
    expect(of('satisfaction')).toMatchObject({ a: { value: 0.99, users: 100 }, b: { value: 5.98, users: 50 } })
    expect(of('retry_rate').b.value).toBeCloseTo(199 / 800, 12)
    const [one, other] = [a, b].map((arm) => ratioOfSums(arm.map(({ retries, requests }) => ({ part: retries ?? 0, whole: requests }))))
    const half = 1.959963985 * Math.hypot(one?.standardError ?? 0, other?.standardError ?? 0)
    expect(of('retry_rate').compared?.interval[1]).toBeCloseTo((other?.ratio ?? 0) - (one?.ratio ?? 0) + half, 8)
    expect(of('cost_per_request_usd')).toMatchObject({ a: { value: 2 }, b: { value: 1 }, compared: { difference: -1, lift: -0.5 } })
    // Where nothing says what is asked again, nobody knows of no retry.
    const untold = users(200, () => ({}))
    expect(compareArms(untold, untold, { metric: experimentMetrics.retry_rate, how: once })).toMatchObject({
      a: { value: null },
      compared: null,
    })
  })

  it('are compared by quantiles of latency, the same every time', () => {
    const arm = (factor: number) =>
      users(200, (n) => ({ latenciesMs: n === 0 ? [] : Array.from({ length: 1 + (n % 3) }, (_, k) => factor * (100 + n + k)) }))
    const of = (q: 'latency_p50_ms' | 'latency_p95_ms') => compareArms(arm(1), arm(2), { metric: experimentMetrics[q], how: once })
    const found = of('latency_p50_ms')
    expect(found).toEqual(of('latency_p50_ms'))
    expect([found.a.users, found.b.value]).toEqual([199, 2 * (found.a.value ?? 0)])
    expect(found.compared?.p).toBeLessThan(1e-6)
    expect(found.compared?.chanceToWin).toBeLessThan(1e-6)
    expect(of('latency_p95_ms').a.value).toBeGreaterThan(found.a.value ?? 0)
  })

  it('of an experiment to come have a least difference that they could tell', () => {
    const metric = experimentMetrics.requests
    const all = users(1000, (n) => ({ requests: n % 7 }))
    const variance = meanFacts(all.map(({ requests }) => requests))?.variance ?? 0
    const { value, detectable } = foresee(all, { metric, how: once })
    expect(value).toBeCloseTo(2.997, 12)
    expect(detectable(800, 200)).toBeCloseTo(2.801585218 * Math.sqrt(variance / 800 + variance / 200), 8)
    expect(detectable(1000, 0)).toBeNull()
    // Half of the users give feedback: half of each arm will.
    const rated = users(1000, (n) => ({ satisfaction: n % 2 === 0 ? n % 10 : null }))
    const spread = meanFacts(rated.flatMap(({ satisfaction }) => satisfaction ?? []))?.variance ?? 0
    const foreseen = foresee(rated, { metric: experimentMetrics.satisfaction, how: once })
    expect(foreseen.detectable(500, 500)).toBeCloseTo(2.801585218 * Math.sqrt(spread / 250 + spread / 250), 8)
    expect(foresee([], { metric, how: once })).toMatchObject({ value: null })
  })
})
