import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { friction } from '../../src/behavior/friction.ts'
import { findRetries } from '../../src/read/find-retries.ts'
import { mostRetried, requestsByFeature } from '../../src/behavior/retries.ts'
import { factsOf } from './facts.ts'
import { friction as naiveFriction } from './naive-friction.ts'
import { activeDurationMs, durationMs, sessionize } from './naive-sessions.ts'
import type { UserCall } from '../../src/behavior/user-call.ts'
import { call } from './histories.ts'

const HOUR_MS = 3_600_000

const someCalls: fc.Arbitrary<UserCall[]> = fc
  .array(
    fc.record({
      user: fc.constantFrom('a', 'b'),
      session: fc.constantFrom(undefined, 's', 't'),
      startMs: fc.nat(60 * HOUR_MS),
      seconds: fc.nat(900),
      feature: fc.constantFrom('chat', 'code'),
      fingerprint: fc.constantFrom(undefined, 'x', 'y'),
    }),
    { maxLength: 60 },
  )
  .map((found) => found.map(({ session, fingerprint, ...rest }, n) => ({ ...call({ id: `c${n}`, ...rest }), session, fingerprint })))

describe('sessions of any history', () => {
  it('hold every call once, and are the same in whatever order the calls come', () => {
    fc.assert(
      fc.property(someCalls, fc.infiniteStream(fc.nat()), (calls, random) => {
        const shuffled = calls
          .map((one) => ({ one, at: random.next().value as number }))
          .sort((x, y) => x.at - y.at)
          .map(({ one }) => one)
        const [retries, again] = [findRetries(calls), findRetries(shuffled)]
        expect(new Map([...again].sort())).toEqual(new Map([...retries].sort()))
        const sessions = sessionize(calls, { asOfMs: 90 * HOUR_MS, retries })
        const ids = sessions.flatMap((session) => session.calls.map(({ id }) => id))
        expect(ids.toSorted()).toEqual(calls.map(({ id }) => id).toSorted())
        const key = (session: (typeof sessions)[number]): string => session.calls.map(({ id }) => id).join()
        expect(
          sessionize(shuffled, { asOfMs: 90 * HOUR_MS, retries: again })
            .map(key)
            .toSorted(),
        ).toEqual(sessions.map(key).toSorted())
      }),
    )
  })

  it('are as a second, slower way finds them: neighbours are together unless half an hour lies between', () => {
    fc.assert(
      fc.property(someCalls, (calls) => {
        const unnamed = calls.filter(({ session, startMs }) => session === undefined && startMs < 20 * HOUR_MS)
        const sessions = sessionize(unnamed, { asOfMs: 90 * HOUR_MS, retries: new Map() })
        for (const user of ['a', 'b']) {
          const own = unnamed.filter((one) => one.user === user).sort((x, y) => x.startMs - y.startMs)
          const gaps = own.filter(
            (one, n) => n > 0 && one.startMs - Math.max(...own.slice(0, n).map(({ endMs }) => endMs)) >= HOUR_MS / 2,
          ).length
          expect(sessions.filter((session) => session.user === user)).toHaveLength(own.length === 0 ? 0 : gaps + 1)
        }
      }),
    )
  })

  it('never were used for longer than they lasted', () => {
    fc.assert(
      fc.property(someCalls, (calls) => {
        for (const session of sessionize(calls, { asOfMs: 90 * HOUR_MS, retries: new Map() })) {
          expect(activeDurationMs(session)).toBeLessThanOrEqual(durationMs(session))
          expect(activeDurationMs(session)).toBeGreaterThanOrEqual(0)
        }
      }),
    )
  })

  it('a retry never repeats itself, another user, or what had not ended', () => {
    fc.assert(
      fc.property(someCalls, (calls) => {
        const byId = new Map(calls.map((one) => [one.id, one]))
        for (const [id, earlier] of findRetries(calls)) {
          const retry = byId.get(id)
          expect(retry?.user).toBe(earlier.user)
          expect(retry?.fingerprint).toBe(earlier.fingerprint)
          expect((retry?.startMs ?? 0) - earlier.endMs).toBeGreaterThanOrEqual(0)
          expect((retry?.startMs ?? 0) - earlier.endMs).toBeLessThanOrEqual(300_000)
        }
      }),
    )
  })

  it('shows the friction that a plain reading of all calls shows, also where sessions end with what was asked again', () => {
    const asOfMs = 90 * HOUR_MS
    let unclear = 0
    fc.assert(
      fc.property(someCalls, fc.array(fc.boolean(), { minLength: 60, maxLength: 60 }), (found, failures) => {
        const calls = found.map((one, n): UserCall => {
          // A session is its user's.
          const session = one.session === undefined ? undefined : `${one.session} of ${one.user}`
          return failures[n] === true ? { ...one, session, status: 'error', errorClass: 'timeout' } : { ...one, session }
        })
        const retries = findRetries(calls)
        const { totals, kinds } = factsOf(calls, { asOfMs, retries })
        const told = friction({
          requests: calls.length,
          modelErrors: calls.filter(({ status }) => status === 'error').length,
          totals,
          kinds,
          retries: mostRetried(requestsByFeature(calls, retries), { minRequests: 1 }),
          powerUsers: 0,
          rateLimitedPowerUsers: 0,
        })
        const sessions = sessionize(calls, { asOfMs, retries })
        expect(told).toEqual(naiveFriction({ calls, sessions, retries, powerUsers: new Set(), minRequests: 1 }))
        if (told.abandonment.patterns.some(({ pattern }) => pattern === 'unclear_response')) unclear++
      }),
      { numRuns: 300, seed: 3 },
    )
    expect(unclear).toBeGreaterThan(0)
  })
})
