import { context, trace } from '@opentelemetry/api'
import { readEvent, type LedgerEvent } from '@spanledger/conventions'
import * as fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'

import { instrumentationState, track, withSession, withUser, type Track } from '../src/index.ts'
import { startTracing, toRecord, type Tracing } from './tracing.ts'

let tracing: Tracing | undefined
afterEach(async () => {
  await tracing?.stop()
  tracing = undefined
})

/** The one span that `say` writes, as its name, length and attributes. */
function spanOf(say: () => void): { name: string; nanoseconds: number; attributes: object } {
  tracing ??= startTracing()
  tracing.reset()
  say()
  const [span, ...others] = tracing.spans()
  if (span === undefined || others.length > 0) throw new Error(`${1 + others.length} spans`)
  return { name: span.name, nanoseconds: span.duration[0] * 1e9 + span.duration[1], attributes: span.attributes }
}

function events(): LedgerEvent[] {
  return tracing!.spans().flatMap((span) => readEvent(toRecord(span), 'app') ?? [])
}

describe('an event is a span of no length that says', () => {
  it.each<[name: string, say: () => void, attributes: object]>([
    [
      'spanledger.feedback',
      () => track.feedback({ thumbs: 'up', responseId: 'chatcmpl-1' }),
      {
        'gen_ai.evaluation.name': 'thumbs',
        'gen_ai.evaluation.score.value': 1,
        'spanledger.score.min': 0,
        'spanledger.score.max': 1,
        'gen_ai.response.id': 'chatcmpl-1',
      },
    ],
    [
      'spanledger.feedback',
      () => track.feedback({ thumbs: false }),
      { 'gen_ai.evaluation.name': 'thumbs', 'gen_ai.evaluation.score.value': 0, 'spanledger.score.min': 0, 'spanledger.score.max': 1 },
    ],
    [
      'spanledger.feedback',
      () => track.feedback({ name: 'answer', rating: 4 }),
      { 'gen_ai.evaluation.name': 'answer', 'gen_ai.evaluation.score.value': 4, 'spanledger.score.min': 1, 'spanledger.score.max': 5 },
    ],
    [
      'spanledger.feedback',
      () =>
        track.feedback({
          name: 'relevance',
          score: 0.8,
          min: 0,
          max: 1,
          label: 'relevant',
          source: 'judge',
          span: { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) },
        }),
      {
        'gen_ai.evaluation.name': 'relevance',
        'gen_ai.evaluation.score.value': 0.8,
        'gen_ai.evaluation.score.label': 'relevant',
        'spanledger.score.min': 0,
        'spanledger.score.max': 1,
        'spanledger.score.source': 'judge',
        'spanledger.target.trace_id': 'a'.repeat(32),
        'spanledger.target.span_id': 'b'.repeat(16),
      },
    ],
    ['spanledger.nps', () => track.nps({ score: 9, survey: 'spring' }), { 'spanledger.nps.score': 9, 'spanledger.event.name': 'spring' }],
    [
      'spanledger.goal',
      () => track.goal({ name: 'solved', success: false, value: 3, task: 't-1', step: 'upload' }),
      {
        'spanledger.event.name': 'solved',
        'spanledger.goal.success': false,
        'spanledger.goal.value': 3,
        'spanledger.task.id': 't-1',
        'spanledger.task.step': 'upload',
      },
    ],
    [
      'spanledger.task',
      () => track.task({ name: 'import', task: 't-1', step: 'upload', state: 'completed' }),
      {
        'spanledger.event.name': 'import',
        'spanledger.task.id': 't-1',
        'spanledger.task.step': 'upload',
        'spanledger.task.state': 'completed',
      },
    ],
    ['spanledger.milestone', () => track.milestone({ name: 'first_report' }), { 'spanledger.event.name': 'first_report' }],
    ['spanledger.exposed', () => track.exposed({ feature: 'search' }), { 'spanledger.feature.name': 'search' }],
    [
      'spanledger.exposed',
      () => track.exposed({ experiment: 'new_ui', variant: 'blue', share: 0.2 }),
      { 'spanledger.experiment.key': 'new_ui', 'spanledger.experiment.variant': 'blue', 'spanledger.experiment.share': 0.2 },
    ],
    [
      'spanledger.revenue',
      () => track.revenue({ amount: '19.99', currency: 'USD', period: 'month', id: 'in_1', product: 'pro' }),
      {
        'spanledger.revenue.amount': '19.99',
        'spanledger.revenue.currency': 'USD',
        'spanledger.revenue.period': 'month',
        'spanledger.revenue.id': 'in_1',
        'spanledger.event.name': 'pro',
      },
    ],
    [
      'spanledger.plan_change',
      () => track.planChange({ from: 'free', to: 'pro' }),
      { 'spanledger.plan.from': 'free', 'spanledger.plan.to': 'pro' },
    ],
    ['spanledger.session_end', () => track.sessionEnd({ outcome: 'abandoned' }), { 'spanledger.session.outcome': 'abandoned' }],
    [
      'spanledger.consent',
      () => track.consent({ state: 'granted', purpose: 'training' }),
      { 'spanledger.consent.state': 'granted', 'spanledger.consent.purpose': 'training' },
    ],
  ])('%s', (name, say, attributes) => {
    expect(spanOf(say)).toEqual({ name, nanoseconds: 0, attributes })
    expect(events()).toMatchObject([{ faults: [] }])
  })
})

