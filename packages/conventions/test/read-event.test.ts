import { eventKinds, readCall, readEvaluation, readEvent, targetOf, type LedgerEvent, type SpanRecord } from '@spanledger/conventions'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const startMs = Date.UTC(2026, 9, 1, 12)
const traceId = 'a'.repeat(32)
const spanId = 'b'.repeat(16)
const callSpan = { traceId: 'c'.repeat(32), spanId: 'd'.repeat(16) }

function span(name: string, attributes: Record<string, unknown>, more: Partial<SpanRecord> = {}): SpanRecord {
  return {
    traceId,
    spanId,
    parentSpanId: undefined,
    name,
    startMs: startMs + 0.25,
    endMs: startMs + 0.25,
    statusCode: 0,
    statusMessage: undefined,
    scopeName: 'test',
    scopeVersion: '1',
    attributes,
    resourceAttributes: {},
    droppedAttributes: 0,
    ...more,
  }
}

function read(name: string, attributes: Record<string, unknown>, more: Partial<SpanRecord> = {}): LedgerEvent {
  const event = readEvent(span(name, attributes, more), 'app')
  if (event === undefined) throw new Error('not read as an event')
  return event
}

/** What an event says, without what is the same for all of them. */
function facts(event: LedgerEvent): object {
  const { traceId: _t, spanId: _s, parentSpanId: _p, startMs: _m, startFraction: _f, resourceIdentity: _r, origin: _o, ...rest } = event
  return Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined && !(value instanceof Map && value.size === 0)))
}

