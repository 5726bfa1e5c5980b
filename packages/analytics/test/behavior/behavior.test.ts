import { describe, expect, it } from 'vitest'

import { friction, frictionInWords, isModelError } from '../../src/behavior/friction.ts'
import { findRetries } from '../../src/read/find-retries.ts'
import { mostRetried, requestsByFeature, retryRates } from '../../src/behavior/retries.ts'
import { ordinal } from '../../src/behavior/in-words.ts'
import { sessionMetrics } from '../../src/behavior/session-metrics.ts'
import { usagePatterns, usagePatternsInWords } from '../../src/behavior/usage-patterns.ts'
import type { UserCall } from '../../src/behavior/user-call.ts'
import { quantile } from '../../src/statistics/quantiles.ts'
import { factsOf } from './facts.ts'
import { call, dayOfRequests, localIn, twelveUsers } from './histories.ts'
import { friction as naiveFriction } from './naive-friction.ts'
import { sessionMetrics as naiveSessionMetrics } from './naive-session-metrics.ts'
import { durationMs, followUps, sessionize, type Session } from './naive-sessions.ts'
import { usagePatterns as naivePatterns, type PatternCall } from './naive-usage-patterns.ts'

const asOfMs = Date.parse('2024-03-11T12:00:00Z')
const day = dayOfRequests()
const retries = findRetries(day)
const sessions = sessionize(day, { asOfMs, retries })
/** The app said that the goal of session s1 was reached. */
const saidOf = ({ name }: Pick<Session, 'name'>) => (name === 's1' ? ({ outcome: 'completed' } as const) : undefined)

const facts = factsOf(day, { asOfMs, retries, saidOf: (name) => saidOf({ name }) })

function ids(calls: readonly UserCall[]): string {
  return calls.map(({ id }) => id).join(' ')
}

describe('sessions', () => {
  it('are split after half an hour without a call, to the second; a named one lasts through a pause of two hours', () => {
    expect(sessions.map((session) => [ids(session.calls), durationMs(session) / 1000, session.messages.length, session.isOpen])).toEqual([
      ['e1', 5, 1, false],
      ['a1 a2 a3 a4', 1270, 3, false],
      ['a5 a6', 1810, 2, false],
      ['b1 b2 b3 b4 b5', 7215, 3, false],
      ['c1 c2 c3 c4', 460, 4, false],
      ['a7', 8, 1, false],
      ['d1', 10, 1, true],
    ])
  })

  it('with a name are split by a day, and the second part is numbered', () => {
    const at = (id: string, hours: number): UserCall => ({
      ...call({ id, user: 'u', startMs: hours * 3_600_000, seconds: 0, feature: 'chat' }),
      session: 's',
    })
    const parts = sessionize([at('late', 24), at('first', 0), at('near', 23.9), at('far', 48)], { asOfMs, retries: new Map() })
    expect(parts.map(({ name, calls }) => [name, ids(calls)])).toEqual([
      ['s', 'first near late'],
      ['s#2', 'far'],
    ])
  })

  it('without a name last a day at most', () => {
    const everyTwentyMinutes = Array.from({ length: 100 }, (_, n) =>
      call({ id: String(n), user: 'u', startMs: n * 1_200_000, seconds: 1, feature: 'chat' }),
    )
    expect(sessionize(everyTwentyMinutes, { asOfMs, retries: new Map() }).map(({ calls }) => calls.length)).toEqual([72, 28])
  })

  it('have the durations, messages, returns and completions that were worked out by hand', () => {
    const metrics = sessionMetrics(facts.totals, facts)
    expect(metrics).toEqual({
      sessions: 7,
      open_sessions: 1,
      duration_avg_s: expect.closeTo(1794.6667, 4) as unknown,
      duration_p50_s: 865,
      duration_p90_s: 4512.5,
      active_duration_avg_s: expect.closeTo(307.1667, 4) as unknown,
      requests_per_session: 17 / 6,
      messages_per_session: expect.closeTo(2.3333, 4) as unknown,
      follow_up_rate: expect.closeTo(0.2666667, 7) as unknown,
      follow_ups_per_session: 4 / 6,
      return_24h_rate: expect.closeTo(2 / 3, 12) as unknown,
      return_24h_known: 3,
      // Of A and E, who are known of, A.
      return_24h_user_rate: 1 / 2,
      completion_rate: expect.closeTo(4 / 6, 12) as unknown,
      completed: 4,
      abandoned: 2,
      explicit_outcomes: 1,
      inferred_outcomes: 5,
      unknown_outcomes: 0,
      abandonment_messages_avg: 2.5,
      abandonment_messages_p50: 2.5,
    })
  })

  it('are those of the naive way, that has all of them at once', () => {
    const { duration_avg_s: avg, active_duration_avg_s: active, ...exact } = naiveSessionMetrics(sessions, { asOfMs, saidOf })
    expect(sessionMetrics(facts.totals, facts)).toEqual({
      ...exact,
      duration_avg_s: expect.closeTo(avg ?? 0, 9) as unknown,
      active_duration_avg_s: expect.closeTo(active ?? 0, 9) as unknown,
    })
  })

  it('are judged by what the app said alone in strict mode', () => {
    const { completed, abandoned, completion_rate } = sessionMetrics(facts.totals, { ...facts, mode: 'strict' })
    expect({ completed, abandoned, completion_rate }).toEqual({ completed: 1, abandoned: 0, completion_rate: 1 })
  })

  it('of nobody have no numbers, and no NaN', () => {
    const nothing = factsOf([], { asOfMs, retries: new Map() })
    const metrics = sessionMetrics(nothing.totals, nothing)
    expect(Object.values(metrics).every((value) => value === 0 || value === null)).toBe(true)
  })
})

