import { readCall, type SpanRecord } from '@spanledger/conventions'
import { costOf } from '@spanledger/pricing'
import { describe, expect, it } from 'vitest'

import { sumsOfSpans } from './ledger.ts'

const at = Date.UTC(2025, 5, 1)

function span(attributes: Record<string, unknown>, more: Partial<SpanRecord> = {}): SpanRecord {
  return {
    traceId: 'a'.repeat(32),
    spanId: '1'.repeat(16),
    parentSpanId: undefined,
    name: 'chat',
    startMs: at,
    endMs: at + 1000,
    statusCode: 0,
    statusMessage: undefined,
    scopeName: 'test',
    scopeVersion: '',
    attributes,
    resourceAttributes: {},
    droppedAttributes: 0,
    ...more,
  }
}

const model = 'claude-3-7-sonnet-20250219'
const genai = { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': model, 'gen_ai.usage.output_tokens': 550 }

/** One call of 3 tokens in, 12,304 written to the cache and 550 out, as four libraries write it. */
const fourWays: readonly (readonly [who: string, span: SpanRecord])[] = [
  [
    'the Anthropic SDK',
    span(
      {
        ...genai,
        'gen_ai.provider.name': 'anthropic',
        'gen_ai.usage.input_tokens': 12_307,
        'gen_ai.usage.cache_write.input_tokens': 12_304,
      },
      { scopeName: 'com.anthropic.sdk.typescript' },
    ),
  ],
  [
    'Pydantic AI',
    span(
      {
        ...genai,
        'gen_ai.system': 'anthropic',
        'gen_ai.usage.input_tokens': 12_307,
        'gen_ai.usage.cache_creation.input_tokens': 12_304,
        'gen_ai.usage.details.cache_creation_input_tokens': 12_304,
        'gen_ai.usage.details.input_tokens': 3,
      },
      { scopeName: 'pydantic-ai' },
    ),
  ],
  [
    'OpenLLMetry, its older names',
    span({
      'llm.request.type': 'chat',
      'gen_ai.system': 'Anthropic',
      'gen_ai.request.model': model,
      'gen_ai.usage.prompt_tokens': 3,
      'gen_ai.usage.completion_tokens': 550,
      'gen_ai.usage.cache_creation_input_tokens': 12_304,
    }),
  ],
  [
    'Langfuse',
    span({
      'langfuse.observation.type': 'generation',
      'langfuse.observation.model.name': model,
      'langfuse.observation.usage_details': '{"input":3,"output":550,"total":12857,"input_cache_creation":12304}',
    }),
  ],
]

describe('one call costs the same', () => {
  it.each(fourWays)('as %s writes it', (_who, written) => {
    expect(priceOf(written)).toBe(54_399_000)
  })
})

it('output is priced by its own count, never by what a total leaves over', () => {
  const bedrock = span(
    {
      'openinference.span.kind': 'LLM',
      'llm.provider': 'aws.bedrock',
      'llm.model_name': 'anthropic.claude-3-7-sonnet-20250219-v1:0',
      'llm.token_count.prompt': 3,
      'llm.token_count.completion': 442,
      'llm.token_count.total': 8712,
      'llm.token_count.prompt_details.cache_read': 7917,
      'llm.token_count.prompt_details.cache_write': 350,
    },
    { scopeName: '@arizeai/openinference-instrumentation-bedrock' },
  )
  // 3 x 3 + 7,917 x 0.30 + 350 x 3.75 + 442 x 15 USD a million: 0.009 + 2.3751 + 1.3125 + 6.63 thousandths.
  expect(priceOf(bedrock)).toBe(10_326_600)
})

describe('a trace of the AI SDK 7', () => {
  const trace = (more: Partial<SpanRecord>, attributes: Record<string, unknown>): SpanRecord =>
    span({ 'gen_ai.provider.name': 'openai', ...attributes }, { scopeName: 'gen_ai', ...more })
  const used = (input: number, output: number): Record<string, unknown> => ({
    'gen_ai.request.model': 'gpt-4o',
    'gen_ai.usage.input_tokens': input,
    'gen_ai.usage.output_tokens': output,
  })
  const agent = trace({ spanId: '1'.repeat(16) }, { 'gen_ai.operation.name': 'invoke_agent', 'user.id': 'ann', ...used(14_426, 771) })
  const steps = [2, 4].map((n) =>
    trace(
      { spanId: `${n}`.repeat(16), parentSpanId: agent.spanId },
      { 'gen_ai.operation.name': 'agent_step', 'gen_ai.request.model': 'gpt-4o' },
    ),
  )
  const chats = [
    trace({ spanId: '3'.repeat(16), parentSpanId: '2'.repeat(16) }, { 'gen_ai.operation.name': 'chat', ...used(14_000, 700) }),
    trace({ spanId: '5'.repeat(16), parentSpanId: '4'.repeat(16) }, { 'gen_ai.operation.name': 'chat', ...used(426, 71) }),
  ]
  const embedding = { 'gen_ai.operation.name': 'embeddings', 'gen_ai.request.model': 'text-embedding-3-small', 'user.id': 'ann' }
  const root = trace({ traceId: 'b'.repeat(32), spanId: '6'.repeat(16) }, embedding)
  const child = trace(
    { traceId: 'b'.repeat(32), spanId: '7'.repeat(16), parentSpanId: '6'.repeat(16) },
    { ...embedding, 'gen_ai.usage.input_tokens': 28 },
  )
  const all = [agent, ...steps, ...chats, root, child]

  it.each([
    ['children first', all.toReversed()],
    ['the agent first', all],
    ['twice', [...all, ...all.toReversed()]],
  ])('counts the tokens of its calls once, %s', async (_order, spans) => {
    for (const batchSize of [1, 3, 100]) {
      expect(await sumsOfSpans(spans, batchSize)).toEqual({
        'ann | (none) | gpt-4o | ok | (none) | (none)': [2, 0, 14_426, 0, 0, 771, 0],
        'ann | (none) | text-embedding-3-small | ok | (none) | (none)': [1, 0, 28, 0, 0, 0, 0],
      })
    }
  })

  it('counts the agent where its calls never come', async () => {
    expect(await sumsOfSpans([agent, ...steps], 1)).toEqual({
      'ann | (none) | gpt-4o | ok | (none) | (none)': [1, 0, 14_426, 0, 0, 771, 0],
    })
  })
})

function priceOf(written: SpanRecord): number | undefined {
  const call = readCall(written, 'otlp')
  if (call === undefined) throw new Error('not read as a call')
  const { usage, parts, provider, model: answered, requestedModel, serviceTier, startMs } = call
  return costOf({ usage, parts, provider, model: answered, requestedModel, serviceTier, at: startMs }).costNanoUsd
}
