import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { addDays, openZone, type Store } from '@spanledger/store'

import { openAnalytics, parseSegments, type SegmentsWords } from '../../src/index.ts'
import { binomialTail } from '../../src/segments/automatic-segments.ts'
import { powerMeasures, riskMeasures, tenureMeasures, type PowerMeasure, type SegmentRules } from '../../src/segments/segment-rules.ts'
import { activeDurationMs, sessionize } from '../behavior/naive-sessions.ts'
import { ledgerOf, type CallWords } from '../ledger.ts'
import { readPlainCalls, type PlainCall } from '../naive.ts'
import { AS_OF, zones } from '../random-ledger.ts'

const DAY = 86_400_000
const MINUTE = 60_000

/** Sittings of some minutes, of users who use much or little, were there for long or came lately; deterministic. */
const calls: readonly CallWords[] = fc
  .sample(
    fc.record({
      user: fc.integer({ min: 1, max: 14 }),
      daysAgo: fc.integer({ min: 0, max: 75 }),
      minutes: fc.integer({ min: 0, max: 300 }),
      session: fc.constantFrom('a', 'b', undefined),
      latencyMs: fc.integer({ min: 0, max: 20 * MINUTE }),
      inputTokens: fc.integer({ min: 0, max: 9000 }),
      costNanoUsd: fc.option(fc.integer({ min: 0, max: 50_000_000 }), { nil: undefined, freq: 4 }),
      isSilent: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    }),
    { numRuns: 900, seed: 11 },
  )
  .filter(({ user, daysAgo }) => (user > 10 ? daysAgo < user * 3 : user > 4 || daysAgo > 13 || daysAgo % user === 0))
  .map(({ user, daysAgo, minutes, isSilent, inputTokens, session, latencyMs, costNanoUsd }) => ({
    at: AS_OF - daysAgo * DAY - minutes * MINUTE,
    user: `u${user}`,
    session,
    latencyMs,
    costNanoUsd,
    usage: isSilent ? null : { inputTokens, outputTokens: 7 },
  }))

/** What users used in 30 days, told the long way. */
const usageOf: Readonly<Record<Exclude<PowerMeasure, 'composite'>, (own: readonly PlainCall[]) => number>> = {
  requests: (own) => own.length,
  tokens: (own) =>
    own.reduce((sum, { missing, tokens }) => sum + (missing ? 0 : Object.values(tokens).reduce((all, one) => all + one, 0)), 0),
  cost: (own) => own.reduce((sum, { costNanoUsd }) => sum + (costNanoUsd ?? 0), 0) / 1e9,
  active_time: (own) => {
    const sessions = sessionize(own.map(userCallOf), { asOfMs: AS_OF, retries: new Map() })
    return sessions.reduce((sum, session) => sum + activeDurationMs(session), 0) / 1000
  },
}

function userCallOf({ user, session, startMs, latencyMs }: PlainCall, n: number): Parameters<typeof sessionize>[0][number] {
  const said = { operation: 'chat', status: 'ok', errorClass: undefined, fingerprint: undefined, isNested: false } as const
  const times = { startMs, endMs: startMs + latencyMs, timeToFirstTokenMs: undefined }
  return { id: String(n).padStart(6, '0'), user: user ?? '', session: session ?? undefined, feature: undefined, ...said, ...times }
}

function percentile(values: readonly number[], value: number): number {
  const [below, equal] = [values.filter((other) => other < value).length, values.filter((other) => other === value).length]
  return ((below + equal / 2) / values.length) * 100
}

interface Asked {
  readonly rules: SegmentRules
  readonly asOfMs: number
  readonly timeZone: string
  readonly signUps: Readonly<Record<string, string>>
}

