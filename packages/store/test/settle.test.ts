import type { Identity } from '@spanledger/conventions'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { settleTraces, type TraceSpan } from '../src/index.ts'

const nobody: Identity = { user: undefined, session: undefined, properties: new Map() }

function span(spanId: string, parentSpanId: string | undefined, more: Partial<TraceSpan> = {}): TraceSpan {
  const base = {
    traceId: 't',
    startMs: 0,
    role: 'call',
    hasUsage: true,
    responseId: undefined,
    identity: undefined,
    resourceIdentity: undefined,
  }
  return { ...base, role: 'call', spanId, parentSpanId, ...more }
}

function who(user: string): Identity {
  return { ...nobody, user }
}

function counted(spans: readonly TraceSpan[]): string[] {
  const decisions = settleTraces(spans)
  return spans.filter((one) => decisions.get(one)?.counted === true).map((one) => one.spanId)
}

describe('which spans of a trace count', () => {
  it('counts the chats below an agent, not the agent that repeats their sum', () => {
    const agent = span('agent', undefined, { role: 'aggregate' })
    expect(counted([agent, span('step', 'agent', { role: 'aggregate' }), span('chat1', 'step'), span('chat2', 'step')])).toEqual([
      'chat1',
      'chat2',
    ])
  })

  it('counts an agent that has no call below it', () => {
    expect(counted([span('agent', undefined, { role: 'aggregate' })])).toEqual(['agent'])
  })

  it('sees through spans that are no LLM calls', () => {
    const spans = [span('wrapper', undefined), span('http', 'wrapper', { role: 'other', hasUsage: false }), span('leaf', 'http')]
    expect(counted(spans)).toEqual(['leaf'])
  })

  it('counts the embeddings call once when root and child both report it', () => {
    expect(counted([span('root', undefined), span('child', 'root')])).toEqual(['child'])
    expect(counted([span('root', undefined, { hasUsage: false }), span('child', 'root')])).toEqual(['child'])
  })

  it('counts one request for a call whose inner span lost its usage', () => {
    expect(counted([span('outer', undefined), span('inner', 'outer', { hasUsage: false })])).toEqual(['outer'])
  })

  it('counts a failed attempt beside the one that worked', () => {
    const outer = span('outer', undefined, { role: 'aggregate' })
    expect(counted([outer, span('failed', 'outer', { hasUsage: false }), span('worked', 'outer')])).toEqual(['failed', 'worked'])
  })

  it('counts one answer once, whoever reports it, and keeps the earlier', () => {
    const gateway = span('gateway', undefined, { responseId: 'r1', startMs: 5 })
    expect(counted([gateway, span('sdk', undefined, { responseId: 'r1', startMs: 3 })])).toEqual(['sdk'])
  })

  it('counts the spans of a circle, which no sound emitter makes, each on its own', () => {
    expect(counted([span('a', 'b'), span('b', 'a'), span('c', 'c')])).toEqual(['a', 'b', 'c'])
  })
})

describe('whose a call is', () => {
  it('takes the user from itself, else from the nearest ancestor, else from the resource', () => {
    const root = span('root', undefined, { role: 'other', hasUsage: false, identity: who('root') })
    const middle = span('middle', 'root', { role: 'other', hasUsage: false, identity: who('middle') })
    const below = span('below', 'middle')
    const own = span('own', 'middle', { identity: who('own') })
    const alone = span('alone', undefined, { resourceIdentity: who('resource') })
    const decisions = settleTraces([root, middle, below, own, alone])
    expect([below, own, alone].map((one) => decisions.get(one)?.identity.user)).toEqual(['middle', 'own', 'resource'])
  })

  it("takes the user of an ancestor's resource after all that spans say and the own resource", () => {
    const far = span('far', undefined, { role: 'other', hasUsage: false, resourceIdentity: who('far') })
    const near = span('near', 'far', { role: 'other', hasUsage: false, resourceIdentity: who('near') })
    const bare = span('bare', 'near')
    const own = span('own', 'near', { resourceIdentity: who('own') })
    const named = { ...far, identity: who('named') }
    const usersOf = (spans: readonly TraceSpan[]): (string | undefined)[] =>
      [bare, own].map((one) => settleTraces(spans).get(one)?.identity.user)
    expect(usersOf([far, near, bare, own])).toEqual(['near', 'own'])
    expect(usersOf([named, near, bare, own])).toEqual(['named', 'named'])
  })

  it('takes nothing from above a span that is missing', () => {
    const root = span('root', undefined, { role: 'other', hasUsage: false, identity: who('root') })
    const call = span('call', 'missing')
    expect(settleTraces([root, call]).get(call)?.identity.user).toBeUndefined()
  })

  it('merges properties key by key, the nearest first', () => {
    const of = (values: Record<string, string>): Identity => ({
      ...nobody,
      properties: new Map(Object.entries(values).map(([name, value]) => [name, { name, value }])),
    })
    const root = span('root', undefined, { role: 'other', hasUsage: false, identity: of({ plan: 'free', team: 'a' }) })
    const leaf = span('leaf', 'root', { identity: of({ plan: 'pro' }) })
    const properties = settleTraces([root, leaf]).get(leaf)?.identity.properties
    expect([...(properties ?? [])].map(([key, { value }]) => `${key}=${value}`).sort()).toEqual(['plan=pro', 'team=a'])
  })
})

