import { readAnthropicMessages } from '../answers/anthropic-messages.ts'
import { attributes as names } from '../attributes.ts'
import { readTokenCount } from '../token-count.ts'
import type { SpanRecord } from '../span.ts'
import type { Counting } from '../disjoint-usage.ts'
import type { Dialect, DialectCall, RawCounts } from './dialect.ts'
import { genaiCall, milliseconds, text } from './genai-call.ts'
import { asObject, readJsonObject, type JsonObject } from './json-attribute.ts'

/**
 * The Vercel AI SDK's own names, `ai.*`: versions 4 to 6, and 7 with `LegacyOpenTelemetry`. Only `….doGenerate`, `….doStream`,
 * `….doEmbed` and `….doRerank` are calls; the spans around them repeat the sum over their steps.
 */
export const vercelAi: Dialect = { name: 'vercel-ai', read }

/** `ai.generateText.doGenerate`: the last part says what was done. */
const operationOfCall: Readonly<Record<string, string>> = {
  doGenerate: 'chat',
  doStream: 'chat',
  doEmbed: 'embeddings',
  doRerank: 'rerank',
}

function read(span: SpanRecord): DialectCall | 'none' | undefined {
  const { attributes } = span
  const operationId = text(attributes['ai.operationId'])
  if (operationId === undefined || !operationId.startsWith('ai.')) return undefined
  const doing = operationId.slice(operationId.lastIndexOf('.') + 1)
  const operation = Object.hasOwn(operationOfCall, doing) ? operationOfCall[doing] : undefined
  if (operation === undefined && !hasUsage(attributes)) return 'none'
  const said = genaiCall(span, operation === undefined ? 'aggregate' : 'call')
  const provider = attributes['ai.model.provider'] ?? said.provider
  const metadata = readJsonObject(attributes['ai.response.providerMetadata'])
  const requestedModel = attributes['ai.model.id'] ?? said.requestedModel
  const responseModel = attributes['ai.response.model'] ?? said.responseModel
  return {
    ...said,
    ...(operation === undefined ? undefined : readOwnUsage(metadata, responseModel ?? requestedModel)),
    operation: operation ?? 'invoke_agent',
    provider,
    requestedModel,
    responseModel,
    responseId: attributes['ai.response.id'] ?? said.responseId,
    serviceTier: asObject(metadata?.['openai'])?.['serviceTier'] ?? said.serviceTier,
    streamed: doing === 'doStream',
    timeToFirstTokenMs: milliseconds(attributes['ai.response.msToFirstChunk'] ?? attributes['ai.stream.msToFirstChunk']),
    finishReason: attributes['ai.response.finishReason'] ?? said.finishReason,
    counts: readCounts(attributes, metadata, said.counts),
    counting: countingOf(attributes, text(provider)?.toLowerCase() ?? ''),
  }
}

function hasUsage(attributes: SpanRecord['attributes']): boolean {
  return ['ai.usage.inputTokens', 'ai.usage.promptTokens', 'ai.usage.tokens', names.inputTokens].some(
    (name) => attributes[name] !== undefined,
  )
}

/** Anthropic's usage as it came, which also says what other models did for the call and how long cache writes live. */
function readOwnUsage(metadata: JsonObject | undefined, model: unknown): Pick<DialectCall, 'usage' | 'parts'> | undefined {
  const own = asObject(asObject(metadata?.['anthropic'])?.['usage'])
  if (own === undefined) return undefined
  const { usage, parts } = readAnthropicMessages({ model, usage: own })
  return { usage, parts }
}

/** Versions 4 and 5 keep what their `usage` has no place for in the provider's metadata. */
function readCounts(attributes: SpanRecord['attributes'], metadata: JsonObject | undefined, said: RawCounts): RawCounts {
  const anthropic = asObject(metadata?.['anthropic'])
  const bedrock = asObject(asObject(metadata?.['bedrock'])?.['usage'])
  const openai = asObject(metadata?.['openai'])
  const google = asObject(asObject(metadata?.['google'] ?? metadata?.['vertex'])?.['usageMetadata'])
  return {
    ...said,
    input:
      attributes['ai.usage.inputTokens'] ??
      attributes['ai.usage.promptTokens'] ??
      said.input ??
      // Embeddings have one number.
      attributes['ai.usage.tokens'],
    output: attributes['ai.usage.outputTokens'] ?? attributes['ai.usage.completionTokens'] ?? said.output,
    total: attributes['ai.usage.totalTokens'] ?? said.total,
    cacheRead:
      attributes['ai.usage.inputTokenDetails.cacheReadTokens'] ??
      attributes['ai.usage.cachedInputTokens'] ??
      said.cacheRead ??
      firstCount(
        anthropic?.['cacheReadInputTokens'],
        openai?.['cachedPromptTokens'],
        bedrock?.['cacheReadInputTokens'],
        google?.['cachedContentTokenCount'],
      ),
    cacheWrite:
      attributes['ai.usage.inputTokenDetails.cacheWriteTokens'] ??
      said.cacheWrite ??
      firstCount(anthropic?.['cacheCreationInputTokens'], bedrock?.['cacheWriteInputTokens']),
    reasoning:
      attributes['ai.usage.outputTokenDetails.reasoningTokens'] ??
      attributes['ai.usage.reasoningTokens'] ??
      said.reasoning ??
      firstCount(openai?.['reasoningTokens'], google?.['thoughtsTokenCount']),
  }
}

/** Metadata is no place that promises counts: what is none there is passed over, not refused. */
function firstCount(...values: readonly unknown[]): number | undefined {
  for (const value of values) {
    const count = typeof value === 'number' ? readTokenCount(value) : undefined
    if (count !== undefined) return count
  }
  return undefined
}

/** Until version 5 the providers' own numbers were passed on: sources of @ai-sdk/anthropic, amazon-bedrock 3 and google 2. */
function countingOf(attributes: SpanRecord['attributes'], provider: string): Counting {
  const unified =
    attributes['ai.usage.inputTokenDetails.noCacheTokens'] !== undefined ||
    attributes['ai.usage.inputTokenDetails.cacheReadTokens'] !== undefined ||
    attributes['ai.usage.outputTokenDetails.textTokens'] !== undefined
  if (unified) return { inputIncludesCache: true, outputIncludesReasoning: true }
  if (/anthropic|bedrock/.test(provider)) return { inputIncludesCache: false }
  if (/^(?:google|vertex|gcp)/.test(provider)) return { outputIncludesReasoning: false }
  return {}
}
