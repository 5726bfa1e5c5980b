import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { openAnalytics, type Cell } from '../src/index.ts'
import { phi, youden } from '../src/statistics/two-by-two.ts'
import { sessionize } from './behavior/naive-sessions.ts'
import { ledgerOf, type CallWords } from './ledger.ts'

const DAY_MS = 86_400_000
const BEGIN = Date.parse('2026-01-01T00:00:00Z')
const AS_OF = BEGIN + 60 * DAY_MS

interface Found {
  readonly user: string
  readonly minute: number
  readonly session: string | undefined
  readonly isChat: boolean
}

/** Sessions of users' own days 0 to 6 by putting all calls into sessions; whether a user stayed by looking at each call. */
function naiveThresholds(found: readonly Found[], which: 'sessions' | 'multi_turn') {
  const calls = found.map(({ user, minute, session, isChat }, n) => ({
    id: String(n),
    user,
    session,
    startMs: BEGIN + minute * 60_000,
    endMs: BEGIN + minute * 60_000 + 100,
    timeToFirstTokenMs: undefined,
    feature: undefined,
    operation: isChat ? 'chat' : 'embeddings',
    status: 'ok' as const,
    errorClass: undefined,
    fingerprint: undefined,
    retryOf: undefined,
    autoRetry: undefined,
    isNested: false,
  }))
  const dayOf = (ms: number): number => Math.floor(ms / DAY_MS)
  const sessions = sessionize(calls, { asOfMs: AS_OF, retries: new Map() })
  const users = [...new Set(found.map(({ user }) => user))].flatMap((user) => {
    const days = calls.filter((call) => call.user === user).map(({ startMs }) => dayOf(startMs))
    const first = Math.min(...days)
    if (first + 28 > dayOf(AS_OF)) return []
    const own = sessions.filter((one) => one.user === user && dayOf(one.startMs) - first < 7)
    const count = own.filter(({ messages }) => which === 'sessions' || messages.length >= 2).length
    return [{ count, stays: days.some((day) => day >= first + 21 && day < first + 28) }]
  })
  const most = Math.max(0, ...users.map(({ count }) => count))
  return Array.from({ length: most }, (_, n) => {
    const k = n + 1
    const is = (reached: boolean, stays: boolean): number =>
      users.filter((user) => user.count >= k === reached && user.stays === stays).length
    const table = { a: is(true, true), b: is(true, false), c: is(false, true), d: is(false, false) }
    return { at_least: k, users: table.a + table.b, n: users.length, phi: phi(table), youden: youden(table) }
  })
}

async function thresholds(found: readonly Found[], count: string, closing = false): Promise<Record<string, Cell | undefined>[]> {
  const store = await ledgerOf(
    found.map(({ user, minute, session, isChat }): CallWords => ({
      user,
      session,
      at: BEGIN + minute * 60_000,
      operation: isChat ? 'chat' : 'embeddings',
    })),
  )
  if (closing) await store.closeDays()
  const { rows } = await openAnalytics(store, { now: () => AS_OF }).report('thresholds', { options: { count } })
  await store.close()
  return rows.map(({ at_least, users, n, phi: matthews, youden: index }) => ({ at_least, users, n, phi: matthews, youden: index }))
}

describe('thresholds', () => {
  it.each(['sessions', 'multi_turn'] as const)(
    '--count %s counts those that began in the first week, as a list of all sessions finds',
    async (count) => {
      const calls = fc.array(
        fc.record({
          user: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
          minute: fc.oneof(fc.integer({ min: 0, max: 8 * 1440 }), fc.integer({ min: 0, max: 34 * 1440 })),
          session: fc.constantFrom('s', 't', undefined, undefined),
          isChat: fc.boolean(),
        }),
        { minLength: 1, maxLength: 60 },
      )
      await fc.assert(
        fc.asyncProperty(calls, fc.boolean(), async (found, closing) => {
          // Of calls in one instant nobody knows the order.
          const apart = [...new Map(found.map((one) => [`${one.user} ${one.minute}`, one])).values()]
          expect(await thresholds(apart, count, closing)).toEqual(naiveThresholds(apart, count))
        }),
        { numRuns: 15 },
      )
    },
  )

  it('--count multi_turn leaves sessions of one message out', async () => {
    const at = (user: string, minute: number): Found => ({ user, minute, session: undefined, isChat: true })
    // Ann talks twice in one sitting and stays; ben comes twice, says one thing each time, and does not.
    const found = [at('ann', 0), at('ann', 5), at('ann', 22 * 1440), at('ben', 0), at('ben', 120)]
    expect(await thresholds(found, 'multi_turn')).toEqual([{ at_least: 1, users: 1, n: 2, phi: 1, youden: 1 }])
    expect((await thresholds(found, 'sessions')).map(({ at_least, users }) => [at_least, users])).toEqual([
      [1, 2],
      [2, 1],
    ])
  })
})
