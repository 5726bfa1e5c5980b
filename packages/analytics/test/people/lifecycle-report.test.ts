import type { Store } from '@spanledger/store'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'

import { openAnalytics, type Row } from '../../src/index.ts'
import { dayOf } from '../../src/behavior/user-history.ts'
import { localIn, twelveUsers } from '../behavior/histories.ts'
import { eventOf, type EventWords } from '../events.ts'
import { callOf, ledgerOf, type CallWords } from '../ledger.ts'

const DAY = 86_400_000
const none: Record<string, string> = {}
const AS_OF = Date.parse('2024-04-15T00:00:00Z')

const open: Store[] = []
afterEach(async () => {
  for (const store of open.splice(0)) await store.close()
})

async function ledger(calls: readonly CallWords[], events: readonly EventWords[] = []): Promise<Store> {
  const store = await ledgerOf(calls)
  open.push(store)
  await store.write({ calls: [], events: events.map(eventOf) })
  return store
}

const ask = (
  store: Store,
  { asOf = AS_OF, stage, ...rest }: { asOf?: number; stage?: string; options?: object; [name: string]: unknown } = {},
) =>
  openAnalytics(store, { now: () => asOf }).report('lifecycle', {
    ...rest,
    options: { ...(rest.options as Record<string, string> | undefined), ...(stage === undefined ? {} : { stage }) },
  })
const lines = (rows: readonly Row[], ...keys: string[]): string[] => rows.map((row) => keys.map((key) => String(row[key])).join(' '))
const STAGE = ['stage', 'users', 'moved_in', 'moved_out', 'at_risk', 'churned']
const METRIC = ['metric', 'name', 'users', 'of', 'value', 'previous', 'basis', 'reason']

const twelve = (properties: (user: string) => Record<string, string> = () => ({})): CallWords[] =>
  twelveUsers().map(({ user, startMs, feature }) => ({ at: startMs, user, properties: { Feature: feature ?? '', ...properties(user) } }))

