import { readCall, usageOf } from '@spanledger/conventions'
import { describe, expect, it } from 'vitest'

import { cached, callOf, spanOf } from './spans.ts'

// Payloads made by hand after what the libraries' sources and documentation say. Those that libraries really sent are read in
// test/captures.

describe('OpenLLMetry', () => {
  const python = { scopeName: 'opentelemetry.instrumentation.openai.v1', scopeVersion: '0.40.0' }

  it('is read under its older names of Python', () => {
    const call = callOf(
      {
        'llm.request.type': 'chat',
        'gen_ai.system': 'OpenAI',
        'gen_ai.request.model': 'gpt-4o',
        'gen_ai.response.model': 'gpt-4o-2024-08-06',
        'gen_ai.usage.prompt_tokens': 100,
        'gen_ai.usage.completion_tokens': 20,
        'gen_ai.usage.cache_read_input_tokens': 60,
        'llm.usage.total_tokens': 120,
        'llm.is_streaming': true,
        'traceloop.association.properties.user_id': 'ann',
        'traceloop.workflow.name': 'answer',
        'gen_ai.prompt.name': 'greeting',
        'gen_ai.prompt.version': 3,
      },
      python,
    )
    expect(call).toMatchObject({
      operation: 'chat',
      provider: 'openai',
      model: 'gpt-4o-2024-08-06',
      streamed: true,
      usage: usageOf({ inputTokens: 40, cacheReadTokens: 60, outputTokens: 20 }),
      user: 'ann',
    })
    const named = ['feature', 'prompt', 'prompt_version'].map((key) => call.properties.get(key)?.value)
    expect(named).toEqual(['answer', 'greeting', '3'])
  })

  it.each([
    ['completion', 'text_completion'],
    ['embedding', 'embeddings'],
    ['rerank', 'rerank'],
  ])('calls a %s %s', (type, operation) => {
    expect(callOf({ 'llm.request.type': type, 'gen_ai.request.model': 'm' }, python)).toMatchObject({ operation })
  })

  it.each([
    ['0.27.0', usageOf({ inputTokens: 5000, cacheReadTokens: 400, outputTokens: 1 }), 'emitter'],
    ['0.28.0', usageOf({ inputTokens: 4600, cacheReadTokens: 400, outputTokens: 1 }), 'conventions'],
  ])('of version %s counts cached tokens of Anthropic as that version does', (scopeVersion, usage, by) => {
    const call = callOf(
      {
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': 'anthropic',
        'gen_ai.usage.input_tokens': 5000,
        'gen_ai.usage.output_tokens': 1,
        'gen_ai.usage.total_tokens': 5001,
        'gen_ai.usage.cache_read.input_tokens': 400,
      },
      { scopeName: '@traceloop/instrumentation-anthropic', scopeVersion },
    )
    expect(call).toMatchObject({ usage, cacheVerdict: { by } })
  })
})

describe('OpenInference', () => {
  it('is read with all that it has', () => {
    const call = callOf({
      'openinference.span.kind': 'LLM',
      'llm.system': 'anthropic',
      'llm.request.model_name': 'claude-sonnet-4-5',
      'llm.model_name': 'claude-sonnet-4-5-20250929',
      'llm.invocation_parameters': '{"model":"claude-sonnet-4-5","stream":true}',
      'llm.token_count.prompt': 20_141,
      'llm.token_count.completion': 393,
      'llm.token_count.prompt_details.cache_read': 18_872,
      'llm.token_count.prompt_details.cache_write': 1248,
      'llm.cost.total': 0.0163,
      'llm.finish_reason': 'end_turn',
      'user.id': 'ann',
      'session.id': 's',
      metadata: '{"plan":"pro","seats":3}',
      'tag.tags': '["b","a"]',
    })
    expect(call).toMatchObject({
      operation: 'chat',
      provider: 'anthropic',
      requestedModel: 'claude-sonnet-4-5',
      model: 'claude-sonnet-4-5-20250929',
      streamed: true,
      usage: cached,
      cacheVerdict: { inputIncludesCache: true, by: 'conventions' },
      reportedCostNanoUsd: 16_300_000,
      user: 'ann',
      session: 's',
    })
    expect([...call.properties].map(([key, { value }]) => [key, value])).toEqual([
      ['tags', '["a","b"]'],
      ['plan', 'pro'],
      ['seats', '3'],
    ])
  })

  it('keeps what LangChain notes for itself out of the properties', () => {
    const metadata = { plan: 'pro', ls_provider: 'openai', ls_model_type: 'chat', versions: { core: '1' } }
    const call = callOf({ 'openinference.span.kind': 'LLM', 'llm.model_name': 'gpt-4o', metadata: JSON.stringify(metadata) })
    expect([...call.properties.keys()]).toEqual(['plan'])
  })

  it('finds the provider in the model under LangChain, which names none', () => {
    expect(callOf({ 'openinference.span.kind': 'LLM', 'llm.model_name': 'gpt-4o-mini' })).toMatchObject({ provider: 'openai' })
    expect(callOf({ 'openinference.span.kind': 'EMBEDDING', 'embedding.model_name': 'voyage-3' })).toMatchObject({
      operation: 'embeddings',
      provider: 'voyage',
    })
  })
})

