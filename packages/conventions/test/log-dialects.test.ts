import { readLogCall, readLogEvent, usageOf, type LlmCall, type LogRecord } from '@spanledger/conventions'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { logOf, startMs } from './spans.ts'

// Records made by hand after the agents' documentation: none of them can be run here.

function read(attributes: Record<string, unknown>, more: Partial<LogRecord> = {}): LlmCall {
  const call = readLogCall(logOf(attributes, more), 'otlp')
  if (call === undefined) throw new Error('not read as a call')
  return call
}

const claude = {
  'event.name': 'api_request',
  model: 'claude-sonnet-4-5',
  input_tokens: '9000',
  output_tokens: '393',
  cache_read_tokens: '5000',
  cache_creation_tokens: '1248',
  cost_usd: '0.0163',
  duration_ms: '1500',
  request_id: 'req_1',
  query_source: 'repl_main_thread',
  'user.id': 'machine',
  'user.account_uuid': 'account',
  'user.email': 'ann@example.com',
  'session.id': 's',
}

const codex = {
  'event.name': 'codex.sse_event',
  'event.kind': 'response.completed',
  model: 'gpt-5.3-codex',
  input_token_count: 7243,
  output_token_count: 423,
  cached_token_count: 3072,
  reasoning_token_count: 58,
  tool_token_count: 7666,
  'conversation.id': 'c-1',
  'user.account_id': 'account',
}

const gemini = {
  'event.name': 'gemini_cli.api_response',
  model: 'gemini-3-pro-preview',
  status_code: 200,
  duration_ms: 2000,
  input_token_count: 100,
  output_token_count: 28,
  cached_content_token_count: 40,
  thoughts_token_count: 244,
  tool_token_count: 5,
  total_token_count: 377,
  'session.id': 's',
  'installation.id': 'machine',
}

describe('a coding agent', () => {
  it('Claude Code is read, cached tokens beside the input', () => {
    const resourceAttributes = { 'service.name': 'claude-code', 'service.version': '2.1.266', 'host.arch': 'arm64', team: 'core' }
    const call = read(claude, { body: 'claude_code.api_request', resourceAttributes })
    expect(call).toMatchObject({
      role: 'call',
      startMs: startMs - 1500,
      durationMs: 1500,
      provider: 'anthropic',
      model: 'claude-sonnet-4-5',
      responseId: 'req_1',
      status: 'ok',
      usage: usageOf({ inputTokens: 9000, cacheReadTokens: 5000, cacheWrite5mTokens: 1248, outputTokens: 393 }),
      cacheVerdict: { inputIncludesCache: false, by: 'emitter' },
      reportedCostNanoUsd: 16_300_000,
      user: 'ann@example.com',
      session: 's',
    })
    expect([...call.properties].map(([key, { value }]) => [key, value])).toEqual([
      ['team', 'core'],
      ['query_source', 'repl_main_thread'],
    ])
  })

  it('Claude Code names the account, else the machine, where it has no mail address', () => {
    const body = 'claude_code.api_request'
    expect(read({ ...claude, 'user.email': undefined }, { body })).toMatchObject({ user: 'account' })
    expect(read({ ...claude, 'user.email': undefined, 'user.account_uuid': undefined }, { body })).toMatchObject({ user: 'machine' })
  })

  it('Claude Code says which calls failed', () => {
    const failed = { 'event.name': 'api_error', model: 'claude-sonnet-4-5', error: 'Overloaded', status_code: '529' }
    expect(read(failed, { eventName: 'claude_code.api_error' })).toMatchObject({
      status: 'error',
      errorClass: 'server_error',
      usage: undefined,
    })
  })

  it('Codex is read, cached tokens and reasoning inside', () => {
    expect(read(codex)).toMatchObject({
      provider: 'openai',
      model: 'gpt-5.3-codex',
      usage: usageOf({ inputTokens: 4171, cacheReadTokens: 3072, outputTokens: 365, reasoningTokens: 58 }),
      user: 'account',
      session: 'c-1',
    })
    expect(read({ 'event.name': 'codex.api_request', model: 'gpt-5', 'http.response.status_code': 429 })).toMatchObject({
      status: 'error',
      errorClass: 'rate_limit',
    })
  })

  it.each(['response.failed', 'response.completed'])('Codex says of a %s with an error that it failed', (kind) => {
    const failed = { 'event.name': 'codex.sse_event', 'event.kind': kind, model: 'gpt-5', 'error.message': 'rate limit reached' }
    expect(read(failed)).toMatchObject({ status: 'error', errorClass: 'rate_limit', usage: undefined })
  })

  it('Gemini CLI is read, tool results added to the input, thoughts beside the output', () => {
    expect(read(gemini)).toMatchObject({
      provider: 'gcp.gemini',
      durationMs: 2000,
      usage: usageOf({ inputTokens: 65, cacheReadTokens: 40, outputTokens: 28, reasoningTokens: 244 }),
      user: 'machine',
    })
    expect(read({ ...gemini, 'event.name': 'gemini_cli.api_error', error_type: 'ApiError', status_code: 503 })).toMatchObject({
      status: 'error',
      errorType: 'ApiError',
    })
  })

  it.each([
    [{ ...codex, 'event.kind': 'response.output_item.done' }],
    // Each answer has one of these, too, without counts.
    [{ 'event.name': 'codex.sse_event', 'event.kind': 'response.completed', duration_ms: '12', model: 'gpt-5.3-codex' }],
    [{ ...codex, 'event.name': 'codex.api_request', 'http.response.status_code': 200 }],
    [{ ...gemini, 'event.name': 'gen_ai.client.inference.operation.details' }],
    [{ ...gemini, 'event.name': 'gemini_cli.api_request' }],
    // The short names of Claude Code are anybody's.
    [claude],
    [{ 'event.name': 'user_prompt' }],
    [{}],
  ])('does not take %j for a call', (attributes) => {
    expect(readLogCall(logOf(attributes), 'otlp')).toBeUndefined()
  })
})

