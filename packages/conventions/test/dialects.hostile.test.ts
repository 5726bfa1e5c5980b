import { readCall, readSpanIdentity, type SpanRecord } from '@spanledger/conventions'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { dialects } from '../src/dialects/read-dialect.ts'
import { spanOf } from './spans.ts'

/** By which each dialect knows its spans. */
const marks: readonly Partial<SpanRecord>[] = [
  { attributes: { 'langfuse.observation.type': 'generation' } },
  { attributes: { 'ai.operationId': 'ai.generateText.doGenerate' } },
  { attributes: { 'openinference.span.kind': 'LLM' } },
  { attributes: { 'langsmith.span.kind': 'llm' } },
  { attributes: { 'llm.request.type': 'chat' } },
  { scopeName: '@traceloop/instrumentation-anthropic' },
  { scopeName: '@openlit/instrumentation-openai' },
  { scopeName: 'com.anthropic.sdk.typescript' },
  { scopeName: 'gen_ai' },
  { scopeName: 'pydantic-ai' },
  { scopeName: 'logfire.anthropic' },
  { name: 'claude_code.llm_request' },
  {},
]

const names = `
  gen_ai.operation.name gen_ai.provider.name gen_ai.system gen_ai.request.model gen_ai.response.model gen_ai.response.id
  gen_ai.response.finish_reasons gen_ai.usage.input_tokens gen_ai.usage.output_tokens gen_ai.usage.total_tokens gen_ai.usage.cost
  gen_ai.usage.cache_read.input_tokens gen_ai.usage.cache_creation.input_tokens gen_ai.usage.reasoning_tokens
  gen_ai.usage.input_token_details gen_ai.usage.details.reasoning_tokens operation.cost gen_ai.usage.raw langsmith.usage_metadata
  langsmith.metadata.ls_provider langsmith.metadata.user_id langsmith.span.tags langfuse.observation.usage_details
  langfuse.observation.cost_details langfuse.observation.level langfuse.observation.status_message
  langfuse.observation.completion_start_time langfuse.observation.model.name langfuse.observation.model.parameters
  langfuse.trace.tags langfuse.trace.metadata.x llm.invocation_parameters llm.model_name llm.provider llm.token_count.prompt
  llm.token_count.completion llm.token_count.prompt_details.cache_read llm.cost.total metadata tag.tags ai.model.provider
  ai.model.id ai.usage.inputTokens ai.usage.outputTokens ai.usage.tokens ai.usage.cachedInputTokens ai.usage.reasoningTokens
  ai.response.providerMetadata ai.response.msToFirstChunk ai.telemetry.functionId ai.telemetry.metadata.userId
  ai.settings.context.x anthropic.usage.compaction.input_tokens input_tokens cache_read_tokens ttft_ms model user.email
  error.type http.response.status_code user.id session.id property.x spanledger.usage.parts __proto__`
  .trim()
  .split(/\s+/)

const json = fc.json().map((text) => text)
const counts = fc.constantFrom(-1, 1.5, Number.NaN, Infinity, 1e12, 2n ** 70n, '12', '-3', 0, 7, 1_000_000_000)
const details = fc.dictionary(
  fc.constantFrom('input', 'output', 'total', 'input_cached_tokens', 'input_tokens', '__proto__', 'input_audio_tokens'),
  counts,
)
const value = fc.oneof(
  fc.anything(),
  json,
  counts,
  details.map((object) => JSON.stringify(object, (_, one: unknown) => (typeof one === 'bigint' ? String(one) : one))),
  fc.constantFrom(
    'chat',
    'invoke_agent',
    'x'.repeat(100_000),
    '{"a":'.repeat(5000),
    `{"input":${'9'.repeat(400)}}`,
    '\ud800',
    '\u0000',
    '{}',
    '[1',
  ),
)

it('no dialect throws, nor gives a bucket that is no count, whatever the attributes hold', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.constantFrom(...names), value),
      fc.constantFrom(...marks),
      fc.constantFrom(0, 1, 2),
      (attributes, mark, statusCode) => {
        const all = { ...attributes, ...mark.attributes }
        const span = spanOf(all, { ...mark, attributes: all, statusCode, resourceAttributes: attributes })
        for (const dialect of dialects) dialect.read(span)
        const call = readCall(span, 'otlp')
        readSpanIdentity(span)
        expect(Object.values(call?.usage ?? {}).every((count) => Number.isSafeInteger(count) && count >= 0)).toBe(true)
        expect(call === undefined || (call.model.length <= 256 && call.model.isWellFormed())).toBe(true)
      },
    ),
    { numRuns: 5000 },
  )
})