describe('LangSmith', () => {
  it('is read by the kind of its run, with the details of its usage', () => {
    const call = callOf({
      'langsmith.span.kind': 'llm',
      'gen_ai.operation.name': 'chat',
      'gen_ai.system': 'langchain',
      'gen_ai.request.model': 'claude-sonnet-4-5',
      'gen_ai.usage.input_tokens': 20_141,
      'gen_ai.usage.output_tokens': 393,
      'gen_ai.response.finish_reasons': 'stop, stop',
      'gen_ai.response.service_tier': 'flex',
      'langsmith.usage_metadata': JSON.stringify({
        input_tokens: 20_141,
        output_tokens: 393,
        total_tokens: 20_534,
        input_token_details: { cache_read: 18_872, cache_creation: 1248 },
      }),
      'langsmith.metadata.user_id': 'ann',
      'langsmith.metadata.thread_id': 't-1',
      'langsmith.metadata.plan': 'pro',
      'langsmith.metadata.ls_model_name': 'claude-sonnet-4-5',
      'langsmith.trace.session_id': 'a project',
    })
    expect(call).toMatchObject({
      provider: 'anthropic',
      usage: cached,
      finishReason: 'stop',
      serviceTier: 'flex',
      user: 'ann',
      session: 't-1',
      properties: new Map([['plan', { name: 'plan', value: 'pro' }]]),
    })
  })
})

describe('a failed run of LangSmith', () => {
  const run = { 'langsmith.span.kind': 'llm', 'gen_ai.request.model': 'gpt-4o-mini' }
  it.each([
    ['RateLimitError: 429 You exceeded your current quota', 'RateLimitError', 'rate_limit'],
    ['Error: 503 no healthy upstream', 'Error', 'server_error'],
    ['APIConnectionTimeoutError: Request timed out.', 'APIConnectionTimeoutError', 'timeout'],
    ['something of its own', 'Error', 'other'],
  ])('is one by its exception, whatever its status: %s', (message, errorType, errorClass) => {
    expect(callOf(run, { statusCode: 1, exception: { type: 'Error', message } })).toMatchObject({ status: 'error', errorType, errorClass })
  })

  it('is cancelled where it was aborted, and none where the app left a stream', () => {
    const aborted = { type: 'Error', message: 'APIUserAbortError: Request was aborted.' }
    expect(callOf(run, { statusCode: 1, exception: aborted })).toMatchObject({ status: 'cancelled', errorClass: 'cancelled' })
    expect(callOf(run, { statusCode: 1, exception: { type: 'Error', message: 'Cancelled' } })).toMatchObject({ status: 'ok' })
    expect(callOf(run, { statusCode: 1 })).toMatchObject({ status: 'ok', errorType: undefined })
  })

  it('says nothing of other libraries, which record exceptions that they survive', () => {
    const genai = { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'gpt-4o-mini' }
    expect(callOf(genai, { exception: { type: 'Error', message: '429 tried again' } })).toMatchObject({ status: 'ok' })
  })
})

describe('OpenLIT', () => {
  const anthropic = {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'anthropic',
    'gen_ai.request.model': 'claude-sonnet-4-5',
    'gen_ai.usage.input_tokens': 5000,
    'gen_ai.usage.output_tokens': 1,
    'gen_ai.usage.total_tokens': 5001,
    'gen_ai.usage.cache_read.input_tokens': 400,
    'gen_ai.usage.cost': 0,
    'gen_ai.sdk.version': '1.15.0',
  }

  it.each([
    [{ scopeName: '@openlit/instrumentation-anthropic' }],
    [{ scopeName: 'x', resourceAttributes: { 'telemetry.sdk.name': 'openlit' } }],
  ])('leaves cached tokens of Anthropic out: %j', (more) => {
    expect(callOf(anthropic, more)).toMatchObject({
      usage: usageOf({ inputTokens: 5000, cacheReadTokens: 400, outputTokens: 1 }),
      reportedCostNanoUsd: undefined,
    })
  })

  it('counts them in for OpenAI, and is read under its older names', () => {
    const older = {
      'gen_ai.operation.name': 'chat',
      'gen_ai.system': 'openai',
      'gen_ai.usage.input_tokens': 2006,
      'gen_ai.usage.output_tokens': 300,
      'gen_ai.usage.prompt_tokens_details.cache_read': 1920,
      'gen_ai.usage.completion_tokens_details.reasoning': 100,
      'gen_ai.usage.cost': 0.5,
    }
    expect(callOf(older, { scopeName: '@openlit/instrumentation-openai' })).toMatchObject({
      usage: usageOf({ inputTokens: 86, cacheReadTokens: 1920, outputTokens: 200, reasoningTokens: 100 }),
      reportedCostNanoUsd: 500_000_000,
    })
  })
})

