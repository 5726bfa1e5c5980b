import type { SpanRecord } from '../span.ts'
import type { Dialect, DialectCall } from './dialect.ts'
import { genaiCall } from './genai-call.ts'
import { readJsonObject } from './json-attribute.ts'
import { providerOfModel } from './provider-of-model.ts'

/**
 * OpenInference (Arize Phoenix): `openinference.span.kind`, `llm.*`, `embedding.*`. Names of
 * @arizeai/openinference-semantic-conventions 2.12.0 (read 2026-11-25).
 */
export const openinference: Dialect = { name: 'openinference', read }

const operationOfKind: Readonly<Record<string, string>> = { LLM: 'chat', EMBEDDING: 'embeddings', RERANKER: 'rerank' }

function read(span: SpanRecord): DialectCall | 'none' | undefined {
  const { attributes } = span
  const kind = attributes['openinference.span.kind']
  if (kind === undefined) return undefined
  const operation = typeof kind === 'string' && Object.hasOwn(operationOfKind, kind) ? operationOfKind[kind] : undefined
  const hasUsage = attributes['llm.token_count.prompt'] !== undefined || attributes['llm.token_count.completion'] !== undefined
  // Chains and agents repeat the sum of the calls below them.
  if (operation === undefined && !hasUsage) return 'none'
  // The request's parameters without its messages; content is never read.
  const parameters = readJsonObject(attributes['llm.invocation_parameters'])
  const model = attributes['llm.model_name'] ?? attributes['embedding.model_name'] ?? attributes['reranker.model_name']
  const requestedModel = attributes['llm.request.model_name'] ?? parameters?.['model'] ?? model
  const said = genaiCall(span, operation === undefined ? 'aggregate' : 'call')
  return {
    ...said,
    operation: operation ?? 'invoke_agent',
    provider: attributes['llm.provider'] ?? attributes['llm.system'] ?? said.provider ?? providerOfModel(model ?? requestedModel),
    requestedModel,
    responseModel: attributes['llm.response.model_name'] ?? model,
    streamed: parameters?.['stream'] === true,
    finishReason: attributes['llm.finish_reason'],
    counts: {
      ...said.counts,
      input: attributes['llm.token_count.prompt'],
      output: attributes['llm.token_count.completion'],
      total: attributes['llm.token_count.total'],
      cacheRead: attributes['llm.token_count.prompt_details.cache_read'] ?? attributes['llm.token_count.prompt_details.cache_input'],
      cacheWrite: attributes['llm.token_count.prompt_details.cache_write'],
      reasoning: attributes['llm.token_count.completion_details.reasoning'],
      audioInput: attributes['llm.token_count.prompt_details.audio'],
      audioOutput: attributes['llm.token_count.completion_details.audio'],
    },
    // The Bedrock one passes Claude's own numbers on, which leave cached tokens out (source of 0.5.1).
    counting: span.scopeName === '@arizeai/openinference-instrumentation-bedrock' ? { inputIncludesCache: false } : {},
    reportedCostUsd: attributes['llm.cost.total'],
  }
}
