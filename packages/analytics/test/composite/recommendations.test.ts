import { execFileSync } from 'node:child_process'

import { afterEach, describe, expect, it } from 'vitest'

import type { LedgerEvent } from '@spanledger/conventions'
import type { Store } from '@spanledger/store'

import { nearLimitsOf } from '../../src/composite/rules-of-sections.ts'
import {
  openAnalytics,
  parseWhere,
  type CompositeName,
  type Recommendation,
  type ReportParams,
  type SegmentsWords,
} from '../../src/index.ts'
import { eventOf, scoreFacts } from '../events.ts'
import { callOf, ledgerOf, type CallWords } from '../ledger.ts'

const AS_OF = Date.parse('2026-04-01T00:00:00Z')
const DAY = 86_400_000
const USD = 1_000_000_000

const opened: Store[] = []
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close()
})

interface Asked {
  readonly calls: readonly CallWords[]
  readonly events?: readonly LedgerEvent[]
  readonly params?: ReportParams
  readonly segments?: SegmentsWords
}

async function recommended(name: CompositeName, { calls, events = [], params = {}, segments }: Asked): Promise<Recommendation[]> {
  const store = await ledgerOf(calls)
  opened.push(store)
  await store.write({ calls: [], events: [...events] })
  const { recommendations } = await openAnalytics(store, { now: () => AS_OF, segments }).composite(name, params)
  return [...recommendations]
}

async function rule(id: string, ...asked: Parameters<typeof recommended>): Promise<Recommendation[]> {
  return (await recommended(...asked)).filter((one) => one.rule === id)
}

const times = <T>(count: number, of: (n: number) => T): T[] => Array.from({ length: count }, (_, n) => of(n))
/** A call in the week of 2026-03-23, or so many days before its end. */
const inWeek = (n: number, daysAgo = 3): number => AS_OF - daysAgo * DAY + n * 1000