describe('reading an event', () => {
  it('reads all that an event has', () => {
    const event = read(
      'spanledger.feedback',
      {
        'gen_ai.evaluation.name': ' thumbs ',
        'gen_ai.evaluation.score.value': 1,
        'gen_ai.evaluation.score.label': 'helpful',
        'spanledger.score.min': 0,
        'spanledger.score.max': 1,
        'gen_ai.response.id': 'chatcmpl-1',
        'user.id': 'user-1',
        'session.id': 's-1',
        'property.Plan': 'pro',
      },
      { parentSpanId: 'c'.repeat(16), resourceAttributes: { 'property.environment': 'production' } },
    )
    expect(event).toEqual({
      traceId,
      spanId,
      parentSpanId: 'c'.repeat(16),
      startMs,
      startFraction: 256,
      kind: 'feedback',
      name: 'thumbs',
      source: 'human',
      target: { kind: 'response', id: 'chatcmpl-1' },
      outcome: 'helpful',
      previous: undefined,
      value: 1,
      min: 0,
      max: 1,
      amountNanoUsd: undefined,
      task: undefined,
      step: undefined,
      period: undefined,
      user: 'user-1',
      session: 's-1',
      properties: new Map([['plan', { name: 'Plan', value: 'pro' }]]),
      resourceIdentity: {
        user: undefined,
        session: undefined,
        properties: new Map([['environment', { name: 'environment', value: 'production' }]]),
      },
      origin: 'app',
      faults: [],
    })
  })

  it.each([
    [
      'spanledger.feedback',
      { 'gen_ai.evaluation.name': 'rating', 'gen_ai.evaluation.score.value': '4', 'spanledger.score.min': 1, 'spanledger.score.max': 5 },
      { kind: 'feedback', name: 'rating', source: 'human', value: 4, min: 1, max: 5 },
    ],
    [
      'spanledger.feedback',
      {
        'gen_ai.evaluation.score.value': 0.83,
        'spanledger.score.source': 'Judge',
        'spanledger.target.trace_id': callSpan.traceId,
        'spanledger.target.span_id': callSpan.spanId,
      },
      {
        kind: 'feedback',
        name: 'score',
        source: 'judge',
        value: 0.83,
        target: { kind: 'call', id: `${callSpan.traceId}-${callSpan.spanId}` },
      },
    ],
    ['spanledger.nps', { 'spanledger.nps.score': 9 }, { kind: 'nps', name: 'nps', source: 'human', value: 9, min: 0, max: 10 }],
    ['spanledger.goal', { 'spanledger.event.name': 'solved' }, { kind: 'goal', name: 'solved', source: 'human', outcome: 'success' }],
    [
      'spanledger.goal',
      {
        'spanledger.goal.success': false,
        'spanledger.goal.value': 12.5,
        'spanledger.task.id': 't-1',
        'spanledger.task.step': 'upload',
      },
      {
        kind: 'goal',
        name: 'goal',
        source: 'human',
        outcome: 'failure',
        value: 12.5,
        task: 't-1',
        step: 'upload',
        target: { kind: 'task', id: 't-1' },
      },
    ],
    [
      'spanledger.task',
      {
        'spanledger.event.name': 'import',
        'spanledger.task.id': 't-1',
        'spanledger.task.step': 'upload',
        'spanledger.task.state': 'Started',
      },
      {
        kind: 'task',
        name: 'import',
        source: 'human',
        outcome: 'started',
        task: 't-1',
        step: 'upload',
        target: { kind: 'task', id: 't-1' },
      },
    ],
    [
      'spanledger.task',
      { 'spanledger.task.id': 7, 'spanledger.task.state': 'completed' },
      { kind: 'task', name: 'task', source: 'human', outcome: 'completed', task: '7', target: { kind: 'task', id: '7' } },
    ],
    ['spanledger.milestone', { 'spanledger.event.name': 'first_report' }, { kind: 'milestone', name: 'first_report', source: 'human' }],
    ['spanledger.exposed', { 'spanledger.feature.name': 'search' }, { kind: 'exposed', name: 'search', source: 'human' }],
    [
      'spanledger.exposed',
      { 'spanledger.experiment.key': 'new_ui', 'spanledger.experiment.variant': 1 },
      { kind: 'exposed', name: 'new_ui', outcome: '1', source: 'human' },
    ],
    [
      'spanledger.exposed',
      { 'spanledger.experiment.key': 'new_ui', 'spanledger.experiment.variant': 'b', 'spanledger.experiment.share': '0.2' },
      { kind: 'exposed', name: 'new_ui', outcome: 'b', source: 'human', value: 0.2 },
    ],
    [
      'spanledger.revenue',
      { 'spanledger.revenue.amount': '19.99', 'spanledger.revenue.currency': 'usd', 'spanledger.revenue.period': 'month' },
      { kind: 'revenue', name: 'revenue', source: 'human', amountNanoUsd: 19_990_000_000, period: 'month' },
    ],
    [
      'spanledger.revenue',
      { 'spanledger.revenue.amount': -0.1, 'spanledger.revenue.id': 'in_1', 'spanledger.event.name': 'credits' },
      { kind: 'revenue', name: 'credits', source: 'human', amountNanoUsd: -100_000_000, target: { kind: 'entry', id: 'in_1' } },
    ],
    [
      'spanledger.plan_change',
      { 'spanledger.plan.from': 'free', 'spanledger.plan.to': 'pro' },
      { kind: 'plan_change', name: 'plan', source: 'human', outcome: 'pro', previous: 'free' },
    ],
    [
      'spanledger.session_end',
      { 'spanledger.session.outcome': 'completed', 'session.id': 's-1' },
      { kind: 'session_end', name: 'session', source: 'human', outcome: 'completed', session: 's-1' },
    ],
    [
      'spanledger.consent',
      { 'spanledger.consent.state': 'denied' },
      { kind: 'consent', name: 'analytics', source: 'human', outcome: 'denied' },
    ],
  ])('of the span %s with %j', (name, attributes, expected) => {
    expect(facts(read(name, attributes))).toEqual({ ...expected, faults: [] })
  })

  it('is no reading of a call, nor a call one of an event', () => {
    expect(readCall(span('spanledger.feedback', { 'gen_ai.evaluation.score.value': 1 }), 'app')).toBeUndefined()
    expect(readEvent(span('chat gpt-5', { 'gen_ai.operation.name': 'chat' }), 'app')).toBeUndefined()
    expect(readEvent(span('spanledger.unheard_of', {}), 'app')).toBeUndefined()
  })

  it('keeps a sample apart', () => {
    expect(read('spanledger.nps', { 'spanledger.nps.score': 9, 'spanledger.sample': true }).origin).toBe('sample')
  })
})

