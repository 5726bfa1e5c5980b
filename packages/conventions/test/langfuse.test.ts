import { usageOf, type LlmCall } from '@spanledger/conventions'
import { describe, expect, it } from 'vitest'

import { callOf, startMs } from './spans.ts'

// Payloads made by hand after what the libraries' sources and documentation say. Those that libraries really sent are read in
// test/captures.

describe('Langfuse', () => {
  const generation = { 'langfuse.observation.type': 'generation', 'langfuse.observation.model.name': 'gpt-4o-mini' }
  const usage = (details: unknown): LlmCall => callOf({ ...generation, 'langfuse.observation.usage_details': JSON.stringify(details) })

  it('is read with each part beside the others', () => {
    const details = {
      input: 80,
      output: 100,
      total: 2306,
      input_cached_tokens: 1920,
      input_audio_tokens: 6,
      output_reasoning_tokens: 150,
      output_audio_tokens: 40,
      output_rejected_prediction_tokens: 10,
    }
    expect(usage(details).usage).toEqual(
      usageOf({
        inputTokens: 80,
        cacheReadTokens: 1920,
        audioInputTokens: 6,
        outputTokens: 110,
        reasoningTokens: 150,
        audioOutputTokens: 40,
      }),
    )
  })

  it('is read with cache writes of both durations, also where they are fewer than the input', () => {
    expect(usage({ input: 5000, input_cache_creation_5m: 30, input_cache_creation_1h: 70, input_cache_read: 9, output: 1 }).usage).toEqual(
      usageOf({ inputTokens: 5000, cacheReadTokens: 9, cacheWrite5mTokens: 30, cacheWrite1hTokens: 70, outputTokens: 1 }),
    )
  })

  it.each([
    [
      {
        prompt_tokens: 2006,
        completion_tokens: 300,
        total_tokens: 2306,
        prompt_tokens_details: { cached_tokens: 1920 },
        completion_tokens_details: { reasoning_tokens: 100 },
      },
    ],
    [
      {
        input_tokens: 2006,
        output_tokens: 300,
        input_tokens_details: { cached_tokens: 1920 },
        output_tokens_details: { reasoning_tokens: 100 },
      },
    ],
    [
      {
        input_tokens: 2006,
        output_tokens: 300,
        input_token_details: { cached_tokens: 1920 },
        output_token_details: { reasoning_tokens: 100 },
      },
    ],
  ])('is read where the app hands on what OpenAI gave it: %j', (details) => {
    expect(usage(details).usage).toEqual(usageOf({ inputTokens: 86, cacheReadTokens: 1920, outputTokens: 200, reasoningTokens: 100 }))
  })

  it('refuses what is no count, and keeps the rest', () => {
    expect(usage({ input: -5, input_text: 3, output: 7, unit: 'TOKENS' })).toMatchObject({
      usage: usageOf({ outputTokens: 7 }),
      usageQuality: 'partial',
      faults: ['token_count_refused'],
    })
  })

  it('is read with its error, its first token and its cost', () => {
    const call = callOf(
      {
        ...generation,
        'langfuse.observation.level': 'ERROR',
        'langfuse.observation.status_message': 'Error: 429 Rate limit reached',
        'langfuse.observation.completion_start_time': JSON.stringify(new Date(startMs + 250)),
        'langfuse.observation.cost_details': '{"total":0.002}',
        'langfuse.trace.tags': ['b', 'a', 'a'],
        'langfuse.trace.metadata.plan': 'pro',
        'langfuse.observation.metadata.tools': '[]',
      },
      { name: 'OpenAI.chat' },
    )
    expect(call).toMatchObject({
      provider: 'openai',
      status: 'error',
      errorClass: 'rate_limit',
      streamed: true,
      timeToFirstTokenMs: 250,
      reportedCostNanoUsd: 2_000_000,
    })
    expect([...call.properties.values()].map(({ value }) => value)).toEqual(['["a","b"]', 'pro'])
  })
})