describe('retries', () => {
  it('repeat what the same user asked in the five minutes before; overlapping calls are fan-out', () => {
    expect([...retries].map(([id, { id: of }]) => `${id} of ${of}`)).toEqual(['a4 of a3', 'b2 of b1', 'b3 of b2'])
  })

  it('are not found where no fingerprints are taken, nor across features', () => {
    expect(findRetries(day.map((one) => ({ ...one, fingerprint: undefined })))).toEqual(new Map())
    expect(findRetries(day.map((one, n) => ({ ...one, feature: String(n) })))).toEqual(new Map())
  })

  it('are counted against requests, and what they repeat against those that are none', () => {
    const features = requestsByFeature(day, retries)
    expect(retryRates(features, { isTold: true })).toEqual({
      requests: 18,
      fingerprinted: day.filter(({ fingerprint }) => fingerprint !== undefined).length,
      retries: 3,
      retryRate: 3 / 18,
      retriedRequestRate: 2 / 15,
      afterError: 2,
      autoRetryRate: 0,
      retriedOriginals: 2,
      autoRetried: 0,
    })
    expect(retryRates(features, { isTold: false })).toMatchObject({ retryRate: null, retriedRequestRate: null, retries: 3 })
    expect(retryRates([], { isTold: true })).toMatchObject({ retryRate: null, autoRetryRate: null })
  })

  it('are what the app says, before what fingerprints tell; a try of a program is none', () => {
    const [first, , last] = [day[0]!, day[1]!, day.at(-1)!]
    const said = findRetries(day.map((one) => (one === last ? { ...one, retryOf: first.id } : one)))
    expect(said.get(last.id)?.id).toBe(first.id)
    const own = findRetries(day.map((one) => (one.id === 'a4' ? { ...one, autoRetry: 'itself' as const } : one)))
    expect([...own.keys()]).toEqual(['b2', 'b3'])
    expect(findRetries(day.map((one) => (one.id === 'a4' ? { ...one, retryOf: 'unknown' } : one))).get('a4')?.id).toBe('a3')
  })

  it('are no follow-ups', () => {
    expect(sessions.map((session) => ids(followUps(session))).filter((found) => found !== '')).toEqual(['a2', 'c2 c3 c4'])
  })
})