describe('an event belongs to', () => {
  it('the user, session and properties in scope, without any processor of ours', () => {
    const { attributes } = spanOf(() =>
      withUser('ann', { sessionId: 's-1', properties: { Plan: 'pro', seats: 3 } }, () => track.milestone({ name: 'm' })),
    )
    expect(attributes).toEqual({
      'user.id': 'ann',
      'session.id': 's-1',
      'property.Plan': 'pro',
      'property.seats': '3',
      'spanledger.event.name': 'm',
    })
  })

  it('whom it names itself, the rest coming from the scope', () => {
    const { attributes } = spanOf(() =>
      withUser('ann', { sessionId: 's-1', properties: { Plan: 'pro' } }, () =>
        track.milestone({ name: 'm', userId: 'bob', properties: { plan: 'free', seats: 2 } }),
      ),
    )
    expect(attributes).toEqual({
      'user.id': 'bob',
      'session.id': 's-1',
      'property.plan': 'free',
      'property.seats': '2',
      'spanledger.event.name': 'm',
    })
  })

  it('the trace that is running', () => {
    tracing = startTracing()
    const request = trace.getTracer('app').startSpan('request')
    context.with(trace.setSpan(context.active(), request), () => track.milestone({ name: 'm' }))
    request.end()
    expect(events()).toMatchObject([{ traceId: request.spanContext().traceId, parentSpanId: request.spanContext().spanId }])
  })
})

describe('an event happens', () => {
  it('later than the one before it, however fast they come', () => {
    tracing = startTracing()
    for (let n = 0; n < 3000; n++) track.milestone({ name: String(n) })
    const times = events().map(({ startMs, startFraction }) => startMs * 1024 + startFraction)
    expect(times.filter((time, n) => n > 0 && time <= (times[n - 1] ?? 0))).toEqual([])
    expect(times).toHaveLength(3000)
  })

  it('when it says, as a Date or in milliseconds; now, where that is no time', () => {
    tracing = startTracing()
    const at = Date.UTC(2026, 0, 15, 12, 0, 0, 7)
    const before = Date.now()
    track.revenue({ amount: 1, at: new Date(at) })
    track.revenue({ amount: 1, at: at + 0.5 })
    track.revenue({ amount: 1, at: new Date('never') })
    track.revenue({ amount: 1, at: -1 })
    const [first, second, third, fourth] = events()
    expect([first, second]).toMatchObject([
      { startMs: at, startFraction: 0 },
      { startMs: at, startFraction: 512 },
    ])
    for (const event of [third, fourth]) expect(event?.startMs).toBeGreaterThanOrEqual(before)
  })
})

describe.each(['without any SDK', 'with an SDK'])('%s', (kind) => {
  it('no event throws, whatever it is given', () => {
    if (kind === 'with an SDK') tracing = startTracing()
    const methods = Object.keys(track) as (keyof Track)[]
    const fields = [
      'userId',
      'sessionId',
      'properties',
      'at',
      'name',
      'task',
      'state',
      'rating',
      'thumbs',
      'score',
      'span',
      'amount',
      'variant',
      'experiment',
      'to',
    ]
    const anything = fc.anything({ withBigInt: true, withNullPrototype: true, withDate: true, withMap: true })
    fc.assert(
      fc.property(fc.constantFrom(...methods), fc.oneof(anything, fc.dictionary(fc.constantFrom(...fields), anything)), (method, event) => {
        track[method](event as never)
      }),
    )
    const throwing = {
      get userId(): string {
        throw new Error('of the app')
      },
    }
    const before = instrumentationState().failures.event ?? 0
    for (const method of methods) track[method](throwing as never)
    expect((instrumentationState().failures.event ?? 0) - before).toBe(methods.length)
  })
})

it('says how many events nobody recorded', () => {
  const before = instrumentationState().unrecordedEvents
  withSession('s-1', () => track.sessionEnd({ outcome: 'completed' }))
  expect(instrumentationState().unrecordedEvents - before).toBe(1)
  tracing = startTracing()
  track.sessionEnd({ outcome: 'completed' })
  expect(instrumentationState().unrecordedEvents - before).toBe(1)
})