/** A second way to the verdict: by looking at every pair of spans, straight from the sentences of the rule. */
function naivelyCounted(spans: readonly TraceSpan[]): string[] {
  const isAbove = (a: TraceSpan, b: TraceSpan): boolean => {
    const seen = new Set<string>()
    for (
      let at = b.parentSpanId;
      at !== undefined && !seen.has(at);
      at = spans.find((one) => one.spanId === at && one.traceId === b.traceId)?.parentSpanId
    ) {
      if (at === a.spanId) return a !== b && a.traceId === b.traceId
      seen.add(at)
    }
    return false
  }
  const calls = spans.filter((one) => one.role !== 'other')
  const billed = calls.filter((one) => one.hasUsage && !calls.some((other) => other.hasUsage && isAbove(one, other)))
  const requests = calls.filter(
    (one) =>
      !one.hasUsage && one.role === 'call' && !calls.some((other) => isAbove(one, other)) && !billed.some((other) => isAbove(other, one)),
  )
  const candidates = [...billed, ...requests]
  const order = (one: TraceSpan): string => `${one.hasUsage ? 0 : 1} ${String(one.startMs).padStart(9, '0')} ${one.spanId}`
  const areCopies = (a: TraceSpan, b: TraceSpan): boolean =>
    a.responseId !== undefined && a.responseId === b.responseId && a.traceId === b.traceId
  const areOneAnswer = (a: TraceSpan, b: TraceSpan): boolean =>
    a.responseId !== undefined &&
    a.responseId === b.responseId &&
    a.traceId !== b.traceId &&
    a.responseId.length >= 16 &&
    a.provider !== undefined &&
    a.provider === b.provider &&
    areAtOnce(a, b)
  const areAtOnce = (a: TraceSpan, b: TraceSpan): boolean => {
    const [one, other] = a.startMs <= b.startMs ? [a, b] : [b, a]
    const { durationMs: longer = 0 } = one
    return other.durationMs === 0 || longer === 0 ? other.startMs <= one.startMs + longer : other.startMs < one.startMs + longer
  }
  const userOf = (one: TraceSpan): string | undefined => settleTraces([...spans]).get(one)?.identity.user
  const isBetter = (a: TraceSpan, b: TraceSpan): boolean => {
    const [user, theirs] = [userOf(a), userOf(b)]
    if (user !== undefined && theirs !== undefined && user !== theirs) return false
    if (a.hasUsage === b.hasUsage && (user === undefined) !== (theirs === undefined)) return user !== undefined
    return order(a) < order(b)
  }
  const ofTraces = candidates.filter((one) => !candidates.some((other) => areCopies(one, other) && order(other) < order(one)))
  return ofTraces
    .filter((one) => !ofTraces.some((other) => areOneAnswer(one, other) && isBetter(other, one)))
    .map((one) => one.spanId)
    .sort()
}

const randomTrace = fc.array(
  fc.record({
    traceId: fc.constantFrom('t', 't', 'u', 'v'),
    provider: fc.constantFrom('openai', 'openai', 'anthropic', undefined),
    parent: fc.integer({ min: -1, max: 7 }),
    role: fc.constantFrom('other' as const, 'call' as const, 'call' as const, 'aggregate' as const),
    hasUsage: fc.boolean(),
    responseId: fc.constantFrom(undefined, undefined, 'r1', 'r2', 'chatcmpl-of-one-answer', 'msg_of_another_answer'),
    startMs: fc.integer({ min: 0, max: 3 }),
    durationMs: fc.integer({ min: 0, max: 3 }),
    identity: fc.constantFrom(undefined, undefined, who('ann'), who('bob')),
  }),
  { minLength: 1, maxLength: 8 },
)

it('agrees with the rule read pair by pair, on any traces, in any order', () => {
  fc.assert(
    fc.property(randomTrace, fc.infiniteStream(fc.nat()), (shape, order) => {
      // A parent is always an earlier span, as in every trace without circles.
      const spans = shape.map(({ parent, role, hasUsage, ...rest }, n) =>
        span(`s${n}`, parent >= 0 && parent < n ? `s${parent}` : undefined, { ...rest, role, hasUsage: hasUsage && role !== 'other' }),
      )
      const shuffled = spans
        .map((one) => [order.next().value, one] as const)
        .sort(([a], [b]) => a - b)
        .map(([, one]) => one)
      expect(counted(shuffled).sort()).toEqual(naivelyCounted(spans))
    }),
    { numRuns: 2000 },
  )
})