describe('a value that cannot be meant is left out and counted, and the event stays:', () => {
  it.each([
    ['spanledger.feedback', {}, ['event_value_refused'], { value: undefined }],
    ['spanledger.feedback', { 'gen_ai.evaluation.score.value': Number.NaN }, ['event_value_refused'], { value: undefined }],
    ['spanledger.feedback', { 'gen_ai.evaluation.score.value': 'good' }, ['event_value_refused'], { value: undefined }],
    [
      'spanledger.feedback',
      { 'gen_ai.evaluation.score.value': 6, 'spanledger.score.min': 1, 'spanledger.score.max': 5 },
      ['event_value_refused'],
      { value: undefined },
    ],
    [
      'spanledger.feedback',
      { 'gen_ai.evaluation.score.value': 1, 'gen_ai.evaluation.score.label': 'x'.repeat(300) },
      ['event_name_cut'],
      { value: 1, outcome: 'x'.repeat(256) },
    ],
    [
      'spanledger.feedback',
      { 'gen_ai.evaluation.score.value': 3, 'spanledger.score.min': 5, 'spanledger.score.max': 1 },
      ['event_value_refused'],
      { value: 3, min: undefined, max: undefined },
    ],
    [
      'spanledger.feedback',
      { 'gen_ai.evaluation.score.value': 3, 'spanledger.score.max': 5 },
      ['event_value_refused'],
      { value: 3, min: undefined, max: undefined },
    ],
    [
      'spanledger.feedback',
      { 'gen_ai.evaluation.score.value': 1, 'spanledger.score.source': 'my cat' },
      ['event_value_refused'],
      { value: 1, source: 'human' },
    ],
    [
      'spanledger.feedback',
      { 'gen_ai.evaluation.score.value': 1, 'spanledger.target.span_id': 'x' },
      ['event_target_refused'],
      { value: 1, target: undefined },
    ],
    ['spanledger.nps', { 'spanledger.nps.score': 11 }, ['event_value_refused'], { value: undefined }],
    ['spanledger.nps', { 'spanledger.nps.score': 8.5 }, ['event_value_refused'], { value: undefined }],
    ['spanledger.nps', {}, ['event_value_refused'], { value: undefined }],
    ['spanledger.goal', { 'spanledger.goal.success': 'perhaps' }, ['event_value_refused'], { outcome: undefined }],
    ['spanledger.goal', { 'spanledger.goal.value': Infinity }, ['event_value_refused'], { outcome: 'success', value: undefined }],
    [
      'spanledger.task',
      { 'spanledger.task.state': 'completed' },
      ['event_value_refused'],
      { task: undefined, target: undefined, outcome: 'completed' },
    ],
    ['spanledger.task', { 'spanledger.task.id': 't', 'spanledger.task.state': 'done' }, ['event_value_refused'], { outcome: undefined }],
    ['spanledger.task', { 'spanledger.task.id': 't' }, ['event_value_refused'], { task: 't', outcome: undefined }],
    ['spanledger.milestone', {}, ['event_name_refused'], { name: '(none)' }],
    ['spanledger.milestone', { 'spanledger.event.name': { a: 1 } }, ['event_name_refused'], { name: '(none)' }],
    ['spanledger.exposed', {}, ['event_name_refused'], { name: '(none)' }],
    ['spanledger.exposed', { 'spanledger.experiment.key': 'new_ui' }, ['event_value_refused'], { name: 'new_ui', outcome: '(none)' }],
    [
      'spanledger.exposed',
      { 'spanledger.experiment.key': 'new_ui', 'spanledger.experiment.variant': 'b', 'spanledger.experiment.share': 20 },
      ['event_value_refused'],
      { name: 'new_ui', outcome: 'b', value: undefined },
    ],
    ['spanledger.revenue', {}, ['event_amount_refused'], { amountNanoUsd: undefined }],
    ['spanledger.revenue', { 'spanledger.revenue.amount': '12,50' }, ['event_amount_refused'], { amountNanoUsd: undefined }],
    ['spanledger.revenue', { 'spanledger.revenue.amount': '10000000' }, ['event_amount_refused'], { amountNanoUsd: undefined }],
    ['spanledger.revenue', { 'spanledger.revenue.amount': '--1' }, ['event_amount_refused'], { amountNanoUsd: undefined }],
    [
      'spanledger.revenue',
      { 'spanledger.revenue.amount': 5, 'spanledger.revenue.currency': 'EUR' },
      ['event_currency_refused'],
      { amountNanoUsd: undefined },
    ],
    [
      'spanledger.revenue',
      { 'spanledger.revenue.amount': 5, 'spanledger.revenue.period': 'fortnight' },
      ['event_value_refused'],
      { amountNanoUsd: 5_000_000_000, period: undefined },
    ],
    ['spanledger.plan_change', { 'spanledger.plan.from': 'free' }, ['event_value_refused'], { outcome: undefined, previous: 'free' }],
    ['spanledger.session_end', { 'spanledger.session.outcome': 'left' }, ['event_value_refused'], { outcome: undefined }],
    ['spanledger.session_end', {}, ['event_value_refused'], { outcome: undefined }],
    ['spanledger.consent', { 'spanledger.consent.state': true }, ['event_value_refused'], { outcome: undefined }],
    ['spanledger.nps', { 'spanledger.nps.score': 9, 'user.id': 'a\u0000b' }, ['user_refused'], { value: 9, user: undefined }],
  ])('%s with %j', (name, attributes, faults, rest) => {
    expect(read(name, attributes)).toMatchObject({ ...rest, faults })
  })

  it('does not bill what was refused', () => {
    for (const attributes of [
      { 'spanledger.revenue.amount': 5, 'spanledger.revenue.currency': 'EUR' },
      { 'spanledger.revenue.amount': '1e9' },
    ]) {
      expect(read('spanledger.revenue', attributes).amountNanoUsd).toBeUndefined()
    }
    expect(read('spanledger.revenue', { 'spanledger.revenue.amount': '-0' }).amountNanoUsd).toBe(0)
  })

  it('never throws, whatever the attributes hold', () => {
    const names = [...Object.values(eventKinds).map(({ spanName }) => spanName), 'gen_ai.evaluation.result']
    const keys = [
      'spanledger.event.name',
      'gen_ai.evaluation.name',
      'gen_ai.evaluation.score.value',
      'spanledger.score.min',
      'spanledger.nps.score',
      'spanledger.goal.success',
      'spanledger.task.id',
      'spanledger.experiment.key',
      'spanledger.experiment.share',
      'spanledger.revenue.amount',
      'spanledger.revenue.currency',
      'spanledger.plan.to',
      'spanledger.consent.state',
      'spanledger.target.trace_id',
      'gen_ai.response.id',
      'user.id',
      'property.x',
    ]
    fc.assert(
      fc.property(
        fc.constantFrom(...names),
        fc.dictionary(fc.constantFrom(...keys), fc.anything({ withBigInt: true, withNullPrototype: true, withTypedArray: true })),
        fc.double(),
        (name, attributes, timeMs) => {
          const event = read(name, attributes, { startMs: timeMs })
          expect(event.startFraction).toBeGreaterThanOrEqual(0)
          expect(event.startFraction).toBeLessThan(1024)
          const evaluation = readEvaluation({ traceId: undefined, spanId: undefined, timeMs, attributes, resourceAttributes: {} }, 'otlp')
          expect(evaluation.spanId).toMatch(/^[0-9a-f]{16}$/)
        },
      ),
    )
  })
})

