import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { sessionize } from '../behavior/naive-sessions.ts'
import type { UserCall } from '../../src/behavior/user-call.ts'
import { inOrder } from '../../src/read/asked-call.ts'
import { openAnalytics } from '../../src/index.ts'
import { Journeys } from '../../src/journey/journeys.ts'
import type { Person } from '../../src/journey/person.ts'
import { dayOf } from '../../src/behavior/user-history.ts'
import { localIn } from '../behavior/histories.ts'
import { ledgerOf, type CallWords } from '../ledger.ts'

const START = Date.parse('2025-03-01T00:00:00Z')
const MINUTE = 60_000
const DAY = 1440 * MINUTE

interface Words {
  readonly minute: number
  readonly user: string
  readonly session: string | undefined
  readonly seconds: number
  readonly status: UserCall['status']
  readonly isTruncated: boolean
  readonly feature: string | undefined
  readonly operation: string
}

const words: fc.Arbitrary<Words> = fc.record({
  minute: fc.oneof(fc.integer({ min: 0, max: 240 }), fc.integer({ min: 0, max: 40 * 1440 })),
  user: fc.constantFrom('ann', 'bob', 'cyd'),
  session: fc.constantFrom(undefined, undefined, 's1', 's2'),
  seconds: fc.constantFrom(0, 30, 600, 1800),
  status: fc.constantFrom('ok', 'ok', 'error', 'cancelled'),
  isTruncated: fc.boolean(),
  feature: fc.constantFrom(undefined, 'chat', 'search'),
  operation: fc.constantFrom('chat', 'chat', 'embeddings'),
})

function toUserCalls(list: readonly Words[]): UserCall[] {
  return list.map(({ minute, seconds, isTruncated, ...rest }, n) => ({
    ...rest,
    id: String(n).padStart(5, '0'),
    startMs: START + minute * MINUTE,
    endMs: START + minute * MINUTE + seconds * 1000,
    errorClass: rest.status === 'ok' && isTruncated ? 'truncated' : undefined,
    timeToFirstTokenMs: undefined,
    fingerprint: undefined,
    isNested: false,
  }))
}

/** How far a user has come, by looking at all calls again for each question. */
function slowJourney(calls: readonly UserCall[], asOfMs: number) {
  const own = inOrder(calls)
  const sessions = sessionize(own, { asOfMs, retries: new Map() })
  const first = sessions.find(({ calls: [one] }) => one?.id === own[0]?.id)
  const seconds = sessions.flatMap(({ messages }) => messages[1]?.startMs ?? [])
  const last = first?.calls.at(-1)
  return {
    firstIsOk: own[0]?.status === 'ok',
    successMs: own.find(({ status }) => status === 'ok')?.startMs,
    multiTurnMs: seconds.length === 0 ? undefined : Math.min(...seconds),
    advancedMs: own.find(({ feature }) => feature === 'search')?.startMs,
    session: {
      startMs: first?.startMs,
      endMs: first?.endMs,
      messages: first?.messages.length,
      features: new Set(first?.calls.flatMap(({ feature }) => feature ?? [])).size,
      isBadEnd: last?.status !== 'ok' || last.errorClass === 'truncated',
    },
  }
}

describe('how far a user has come', () => {
  it('read call by call is what sessions of all calls say', () => {
    fc.assert(
      fc.property(fc.array(words, { minLength: 1, maxLength: 60 }), (list) => {
        const calls = inOrder(toUserCalls(list))
        const person: Person = { user: '', beginMs: 0, beginDay: 0, signUp: undefined, secondWeek: [0, 0] }
        const ids = new Map(['ann', 'bob', 'cyd'].map((user, n) => [user, n + 1]))
        const sessionIds = new Map<string | undefined, number>([
          [undefined, 0],
          ['s1', 1],
          ['s2', 2],
        ])
        const journeys = new Journeys(new Map([...ids.values()].map((id) => [id, person])))
        for (const { user, session, startMs, endMs, status, errorClass, operation, feature } of calls) {
          const kind = { isOk: status === 'ok', isBadEnd: status !== 'ok' || errorClass === 'truncated' }
          journeys.add(ids.get(user) ?? 0, {
            session: sessionIds.get(session) ?? 0,
            startMs,
            endMs,
            kind,
            isMessage: operation === 'chat',
            feature: feature === undefined ? 0 : feature === 'chat' ? 1 : 2,
            isAdvanced: feature === 'search',
          })
        }
        const read = journeys.finish()
        for (const [user, id] of ids) {
          const own = calls.filter((call) => call.user === user)
          const journey = read.get(id)
          expect(journey === undefined).toBe(own.length === 0)
          if (own.length === 0) continue
          const { startMs, endMs, messages, features, isBadEnd } = journey?.firstSession ?? {}
          expect({
            firstIsOk: journey?.first.isOk,
            successMs: journey?.successMs,
            multiTurnMs: journey?.multiTurnMs,
            advancedMs: journey?.advancedMs,
            session: { startMs, endMs, messages, features: features?.size, isBadEnd },
          }).toEqual(slowJourney(own, START + 80 * DAY))
        }
      }),
      { numRuns: 500 },
    )
  })

  it('keeps every session that a second message may come to, however many others there are', () => {
    const HOUR = 60 * MINUTE
    const secondMessage = (session: number): number | undefined => {
      const journeys = new Journeys(
        new Map([[1, { user: 'ann', beginMs: 0, beginDay: 0, signUp: undefined, secondWeek: [0, 0] } as const]]),
      )
      const kind = { isOk: true, isBadEnd: false }
      const say = (startMs: number, of: number): void =>
        journeys.add(1, { session: of, startMs, endMs: startMs, kind, isMessage: true, feature: 0, isAdvanced: false })
      for (let n = 1; n <= 200; n++) say(n * HOUR, n)
      say(200 * HOUR + MINUTE, session)
      return journeys.finish().get(1)?.multiTurnMs
    }
    expect(secondMessage(199)).toBe(200 * HOUR + MINUTE)
    expect(secondMessage(177)).toBe(200 * HOUR + MINUTE)
    // A day has passed since these.
    expect(secondMessage(176)).toBeUndefined()
    expect(secondMessage(3)).toBeUndefined()
  })
})

