import type { SpanRecord } from '@spanledger/conventions'
import * as fc from 'fast-check'
import { expect, it } from 'vitest'

import { sumsOfSpans, sumUp } from './ledger.ts'

/** A request to a model, as it was charged. */
interface Made {
  readonly input: number
  readonly cacheRead: number
  readonly cacheWrite: number
  readonly output: number
}

type Written = Pick<SpanRecord, 'scopeName' | 'scopeVersion' | 'attributes'>

const model = 'claude-sonnet-4-5'
const sum = ({ input, cacheRead, cacheWrite }: Made): number => input + cacheRead + cacheWrite
const written = (attributes: Record<string, unknown>, scopeName = 'any', scopeVersion = ''): Written => ({
  scopeName,
  scopeVersion,
  attributes,
})

const genai = (made: Made, input: number): Record<string, unknown> => ({
  'gen_ai.operation.name': 'chat',
  'gen_ai.provider.name': 'anthropic',
  'gen_ai.request.model': model,
  'gen_ai.usage.input_tokens': input,
  'gen_ai.usage.output_tokens': made.output,
  'gen_ai.usage.cache_read.input_tokens': made.cacheRead,
  'gen_ai.usage.cache_creation.input_tokens': made.cacheWrite,
})

/** How each library writes one call of Anthropic: those that count cached tokens in, and those that leave them out. */
const calls: Readonly<Record<string, (made: Made) => Written>> = {
  conventions: (made) => written(genai(made, sum(made))),
  anthropic: (made) => written(genai(made, sum(made)), 'com.anthropic.sdk.typescript', '1.14.0'),
  openllmetry: (made) => written(genai(made, made.input), '@traceloop/instrumentation-anthropic', '0.27.0'),
  openlit: (made) => written(genai(made, made.input), '@openlit/instrumentation-anthropic', '1.0.0'),
  pydantic: (made) => written(genai(made, sum(made)), 'pydantic-ai', '1.20.0'),
  openinference: (made) =>
    written({
      'openinference.span.kind': 'LLM',
      'llm.model_name': model,
      'llm.token_count.prompt': sum(made),
      'llm.token_count.completion': made.output,
      'llm.token_count.prompt_details.cache_read': made.cacheRead,
      'llm.token_count.prompt_details.cache_write': made.cacheWrite,
    }),
  langfuse: (made) =>
    written({
      'langfuse.observation.type': 'generation',
      'langfuse.observation.model.name': model,
      'langfuse.observation.usage_details': JSON.stringify({
        input: made.input,
        output: made.output,
        input_cache_read: made.cacheRead,
        input_cache_creation: made.cacheWrite,
      }),
    }),
  langsmith: (made) =>
    written({
      'langsmith.span.kind': 'llm',
      'gen_ai.request.model': model,
      'langsmith.usage_metadata': JSON.stringify({
        input_tokens: sum(made),
        output_tokens: made.output,
        input_token_details: { cache_read: made.cacheRead, cache_creation: made.cacheWrite },
      }),
    }),
  vercel5: (made) => written(vercel(made, made.input), 'ai'),
  vercel6: (made) => written({ ...vercel(made, sum(made)), 'ai.usage.inputTokenDetails.noCacheTokens': made.input }, 'ai'),
}

function vercel(made: Made, input: number): Record<string, unknown> {
  return {
    'ai.operationId': 'ai.generateText.doGenerate',
    'ai.model.provider': 'anthropic.messages',
    'ai.model.id': model,
    'ai.usage.inputTokens': input,
    'ai.usage.outputTokens': made.output,
    'ai.usage.cachedInputTokens': made.cacheRead,
    'gen_ai.usage.cache_creation.input_tokens': made.cacheWrite,
  }
}

/** What stands around calls; most repeat the sum of what is below them. */
const wrappers: Readonly<Record<string, (all: Made) => Written>> = {
  server: () => written({ 'http.request.method': 'POST' }),
  agent: (all) => written({ ...genai(all, sum(all)), 'gen_ai.operation.name': 'invoke_agent' }),
  text: (all) => written({ ...vercel(all, sum(all)), 'ai.operationId': 'ai.generateText' }, 'ai'),
  workflow: () => written({ 'traceloop.span.kind': 'workflow' }, '@traceloop/node-server-sdk'),
  chain: (all) =>
    written({ 'openinference.span.kind': 'CHAIN', 'llm.token_count.prompt': sum(all), 'llm.token_count.completion': all.output }),
  run: (all) => written({ ...genai(all, sum(all)), 'langsmith.span.kind': 'chain', 'gen_ai.operation.name': 'chain' }),
  observation: () => written({ 'langfuse.observation.type': 'span' }),
}