describe('the Anthropic SDK', () => {
  const anthropic = { scopeName: 'com.anthropic.sdk.typescript', scopeVersion: '1.14.0' }

  it('is read with what its compactions used, which stand in no other count', () => {
    const call = callOf(
      {
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': 'anthropic',
        'gen_ai.request.model': 'claude-sonnet-4-5',
        'gen_ai.usage.input_tokens': 682,
        'gen_ai.usage.output_tokens': 1320,
        'anthropic.usage.compaction.input_tokens': 60_385,
        'anthropic.usage.compaction.output_tokens': 592,
        'anthropic.message.stop_reason': 'max_tokens',
      },
      anthropic,
    )
    expect(call).toMatchObject({
      usage: usageOf({ inputTokens: 61_067, outputTokens: 1912 }),
      finishReason: 'max_tokens',
      errorClass: 'truncated',
    })
  })

  it.each(['anthropic.messages.count_tokens', 'anthropic.sessions.create'])('does not take %s for a call', (name) => {
    expect(readCall(spanOf({ 'gen_ai.request.model': 'claude-sonnet-4-5' }, { ...anthropic, name }), 'otlp')).toBeUndefined()
  })
})

describe('Pydantic AI', () => {
  it('counts tokens once that it says twice', () => {
    const call = callOf(
      {
        'gen_ai.operation.name': 'chat',
        'gen_ai.system': 'anthropic',
        'gen_ai.request.model': 'claude-sonnet-4-5',
        'gen_ai.usage.input_tokens': 20_141,
        'gen_ai.usage.output_tokens': 393,
        'gen_ai.usage.cache_read.input_tokens': 18_872,
        'gen_ai.usage.cache_creation.input_tokens': 1248,
        'gen_ai.usage.details.cache_read_input_tokens': 18_872,
        'gen_ai.usage.details.cache_creation_input_tokens': 1248,
        'operation.cost': 0.0163,
      },
      { scopeName: 'pydantic-ai', scopeVersion: '1.20.0' },
    )
    expect(call).toMatchObject({ usage: cached, reportedCostNanoUsd: 16_300_000, cacheVerdict: { by: 'emitter' } })
  })
})

describe('Logfire', () => {
  const said = {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'anthropic',
    'gen_ai.request.model': 'claude-sonnet-4-5',
    'gen_ai.response.model': 'claude-sonnet-4-5-20250929',
    'gen_ai.usage.input_tokens': 20_141,
    'gen_ai.usage.output_tokens': 393,
  }
  const raw = { input_tokens: 21, output_tokens: 393, cache_read_input_tokens: 18_872, cache_creation_input_tokens: 1248 }

  it('is read by the usage that Anthropic gave it, whatever its sum', () => {
    for (const usage of [raw, JSON.stringify(raw)]) {
      expect(callOf({ ...said, 'gen_ai.usage.raw': usage, 'operation.cost': 0.01 }, { scopeName: 'logfire.anthropic' })).toMatchObject({
        usage: cached,
        reportedCostNanoUsd: 10_000_000,
      })
    }
  })

  it.each([
    [{ prompt_tokens: 10, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 4 } }],
    [{ input_tokens: 10, output_tokens: 5, input_tokens_details: { cached_tokens: 4 } }],
  ])('is read by the usage that OpenAI gave it: %j', (usage) => {
    const call = callOf({ ...said, 'gen_ai.provider.name': 'openai', 'gen_ai.usage.raw': usage }, { scopeName: 'logfire.openai' })
    expect(call.usage).toEqual(usageOf({ inputTokens: 6, cacheReadTokens: 4, outputTokens: 5 }))
  })

  it('counts a stream once: its first span is none, its log is the call; a request that failed is a call', () => {
    const head = { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'gpt-4o', 'logfire.span_type': 'span' }
    const openai = { scopeName: 'logfire.openai' }
    expect(readCall(spanOf(head, openai), 'otlp')).toBeUndefined()
    expect(callOf({ ...head, 'logfire.span_type': 'log', 'gen_ai.usage.input_tokens': 5 }, openai)).toMatchObject({ streamed: true })
    expect(callOf(head, { ...openai, statusCode: 2 })).toMatchObject({ status: 'error' })
  })
})

describe('Claude Code', () => {
  it('is read in the spans of its beta traces', () => {
    const call = callOf(
      {
        'span.type': 'llm_request',
        model: 'claude-sonnet-4-5',
        input_tokens: '21',
        output_tokens: '393',
        cache_read_tokens: '18872',
        cache_creation_tokens: '1248',
        ttft_ms: 300,
        request_id: 'req_1',
        'user.email': 'ann@example.com',
        'session.id': 's',
      },
      { name: 'claude_code.llm_request' },
    )
    expect(call).toMatchObject({
      provider: 'anthropic',
      model: 'claude-sonnet-4-5',
      responseId: 'req_1',
      timeToFirstTokenMs: 300,
      usage: cached,
      cacheVerdict: { inputIncludesCache: false },
      user: 'ann@example.com',
      session: 's',
    })
  })
})