/** The milestones report, user by user and day by day over plain arrays. */
function slowMilestones(calls: readonly UserCall[], { zone, asOfMs, within }: { zone: string; asOfMs: number; within: number }) {
  const local = localIn(zone)
  const day = (ms: number): number => dayOf(String(local(ms).day).replace(/(\d{4})(\d\d)(\d\d)/, '$1-$2-$3'))
  const known = calls.filter(({ startMs }) => startMs < asOfMs)
  const people = [...new Set(known.map(({ user }) => user))].map((user) => {
    const own = inOrder(known.filter((call) => call.user === user))
    const firstMs = own[0]?.startMs ?? 0
    const { successMs, multiTurnMs, advancedMs } = slowJourney(own, asOfMs)
    const secondWeekMs = own.find(({ startMs }) => day(startMs) - day(firstMs) >= 7 && day(startMs) - day(firstMs) <= 13)?.startMs
    return { firstMs, steps: [successMs, multiTurnMs, advancedMs, secondWeekMs] }
  })
  const watched = people.filter(({ firstMs }) => day(firstMs) + within <= day(asOfMs))
  const isIn = ({ firstMs, steps }: (typeof people)[number], n: number): boolean => {
    const ms = steps[n]
    return ms !== undefined && day(ms) - day(firstMs) < within
  }
  return [0, 1, 2, 3].map((n) => {
    const follows = (one: (typeof people)[number], upTo: number): boolean =>
      Array.from({ length: upTo + 1 }, (_, k) => k).every(
        (k) => isIn(one, k) && (k === 0 || (one.steps[k] ?? 0) >= (one.steps[k - 1] ?? 0)),
      )
    // Kaplan and Meier, day by day.
    let left = 1
    let seen = 0
    for (let t = 0; t < within; t++) {
      const atRisk = people.filter(({ firstMs, steps }) => {
        const lastDay = day(asOfMs) - day(firstMs) - 1
        const ms = steps[n]
        const at = ms === undefined ? Number.POSITIVE_INFINITY : day(ms) - day(firstMs)
        return lastDay >= t && at >= t
      })
      const now = atRisk.filter(({ firstMs, steps }) => steps[n] !== undefined && day(steps[n]) - day(firstMs) === t)
      if (atRisk.length > 0) left *= 1 - now.length / atRisk.length
      seen = atRisk.length
    }
    return {
      users: watched.filter((one) => isIn(one, n)).length,
      of: watched.length,
      survival: seen > 0 || left < 1e-12 ? 1 - left : null,
      followed: watched.filter((one) => follows(one, n)).length,
    }
  })
}

it('milestones of any ledger in any zone are what going through users one by one finds, and never grow along the order', async () => {
  const zones = fc.constantFrom('UTC', 'America/New_York', 'Asia/Kathmandu', 'Australia/Lord_Howe')
  await fc.assert(
    fc.asyncProperty(
      fc.array(words, { maxLength: 50 }),
      zones,
      fc.integer({ min: 0, max: 60 * 24 }),
      fc.constantFrom(14, 20),
      async (list, zone, hours, within) => {
        const calls = toUserCalls(list)
        const store = await ledgerOf(
          calls.map(({ startMs, endMs, user, session, feature, operation, status, errorClass }): CallWords => ({
            at: startMs,
            user,
            session,
            operation,
            status,
            latencyMs: endMs - startMs,
            ...(errorClass === 'truncated' ? { errorClass } : {}),
            properties: feature === undefined ? {} : { Feature: feature },
          })),
        )
        const asOfMs = START + hours * 60 * MINUTE
        const analytics = openAnalytics(store, { now: () => asOfMs, timeZone: zone })
        const { rows } = await analytics.report('milestones', { options: { advanced_features: 'search', within: `${within}d` } })
        const rounded = (value: unknown): number | null => (typeof value === 'number' ? Math.round(value * 1e12) / 1e12 : null)
        const found = rows.map(({ users, of, survival_rate: survival, in_order: inOrderOf }) => [users, of, rounded(survival), inOrderOf])
        const slow = calls.some(({ startMs }) => startMs < asOfMs) ? slowMilestones(calls, { zone, asOfMs, within }) : []
        expect(found).toEqual(slow.map(({ users, of, survival, followed }) => [users, of, rounded(survival), followed]))
        const followed = found.map(([, , , users]) => Number(users))
        expect(followed).toEqual(followed.toSorted((a, b) => b - a))
        await store.close()
      },
    ),
    { numRuns: 60 },
  )
})
