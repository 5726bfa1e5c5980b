import type { SpanRecord } from '../span.ts'
import type { Counting } from '../disjoint-usage.ts'
import type { Dialect, DialectCall } from './dialect.ts'
import { genaiCall, genaiRole, hasGenaiUsage, text } from './genai-call.ts'

/**
 * OpenLLMetry (Traceloop): the conventions' names, with wrappers of its own (`traceloop.span.kind`: workflow, task, agent,
 * tool, session), and `llm.request.type` in place of an operation in Python and in older versions.
 */
export const openllmetry: Dialect = { name: 'openllmetry', read }

const operationOfRequestType: Readonly<Record<string, string>> = {
  chat: 'chat',
  completion: 'text_completion',
  embedding: 'embeddings',
  rerank: 'rerank',
}

function read(span: SpanRecord): DialectCall | 'none' | undefined {
  const { attributes } = span
  const wraps = attributes['traceloop.span.kind'] !== undefined
  const requestType = attributes['llm.request.type']
  if (!wraps && requestType === undefined && !span.scopeName.startsWith('@traceloop/')) return undefined
  if (wraps) return hasGenaiUsage(attributes) ? { ...genaiCall(span, 'aggregate'), operation: 'invoke_workflow' } : 'none'
  const type = text(requestType)
  const operation = type !== undefined && Object.hasOwn(operationOfRequestType, type) ? operationOfRequestType[type] : undefined
  const role = operation === undefined ? genaiRole(attributes) : 'call'
  if (role === undefined) return 'none'
  const said = genaiCall(span, role)
  return {
    ...said,
    operation: text(attributes['gen_ai.operation.name']) ?? operation ?? said.operation,
    streamed: said.streamed || attributes['llm.is_streaming'] === true,
    counting: countingOf(span),
  }
}

/** Up to 0.27 the Anthropic one for Node passes Anthropic's input on, and Google's output: source and captures of 0.27.0. */
function countingOf({ scopeName, scopeVersion }: SpanRecord): Counting {
  if (scopeName === '@traceloop/instrumentation-anthropic' && /^0\.(?:1?\d|2[0-7])\./.test(scopeVersion)) {
    return { inputIncludesCache: false }
  }
  return scopeName === '@traceloop/instrumentation-google-generativeai' ? { outputIncludesReasoning: false } : {}
}
