import fc from 'fast-check'
import { expect, it } from 'vitest'

import { complexityIndex } from '../../src/behavior/complexity.ts'
import { openAnalytics } from '../../src/index.ts'
import { ledgerOf, type CallWords } from '../ledger.ts'

it('complexity is an index from 0 to 100 of input, output and reasoning (metrics 1.3)', () => {
  expect(complexityIndex({ input: 1000, output: 500, reasoning: 0 })).toBeCloseTo(47.3912093336, 9)
  expect(complexityIndex({ input: 12_000, output: 3000, reasoning: 4000 })).toBeCloseTo(88.6491987111, 9)
  expect(complexityIndex({ input: 0, output: 0, reasoning: 0 })).toBe(0)
  expect(complexityIndex({ input: 1e9, output: 1e9, reasoning: 1e9 })).toBeCloseTo(100, 9)
})

const START = Date.parse('2026-01-05T00:00:00Z')
const MINUTE = 60_000
const asOf = START + 30 * 86_400_000

/** A call as drawn: who asked which model, how many minutes after the start, how large. */
interface Drawn {
  readonly user: string | undefined
  readonly model: string
  readonly minute: number
  readonly plan: string | undefined
  readonly usage: { readonly inputTokens: number; readonly outputTokens: number; readonly reasoningTokens: number } | null
}

const drawn = fc.uniqueArray(
  fc.record({
    user: fc.constantFrom('ada', 'ben', undefined),
    model: fc.constantFrom('gpt-4o', 'gpt-4o-mini'),
    minute: fc.integer({ min: 0, max: 6000 }),
    plan: fc.constantFrom('pro', 'free', undefined),
    usage: fc.option(fc.record({ inputTokens: fc.nat(40_000), outputTokens: fc.nat(9000), reasoningTokens: fc.nat(20_000) })),
  }),
  { selector: ({ minute }) => minute, maxLength: 40 },
) as fc.Arbitrary<Drawn[]>

function words({ user, model, minute, plan, usage }: Drawn): CallWords {
  return { at: START + minute * MINUTE, latencyMs: MINUTE / 2, user, model, usage, properties: plan === undefined ? {} : { plan } }
}

/** The same by going through the calls. */
function naive(calls: readonly Drawn[]) {
  const mean = (values: readonly number[]): number | null =>
    values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length
  const sized = calls.flatMap(({ usage }) =>
    usage === null ? [] : [complexityIndex({ input: usage.inputTokens, output: usage.outputTokens, reasoning: usage.reasoningTokens })],
  )
  const users = [...new Set(calls.flatMap(({ user }) => (user === undefined ? [] : [user])))]
  const loyal = users
    .map((user) => calls.filter((call) => call.user === user).toSorted((a, b) => a.minute - b.minute))
    .filter(({ length }) => length >= 5)
    .map((own) => {
      const shares = ['gpt-4o', 'gpt-4o-mini'].map((model) => own.filter((call) => call.model === model).length / own.length)
      return {
        top: Math.max(...shares),
        concentration: shares.reduce((sum, share) => sum + share ** 2, 0),
        switches: own.filter((call, n) => n > 0 && call.model !== own[n - 1]?.model).length / (own.length - 1),
      }
    })
  return {
    requests: calls.length,
    users: users.length,
    complexity: mean(sized),
    simple_share: mean(sized.map((index) => Number(index < 40))),
    complex_share: mean(sized.map((index) => Number(index >= 70))),
    top_model_share: mean(loyal.map(({ top }) => top)),
    model_concentration: mean(loyal.map(({ concentration }) => concentration)),
    model_switch_rate: mean(loyal.map(({ switches }) => switches)),
    sticky_users_share: mean(loyal.map(({ top }) => Number(top >= 0.8))),
  }
}

/** The columns in which two rows differ by more than rounding does: means are told to nine digits. */
function differing(row: Readonly<Record<string, unknown>> | undefined, expected: Readonly<Record<string, number | null>>): string[] {
  return Object.entries(expected).flatMap(([name, value]) => {
    const told = row?.[name]
    const isSame = typeof told === 'number' && value !== null ? Math.abs(told - value) < 1e-8 : told === value
    return isSame ? [] : [name]
  })
}

it(
  'request_patterns are what going through the calls gives, of everybody and of each value of a property',
  { timeout: 120_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(drawn, async (calls) => {
        const store = await ledgerOf(calls.map(words))
        const analytics = openAnalytics(store, { now: () => asOf })
        const all = (await analytics.report('request_patterns')).rows
        const byPlan = (await analytics.report('request_patterns', { by: ['property:plan'] })).rows
        await store.close()
        expect(all.map((row) => differing(row, naive(calls)))).toEqual(calls.length === 0 ? [] : [[]])
        const plans = [...new Set(calls.map(({ plan }) => plan))]
        expect(byPlan).toHaveLength(plans.length)
        for (const plan of plans) {
          const row = byPlan.find((one) => one['plan'] === (plan ?? '(none)'))
          expect(differing(row, naive(calls.filter((call) => call.plan === plan)))).toEqual([])
        }
      }),
      { numRuns: 30 },
    )
  },
)

it('request_patterns tell of pauses within sessions: an hour with the same id is one, ten minutes from one id to the next are none', async () => {
  const call = (minute: number, session: string | undefined): CallWords => ({
    at: START + minute * MINUTE,
    latencyMs: 0,
    user: 'ada',
    session,
  })
  const gapOf = async (calls: readonly CallWords[]): Promise<unknown> => {
    const store = await ledgerOf(calls)
    const { rows } = await openAnalytics(store, { now: () => asOf }).report('request_patterns')
    await store.close()
    return rows[0]?.['gap_p50_s']
  }
  expect(Number(await gapOf([call(0, 's1'), call(60, 's1'), call(70, 's2')])) / 3600).toBeCloseTo(1, 1)
  // Without an id a session ends after half an hour, with one after a day.
  expect(await gapOf([call(0, undefined), call(30, undefined), call(31, 's3'), call(31 + 24 * 60, 's3')])).toBeNull()
})

it('request_patterns tell how often users ask on a day, and how long they pause between two requests', async () => {
  const at = (minute: number): Drawn => ({ user: 'ada', model: 'gpt-4o', minute, plan: undefined, usage: null })
  // Three on the first day, with pauses of 90 s and 9.5 min; one on the second, which is another session.
  const store = await ledgerOf([at(0), at(2), at(12), at(2000)].map(words))
  const analytics = openAnalytics(store, { now: () => asOf })
  const { rows } = await analytics.report('request_patterns')
  // The first day is a Monday.
  const bySundays = (await analytics.report('request_patterns', { week_start: 'sunday', since: '2026-01-05', until: '2026-01-12' })).rows
  expect(bySundays).toMatchObject([{ per_week_p10: 4 }])
  await store.close()
  expect(rows).toMatchObject([
    {
      per_day_p10: 1,
      per_day_p50: 1,
      per_day_p90: 3,
      per_week_p10: 4,
      per_week_p99: 4,
      complexity: null,
      input_tokens_p50: null,
      reasoning_share: null,
    },
  ])
  expect(Number(rows[0]?.['gap_p50_s'])).toBeCloseTo(90, -1)
})