describe('the lifecycle of twelve users', () => {
  it('has each user in one stage, and says who moved in four weeks', async () => {
    const store = await ledger(twelve())
    const { rows, totals } = await ask(store)
    expect(lines(rows, ...STAGE)).toEqual(['acquisition 0 0 0 0 0', 'activation 8 1 2 0 2', 'retention 2 1 0 1 0', 'growth 2 1 0 0 0'])
    expect(rows.map(({ share }) => share)).toEqual([0, 8 / 12, 2 / 12, 2 / 12])
    expect(totals).toEqual({ users: 12, at_risk: 1, churned: 2 })
  })

  it('looks at the end of the period, and at its begin for who moved', async () => {
    const store = await ledger(twelve())
    const { rows } = await ask(store, { since: '2024-03-01', until: '2024-03-17' })
    // As four weeks before the other answer: u01 calls most, u09 has come regularly.
    expect(lines(rows, 'stage', 'users')).toEqual(['acquisition 0', 'activation 9', 'retention 1', 'growth 1'])
    const users = await ask(store, { where: 'feature = summary' })
    expect(lines(users.rows, 'stage', 'users')).toEqual(['acquisition 0', 'activation 1', 'retention 0', 'growth 0'])
  })

  it('acquisition: where newcomers come from, and how it begins for them', async () => {
    const store = await ledger([
      ...twelve((user) => (user === 'u12' ? { Source: 'ads' } : user === 'u11' ? { 'utm-source': 'blog' } : none)),
      // The first source is the one that counts.
      { at: AS_OF - DAY, user: 'u12', properties: { Source: 'mail' } },
    ])
    const { rows } = await ask(store, { stage: 'acquisition', since: '2024-03-01' })
    expect(lines(rows, ...METRIC)).toEqual([
      'source (none) 1 3 null null explicit null',
      'source ads 1 3 null null explicit null',
      'source blog 1 3 null null explicit null',
      'first_interaction first_request_ok 3 3 null null inferred null',
      'first_interaction first_session_success 3 3 null null inferred null',
      'onboarding_completion null 3 3 null null inferred null',
    ])
    const setup = await ask(store, { stage: 'acquisition', since: '2024-03-01', options: { onboarding: 'goal:setup' } })
    expect(lines(setup.rows, 'metric', 'users', 'of', 'basis').at(-1)).toBe('onboarding_completion 0 3 mixed')
    const young = await ask(store, { stage: 'acquisition', since: '2024-03-19', until: '2024-03-20' })
    expect(lines(young.rows, 'metric', 'users', 'reason').at(-1)).toBe('onboarding_completion 0 censored')
  })

  it('activation: what users discover, and which steps newcomers reach', async () => {
    const store = await ledger(twelve())
    const { rows } = await ask(store, { stage: 'activation', options: { advanced_features: 'analysis' }, since: '2024-03-18' })
    expect(lines(rows, ...METRIC)).toEqual([
      // u02 has tried summaries; u01, u04, u06, u07, u10 and u12 analysis. u12 was not there before.
      `feature_discovery null 7 12 ${19 / 12} ${17 / 11} inferred null`,
      'usage_milestones first_success 1 1 0 null inferred null',
      'usage_milestones first_multi_turn 1 1 60 null inferred null',
      'usage_milestones first_advanced_feature 1 1 180 null inferred null',
      'usage_milestones first_week_retention 1 1 1123200 null inferred null'.replace('1123200', String(13 * 86_400)),
      'value_realization null 1 1 0 null inferred null',
    ])
    const bare = await ask(store, { stage: 'activation' })
    expect(lines(bare.rows, 'name', 'reason')).toContain('first_advanced_feature not_configured')
  })

  it('retention: who comes regularly, who takes up more, and how content they are', async () => {
    const rating = (user: string, at: string, value: number): EventWords => ({
      at,
      kind: 'feedback',
      user,
      says: { 'gen_ai.evaluation.score.value': value, 'score.min': 1, 'score.max': 5 },
    })
    const store = await ledger(twelve(), [
      rating('u01', '2024-04-01T00:00:00Z', 5),
      rating('u02', '2024-04-02T00:00:00Z', 3),
      rating('u01', '2024-02-25T00:00:00Z', 1),
    ])
    const { rows } = await ask(store, { stage: 'retention' })
    expect(lines(rows, ...METRIC)).toEqual([
      // u01, u04, u06 and u09 of the eleven there for 28 days (u12: 27); before, u01 and u09 of the nine of then.
      `regular_usage null 4 11 null ${2 / 9} inferred null`,
      // In March and April u01 takes up analysis beside chat; u04, u06, u09, u02, u10 stay with chat.
      expect.stringMatching(/^feature_expansion null \d+ \d+ /) as unknown as string,
      'satisfaction null null null 7.5 0 explicit null',
    ])
    expect(rows[1]).toMatchObject(adoptedSlowly())
    const quiet = await ask(await ledger(twelve()), { stage: 'retention' })
    expect(quiet.rows.at(-1)).toMatchObject({ value: null, reason: 'no_answers' })
  })

  it('growth: power users, promoters, referrals, and who pays now', async () => {
    const nps = (user: string, at: string, score: number): EventWords => ({ at, kind: 'nps', user, says: { 'nps.score': score } })
    const store = await ledger(
      twelve((user) => ({ Plan: user === 'u02' ? 'Free Tier' : 'pro' })),
      [
        nps('u02', '2024-04-01T00:00:00Z', 10),
        nps('u03', '2024-01-20T00:00:00Z', 9),
        nps('u03', '2024-04-01T00:00:00Z', 6),
        { at: '2024-04-02T00:00:00Z', kind: 'goal', user: 'u05', session: 'a', says: { 'event.name': 'referral' } },
        { at: '2024-04-03T00:00:00Z', kind: 'goal', user: 'u05', session: 'b', says: { 'event.name': 'Referral' } },
        { at: '2024-04-01T00:00:00Z', kind: 'plan_change', user: 'u07', says: { 'plan.from': 'free', 'plan.to': 'pro' } },
        { at: '2024-01-10T00:00:00Z', kind: 'plan_change', user: 'u08', says: { 'plan.from': 'pro', 'plan.to': 'free' } },
      ],
    )
    const { rows } = await ask(store, { stage: 'growth' })
    expect(lines(rows, ...METRIC)).toEqual([
      `power_users null 2 10 null ${1 / 8} inferred null`,
      'promoters null 1 2 null 1 explicit null',
      'referrals null 1 12 2 null explicit null',
      'advocacy null 2 12 null null explicit null',
      // Of u02, u07 and u08 one moved on.
      'premium_adoption null 1 3 null null explicit null',
    ])
    // u02 by its answer, u05 by referring, u07 by upgrading, u01 and u06 by calling most.
    expect(lines((await ask(store)).rows, 'stage', 'users').at(-1)).toBe('growth 5')
    const trial = await ask(store, { stage: 'growth', options: { free_plans: 'pro' } })
    expect(trial.rows.at(-1)).toMatchObject({ users: 0, of: 8 })
    const bare = await ask(await ledger(twelve()), { stage: 'growth' })
    expect(lines(bare.rows, 'metric', 'reason')).toEqual([
      'power_users null',
      'promoters no_answers',
      'referrals null',
      'advocacy null',
      'premium_adoption no_plans',
    ])
  })
})

