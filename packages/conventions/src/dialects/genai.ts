import { attributes as names, olderAttributes as older, spanledgerAttributes as ours } from '../attributes.ts'
import type { UsageQuality } from '../llm-call.ts'
import { first, saidIdentity } from '../said-identity.ts'
import type { SpanRecord } from '../span.ts'
import { readTokenCount } from '../token-count.ts'
import { usageBuckets, usageOf, type UsagePart } from '../usage.ts'
import type { Dialect, DialectCall } from './dialect.ts'

/** The GenAI semantic conventions, names of 1.27 to today's; our own spans are written in it. */
export const genai: Dialect = { name: 'genai', read }

/** `gen_ai.operation.name` of what is one request to a model. */
const callOperations = new Set(['chat', 'text_completion', 'completion', 'generate_content', 'generate', 'embeddings', 'rerank'])
/** Operations that may repeat the usage of the calls below them. */
const aggregateOperations = new Set(['invoke_agent', 'agent_step', 'invoke_workflow', 'create_agent'])
/** Operations that never stand for usage; `fetch_response` polls an answer that another span has already reported. */
const otherOperations = new Set(['execute_tool', 'retrieval', 'plan', 'fetch_response', 'chain'])

function read(span: SpanRecord): DialectCall | undefined {
  const { attributes } = span
  const operation = text(attributes[names.operationName])
  const role = roleOf(operation, attributes)
  if (role === undefined) return undefined
  const failed = span.statusCode === 2
  const errorType = attributes[names.errorType]
  return {
    role,
    operation: operation ?? 'chat',
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
    timeToFirstTokenMs: secondsToMs(attributes[names.responseTimeToFirstChunk]),
    finishReason: firstOf(attributes[names.responseFinishReasons]),
    status: failed ? (errorType === 'cancelled' ? 'cancelled' : 'error') : 'ok',
    errorType,
    httpStatus: readTokenCount(attributes[names.httpResponseStatusCode]),
    counts: {
      input: first(attributes, names.inputTokens, older.inputTokens),
      output: first(attributes, names.outputTokens, older.outputTokens),
      total: undefined,
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
    parts: readParts(attributes[ours.usageParts]),
    quality: readQuality(attributes[ours.usageQuality]),
    reportedCostUsd: attributes[ours.reportedCostUsd],
    ...saidIdentity(attributes),
  }
}

/** Whether a span is a call, may repeat other calls, or neither. A model alone is not enough: token counting has one too. */
function roleOf(operation: string | undefined, attributes: SpanRecord['attributes']): DialectCall['role'] | undefined {
  if (operation !== undefined) {
    if (callOperations.has(operation)) return 'call'
    if (otherOperations.has(operation)) return undefined
  }
  const hasUsage =
    first(attributes, names.inputTokens, older.inputTokens) !== undefined ||
    first(attributes, names.outputTokens, older.outputTokens) !== undefined
  if (!hasUsage) return undefined
  if (operation !== undefined && aggregateOperations.has(operation)) return 'aggregate'
  return attributes[names.requestModel] === undefined && attributes[names.responseModel] === undefined ? undefined : 'call'
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function firstOf(value: unknown): unknown {
  return Array.isArray(value) ? value[0] : value
}

function secondsToMs(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value * 1000 : undefined
}

function readQuality(value: unknown): UsageQuality | undefined {
  return value === 'reported' || value === 'partial' || value === 'estimated' || value === 'missing' ? value : undefined
}

/** Reads `spanledger.usage.parts`; undefined for anything that is not exactly what we write, so that the totals stand. */
function readParts(value: unknown): readonly UsagePart[] | undefined {
  if (typeof value !== 'string') return undefined
  try {
    const parts: unknown = JSON.parse(value)
    if (!Array.isArray(parts) || parts.length === 0) return undefined
    return parts.map(readPart)
  } catch {
    return undefined
  }
}

function readPart(value: unknown): UsagePart {
  const { model, usage } = value as { model?: unknown; usage?: Record<string, unknown> }
  if (typeof model !== 'string' || usage === undefined) throw new TypeError('not a usage part')
  const buckets: Record<string, number> = {}
  for (const bucket of usageBuckets) {
    if (usage[bucket] === undefined) continue
    const count = readTokenCount(usage[bucket])
    if (count === undefined) throw new TypeError(`not a token count: ${bucket}`)
    buckets[bucket] = count
  }
  return { model, usage: usageOf(buckets) }
}
