import type { SpanRecord } from '../span.ts'
import type { Dialect, DialectCall } from './dialect.ts'
import { genaiCall, hasGenaiUsage } from './genai-call.ts'
import { asObject, readJsonObject } from './json-attribute.ts'
import { providerOfModel } from './provider-of-model.ts'

/**
 * LangSmith's OpenTelemetry export. `langsmith.span.kind` decides: `gen_ai.operation.name` is `chat` for prompts too, and
 * `embeddings` for retrievers (translator of langsmith 0.12.0, read 2026-11-25).
 */
export const langsmith: Dialect = { name: 'langsmith', read }

const operationOfKind: Readonly<Record<string, string>> = { llm: 'chat', embedding: 'embeddings' }

function read(span: SpanRecord): DialectCall | 'none' | undefined {
  const { attributes } = span
  const kind = attributes['langsmith.span.kind']
  if (kind === undefined) return undefined
  const operation = typeof kind === 'string' && Object.hasOwn(operationOfKind, kind) ? operationOfKind[kind] : undefined
  // Chains and tools are given the usage that their result holds.
  if (operation === undefined && !hasGenaiUsage(attributes)) return 'none'
  const said = genaiCall(span, operation === undefined ? 'aggregate' : 'call')
  const usage = readJsonObject(attributes['langsmith.usage_metadata'])
  const input = asObject(usage?.['input_token_details']) ?? readJsonObject(attributes['gen_ai.usage.input_token_details'])
  const output = asObject(usage?.['output_token_details']) ?? readJsonObject(attributes['gen_ai.usage.output_token_details'])
  const named = attributes['langsmith.metadata.ls_provider'] ?? said.provider
  return {
    ...said,
    operation: operation ?? 'invoke_agent',
    // `langchain` is what stands where it could not tell.
    provider: named === 'langchain' || named === undefined ? providerOfModel(said.responseModel ?? said.requestedModel) : named,
    requestedModel: said.requestedModel ?? attributes['langsmith.metadata.ls_model_name'],
    streamed: attributes['langsmith.request.streaming'] === true,
    counts: {
      ...said.counts,
      input: usage?.['input_tokens'] ?? said.counts.input,
      output: usage?.['output_tokens'] ?? said.counts.output,
      total: usage?.['total_tokens'] ?? said.counts.total,
      cacheRead: input?.['cache_read'] ?? said.counts.cacheRead,
      cacheWrite: input?.['cache_creation'] ?? said.counts.cacheWrite,
      cacheWrite5m: input?.['ephemeral_5m_input_tokens'],
      cacheWrite1h: input?.['ephemeral_1h_input_tokens'],
      reasoning: output?.['reasoning'] ?? said.counts.reasoning,
      audioInput: input?.['audio'],
      audioOutput: output?.['audio'],
    },
    reportedCostUsd: usage?.['total_cost'],
    ...failure(span),
  }
}

/**
 * A failed run has the status "ok", which its span was started with and no later one can change, and an exception (translator of
 * langsmith 0.12.0, read 2026-11-26): an `Error` with the text of the SDK's own, such as `RateLimitError: 429 …`.
 */
function failure({ exception, attributes }: SpanRecord): Partial<DialectCall> {
  // "Cancelled" is what it says of a stream that the app left: no failure, as with all others.
  if (exception === undefined || exception.message === 'Cancelled') return {}
  const { type, message = '' } = exception
  const named = /^\s*([A-Za-z]\w*(?:Error|Exception))\b/.exec(message)?.[1] ?? type
  const httpStatus = /(?:^|[^\d.])([45]\d\d)(?![\d.])/.exec(message.slice(0, 200))?.[1]
  const errorType = attributes['error.type'] ?? named
  return {
    status: typeof errorType === 'string' && /abort|cancel/i.test(errorType) ? 'cancelled' : 'error',
    errorType,
    errorMessage: message,
    ...(httpStatus === undefined ? {} : { httpStatus: Number(httpStatus) }),
  }
}