const count = fc.integer({ min: 1, max: 100_000 })
const made = fc.record({
  input: count,
  cacheRead: fc.oneof(fc.constant(0), count),
  cacheWrite: fc.oneof(fc.constant(0), count),
  output: count,
})
const trace = fc.record({
  around: fc.array(fc.constantFrom(...Object.keys(wrappers)), { maxLength: 3 }),
  made: fc.array(fc.record({ made, layers: fc.array(fc.constantFrom(...Object.keys(calls)), { minLength: 1, maxLength: 3 }) }), {
    minLength: 1,
    maxLength: 3,
  }),
  /** Which of the spans from the root to each call say whose it is; the resource where it is none of them. */
  said: fc.nat({ max: 7 }),
  user: fc.constantFrom('ann', 'bob'),
})
type Trace = typeof trace extends fc.Arbitrary<infer One> ? One : never

it('a call counts once and for its user, whoever wrote it, whatever stands around it, in whatever order and how often it comes', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(trace, { minLength: 1, maxLength: 3 }),
      fc.infiniteStream(fc.nat()),
      fc.integer({ min: 1, max: 9 }),
      async (traces, random, batchSize) => {
        const spans = traces.flatMap(spansOf)
        const expected = sumUp(
          traces.flatMap(({ made: all, user }) =>
            all.map(({ made: one }) => ({
              who: [user, undefined, model, 'ok', 'pro', undefined],
              numbers: [1, 0, one.input, one.cacheRead, one.cacheWrite, one.output, 0],
            })),
          ),
        )
        const keyed = spans.map((span) => [random.next().value, span] as const)
        const shuffled = keyed.toSorted(([a], [b]) => a - b).map(([, span]) => span)
        expect(await sumsOfSpans(spans, 1000)).toEqual(expected)
        expect(await sumsOfSpans(shuffled, batchSize)).toEqual(expected)
        expect(await sumsOfSpans([...shuffled, ...spans], batchSize)).toEqual(expected)
      },
    ),
    { numRuns: 12 },
  )
})

function spansOf({ around, made: all, said, user }: Trace, n: number): SpanRecord[] {
  const total = all
    .map(({ made: one }) => one)
    .reduce((a, b) => ({
      input: a.input + b.input,
      cacheRead: a.cacheRead + b.cacheRead,
      cacheWrite: a.cacheWrite + b.cacheWrite,
      output: a.output + b.output,
    }))
  const spans: SpanRecord[] = []
  const identity = { 'user.id': user, 'property.plan': 'pro' }
  const depths = [...around, ...(all[0]?.layers ?? [])].length
  const add = (what: Written, parentSpanId: string | undefined, depth: number): string => {
    const spanId = `${n + 1}${spans.length.toString(16).padStart(2, '0')}`.padStart(16, '0')
    const attributes = depth === said ? { ...what.attributes, ...identity } : what.attributes
    spans.push({
      ...what,
      attributes,
      traceId: `${n + 1}`.padStart(32, '0'),
      spanId,
      parentSpanId,
      name: 'any',
      startMs: Date.UTC(2026, 0, 1) + n * 1000 + spans.length,
      endMs: Date.UTC(2026, 0, 1) + n * 1000 + 900,
      statusCode: 0,
      statusMessage: undefined,
      resourceAttributes: said >= depths || all.some(({ layers }) => around.length + layers.length <= said) ? identity : {},
      droppedAttributes: 0,
    })
    return spanId
  }
  let parent: string | undefined
  around.forEach((name, depth) => {
    parent = add(wrappers[name]!(total), parent, depth)
  })
  for (const { made: one, layers } of all) {
    let above = parent
    layers.forEach((name, depth) => {
      above = add(calls[name]!(one), above, around.length + depth)
    })
  }
  return spans
}