describe('an evaluation', () => {
  const attributes = {
    'gen_ai.evaluation.name': 'relevance',
    'gen_ai.evaluation.score.value': 0.9,
    'gen_ai.evaluation.score.label': 'relevant',
  }
  const record = { ...callSpan, timeMs: startMs + 0.5, attributes, resourceAttributes: {} }

  it('is a score by a judge about the span it names, whose identity it takes', () => {
    expect(readEvaluation(record, 'otlp')).toMatchObject({
      traceId: callSpan.traceId,
      parentSpanId: callSpan.spanId,
      startMs,
      startFraction: 512,
      kind: 'feedback',
      name: 'relevance',
      source: 'judge',
      value: 0.9,
      min: undefined,
      outcome: 'relevant',
      target: { kind: 'call', id: `${callSpan.traceId}-${callSpan.spanId}` },
      faults: [],
    })
  })

  it('is the same event when it is sent again, and another one for another name, score, time or span', () => {
    const id = (more: Partial<typeof record> = {}): string => readEvaluation({ ...record, ...more }, 'otlp').spanId
    expect(id()).toBe(id())
    const others = [
      id({ timeMs: record.timeMs + 1 }),
      id({ spanId: 'e'.repeat(16) }),
      id({ attributes: { ...attributes, 'gen_ai.evaluation.name': 'truth' } }),
      id({ attributes: { ...attributes, 'gen_ai.evaluation.score.value': 0.8 } }),
    ]
    expect(new Set([id(), ...others]).size).toBe(5)
  })

  it('names its answer by the response id where it has no span', () => {
    const event = readEvaluation(
      {
        ...record,
        traceId: '',
        spanId: '',
        attributes: { ...attributes, 'gen_ai.response.id': 'chatcmpl-1', 'spanledger.score.source': 'human' },
      },
      'otlp',
    )
    expect(event).toMatchObject({ parentSpanId: undefined, source: 'human', target: { kind: 'response', id: 'chatcmpl-1' } })
    expect(event.traceId).toMatch(/^[0-9a-f]{32}$/)
  })

  it('may be a span of its own below the span it is about', () => {
    expect(read('gen_ai.evaluation.result', attributes, { parentSpanId: 'e'.repeat(16) })).toMatchObject({
      spanId,
      kind: 'feedback',
      source: 'judge',
      target: { kind: 'call', id: `${traceId}-${'e'.repeat(16)}` },
    })
  })
})

