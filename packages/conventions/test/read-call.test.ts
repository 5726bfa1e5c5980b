import { readFileSync } from 'node:fs'

import { readCall, readSpanIdentity, SPANLEDGER_SCOPE, usageOf, type LlmCall, type SpanRecord } from '@spanledger/conventions'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const startMs = Date.parse('2026-10-01T12:00:00Z')

function span(attributes: Record<string, unknown>, more: Partial<SpanRecord> = {}): SpanRecord {
  return {
    traceId: 'a'.repeat(32),
    spanId: 'b'.repeat(16),
    parentSpanId: undefined,
    name: 'chat gpt-5',
    startMs: startMs + 0.4,
    endMs: startMs + 1500.6,
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

const chat = { 'gen_ai.operation.name': 'chat', 'gen_ai.provider.name': 'openai', 'gen_ai.request.model': 'gpt-5' }

function read(attributes: Record<string, unknown>, more: Partial<SpanRecord> = {}): LlmCall {
  const call = readCall(span({ ...chat, ...attributes }, more), 'otlp')
  if (call === undefined) throw new Error('not read as a call')
  return call
}

describe('reading a span', () => {
  it('reads all that a call has', () => {
    const call = read(
      {
        'gen_ai.request.stream': true,
        'gen_ai.response.model': 'gpt-5-2025-08-07',
        'gen_ai.response.id': 'chatcmpl-1',
        'gen_ai.response.finish_reasons': ['stop'],
        'gen_ai.response.time_to_first_chunk': 0.25,
        'gen_ai.usage.input_tokens': 100,
        'gen_ai.usage.output_tokens': '50',
        'gen_ai.usage.cache_read.input_tokens': 40,
        'gen_ai.usage.reasoning.output_tokens': 20,
        'openai.response.service_tier': 'Flex',
        'spanledger.reported_cost_usd': '0.001',
        'user.id': 'user-1',
        'session.id': 's-1',
        'property.Plan': 'pro',
      },
      { resourceAttributes: { 'property.environment': 'production' }, parentSpanId: 'c'.repeat(16) },
    )
    expect(call).toEqual({
      traceId: 'a'.repeat(32),
      spanId: 'b'.repeat(16),
      parentSpanId: 'c'.repeat(16),
      role: 'call',
      startMs,
      durationMs: 1500,
      timeToFirstTokenMs: 250,
      operation: 'chat',
      provider: 'openai',
      requestedModel: 'gpt-5',
      model: 'gpt-5-2025-08-07',
      responseId: 'chatcmpl-1',
      serviceTier: 'flex',
      streamed: true,
      status: 'ok',
      errorClass: undefined,
      errorType: undefined,
      finishReason: 'stop',
      usage: usageOf({ inputTokens: 60, cacheReadTokens: 40, outputTokens: 30, reasoningTokens: 20 }),
      usageQuality: 'reported',
      cacheVerdict: { inputIncludesCache: true, by: 'conventions' },
      parts: undefined,
      reportedCostNanoUsd: 1_000_000,
      user: 'user-1',
      session: 's-1',
      properties: new Map([['plan', { name: 'Plan', value: 'pro' }]]),
      resourceIdentity: {
        user: undefined,
        session: undefined,
        properties: new Map([['environment', { name: 'environment', value: 'production' }]]),
      },
      origin: 'otlp',
      faults: [],
    })
  })

  it.each([
    ['gen_ai.usage.cache_write.input_tokens'],
    ['gen_ai.usage.cache_creation.input_tokens'],
    ['gen_ai.usage.cache_creation_input_tokens'],
  ])('reads a cache write under its name of the day, %s', (name) => {
    const usage = { 'gen_ai.usage.input_tokens': 12_307, 'gen_ai.usage.output_tokens': 550, [name]: 12_304 }
    expect(read(usage).usage).toEqual(usageOf({ inputTokens: 3, cacheWrite5mTokens: 12_304, outputTokens: 550 }))
  })

  it('reads the names of before 1.27, and lets the current ones win', () => {
    const call = readCall(
      span({
        'gen_ai.operation.name': 'chat',
        'gen_ai.system': 'az.ai.openai',
        'gen_ai.request.model': 'gpt-4o',
        'gen_ai.usage.prompt_tokens': 10,
        'gen_ai.usage.completion_tokens': 5,
        'gen_ai.usage.output_tokens': 6,
        'gen_ai.usage.cache_read_input_tokens': 4,
        'gen_ai.usage.reasoning_tokens': 2,
        'enduser.id': 'user-7',
        'gen_ai.conversation.id': 'thread-1',
        'gen_ai.openai.response.service_tier': 'default',
      }),
      'otlp',
    )
    expect(call).toMatchObject({
      provider: 'azure.ai.openai',
      usage: usageOf({ inputTokens: 6, cacheReadTokens: 4, outputTokens: 4, reasoningTokens: 2 }),
      user: 'user-7',
      session: 'thread-1',
      serviceTier: 'default',
    })
  })

  it('reads hour-long cache writes and the parts of a call', () => {
    const hour = {
      'gen_ai.usage.input_tokens': 103,
      'gen_ai.usage.cache_write.input_tokens': 100,
      'anthropic.usage.cache_creation.ephemeral_1h_input_tokens': 60,
    }
    expect(read(hour).usage).toEqual(usageOf({ inputTokens: 3, cacheWrite5mTokens: 40, cacheWrite1hTokens: 60 }))
    const parts = [
      { model: 'claude-sonnet-4-6', usage: { inputTokens: 5 } },
      { model: 'claude-opus-4-7', usage: { outputTokens: 7 } },
    ]
    expect(read({ 'gen_ai.usage.input_tokens': 5, 'spanledger.usage.parts': JSON.stringify(parts) })).toMatchObject({
      usage: usageOf({ inputTokens: 5, outputTokens: 7 }),
      parts: [
        { model: 'claude-sonnet-4-6', usage: usageOf({ inputTokens: 5 }) },
        { model: 'claude-opus-4-7', usage: usageOf({ outputTokens: 7 }) },
      ],
    })
  })

  it.each(['', '[]', '{}', '[{}]', '[{"model":"a"}]', '[{"model":"a","usage":{"inputTokens":-1}}]', 5])(
    'lets the totals stand where the parts are %j',
    (parts) => {
      expect(read({ 'gen_ai.usage.input_tokens': 5, 'spanledger.usage.parts': parts })).toMatchObject({
        usage: usageOf({ inputTokens: 5 }),
        parts: undefined,
      })
    },
  )

  it.each([-5, 1.5, Number.NaN, 1e12, 'many', true, [5]])('refuses %s tokens, counts it, and keeps the rest', (count) => {
    const call = read({ 'gen_ai.usage.input_tokens': count, 'gen_ai.usage.output_tokens': 7 })
    expect(call.usage).toEqual(usageOf({ outputTokens: 7 }))
    expect(call.faults).toEqual(['token_count_refused'])
  })

  it('keeps unknown usage apart from 0', () => {
    expect(read({})).toMatchObject({ usage: undefined, usageQuality: 'missing' })
    expect(read({ 'gen_ai.usage.input_tokens': 0 })).toMatchObject({ usage: usageOf({}), usageQuality: 'reported' })
    expect(read({ 'gen_ai.usage.input_tokens': 4, 'spanledger.usage.quality': 'estimated' })).toMatchObject({ usageQuality: 'estimated' })
  })

  it('reads how a call failed', () => {
    expect(read({ 'error.type': 'RateLimitError' }, { statusCode: 2 })).toMatchObject({
      status: 'error',
      errorClass: 'rate_limit',
      errorType: 'RateLimitError',
    })
    expect(read({ 'error.type': 'cancelled' }, { statusCode: 2 })).toMatchObject({ status: 'cancelled', errorClass: 'cancelled' })
    expect(read({}, { statusCode: 2, statusMessage: 'connect ECONNREFUSED' })).toMatchObject({
      errorClass: 'server_error',
      errorType: '_OTHER',
    })
    expect(read({ 'http.response.status_code': 429 }, { statusCode: 2 })).toMatchObject({ errorClass: 'rate_limit' })
  })

  it.each(['length', 'max_tokens', 'max_output_tokens', 'MAX_TOKENS'])(
    'says of an answer that ended with %s that it was cut off',
    (reason) => {
      expect(read({ 'gen_ai.response.finish_reasons': [reason] })).toMatchObject({ status: 'ok', errorClass: 'truncated' })
    },
  )

  it('refuses a time that ran backwards, and keeps the call', () => {
    expect(read({}, { endMs: startMs - 1 })).toMatchObject({ startMs, durationMs: 0, faults: ['time_refused'] })
    expect(read({}, { endMs: startMs + 8 * 86_400_000 })).toMatchObject({ startMs, durationMs: 0, faults: ['time_refused'] })
  })

  it('marks samples, and spans that lost attributes', () => {
    expect(read({ 'spanledger.sample': true }, { droppedAttributes: 3 })).toMatchObject({
      origin: 'sample',
      faults: ['attributes_dropped'],
    })
  })

  it('counts what it refused of ids, properties and cost', () => {
    const call = read({
      'user.id': 'a\u0000b',
      'session.id': 'x'.repeat(10_000),
      'property.__proto__': 1,
      'property.a': 'v'.repeat(2000),
      'spanledger.reported_cost_usd': -1,
    })
    expect(call).toMatchObject({ user: undefined, reportedCostNanoUsd: undefined })
    expect(call.session).toMatch(/^sha256:[0-9a-f]{64}$/)
    expect([...call.faults].sort()).toEqual([
      'cost_refused',
      'property_key_refused',
      'property_value_cut',
      'session_hashed',
      'user_refused',
    ])
  })

  it('keeps 64 of 10,000 property keys', () => {
    const properties = Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`property.k${n}`, n]))
    const call = read(properties)
    expect(call.properties.size).toBe(64)
    expect(call.faults).toEqual(Array(9936).fill('properties_over_limit'))
  })

  it.each([
    [{ 'http.request.method': 'GET' }],
    [{ 'gen_ai.operation.name': 'execute_tool', 'gen_ai.request.model': 'gpt-5', 'gen_ai.usage.input_tokens': 5 }],
    [{ 'gen_ai.request.model': 'gpt-5' }],
    [{ 'gen_ai.usage.input_tokens': 5 }],
    [{ 'gen_ai.operation.name': 'invoke_agent' }],
  ])('does not take %j for a call', (attributes) => {
    expect(readCall(span(attributes), 'otlp')).toBeUndefined()
  })

  it('takes an agent run with usage for an aggregate, and a call without an operation for a chat', () => {
    const usage = { 'gen_ai.usage.input_tokens': 5, 'gen_ai.request.model': 'gpt-5' }
    expect(readCall(span({ ...usage, 'gen_ai.operation.name': 'invoke_agent' }), 'otlp')).toMatchObject({ role: 'aggregate' })
    expect(readCall(span(usage), 'otlp')).toMatchObject({ role: 'call', operation: 'chat', provider: 'unknown' })
  })

  it('names a provider by its host where nothing else does', () => {
    const usage = { 'gen_ai.operation.name': 'chat', 'server.address': 'my-resource.openai.azure.com' }
    expect(readCall(span(usage), 'otlp')).toMatchObject({ provider: 'azure.ai.openai', model: 'unknown', requestedModel: 'unknown' })
  })

  it('knows our own spans by the scope that our instrumentation gives them, and reads them as nothing else', () => {
    const version = readFileSync(new URL('../../instrumentation/src/version.ts', import.meta.url), 'utf8')
    expect(version).toContain(`'${SPANLEDGER_SCOPE}'`)
    const alsoSaid = { 'openinference.span.kind': 'CHAIN', 'langfuse.observation.type': 'span', 'ai.operationId': 'ai.toolCall' }
    expect(read({ ...alsoSaid, 'gen_ai.usage.input_tokens': 5 }, { scopeName: SPANLEDGER_SCOPE })).toMatchObject({ role: 'call' })
  })

  it('reads the identity of any span', () => {
    expect(readSpanIdentity({ attributes: { 'user.id': ' u ', 'property.Plan': 'pro' } })).toEqual({
      user: 'u',
      session: undefined,
      properties: new Map([['plan', { name: 'Plan', value: 'pro' }]]),
    })
  })

  it('never throws, and never gives a bucket that is no count, whatever the attributes hold', () => {
    const name = fc.constantFrom(
      ...(
        'gen_ai.operation.name gen_ai.provider.name gen_ai.request.model gen_ai.response.model gen_ai.response.finish_reasons ' +
        'gen_ai.usage.input_tokens gen_ai.usage.output_tokens gen_ai.usage.cache_read.input_tokens gen_ai.usage.reasoning.output_tokens ' +
        'gen_ai.response.time_to_first_chunk spanledger.usage.parts spanledger.reported_cost_usd user.id session.id property.x property. ' +
        'error.type http.response.status_code server.address openai.response.service_tier __proto__'
      ).split(' '),
    )
    const value = fc.oneof(fc.anything(), fc.constantFrom('chat', 'invoke_agent', 'x'.repeat(100_000), '\ud800', '\u0000'), fc.nat())
    fc.assert(
      fc.property(fc.dictionary(name, value), fc.constantFrom(0, 1, 2), (attributes, statusCode) => {
        const call = readCall(span(attributes, { statusCode, resourceAttributes: attributes }), 'app')
        expect(Object.values(call?.usage ?? {}).every((count) => Number.isSafeInteger(count) && count >= 0)).toBe(true)
        expect(call === undefined || (call.model.length <= 256 && call.model.isWellFormed())).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })
})