/** Everybody's standing from plain loops over calls. */
function standings(plain: readonly PlainCall[], { rules, asOfMs, timeZone, signUps }: Asked): Map<string, Record<string, unknown>> {
  const zone = openZone(timeZone)
  const known = plain.filter(({ user, startMs }) => user !== null && startMs < asOfMs)
  const within = (from: number, to = 0): PlainCall[] =>
    known.filter(({ startMs }) => startMs >= asOfMs - from * DAY && startMs < asOfMs - to * DAY)
  const active = new Map<string, PlainCall[]>()
  for (const call of within(30)) active.set(call.user ?? '', [...(active.get(call.user ?? '') ?? []), call])
  const by = (measure: Exclude<PowerMeasure, 'composite'>): Map<string, number> =>
    new Map(Array.from(active, ([user, own]) => [user, usageOf[measure](own)]))
  const [requests, time] = [by('requests'), by('active_time')]
  const composite = (): Map<string, number> => {
    const ranks = (of: Map<string, number>, user: string): number => percentile([...of.values()], of.get(user) ?? 0)
    return new Map(Array.from(active.keys(), (user) => [user, (ranks(requests, user) + ranks(time, user)) / 2]))
  }
  const usage = rules.power === 'composite' ? composite() : by(rules.power)
  const descending = [...usage.values()].sort((a, b) => b - a)
  const atCut = descending[Math.ceil(descending.length / 10) - 1] ?? Number.POSITIVE_INFINITY
  const count = (own: readonly PlainCall[]): number =>
    rules.at_risk === 'requests' ? own.length : new Set(own.map(({ startMs }) => zone.day(startMs))).size
  const found = new Map<string, Record<string, unknown>>()
  for (const user of new Set(known.map((call) => call.user ?? ''))) {
    const of = (some: readonly PlainCall[]): PlainCall[] => some.filter((call) => call.user === user)
    const firstMs = Math.min(...of(known).map(({ startMs }) => startMs))
    const signUpMs =
      rules.new === 'sign_up' && signUps[user] !== undefined ? zone.startOfDay(Number(signUps[user]?.replaceAll('-', ''))) : firstMs
    const [sinceDay, today] = [zone.day(Math.min(firstMs, signUpMs)), zone.day(asOfMs)]
    let tenure = 0
    while (addDays(sinceDay, tenure) < today) tenure++
    const [prior, recent] = [count(of(within(28, 14))), count(of(within(14)))]
    const isFalling = prior >= 5 && recent <= prior / 2 && binomialTail(recent, prior + recent) < 0.05
    const isPower = (usage.get(user) ?? 0) > 0 && (usage.get(user) ?? 0) >= atCut
    const inOrder = [
      ['churned', !active.has(user)],
      ['new', tenure < 30],
      ['at_risk', isFalling],
      ['power', isPower],
      ['casual', true],
    ] as const
    found.set(user, {
      segment: inOrder.find(([, holds]) => holds)?.[0],
      is_power: isPower,
      is_new: tenure < 30,
      is_at_risk: isFalling && tenure >= 28,
      tenure_days: tenure,
      usage_30d: expect.closeTo(usage.get(user) ?? 0, 6),
      risk_score: 1 - (recent + 1) / (prior + 1),
    })
  }
  return found
}

