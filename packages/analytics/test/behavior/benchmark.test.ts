import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { benchmark, type BenchmarkUser } from '../../src/behavior/benchmark.ts'

const userOf = (user: string, words: Partial<BenchmarkUser> = {}): BenchmarkUser => ({
  user,
  tier: 'pro',
  tenureDays: 40,
  requests: 1,
  goals: 0,
  features: 1,
  satisfaction: null,
  ...words,
})

/** Requests of the ten users of the twelve that were active in the 30 days. */
const last30Days = { u01: 20, u02: 5, u04: 14, u05: 2, u06: 20, u07: 2, u09: 9, u10: 3, u11: 1, u12: 9 }

describe('a user beside its peers', () => {
  it('has the percentile of the midrank', () => {
    const rows = benchmark(Object.entries(last30Days).map(([user, requests]) => userOf(user, { requests })))
    const percentiles = new Map(rows.map(({ user, requestsPercentile }) => [user, requestsPercentile]))
    expect(percentiles.get('u09')).toBe(60)
    expect(percentiles.get('u01')).toBe(90)
    expect(rows.find(({ user }) => user === 'u01')?.requestsToMedian).toBe(20 / 7)
  })

  it('is told nothing of fewer than ten, but its own', () => {
    const rows = benchmark(Array.from({ length: 9 }, (_, n) => userOf(`u${n}`, { requests: 6, goals: 2, satisfaction: 8 })))
    expect(rows[0]).toEqual({
      ...userOf('u0', { requests: 6, goals: 2, satisfaction: 8 }),
      tenure: '30-90 d',
      peers: 9,
      isSuppressed: true,
      requestsPercentile: null,
      requestsToMedian: null,
      requestsPerGoal: 3,
      peerRequestsPerGoal: null,
      peerFeaturesMedian: null,
      featuresToMedian: null,
      satisfactionDelta: null,
    })
    expect(benchmark([])).toEqual([])
  })

  it('is as a second, slower way has it, for any users', () => {
    const tiers = fc.constantFrom('free', 'pro', undefined)
    const anyUser = fc.record({
      tier: tiers,
      tenureDays: fc.constantFrom(0, 29, 30, 89, 90, 91, 400),
      requests: fc.integer({ min: 1, max: 9 }),
      goals: fc.option(fc.integer({ min: 0, max: 3 })),
      features: fc.integer({ min: 0, max: 3 }),
      satisfaction: fc.option(fc.integer({ min: 0, max: 10 })),
    })
    fc.assert(
      fc.property(fc.array(anyUser, { maxLength: 60 }), fc.constantFrom(1, 3, 10), (words, least) => {
        const users = words.map((one, n) => ({ user: `u${n}`, ...one }))
        const rows = benchmark(users, least)
        expect(rows.map(({ user }) => user).toSorted()).toEqual(users.map(({ user }) => user).toSorted())
        for (const row of rows) expectNaive(row, users, least)
      }),
    )
  })
})

const bucket = (days: number): number => (days < 30 ? 0 : days > 90 ? 2 : 1)

function middle(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return ((sorted[Math.floor((sorted.length - 1) / 2)] ?? 0) + (sorted[Math.ceil((sorted.length - 1) / 2)] ?? 0)) / 2
}

function expectNaive(row: ReturnType<typeof benchmark>[number], users: readonly BenchmarkUser[], least: number): void {
  const peers = users.filter(({ tier, tenureDays }) => tier === row.tier && bucket(tenureDays) === bucket(row.tenureDays))
  const isTold = peers.length >= least
  const fewer = peers.filter(({ requests }) => requests < row.requests).length
  const equal = peers.filter(({ requests }) => requests === row.requests).length
  const goals = peers.reduce((sum, one) => sum + (one.goals ?? 0), 0)
  const requests = peers.reduce((sum, one) => sum + one.requests, 0)
  const rated = peers.map(({ satisfaction }) => satisfaction).filter((one) => one !== null)
  const features = middle(peers.map((one) => one.features))
  expect(row).toMatchObject({
    peers: peers.length,
    isSuppressed: !isTold,
    requestsPercentile: isTold ? ((fewer + equal / 2) / peers.length) * 100 : null,
    requestsToMedian: isTold ? row.requests / middle(peers.map((one) => one.requests)) : null,
    requestsPerGoal: (row.goals ?? 0) === 0 ? null : row.requests / Number(row.goals),
    peerRequestsPerGoal: isTold && goals > 0 ? requests / goals : null,
    peerFeaturesMedian: isTold ? features : null,
    featuresToMedian: isTold && features > 0 ? row.features / features : null,
    satisfactionDelta:
      row.satisfaction === null || rated.length < least ? null : row.satisfaction - rated.reduce((a, b) => a + b, 0) / rated.length,
  })
}
