import { attributes as names, olderAttributes as older, spanledgerAttributes as ours } from '../attributes.ts'
import type { UsageQuality } from '../llm-call.ts'
import { first, saidIdentity } from '../said-identity.ts'
import type { SpanRecord } from '../span.ts'
import { readTokenCount } from '../token-count.ts'
import type { DialectCall } from './dialect.ts'
import { readUsageParts } from './usage-parts.ts'

/** `gen_ai.operation.name` of what is one request to a model. */
const callOperations = new Set(['chat', 'text_completion', 'completion', 'generate_content', 'generate', 'embeddings', 'rerank'])
/** Operations that may repeat the usage of the calls below them; `execute_task` is OpenLIT's for a step of an agent. */
const aggregateOperations = new Set(['invoke_agent', 'agent_step', 'invoke_workflow', 'create_agent', 'execute_task'])
/** Operations that never stand for usage; `fetch_response` polls an answer that another span has already reported. */
const otherOperations = new Set(['execute_tool', 'retrieval', 'plan', 'fetch_response', 'chain'])

/** Whether a span is a call, may repeat other calls, or neither. A model alone is not enough: token counting has one too. */
export function genaiRole(attributes: SpanRecord['attributes']): DialectCall['role'] | undefined {
  const operation = text(attributes[names.operationName])
  if (operation !== undefined) {
    if (callOperations.has(operation)) return 'call'
    if (otherOperations.has(operation)) return undefined
  }
  if (!hasGenaiUsage(attributes)) return undefined
  if (operation !== undefined && aggregateOperations.has(operation)) return 'aggregate'
  return attributes[names.requestModel] === undefined && attributes[names.responseModel] === undefined ? undefined : 'call'
}

/** Whether a span says a number of input or output tokens under the conventions' names, of any year. */
export function hasGenaiUsage(attributes: SpanRecord['attributes']): boolean {
  return (
    first(attributes, names.inputTokens, older.inputTokens) !== undefined ||
    first(attributes, names.outputTokens, older.outputTokens) !== undefined
  )
}

/** What a span says under the conventions' names, of any year. Dialects that lean on them put their own words in place of some. */
export function genaiCall(span: SpanRecord, role: DialectCall['role']): DialectCall {
  const { attributes } = span
  const failed = span.statusCode === 2
  const errorType = attributes[names.errorType]
  return {
    role,
    operation: text(attributes[names.operationName]) ?? 'chat',
    provider: first(attributes, names.providerName, older.providerName) ?? attributes[names.serverAddress],
    requestedModel: attributes[names.requestModel],
    responseModel: attributes[names.responseModel],
    responseId: attributes[names.responseId],
    serviceTier:
      attributes[ours.serviceTier] ??
      attributes[names.openaiResponseServiceTier] ??
      first(attributes, names.anthropicResponseServiceTier, older.serviceTier) ??
      attributes[names.openaiRequestServiceTier],
    streamed: attributes[names.requestStream] === true,
    timeToFirstTokenMs: secondsToMs(first(attributes, names.responseTimeToFirstChunk, older.responseTimeToFirstChunk)),
    finishReason: firstOf(first(attributes, names.responseFinishReasons, older.responseFinishReasons)),
    status: failed ? (errorType === 'cancelled' ? 'cancelled' : 'error') : 'ok',
    errorType,
    httpStatus: readTokenCount(attributes[names.httpResponseStatusCode]),
    counts: {
      input: first(attributes, names.inputTokens, older.inputTokens),
      output: first(attributes, names.outputTokens, older.outputTokens),
      total: first(attributes, older.totalTokens[0], older.totalTokens),
      cacheRead: first(attributes, names.cacheReadInputTokens, older.cacheReadInputTokens),
      cacheWrite: first(attributes, names.cacheWriteInputTokens, older.cacheWriteInputTokens),
      cacheWrite5m: attributes[names.anthropicCacheWrite5mInputTokens],
      cacheWrite1h: attributes[names.anthropicCacheWrite1hInputTokens],
      reasoning: first(attributes, names.reasoningOutputTokens, older.reasoningOutputTokens),
      audioInput: attributes[names.audioInputTokens],
      audioCacheRead: attributes[names.audioCacheReadInputTokens],
      audioOutput: attributes[names.audioOutputTokens],
      imageInput: attributes[names.imageInputTokens],
      imageOutput: attributes[names.imageOutputTokens],
      webSearches: attributes[ours.webSearches],
    },
    counting: {},
    parts: readUsageParts(attributes[ours.usageParts]),
    quality: readQuality(attributes[ours.usageQuality]),
    reportedCostUsd: attributes[ours.reportedCostUsd],
    ...saidIdentity(attributes),
  }
}

export function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** LangSmith joins the reasons of several choices with commas, others give a list. */
function firstOf(value: unknown): unknown {
  return Array.isArray(value) ? value[0] : typeof value === 'string' ? value.split(',', 1)[0] : value
}

function secondsToMs(value: unknown): number | undefined {
  return typeof value === 'number' ? milliseconds(value * 1000) : undefined
}

export function milliseconds(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined
}

function readQuality(value: unknown): UsageQuality | undefined {
  return value === 'reported' || value === 'partial' || value === 'estimated' || value === 'missing' ? value : undefined
}