const usage = { 'gen_ai.usage.input_tokens': 5, 'gen_ai.usage.output_tokens': 6, 'gen_ai.request.model': 'gpt-4o' }

const wrappers: readonly (readonly [what: string, span: Partial<SpanRecord> & { attributes: Record<string, unknown> }])[] = [
  ['an agent', { attributes: { 'gen_ai.operation.name': 'invoke_agent', ...usage } }],
  ['a step of the AI SDK 7', { scopeName: 'gen_ai', attributes: { 'gen_ai.operation.name': 'agent_step', ...usage } }],
  ['a text of the AI SDK', { scopeName: 'ai', attributes: { 'ai.operationId': 'ai.generateText', 'ai.usage.inputTokens': 5, ...usage } }],
  ['an embedding of the AI SDK', { scopeName: 'ai', attributes: { 'ai.operationId': 'ai.embed', 'ai.usage.tokens': 5 } }],
  ['a tool of the AI SDK', { scopeName: 'ai', attributes: { 'ai.operationId': 'ai.toolCall' } }],
  ['a chain of OpenInference', { attributes: { 'openinference.span.kind': 'CHAIN', 'llm.token_count.prompt': 5, ...usage } }],
  ['a tool of OpenInference', { attributes: { 'openinference.span.kind': 'TOOL', 'llm.model_name': 'gpt-4o' } }],
  ['a workflow of OpenLLMetry', { attributes: { 'traceloop.span.kind': 'workflow', ...usage } }],
  ['a task of OpenLLMetry', { scopeName: '@traceloop/node-server-sdk', attributes: { 'traceloop.span.kind': 'task' } }],
  ['a span of Langfuse', { attributes: { 'langfuse.observation.type': 'span', ...usage } }],
  ['an agent of Langfuse', { attributes: { 'langfuse.observation.type': 'agent', 'langfuse.observation.usage_details': '{"input":5}' } }],
  ['a chain of LangSmith', { attributes: { 'langsmith.span.kind': 'chain', 'gen_ai.operation.name': 'chain', ...usage } }],
  [
    'a prompt of LangSmith',
    { attributes: { 'langsmith.span.kind': 'prompt', 'gen_ai.operation.name': 'chat', 'gen_ai.system': 'openai' } },
  ],
  ['a retriever of LangSmith', { attributes: { 'langsmith.span.kind': 'retriever', 'gen_ai.operation.name': 'embeddings' } }],
  [
    'a workflow of OpenLIT',
    { scopeName: '@openlit/instrumentation-langchain', attributes: { 'gen_ai.operation.name': 'invoke_workflow', ...usage } },
  ],
  ['the head of a stream of Logfire', { scopeName: 'logfire.openai', attributes: { 'gen_ai.operation.name': 'chat' } }],
  ['an answer of Codex', { name: 'handle_responses', attributes: { 'gen_ai.usage.input_tokens': 5, 'codex.usage.total_tokens': 9 } }],
  [
    'a run of Pydantic AI',
    { scopeName: 'pydantic-ai', attributes: { 'gen_ai.usage.input_tokens': 5, model_name: 'gpt-4o', agent_name: 'a' } },
  ],
  [
    'a run of the Anthropic SDK',
    { scopeName: 'com.anthropic.sdk.typescript', attributes: { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.request.model': 'm' } },
  ],
  ['an interaction of Claude Code', { name: 'claude_code.interaction', attributes: { 'span.type': 'interaction', ...usage } }],
  ['a poll for an answer', { attributes: { 'gen_ai.operation.name': 'fetch_response', ...usage } }],
]

describe('no dialect takes for a call', () => {
  it.each(wrappers)('%s', (_what, { attributes, ...more }) => {
    expect(readCall(spanOf(attributes, more), 'otlp')?.role).not.toBe('call')
  })
})

it('reads no content, whoever writes it', () => {
  const content =
    /messages|\.content$|^input\.value|^output\.value|entity\.(?:input|output)|^ai\.prompt|^ai\.response\.(?:text|object|toolCalls)|observation\.(?:input|output)$|system_instructions|gen_ai\.(?:prompt|completion)$|tool\.(?:definitions|call)|request_data|response_data/
  for (const { attributes = {}, ...more } of [...marks, ...wrappers.map(([, span]) => span)]) {
    const seen: string[] = []
    const watched = new Proxy({ ...usage, ...attributes } as Record<string, unknown>, {
      get: (target, name) => {
        seen.push(String(name))
        return Reflect.get(target, name)
      },
    })
    readCall(spanOf(watched, { ...more, attributes: watched }), 'otlp')
    expect(seen.filter((name) => content.test(name))).toEqual([])
    expect(seen.length).toBeGreaterThan(0)
  }
})