/** Features used in at least two ISO weeks of the four before as_of, and of the four before those; over all users who had any. */
function adoptedSlowly(): object {
  const week = (ms: number): number => Math.floor((ms / DAY + 3) / 7)
  const counts = [...new Set(twelveUsers().map(({ user }) => user))].map((user) => {
    const adopted = (fromMs: number): number =>
      ['chat', 'analysis', 'summary'].filter((feature) => {
        const uses = twelveUsers().filter(
          (call) => call.user === user && call.feature === feature && call.startMs >= fromMs && call.startMs < fromMs + 28 * DAY,
        )
        return new Set(uses.map(({ startMs }) => week(Math.floor(startMs / DAY) * DAY))).size >= 2
      }).length
    return [adopted(AS_OF - 56 * DAY), adopted(AS_OF - 28 * DAY)] as const
  })
  const any = counts.filter(([before, now]) => before + now > 0)
  return {
    users: any.filter(([before, now]) => now > before).length,
    of: any.length,
    value: any.reduce((sum, [, now]) => sum + now, 0) / any.length,
    previous: any.reduce((sum, [before]) => sum + before, 0) / any.length,
  }
}

it('who signed up and did not come, or did not succeed in a week, is being acquired; further steps may be asked for', async () => {
  const at = (day: number): string => new Date(AS_OF - 20 * DAY + day * DAY).toISOString()
  const store = await ledger(
    [
      { at: at(0), user: 'failed', status: 'error' },
      { at: at(6.9), user: 'failed' },
      { at: at(0), user: 'too late', status: 'error' },
      { at: at(7), user: 'too late' },
      { at: at(1), user: 'set up' },
    ],
    [
      { at: at(1), kind: 'milestone', user: 'absent', says: { 'event.name': 'signup' } },
      { at: at(2), kind: 'milestone', user: 'set up', says: { 'event.name': 'profile' } },
      { at: at(9), kind: 'milestone', user: 'failed', says: { 'event.name': 'profile' } },
    ],
  )
  // One user of three is the most active tenth.
  const inStages = async (options: object): Promise<string[]> => lines((await ask(store, { options, where: 'missing plan' })).rows, 'users')
  expect(lines((await ask(store)).rows, 'users')).toEqual(['1', '1', '0', '2'])
  expect(await inStages({ onboarding: 'milestone:profile' })).toEqual(['0', '1', '0', '2'])
})

it('what cannot be meant is refused, and an empty ledger has no rows', async () => {
  const store = await ledger([])
  for (const stage of ['all', 'acquisition', 'activation', 'retention', 'growth']) expect((await ask(store, { stage })).rows).toEqual([])
  await expect(ask(store, { stage: 'growht' })).rejects.toThrow('Did you mean "growth"?')
  await expect(ask(store, { options: { onboarding: 'first_sucess' } })).rejects.toThrow('Did you mean "first_success"?')
  await expect(ask(store, { options: { onboarding: 'first_advanced_feature' } })).rejects.toThrow('needs --advanced-features')
  await expect(ask(store, { by: ['time:month'] })).rejects.toThrow('not split by time')
})

it.each(['all', 'acquisition', 'activation', 'retention', 'growth'])('the stage %s says what each of its columns is', async (stage) => {
  const store = await ledger(twelve())
  const { columns, definitions = [], rows } = await ask(store, { stage, explain: true })
  expect(definitions.map(({ key }) => key)).toEqual(columns.map(({ key }) => key))
  expect(definitions.filter(({ says }) => says.length < 8)).toEqual([])
  expect(JSON.stringify(rows)).not.toMatch(/NaN|Infinity|undefined/)
})