describe('what automatic segments are decided by, over random calls', () => {
  const signUps = { u2: '2026-01-02', u11: '2026-03-20', u12: '2026-02-01', u13: '2026-12-24', u14: 'soon' }
  let store: Store
  let plain: PlainCall[]
  beforeAll(async () => {
    store = await ledgerOf(calls)
    await store.writeTraits(Object.entries(signUps).map(([user, value]) => ({ user, name: 'SignupDate', value })))
    plain = await readPlainCalls(store)
  })
  afterAll(() => store.close())

  const { u14: _, u13: __, ...readable } = signUps

  it('is what plain loops say, by every measure, in every zone, at any instant', async () => {
    const seen = new Set<string>()
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          power: fc.constantFrom(...powerMeasures),
          at_risk: fc.constantFrom(...riskMeasures),
          new: fc.constantFrom(...tenureMeasures),
        }),
        fc.oneof(
          fc.integer({ min: AS_OF - 40 * DAY, max: AS_OF }),
          fc.integer({ min: 0, max: 30 }).map((n) => Date.UTC(2026, 3, 15) - n * DAY),
        ),
        fc.constantFrom(...zones),
        async (rules, asOfMs, timeZone) => {
          const { rows } = await openAnalytics(store, { now: () => asOfMs, timeZone, segments: rules }).report('segment_members')
          const expected = standings(plain, { rules, asOfMs, timeZone, signUps: readable })
          expect(new Set(rows.map(({ user }) => user))).toEqual(new Set(expected.keys()))
          for (const row of rows) {
            expect({ user: row['user'], ...row }).toMatchObject({ user: row['user'], ...expected.get(String(row['user'])) })
            seen.add(`${rules.power} ${row['segment']}`)
          }
        },
      ),
      { numRuns: 120 },
    )
    // Every measure made some users power users, and left others casual.
    for (const measure of powerMeasures) expect([...seen]).toEqual(expect.arrayContaining([`${measure} power`, `${measure} casual`]))
  }, 60_000)

  it('holds wherever a segment is told: of users, in questions, for an app, and beside segments of its own', async () => {
    const segments: SegmentsWords = {
      power: 'cost',
      at_risk: 'active_days',
      new: 'sign_up',
      segments: { few: { having: 'requests < 9' } },
      mode: 'multi',
    }
    const analytics = openAnalytics(store, { now: () => AS_OF, segments })
    const { rows: members } = await analytics.report('segment_members')
    const ofMember = new Map(members.map((row) => [row['user'], row['segment']]))
    const { rows: users } = await analytics.report('users', { metrics: ['requests', 'segment'] })
    for (const { user, segment } of users) expect([user, segment]).toEqual([user, ofMember.get(user ?? '')])
    const { rows: counts } = await analytics.report('segments')
    const inEach = [...ofMember.values()].flatMap((names) => String(names).split(', '))
    for (const { segment, users: count } of counts)
      expect([segment, count]).toEqual([segment, inEach.filter((one) => one === segment).length])
    await analytics.loadUserMetrics()
    for (const [user, segment] of ofMember) expect(analytics.getUserMetrics(String(user)).segment).toBe(segment)
  })

  it('is said in the answer where it is not the usual', async () => {
    const warningsOf = async (segments: SegmentsWords, report: string): Promise<readonly string[]> =>
      (await openAnalytics(store, { now: () => AS_OF, segments }).report(report)).meta.warnings
    for (const report of ['segments', 'segment_members']) {
      expect(await warningsOf({ power: 'cost', new: 'sign_up' }, report)).toContain('segments go by: power by cost, new by sign_up')
      expect((await warningsOf({ few: { having: 'requests < 9' } }, report)).filter((one) => one.includes('go by'))).toEqual([])
    }
    const analytics = openAnalytics(store, { now: () => AS_OF, segments: { power: 'cost' } })
    const told = 'segments go by: power by cost'
    const asked = [
      await analytics.report('segments', { options: { history: 'users' } }),
      await analytics.report('segments', { options: { history: 'moves' } }),
      await analytics.report('users'),
      await analytics.report('lifecycle'),
      await analytics.report('friction'),
      await analytics.report('models', { where: 'segment = power' }),
      await analytics.query({ metrics: ['requests'], by: ['segment'] }),
    ]
    for (const { meta } of asked) expect(meta.warnings.filter((one) => one.includes('go by'))).toEqual([told])
    expect((await analytics.report('users', { metrics: ['requests'] })).meta.warnings).not.toContain(told)
  })
})

describe('the words that say it', () => {
  it('stand beside segments by name, or around them, or alone', () => {
    const usual: SegmentRules = { power: 'requests', at_risk: 'requests', new: 'first_call' }
    expect(parseSegments({}).rules).toEqual(usual)
    expect(parseSegments({ power: 'cost' })).toEqual({ mode: 'exclusive', custom: [], rules: { ...usual, power: 'cost' } })
    expect(parseSegments({ at_risk: 'active_days', vip: {} }).custom.map(({ name }) => name)).toEqual(['vip'])
    expect(parseSegments({ mode: 'multi', new: 'sign_up', segments: { vip: {} } })).toMatchObject({
      mode: 'multi',
      custom: [{ name: 'vip' }],
      rules: { ...usual, new: 'sign_up' },
    })
    // A segment that is called as a word of the file is still one.
    expect(parseSegments({ segments: { mode: {}, segments: {} } }).custom.map(({ name }) => name)).toEqual(['mode', 'segments'])
  })
})
