import type { LedgerEvent } from '@spanledger/conventions'
import type { Store } from '@spanledger/store'
import fc from 'fast-check'

import { eventOf, scoreFacts } from './events.ts'
import { callOf, type CallWords } from './ledger.ts'

const HOUR_MS = 3_600_000
/** What happens begins here. */
export const START_MS = Date.UTC(2026, 0, 10)

const oneCall = fc.record({
  n: fc.integer({ min: 1, max: 200 }),
  hours: fc.oneof(
    fc.nat(24 * 9),
    fc.nat(24 * 9 * 12).map((n) => n / 12),
  ),
  minutes: fc.constantFrom(0, 0.05, 0.5, 3, 30, 60 * 30),
  user: fc.constantFrom('ann', 'ann', 'bob', 'cid', undefined),
  session: fc.constantFrom('s', 't', undefined, undefined),
  feature: fc.constantFrom('chat', 'code', '(none)', undefined),
  status: fc.constantFrom('ok', 'ok', 'ok', 'error', 'cancelled') as fc.Arbitrary<'ok' | 'error' | 'cancelled'>,
  errorClass: fc.constantFrom('rate_limit', 'truncated', 'timeout', undefined) as fc.Arbitrary<'rate_limit' | 'timeout' | undefined>,
  ttft: fc.constantFrom(10, 900, 12_000, undefined),
})
/** Something that happens to a ledger: calls in time, late, again or with more known of them, an alias, the end of a session, a thumb, a day
 * that is closed. */
export const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ calls: fc.array(oneCall, { maxLength: 25 }), linkTo: fc.constantFrom('ann', 'cid', undefined) }) },
  fc.record({ from: fc.constantFrom('ann', 'bob'), to: fc.constantFrom('bob', 'cid') }),
  fc.record({
    user: fc.constantFrom('ann', 'bob', 'cid'),
    session: fc.constantFrom('s', 't'),
    isGood: fc.boolean(),
    hours: fc.nat(24 * 9),
  }),
  {
    weight: 3,
    arbitrary: fc.record({
      about: fc.constantFrom('session', 'call', 'response'),
      /** Which of the calls that are there. */
      nth: fc.nat(999),
      value: fc.constantFrom(0, 0, 1),
      hoursLater: fc.constantFrom(0, 0.2, 0.7, 5, 23, 26, 24 * 6),
      saysUser: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.constant('close' as const) },
)
export type Step = typeof step extends fc.Arbitrary<infer One> ? One : never

export async function play(store: Store, one: Step, n: number): Promise<void> {
  if (one === 'close') await store.closeDays()
  else if ('calls' in one) {
    const calls = one.calls.map(({ n: id, hours, minutes, user, session, feature, status, errorClass, ttft }) => {
      const words: CallWords = {
        at: START_MS + hours * HOUR_MS,
        user,
        session,
        status,
        errorClass,
        latencyMs: minutes * 60_000,
        ttftMs: ttft,
        model: id % 3 === 0 ? 'gpt-4o' : 'gpt-5',
        operation: id % 7 === 0 ? 'embeddings' : 'chat',
        properties: feature === undefined ? {} : { feature },
      }
      const hex = id.toString(16)
      return {
        ...callOf(words),
        traceId: hex.padStart(32, '0'),
        spanId: hex.padStart(16, '0'),
        responseId: id % 5 === 0 ? undefined : `r${id}`,
        settled: id % 2 === 0,
        parentSpanId: 'e'.repeat(16),
      }
    })
    const identity = { user: one.linkTo, session: 't', properties: new Map() }
    const links = calls.map(({ traceId, startMs }) => ({ traceId, spanId: 'e'.repeat(16), parentSpanId: undefined, startMs, identity }))
    await store.write({ calls, links: one.linkTo === undefined ? [] : links })
  } else if ('to' in one) await store.alias(one.from, one.to).catch(() => undefined)
  else if ('about' in one) await store.write({ calls: [], events: await thumbs(store, one, n) })
  else await store.write({ calls: [], events: [sessionEnd(one, n)] })
}

function sessionEnd({ user, session, isGood, hours }: Extract<Step, { isGood: boolean }>, n: number): LedgerEvent {
  const at = START_MS + hours * HOUR_MS
  const event =
    isGood && n % 2 === 0
      ? eventOf({ kind: 'goal', at, user, session, says: { 'event.name': 'done' } })
      : eventOf({ kind: 'session_end', at, user, session, says: { 'session.outcome': isGood ? 'completed' : 'abandoned' } })
  return { ...event, spanId: (n + 1).toString(16).padStart(16, 'd') }
}

/** A thumb about a call that is there, said some time after its end. */
async function thumbs(
  store: Store,
  { about, nth, value, hoursLater, saysUser }: Extract<Step, { about: string }>,
  n: number,
): Promise<LedgerEvent[]> {
  const calls = await store.all<{ span: string; trace: string; end: number; user: string | null; session: string | null }>(
    `SELECT lower(hex(c.span_id)) AS span, lower(hex(c.trace_id)) AS trace, c.start_ms + c.latency_ms AS end,
       iif(u.user_id = 0, NULL, u.name) AS user, iif(s.session_id = 0, NULL, s.name) AS session
     FROM llm_calls AS c JOIN users AS u ON u.user_id = c.user_id JOIN sessions AS s ON s.session_id = c.session_id
     ORDER BY c.start_ms, c.span_id, c.trace_id`,
  )
  const call = calls[nth % Math.max(1, calls.length)]
  if (call === undefined) return []
  const named = about === 'call' ? { 'target.trace_id': call.trace, 'target.span_id': call.span } : {}
  const answer = about === 'response' ? `r${Number.parseInt(call.span, 16)}` : undefined
  const whose = saysUser || about === 'session' ? { user: call.user ?? undefined, session: call.session ?? undefined } : {}
  const event = eventOf({
    kind: 'feedback',
    at: call.end + hoursLater * HOUR_MS,
    says: { ...scoreFacts({ name: 'thumbs', value, min: 0, max: 1, about: answer }), ...named },
    ...whose,
  })
  return [{ ...event, spanId: (n + 1).toString(16).padStart(16, 'c') }]
}