describe('a record', () => {
  it('has ids made of what it says, so that sent again it is the same call', () => {
    const [one, again] = [read(codex), read({ ...codex, input_token_count: '7243', 'collector.added': 'x' })]
    expect([again.traceId, again.spanId, again.startMs]).toEqual([one.traceId, one.spanId, one.startMs])
    expect(one.traceId).toMatch(/^[0-9a-f]{32}$/)
    expect(one.spanId).toMatch(/^[0-9a-f]{16}$/)
    expect(one.parentSpanId).toBeUndefined()
  })

  it.each([
    ['time', codex, { timeMs: startMs + 1 }],
    ['session', { ...codex, 'conversation.id': 'c-2' }, {}],
    ['user', { ...codex, 'user.account_id': 'other' }, {}],
    ['count', { ...codex, output_token_count: 424 }, {}],
    ['number in its sequence', { ...codex, 'event.sequence': 8 }, {}],
  ])('of another %s is another call', (_what, attributes, more) => {
    expect(read(attributes, more).spanId).not.toBe(read(codex).spanId)
  })

  it('within a span is a child of that span', () => {
    const [traceId, spanId] = ['a'.repeat(32), 'b'.repeat(16)]
    expect(read(codex, { traceId, spanId })).toMatchObject({ traceId, parentSpanId: spanId })
    expect(read(codex, { traceId: '0'.repeat(32), spanId: '0'.repeat(16) })).toMatchObject({ parentSpanId: undefined })
  })

  it('of an evaluation is read as feedback on the span or the response that it names', () => {
    const attributes = { 'gen_ai.evaluation.name': 'thumbs', 'gen_ai.evaluation.score.value': 1, 'gen_ai.evaluation.score.label': 'up' }
    const event = readLogEvent(
      logOf({ ...attributes, 'gen_ai.response.id': 'chatcmpl-1' }, { eventName: 'gen_ai.evaluation.result' }),
      'otlp',
    )
    expect(event).toMatchObject({
      kind: 'feedback',
      name: 'thumbs',
      value: 1,
      outcome: 'up',
      target: { kind: 'response', id: 'chatcmpl-1' },
    })
    const span = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) }
    expect(readLogEvent(logOf({ ...attributes, 'event.name': 'gen_ai.evaluation.result' }, span), 'otlp')).toMatchObject({
      target: { kind: 'call', id: `${span.traceId}-${span.spanId}` },
    })
    expect(readLogEvent(logOf(attributes), 'otlp')).toBeUndefined()
  })

  it('never makes a reader throw, whatever it holds', () => {
    const names = [...new Set([claude, codex, gemini].flatMap(Object.keys)), 'property.x', '__proto__', 'gen_ai.evaluation.score.value']
    const events = [
      'claude_code.api_request',
      'claude_code.api_error',
      'codex.sse_event',
      'gemini_cli.api_response',
      'gen_ai.evaluation.result',
    ]
    const value = fc.oneof(fc.anything(), fc.constantFrom('response.completed', 'x'.repeat(100_000), '\ud800', '\u0000', '12'), fc.nat())
    const time = fc.oneof(fc.double(), fc.constantFrom(startMs))
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), value), fc.constantFrom(...events), time, (attributes, eventName, timeMs) => {
        const log = logOf(attributes, { eventName, timeMs, resourceAttributes: attributes, body: attributes['error'] })
        const call = readLogCall(log, 'otlp')
        expect(Object.values(call?.usage ?? {}).every((count) => Number.isSafeInteger(count) && count >= 0)).toBe(true)
        expect(call?.spanId ?? '0'.repeat(16)).toMatch(/^[0-9a-f]{16}$/)
        readLogEvent(log, 'otlp')
      }),
      { numRuns: 2000 },
    )
  })
})
