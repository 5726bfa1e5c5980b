import fc from 'fast-check'
import { expect, it } from 'vitest'

import { openAnalytics } from '../../src/index.ts'
import { eventOf, scoreFacts } from '../events.ts'
import { callOf, ledgerOf } from '../ledger.ts'

const MINUTE_MS = 60_000
const AS_OF = Date.parse('2026-04-15T00:00:00Z')
const START = AS_OF - 86_400_000

interface Asked {
  readonly minute: number
  readonly user: string
  readonly session: string | undefined
  readonly feature: string
  readonly status: 'ok' | 'error' | 'cancelled'
  readonly asks: number | undefined
}

/** Something said of a call, of its answer, or of a session. */
interface SaidWords {
  readonly nth: number
  readonly about: 'call' | 'response' | 'session'
  readonly says: 'goal' | 'score' | 'rating' | 'task' | 'end'
  readonly by: string
  readonly good: 0 | 1 | 2
}

const asked: fc.Arbitrary<Asked> = fc.record({
  minute: fc.nat(12),
  user: fc.constantFrom('ada', 'bob'),
  session: fc.constantFrom('s', 't', undefined),
  feature: fc.constantFrom('chat', 'search'),
  status: fc.constantFrom('ok', 'ok', 'ok', 'error', 'cancelled'),
  asks: fc.constantFrom(1, 2, undefined),
})
const said: fc.Arbitrary<SaidWords> = fc.record({
  nth: fc.nat(99),
  about: fc.constantFrom('call', 'response', 'session'),
  says: fc.constantFrom('goal', 'score', 'rating', 'rating', 'task', 'end'),
  by: fc.constantFrom('ada', 'bob'),
  good: fc.constantFrom(0, 1, 2),
})

const askedIn = (session: 's' | 't', minute: number): Asked => ({
  minute,
  user: 'ada',
  session,
  feature: 'chat',
  status: 'ok',
  asks: undefined,
})
const taskTold = (nth: number): SaidWords => ({ nth, about: 'session', says: 'task', by: 'ada', good: 0 })

type Call = Asked & { readonly n: number }
type Event = SaidWords & { readonly at: number; readonly of: Call }

/** The last thing that was said of a kind; a later word of the same user about the same thing takes the place of the one before. */
function verdict(events: readonly Event[], call: Call): 'good' | 'bad' | undefined {
  const last = (some: readonly Event[]): Event | undefined => some.toSorted((a, b) => a.at - b.at).at(-1)
  const word = (event: Event | undefined): 'good' | 'bad' | undefined =>
    event === undefined ? undefined : event.good === 0 ? 'bad' : 'good'
  const goals = events.filter(({ says }) => says === 'goal')
  const ofCall = goals.filter(({ about, of }) => about === 'call' && of.n === call.n)
  const ofAnswer = goals.filter(({ about, of }) => about === 'response' && of.n === call.n)
  const inSession = (some: readonly Event[]) =>
    call.session === undefined
      ? []
      : some.filter(({ about, of }) => about === 'session' && of.session === call.session && of.user === call.user)
  const scores = events.filter(({ says, of }) => says === 'score' && of.n === call.n)
  const scored = (kind: Event['about']) => word(last(scores.filter(({ about }) => about === kind)))
  return (
    word(last(ofCall)) ??
    scored('call') ??
    word(last(ofAnswer)) ??
    scored('response') ??
    word(last(inSession(goals))) ??
    word(last(inSession(tasksThatCount(events)))) ??
    word(last(inSession(events.filter(({ says }) => says === 'end'))))
  )
}

/** A task is told by its id: what was said of it last, in whichever session, takes the place of what was said before. */
function tasksThatCount(events: readonly Event[]): Event[] {
  const tasks = events.filter(({ says }) => says === 'task').toSorted((a, b) => a.at - b.at)
  return [...new Map(tasks.map((task) => [`${task.of.user} ${task.good}`, task])).values()]
}

function rating(events: readonly Event[], call: Call): 'good' | 'bad' | undefined {
  for (const kind of ['call', 'response']) {
    const own = events.filter(({ says, about, of }) => says === 'rating' && about === kind && of.n === call.n)
    const latest = ['ada', 'bob'].flatMap((user) =>
      own
        .filter(({ by }) => by === user)
        .toSorted((a, b) => a.at - b.at)
        .slice(-1),
    )
    if (latest.some(({ good }) => good === 0)) return 'bad'
    if (latest.some(({ good }) => good === 2)) return 'good'
  }
  return undefined
}