describe('friction', () => {
  const frictionOf = (
    mostRepeated: ReturnType<typeof mostRetried>,
    power = { powerUsers: 0, rateLimitedPowerUsers: 0 },
  ): ReturnType<typeof friction> =>
    friction({
      requests: day.length,
      modelErrors: day.filter((one) => isModelError(one)).length,
      totals: facts.totals,
      kinds: facts.kinds,
      retries: mostRepeated,
      ...power,
    })

  it('is told in the words of the seed', () => {
    const found = frictionOf(mostRetried(requestsByFeature(day, retries), { minRequests: 1 }))
    expect(frictionInWords(found)).toEqual({
      high_retry_requests: { feature: 'document_analysis', retry_rate: 50, common_issues: ['format_errors', 'regenerated'] },
      abandoned_sessions: { avg_abandonment_point: '3rd message', common_patterns: ['long_wait_time', 'rate_limited'] },
      error_hotspots: { rate_limits: null, model_errors: '11.1% of requests fail' },
    })
    expect(found.abandonment.patterns.map(({ lift }) => lift)).toEqual([expect.closeTo(5, 12), expect.closeTo(5, 12)])
    expect(found).toEqual(naiveFriction({ calls: day, sessions, retries, powerUsers: new Set(), saidOf, minRequests: 1 }))
  })

  it('counts power users who ran into rate limits', () => {
    const found = frictionOf(mostRetried(requestsByFeature(day, retries)), { powerUsers: 2, rateLimitedPowerUsers: 1 })
    expect(found.rateLimitedPowerUserShare).toBe(0.5)
    // Three requests of the feature are fewer than twenty.
    expect(found.retries).toBeNull()
  })

  it('of nothing is nothing', () => {
    const { totals, kinds } = factsOf([], { asOfMs, retries: new Map() })
    const none = friction({ requests: 0, modelErrors: 0, totals, kinds, retries: null, powerUsers: 0, rateLimitedPowerUsers: 0 })
    expect(frictionInWords(none)).toEqual({
      high_retry_requests: null,
      abandoned_sessions: null,
      error_hotspots: { rate_limits: null, model_errors: null },
    })
  })

  it('counts messages as people do', () => {
    expect([1, 2, 3, 4, 11, 12, 13, 21, 22, 101, 111].map(ordinal).join(' ')).toBe('1st 2nd 3rd 4th 11th 12th 13th 21st 22nd 101st 111th')
  })
})

describe('usage patterns', () => {
  const patternsOf = (
    own: readonly PatternCall[],
    until: number,
    { timeZone, calendarDays = 3 }: { timeZone: string; calendarDays?: number },
  ): ReturnType<typeof usagePatterns> => {
    const found = factsOf(own, { asOfMs: until, retries: findRetries(own) })
    const local = localIn(timeZone)
    const hours = new Map<number, number>()
    for (const [quarter, count] of found.counts.quarters) {
      const { hour } = local(quarter * 900_000)
      hours.set(hour, (hours.get(hour) ?? 0) + count)
    }
    return usagePatterns({
      requests: own.length,
      userDays: new Set(own.map(({ user, startMs }) => `${user} ${local(startMs).day}`)).size,
      calendarDays,
      hours,
      features: new Map([...found.counts.features].map(([id, count]) => [found.features.get(id) ?? '', count])),
      models: new Map([['gpt-4o/openai', own.length]]),
      sessionLengthAvgS: found.totals.durationMs / found.totals.closed / 1000,
    })
  }

  it('of a user in New York are those of the local day, told in the words of the seed', () => {
    const own = day.filter(({ user }) => user === 'A')
    const patterns = patternsOf(own, asOfMs, { timeZone: 'America/New_York' })
    expect(usagePatternsInWords(patterns)).toEqual({
      avg_requests_per_day: 2.3333333,
      peak_usage_hours: [0, 1, 23],
      session_length_avg: '17 minutes',
      favorite_features: ['chat', 'document_analysis'],
      model_preferences: ['gpt-4o/openai'],
    })
    const naive = naivePatterns(own, {
      sessions: sessions.filter(({ user }) => user === 'A'),
      local: localIn('America/New_York'),
      calendarDays: 3,
    })
    expect(patterns).toEqual({ ...naive, sessionLengthAvgS: expect.closeTo(naive.sessionLengthAvgS ?? 0, 9) as unknown })
  })

  it('of all users of the day that loses an hour have peaks at the local hours of most requests, the earlier of equals', () => {
    expect(patternsOf(day, asOfMs, { timeZone: 'America/New_York' }).peakHours).toEqual([0, 8, 11])
    // The 90 % quantile of what the fourteen chat calls took, between the two nearest ranks.
    const chats = day.filter(({ feature }) => feature === 'chat').map(({ startMs, endMs }) => (endMs - startMs) / 1000)
    expect([chats.length, quantile(chats, 0.9)]).toEqual([14, expect.closeTo(28.5, 9)])
  })

  it('of a user over thirty days', () => {
    const until = Date.parse('2024-04-15T00:00:00Z')
    const own = twelveUsers().filter(({ user, startMs }) => user === 'u01' && startMs >= until - 30 * 86_400_000)
    expect(patternsOf(own, until, { timeZone: 'UTC', calendarDays: 30 })).toEqual({
      requests: 20,
      userDays: 4,
      requestsPerActiveDay: 5,
      requestsPerCalendarDay: 20 / 30,
      peakHours: [12],
      sessionLengthAvgS: 250,
      favoriteFeatures: ['chat', 'analysis'],
      preferredModels: ['gpt-4o/openai'],
    })
  })

  it('the history has as many requests as it should', () => {
    expect(twelveUsers()).toHaveLength(180)
  })
})
