import { usageOf } from '@spanledger/conventions'
import { describe, expect, it } from 'vitest'

import { cached, callOf } from './spans.ts'

// Payloads made by hand after what the libraries' sources and documentation say. Those that libraries really sent are read in
// test/captures.

describe('the Vercel AI SDK', () => {
  const doGenerate = { 'ai.operationId': 'ai.generateText.doGenerate', 'ai.model.id': 'm' }
  const ai = { scopeName: 'ai', scopeVersion: '' }

  it("of version 5 leaves cached tokens of Anthropic out, and keeps Anthropic's own usage in its metadata", () => {
    const usage = {
      input_tokens: 21,
      output_tokens: 393,
      cache_read_input_tokens: 18_872,
      cache_creation_input_tokens: 1248,
      cache_creation: { ephemeral_5m_input_tokens: 248, ephemeral_1h_input_tokens: 1000 },
    }
    const said = { 'ai.model.provider': 'anthropic.messages', 'ai.usage.promptTokens': 21, 'ai.usage.completionTokens': 393 }
    const call = callOf({ ...doGenerate, ...said, 'ai.response.providerMetadata': JSON.stringify({ anthropic: { usage } }) }, ai)
    expect(call.usage).toEqual({ ...cached, cacheWrite5mTokens: 248, cacheWrite1hTokens: 1000 })
  })

  it('is read with the parts of a call that several models of Anthropic served', () => {
    const iterations = [
      { type: 'message', input_tokens: 9, output_tokens: 3 },
      { type: 'advisor_message', model: 'claude-opus-4-7', input_tokens: 20, output_tokens: 8 },
    ]
    const metadata = { anthropic: { usage: { input_tokens: 9, output_tokens: 3, iterations } } }
    const call = callOf(
      { ...doGenerate, 'ai.model.provider': 'anthropic.messages', 'ai.response.providerMetadata': JSON.stringify(metadata) },
      ai,
    )
    expect(call).toMatchObject({
      usage: usageOf({ inputTokens: 29, outputTokens: 11 }),
      parts: [{ model: 'm' }, { model: 'claude-opus-4-7' }],
    })
  })

  it('of version 4 says cached tokens of Anthropic in its metadata only', () => {
    const metadata = { anthropic: { cacheCreationInputTokens: 1248, cacheReadInputTokens: 18_872 } }
    const usage = { 'ai.usage.promptTokens': 21, 'ai.usage.completionTokens': 393 }
    const call = callOf(
      { ...doGenerate, 'ai.model.provider': 'anthropic.messages', ...usage, 'ai.response.providerMetadata': JSON.stringify(metadata) },
      ai,
    )
    expect(call.usage).toEqual(cached)
  })

  it('of version 4 says cached tokens and reasoning of OpenAI in its metadata only', () => {
    const metadata = { openai: { cachedPromptTokens: 1920, reasoningTokens: 100 } }
    const usage = { 'ai.usage.promptTokens': 2006, 'ai.usage.completionTokens': 300 }
    const call = callOf(
      { ...doGenerate, 'ai.model.provider': 'openai.chat', ...usage, 'ai.response.providerMetadata': JSON.stringify(metadata) },
      ai,
    )
    expect(call.usage).toEqual(usageOf({ inputTokens: 86, cacheReadTokens: 1920, outputTokens: 200, reasoningTokens: 100 }))
  })

  it.each([
    ['5', {}, usageOf({ inputTokens: 9, outputTokens: 28, reasoningTokens: 20 })],
    ['6', { 'ai.usage.outputTokenDetails.textTokens': 8 }, usageOf({ inputTokens: 9, outputTokens: 8, reasoningTokens: 20 })],
  ])('of version %s counts thoughts of Gemini as that version does', (_version, details, usage) => {
    const counts = { 'ai.usage.inputTokens': 9, 'ai.usage.outputTokens': 28, 'ai.usage.reasoningTokens': 20 }
    expect(callOf({ ...doGenerate, 'ai.model.provider': 'google.generative-ai', ...counts, ...details }, ai)).toMatchObject({
      provider: 'gcp.gemini',
      usage,
    })
  })

  it.each([
    ['anthropic.messages', 'anthropic'],
    ['vertex.anthropic.messages', 'gcp.vertex_ai'],
    ['amazon-bedrock', 'aws.bedrock'],
  ])('of version 5 leaves cached tokens of %s out', (named, provider) => {
    const usage = {
      'ai.usage.inputTokens': 5000,
      'ai.usage.outputTokens': 1,
      'ai.usage.totalTokens': 5001,
      'ai.usage.cachedInputTokens': 400,
    }
    expect(callOf({ ...doGenerate, 'ai.model.provider': named, ...usage }, ai)).toMatchObject({
      provider,
      usage: usageOf({ inputTokens: 5000, cacheReadTokens: 400, outputTokens: 1 }),
    })
  })

  it('of version 6 counts everything in, Bedrock too', () => {
    const counts = { 'ai.usage.inputTokens': 20_141, 'ai.usage.outputTokens': 393, 'ai.usage.inputTokenDetails.cacheReadTokens': 18_872 }
    const written = { 'ai.usage.inputTokenDetails.cacheWriteTokens': 1248, 'ai.usage.inputTokenDetails.noCacheTokens': 21 }
    const call = callOf({ ...doGenerate, 'ai.model.provider': 'amazon-bedrock', ...counts, ...written }, ai)
    expect(call).toMatchObject({ provider: 'aws.bedrock', usage: cached, cacheVerdict: { by: 'emitter' } })
  })

  it('is read after OpenLLMetry has renamed its attributes', () => {
    const renamed = {
      'ai.operationId': 'ai.streamText.doStream',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'gpt-4o',
      'gen_ai.usage.input_tokens': 5,
      'gen_ai.usage.output_tokens': 6,
      'traceloop.association.properties.userId': 'ann',
    }
    expect(callOf(renamed, ai)).toMatchObject({ model: 'gpt-4o', streamed: true, user: 'ann', usage: { inputTokens: 5, outputTokens: 6 } })
  })

  it('of version 7 is read by its scope, with its reasoning and its time to the first chunk', () => {
    const call = callOf(
      {
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': 'openai',
        'gen_ai.request.model': 'o4-mini',
        'gen_ai.usage.input_tokens': 10,
        'gen_ai.usage.output_tokens': 30,
        'ai.usage.outputTokenDetails.reasoningTokens': 20,
        'gen_ai.client.operation.time_to_first_chunk': 0.5,
        'ai.settings.context.userId': 'ann',
        'ai.settings.context.plan': 'pro',
      },
      { scopeName: 'gen_ai', scopeVersion: '' },
    )
    expect(call).toMatchObject({
      usage: usageOf({ inputTokens: 10, outputTokens: 10, reasoningTokens: 20 }),
      timeToFirstTokenMs: 500,
      user: 'ann',
    })
    expect(call.properties.get('plan')?.value).toBe('pro')
  })
})