describe('recommendations', () => {
  const feature = (name: string, count: number, failed: number): CallWords[] =>
    times(count, (n) => ({ at: inWeek(n), user: `u${n % 10}`, properties: { feature: name }, status: n < failed ? 'error' : 'ok' }))

  it('R1: name a feature that fails twice as often as all, of fifty requests or more', async () => {
    const calls = [...feature('chat', 400, 8), ...feature('code', 50, 12), ...feature('rare', 49, 30)]
    const [found, ...others] = await rule('R1', 'weekly', { calls })
    expect(others).toEqual([])
    expect(found).toEqual({
      rule: 'R1',
      says: '24.0 % of the 50 requests of feature code failed, against 10.0 % of all',
      advice: `See what fails most there: spanledger report errors --where 'feature = "code"'`,
      section: 'quality',
      value: 0.24,
      against: 50 / 499,
      n: 50,
      ci_low: expect.closeTo(0.143, 3) as number,
      ci_high: expect.closeTo(0.3741, 3) as number,
      interval_of: 'its error rate',
      reads: 'association',
    })
    expect(await rule('R1', 'weekly', { calls: [...feature('chat', 400, 8), ...feature('code', 50, 2)] })).toEqual([])
    expect(await rule('R1', 'weekly', { calls: feature('chat', 400, 0) })).toEqual([])
  })

  it('R1: name a feature whose requests are repeated twice as often as all', async () => {
    const store = await ledgerOf([])
    opened.push(store)
    const asked = (about: string, n: number, question: number) =>
      Object.assign(
        callOf({ at: inWeek(n * 5), user: `u${n % 10}`, properties: { feature: about }, status: n % 2 === 0 ? 'error' : 'ok' }),
        {
          fingerprint: question,
        },
      )
    // Each of ten users asks one thing of code six times, and of chat each time another.
    await store.write({ calls: [...times(60, (n) => asked('code', n, n % 10)), ...times(300, (n) => asked('chat', n, 100 + n))] })
    const { recommendations } = await openAnalytics(store, { now: () => AS_OF }).composite('weekly')
    expect(recommendations.filter((one) => one.rule === 'R1')).toMatchObject([
      { section: 'retries', value: 50 / 60, against: 50 / 360, n: 60, interval_of: 'its share of retries' },
    ])
    // Of the calls that say nothing of what was asked, nobody knows whether they repeat anything.
    await store.write({ calls: feature('code', 40, 0).map((words) => callOf(words)), events: [] })
    const { rows, totals } = await openAnalytics(store, { now: () => AS_OF }).report('retries')
    expect(rows[0]).toMatchObject({ feature: 'code', requests: 100, fingerprinted: 60, retries: 50, retry_rate: 0.5 })
    expect(totals).toMatchObject({ requests: 400, fingerprinted: 360 })
    expect(recommendations[0]?.says).toMatch(
      /^83\.3 % of the 60 requests of feature code asked the same again, against 13\.9 % of all; what was repeated: /,
    )
  })

  it('R1: a feature of any name is a filter in the advice, and nothing that a shell runs', async () => {
    for (const name of [`it's "new" $(exit 3)`, `'; exit 4 #`, 'back\\slash `exit 5`', 'two\nlines']) {
      const [found] = await rule('R1', 'weekly', { calls: [...feature('chat', 400, 8), ...feature(name, 50, 12)] })
      const command = found?.advice.split('See what fails most there: ')[1] ?? ''
      const shell = `spanledger() { printf %s "$4"; }; ${command}`
      expect(parseWhere(execFileSync('sh', ['-c', shell], { encoding: 'utf8' }))).toEqual(['is', 'feature', [name]])
    }
  })

  it('R2: count the users of tiers of any size', () => {
    const rows = times(200_000, (n) => ({ user: `u${n}`, tier: 'free', used_share: 0.8 + (n % 2) / 4 }))
    expect(nearLimitsOf(rows)).toMatchObject([{ n: 200_000, value: 1.05 }])
  })

  it('R2: name tiers whose users are near their limit', async () => {
    const calls = [
      ...times(8, (n) => ({ at: inWeek(n), user: 'near', properties: { plan: 'free' } })),
      ...times(12, (n) => ({ at: inWeek(n), user: 'over', properties: { plan: 'free' } })),
      ...times(7, (n) => ({ at: inWeek(n), user: 'far', properties: { plan: 'free' } })),
      ...times(500, (n) => ({ at: inWeek(n), user: 'paying', properties: { plan: 'pro' } })),
    ]
    const tiers = JSON.stringify({ free: { where: 'plan = free', monthly_request_limit: 10 }, pro: { monthly_request_limit: 'unlimited' } })
    for (const name of ['daily', 'weekly', 'monthly', 'quarterly'] as const) {
      // The day of the calls; of the others the last that is over, whose month is March.
      const options = name === 'daily' ? { tiers, date: '2026-03-29' } : { tiers }
      expect(await rule('R2', name, { calls, params: { options } })).toMatchObject([
        {
          says: '2 of the 3 users of tier free have used at least 80.0 % of its monthly requests, 1 of them all',
          value: 1.2,
          n: 3,
          ci_low: expect.closeTo(0.2077, 3) as number,
        },
      ])
    }
    expect(await rule('R2', 'monthly', { calls })).toEqual([])
  })

  it('R3: say that more users are at risk than at the begin of the period', async () => {
    // Thirty users called ten times in each fortnight of February; ten of them hardly any more since the middle of March.
    const steady = (user: string, days: readonly number[]): CallWords[] => days.map((daysAgo) => ({ at: inWeek(0, daysAgo), user }))
    const often = times(40, (n) => 61 - n)
    const rest = times(20, (n) => 21 - n)
    const calls = times(30, (n) => steady(`u${n}`, n < 10 ? [...often, 20, 19, 18, 17, 16, 15] : [...often, ...rest])).flat()
    const [found] = await rule('R3', 'monthly', { calls })
    expect(found).toMatchObject({ value: 10 / 30, against: 0, n: 30, section: 'segments' })
    expect(found?.says).toBe('33.3 % of the 30 users that have not left are at risk, against 0.0 % of 30 at the begin of the period')
    expect(found?.ci_low).toBeGreaterThan(0.05)
    expect(await rule('R3', 'monthly', { calls: times(30, (n) => steady(`u${n}`, [...often, ...rest])).flat() })).toEqual([])
    // Of newcomers nobody could be at risk at the begin, so nothing can have grown.
    const newcomers = calls.filter(({ at }) => Number(at) > inWeek(0, 50))
    expect(await rule('R3', 'monthly', { calls: newcomers })).toEqual([])
    // Who is in a segment of the app's own is at risk as before; who left is not counted there either.
    const left = steady('gone', [62, 61])
    for (const mode of ['exclusive', 'multi'] as const) {
      const segments = { mode, segments: { known: { where: 'operation = chat' } } }
      expect(await rule('R3', 'monthly', { calls: [...calls, ...left], segments })).toMatchObject([
        { value: 10 / 30, against: 0, n: 30, says: found?.says.replace('of 30 at', 'of 31 at') },
      ])
    }
  })

  it('R4: name a model that takes twice as long as another for the same, and fails no less', async () => {
    const served = (model: string, latencyMs: number, failed: number, words: Partial<CallWords> = {}): CallWords[] =>
      times(100, (n) => ({
        at: inWeek(n),
        user: `u${n % 10}`,
        model,
        latencyMs,
        status: n < failed ? 'error' : 'ok',
        properties: { feature: 'chat' },
        ...words,
      }))
    const slow = served('slow', 4000, 5)
    expect(await rule('R4', 'weekly', { calls: [...slow, ...served('fast', 1000, 6), ...served('faster', 800, 30)] })).toMatchObject([
      {
        says: expect.stringMatching(
          /^For feature chat, 95 % of the 100 requests of slow\/openai took up to \d+ ms, of the 100 of fast\/openai/,
        ) as string,
        n: 200,
        section: 'models',
        interval_of: 'the difference of the error rates, the faster less the slower',
      },
    ])
    // Not twice as slow; too few; for something else; by another kind of call.
    expect(await rule('R4', 'weekly', { calls: [...slow, ...served('fast', 2100, 0)] })).toEqual([])
    expect(await rule('R4', 'weekly', { calls: [...slow, ...served('fast', 100, 0).slice(0, 49)] })).toEqual([])
    expect(await rule('R4', 'weekly', { calls: [...slow, ...served('fast', 100, 0, { properties: { feature: 'code' } })] })).toEqual([])
    expect(await rule('R4', 'weekly', { calls: [...slow, ...served('fast', 100, 0, { operation: 'embeddings' })] })).toEqual([])
  })

  it('R5: say that users cost a quarter more and ask no more', async () => {
    const spent = (daysAgo: number, each: number, costUsd: number): CallWords[] =>
      times(20, (user) =>
        times(each, (n) => ({ at: inWeek(n, daysAgo), user: `u${user}`, costNanoUsd: (costUsd + (user % 5) * 0.1) * USD })),
      ).flat()
    // Ten calls of 1.2 USD on average in the week before, ten of 1.7 in the week.
    const [found] = await rule('R5', 'weekly', { calls: [...spent(12, 10, 1), ...spent(5, 10, 1.5)] })
    expect(found).toMatchObject({
      value: expect.closeTo(17, 9) as number,
      against: expect.closeTo(12, 9) as number,
      n: 20,
      section: 'overview',
    })
    expect(found?.says).toBe(
      'A user cost $17.0000 on average (20 users), 41.7 % more than $12.0000 in as many days before (20 users), with 0.0 % more requests each',
    )
    expect([found?.ci_low ?? 0, found?.ci_high ?? 0].map((end) => end > 0.25 && end < 0.6)).toEqual([true, true])
    // They ask more; they cost little more; there was nobody before.
    expect(await rule('R5', 'weekly', { calls: [...spent(12, 10, 1), ...spent(5, 12, 1.5)] })).toEqual([])
    expect(await rule('R5', 'weekly', { calls: [...spent(12, 10, 1), ...spent(5, 10, 1.2)] })).toEqual([])
    expect(await rule('R5', 'weekly', { calls: spent(5, 10, 1.5) })).toEqual([])
    // What users without a price cost is not known: that more calls have one is no growth, and they hide none.
    const unpriced = (daysAgo: number, users: number): CallWords[] =>
      times(users * 10, (n) => ({ at: inWeek(n, daysAgo), user: `x${n % users}`, costNanoUsd: undefined }))
    expect(await rule('R5', 'weekly', { calls: [...spent(12, 10, 1), ...unpriced(12, 20), ...spent(5, 10, 1)] })).toEqual([])
    expect(await rule('R5', 'weekly', { calls: [...spent(12, 10, 1), ...spent(5, 10, 1.5), ...unpriced(5, 20)] })).toEqual([found])
  })

  it('R6: name the step on the way to activation that most do not take', async () => {
    // Forty users came in February. All succeed; ten ask a second time in the same session, of whom four come back in the second week.
    const came = (n: number, days: readonly number[], minutes = 0): CallWords[] =>
      days.map((day) => ({ at: Date.parse('2026-02-10T10:00:00Z') + day * DAY + minutes * 60_000, user: `u${n}` }))
    const calls = times(40, (n) => [...came(n, [0]), ...(n < 10 ? came(n, [0], 5) : []), ...(n < 4 ? came(n, [9]) : [])]).flat()
    expect(await rule('R6', 'monthly', { calls })).toMatchObject([
      {
        says: '75.0 % of the 40 users who came as far as before first_multi_turn did not reach it',
        value: 0.75,
        against: 0.5,
        n: 40,
        ci_low: expect.closeTo(0.5981, 3) as number,
        section: 'milestones',
      },
    ])
    // Of ten a step loses half soon.
    expect(await rule('R6', 'monthly', { calls: calls.filter(({ user = '' }) => Number(user.slice(1)) >= 30) })).toEqual([])
  })

  it('R7: repeat what bias flags, in its words', async () => {
    const calls = times(80, (n) =>
      times(10, (k): CallWords => ({
        at: inWeek(k, 20),
        user: `u${n}`,
        properties: { plan: n < 40 ? 'free' : 'pro' },
        status: k < (n < 40 ? 2 + (n % 3) : n % 2) ? 'error' : 'ok',
      })),
    ).flat()
    const found = await rule('R7', 'quarterly', { calls, params: { by: ['property:plan'] } })
    expect(found).toHaveLength(1)
    expect(found[0]).toMatchObject({ section: 'bias', n: 400, interval_of: 'the ratio of both' })
    expect(found[0]?.says).toMatch(/^plan free is associated with more errors \(\d\.\d\d times the rest\); difference in mix explains 0 %$/)
    expect(found[0]?.ci_low).toBeGreaterThan(1)
    expect(await rule('R7', 'quarterly', { calls })).toEqual([])
  })

  it('R8: say that there is too little feedback', async () => {
    const calls = times(200, (n): CallWords => ({ at: inWeek(n), user: `u${n % 10}` }))
    const rated = (count: number): LedgerEvent[] =>
      times(count, (n) =>
        eventOf({ at: inWeek(n), kind: 'feedback', user: `u${n}`, says: scoreFacts({ name: 'stars', value: 5, min: 1, max: 5 }) }),
      )
    expect(await rule('R8', 'weekly', { calls, events: rated(3) })).toMatchObject([
      { says: '3 ratings for 200 requests (1.5 %) are too few to tell satisfaction by', value: 0.015, against: 0.02, n: 200 },
    ])
    expect(await rule('R8', 'weekly', { calls, events: rated(4) })).toEqual([])
    expect(await rule('R8', 'weekly', { calls: calls.slice(0, 99) })).toEqual([])
    // Ratings are of no model: there is nothing that could be said of their number.
    expect(await rule('R8', 'weekly', { calls, params: { where: 'model = gpt-4o' } })).toEqual([])
  })

  it('come in the order of their rules, none where nothing stands out, and name a section that is there', async () => {
    const calls = times(50, (n): CallWords => ({ at: inWeek(n), user: `u${n % 10}` }))
    expect(await recommended('weekly', { calls })).toEqual([])
    const found = await recommended('weekly', { calls: [...feature('chat', 400, 8), ...feature('code', 60, 30)] })
    expect(found.map((one) => one.rule)).toEqual(['R1', 'R8'])
    expect(found.every(({ reads, section }) => reads === 'association' && section === 'quality')).toBe(true)
  })
})