describe('what an event is about', () => {
  const who = { user: 'ann', session: 's-1', properties: new Map() }
  const nobody = { user: undefined, session: undefined, properties: new Map() }

  it.each([
    ['spanledger.feedback', {}, 'session', 'user', 'itself'],
    ['spanledger.nps', {}, 'user', 'user', 'itself'],
    ['spanledger.goal', {}, 'session', 'itself', 'itself'],
    ['spanledger.goal', { 'spanledger.task.id': 't' }, 'task', 'task', 'task'],
    ['spanledger.task', { 'spanledger.task.id': 't' }, 'task', 'task', 'task'],
    ['spanledger.task', {}, 'itself', 'itself', 'itself'],
    ['spanledger.milestone', {}, 'user', 'user', 'itself'],
    ['spanledger.exposed', {}, 'user', 'user', 'itself'],
    ['spanledger.revenue', {}, 'itself', 'itself', 'itself'],
    ['spanledger.revenue', { 'spanledger.revenue.id': 'in_1' }, 'entry', 'entry', 'entry'],
    ['spanledger.plan_change', {}, 'itself', 'itself', 'itself'],
    ['spanledger.session_end', {}, 'session', 'itself', 'itself'],
    ['spanledger.consent', {}, 'user', 'user', 'itself'],
  ])('of %s with %j is the %s, without a session the %s, of nobody the %s', (name, attributes, ...expected) => {
    const event = read(name, attributes)
    expect([who, { ...who, session: undefined }, nobody].map((identity) => targetOf(event, identity).kind)).toEqual(expected)
  })
})