/** The stage of a user at an instant, from plain calls, by the words of the definition. Nobody is at risk or changes plans here. */
function slowStage(
  user: string,
  calls: readonly { at: number; user: string; isOk: boolean }[],
  promoters: readonly { at: number; user: string }[],
  { atMs, day }: { readonly atMs: number; readonly day: (ms: number) => number },
): string | undefined {
  const known = calls.filter(({ at }) => at < atMs)
  const own = known.filter((call) => call.user === user)
  const firstMs = Math.min(...own.map(({ at }) => at))
  if (own.length === 0) return undefined
  const in30 = (name: string): number => known.filter((call) => call.user === name && call.at >= atMs - 30 * DAY).length
  const active = [...new Set(known.map((call) => call.user))]
    .map(in30)
    .filter((count) => count > 0)
    .toSorted((a, b) => b - a)
  const cut = active[Math.ceil(active.length * 0.1) - 1] ?? Number.POSITIVE_INFINITY
  if (in30(user) >= cut || promoters.some((one) => one.user === user && one.at < atMs)) return 'growth'
  const weeks = [0, 1, 2, 3].filter((week) => own.some(({ at }) => day(at) < day(atMs) - 7 * week && day(at) >= day(atMs) - 7 * (week + 1)))
  if (weeks.length >= 3 && day(atMs) - day(firstMs) >= 28) return 'retention'
  return own.some(({ at, isOk }) => isOk && day(at) - day(firstMs) < 7) ? 'activation' : 'acquisition'
}

it('of any ledger is what going through users one by one finds; everybody is in one stage, and moves add up', async () => {
  const start = Date.parse('2025-02-01T00:00:00Z')
  const call = fc.record({
    at: fc.integer({ min: 0, max: 60 * 24 }).map((hour) => start + hour * 3_600_000),
    user: fc.constantFrom(...Array.from({ length: 12 }, (_, n) => `u${n}`)),
    isOk: fc.boolean(),
  })
  const promoter = fc.record({
    at: fc.integer({ min: 0, max: 60 }).map((day) => start + day * DAY),
    user: fc.constantFrom('u0', 'u1', 'u2'),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(call, { maxLength: 120 }),
      fc.array(promoter, { maxLength: 2 }),
      fc.integer({ min: 30, max: 62 }),
      fc.constantFrom('UTC', 'America/New_York', 'Asia/Kathmandu'),
      async (calls, told, days, timeZone) => {
        const local = localIn(timeZone)
        const day = (ms: number): number => dayOf(String(local(ms).day).replace(/(\d{4})(\d\d)(\d\d)/, '$1-$2-$3'))
        const asOf = start + days * DAY
        const written = calls.map(({ at, user, isOk }) => callOf({ at, user, status: isOk ? 'ok' : 'error' }))
        const events = told.map(({ at, user }) => eventOf({ at, kind: 'nps', user, says: { 'nps.score': 10 } }))
        const answers: string[] = []
        for (const some of [written, [...written.toReversed(), ...written.slice(0, 9)]]) {
          const store = await ledgerOf([])
          await store.write({ calls: some.slice(0, 40), events })
          await store.write({ calls: some, events })
          const { rows } = await openAnalytics(store, { now: () => asOf, timeZone }).report('lifecycle')
          answers.push(JSON.stringify(rows))
          const users = [...new Set(calls.map(({ user }) => user))]
          const before = users.map((user) => slowStage(user, calls, told, { atMs: asOf - 28 * DAY, day }))
          const now = users.map((user) => slowStage(user, calls, told, { atMs: asOf, day }))
          const there = now.filter((stage) => stage !== undefined).length
          expect(lines(rows, 'stage', 'users', 'moved_in', 'moved_out')).toEqual(
            there === 0
              ? []
              : ['acquisition', 'activation', 'retention', 'growth'].map((stage) => {
                  const count = (of: (n: number) => boolean): number => users.filter((_, n) => of(n)).length
                  return `${stage} ${count((n) => now[n] === stage)} ${count((n) => now[n] === stage && before[n] !== stage)} ${count((n) => before[n] === stage && now[n] !== stage)}`
                }),
          )
          await store.close()
        }
        expect(answers[0]).toBe(answers[1])
      },
    ),
    { numRuns: 60 },
  )
})