it('how requests ended is what was told of each, else what it was rated, else what its status and the next question say', async () => {
  const basis = { told: 0, rated: 0, inferred: 0, retried: 0 }
  await fc.assert(
    fc.asyncProperty(fc.array(asked, { minLength: 1, maxLength: 14 }), fc.array(said, { maxLength: 14 }), async (drawn, words) => {
      // A user's calls of one instant overlap: none of them repeats another.
      const calls = [...new Map(drawn.map((one) => [`${one.user} ${one.minute}`, one])).values()].map((one, n): Call =>
        Object.assign({ n }, one),
      )
      const at = ({ minute }: Asked): number => START + minute * MINUTE_MS
      const written = calls.map((one) =>
        Object.assign(
          callOf({ at: at(one), user: one.user, session: one.session, status: one.status, properties: { feature: one.feature } }),
          { responseId: `answer-of-${one.n}`, fingerprint: one.asks === undefined ? undefined : 1000 + one.asks },
        ),
      )
      const events = words.flatMap((one, n): Event[] => {
        const of = calls[one.nth % calls.length]
        // An end and a task are told of a session, a rating and a score of an answer.
        const isOfSession = one.says === 'end' || one.says === 'task'
        const fits = isOfSession ? one.about === 'session' : one.says === 'goal' || one.about !== 'session'
        if (of === undefined || !fits || (one.about === 'session' && of.session === undefined)) return []
        return [{ ...one, by: one.about === 'session' ? of.user : one.by, at: START + 3_600_000 + n * 1000, of }]
      })
      const store = await ledgerOf([])
      await store.write({ calls: written })
      await store.write({
        calls: [],
        events: events.map(({ says, about, good, by, at: ms, of }) => {
          const call = written[of.n]
          const target =
            about === 'call'
              ? { 'target.trace_id': call?.traceId, 'target.span_id': call?.spanId }
              : about === 'response'
                ? { 'gen_ai.response.id': call?.responseId ?? undefined }
                : {}
          const session = about === 'session' ? of.session : undefined
          const whose = { at: ms, user: by, session }
          if (says === 'end')
            return eventOf({ ...whose, kind: 'session_end', says: { 'session.outcome': good === 0 ? 'abandoned' : 'completed' } })
          if (says === 'task')
            return eventOf({
              ...whose,
              kind: 'task',
              says: { 'task.id': `task ${good}`, 'task.state': good === 0 ? 'failed' : 'completed' },
            })
          if (says === 'score') {
            const label = ['Incorrect', 'pass', 'correct'][good]
            return eventOf({
              ...whose,
              kind: 'feedback',
              says: { ...scoreFacts({ name: 'judge', value: undefined, label, source: 'judge' }), ...target },
            })
          }
          if (says === 'goal') return eventOf({ ...whose, kind: 'goal', says: { ...target, 'goal.success': good > 0 } })
          return eventOf({
            ...whose,
            kind: 'feedback',
            says: { ...scoreFacts({ name: 'stars', value: [1, 3, 5][good] ?? 3, min: 1, max: 5 }), ...target },
          })
        }),
      })
      const isRetried = (call: Call): boolean =>
        call.asks !== undefined &&
        calls.some(
          (other) =>
            other.user === call.user &&
            other.asks === call.asks &&
            other.feature === call.feature &&
            (other.session === undefined || call.session === undefined || other.session === call.session) &&
            // The latest before it is what it repeats.
            latestBefore(other) === call.n,
        )
      const latestBefore = (call: Call): number | undefined =>
        calls
          .filter(
            (one) =>
              one.user === call.user &&
              one.asks === call.asks &&
              one.feature === call.feature &&
              (one.session === undefined || call.session === undefined || one.session === call.session) &&
              one.minute < call.minute &&
              (call.minute - one.minute) * MINUTE_MS - 100 <= 300_000,
          )
          .toSorted((a, b) => a.minute - b.minute)
          .at(-1)?.n
      const endings = calls.map((call) => {
        const told = verdict(events, call)
        const rated = told === undefined ? rating(events, call) : undefined
        const retried = isRetried(call)
        const how = told !== undefined ? 'told' : rated !== undefined ? 'rated' : 'inferred'
        basis[how]++
        if (how === 'inferred' && call.status === 'ok' && retried) basis.retried++
        return { call, how, good: (told ?? rated ?? (call.status === 'ok' && !retried ? 'good' : 'bad')) === 'good' }
      })
      const expected = (some: typeof endings) => ({
        requests: some.length,
        outcome_requests: some.filter(({ how }) => how === 'told').length,
        outcome_rated_requests: some.filter(({ how }) => how === 'rated').length,
        outcome_inferred_requests: some.filter(({ how }) => how === 'inferred').length,
        success_estimate: some.length === 0 ? null : some.filter(({ good }) => good).length / some.length,
      })
      const metrics = ['requests', 'outcome_requests', 'outcome_rated_requests', 'outcome_inferred_requests', 'success_estimate'] as const
      const analytics = openAnalytics(store, { now: () => AS_OF })
      const { rows, totals } = await analytics.query({ metrics, by: ['feature', 'user'] })
      for (const { feature, user, ...row } of rows)
        expect([feature, user, row]).toEqual([
          feature,
          user,
          expected(endings.filter(({ call }) => call.feature === feature && call.user === user)),
        ])
      expect(totals).toEqual(expected(endings))
      const one = await analytics.query({ metrics, by: ['feature'], limit: 1, other: true, order_by: [['feature', 'asc']] })
      const rest = endings.filter(({ call }) => call.feature !== one.rows[0]?.['feature'])
      expect(one.other?.values ?? expected([])).toEqual(expected(rest))
      await store.close()
    }),
    // A task that ends in one session, and later in another.
    {
      numRuns: 80,
      examples: [
        [
          [askedIn('s', 0), askedIn('t', 5)],
          [taskTold(0), taskTold(1)],
        ],
      ],
    },
  )
  for (const seen of Object.values(basis)) expect(seen).toBeGreaterThan(0)
})
