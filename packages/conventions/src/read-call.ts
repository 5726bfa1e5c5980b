import { spanledgerAttributes as ours } from './attributes.ts'
import type { DialectCall } from './dialects/dialect.ts'
import { readDialect } from './dialects/read-dialect.ts'
import { cacheVerdict, disjointUsage, type CacheVerdict, type TokenCounts } from './disjoint-usage.ts'
import { classifyError } from './error-class.ts'
import { readProperties } from './identity.ts'
import type { CallOrigin, LlmCall, UsageQuality } from './llm-call.ts'
import { parseUsd } from './money.ts'
import { canonicalProvider, providerOfHost } from './provider.ts'
import type { ReadingFault } from './reading-fault.ts'
import { readRepeats } from './repeats.ts'
import { shortText } from './short-text.ts'
import { keepId, resourceIdentity } from './span-identity.ts'
import type { SpanRecord } from './span.ts'
import { readTokenCount } from './token-count.ts'
import { addUsage, type Usage } from './usage.ts'

/** A call may not have lasted longer; a longer one is a clock that jumped. */
const MAX_DURATION_MS = 7 * 24 * 3600 * 1000

/** How providers say that the answer reached its limit: OpenAI's two APIs, Anthropic, Gemini and Cohere. */
const cutOff = /^(?:length|max_(?:output_)?tokens)$/i

/**
 * Reads one finished span as an LLM call.
 * @returns undefined when the span is no LLM call. Never throws, whatever the attributes hold.
 */
export function readCall(span: SpanRecord, origin: CallOrigin): LlmCall | undefined {
  const said = readDialect(span)
  return said === undefined ? undefined : toCall(span, said, origin)
}

/**
 * The call that a source says it made, in any format: ids checked, counts made disjoint, texts cut, faults counted.
 * Never throws.
 */
export function toCall(span: SpanRecord, said: DialectCall, origin: CallOrigin): LlmCall {
  const faults: ReadingFault[] = []
  if (span.droppedAttributes > 0) faults.push('attributes_dropped')
  const durationMs = readDuration(span, faults)
  const { usage, verdict } = readUsage(said, faults)
  const requestedModel = shortText(said.requestedModel) ?? shortText(said.responseModel) ?? 'unknown'
  const failed = said.status !== 'ok'
  const finishReason = shortText(said.finishReason)
  const { properties, faults: propertyFaults } = readProperties(said.properties)
  faults.push(...propertyFaults)
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId,
    role: said.role,
    startMs: Math.floor(span.startMs),
    durationMs,
    timeToFirstTokenMs:
      said.timeToFirstTokenMs === undefined || said.timeToFirstTokenMs > MAX_DURATION_MS ? undefined : Math.round(said.timeToFirstTokenMs),
    operation: said.operation.slice(0, 64),
    provider: readProvider(said.provider),
    requestedModel,
    model: shortText(said.responseModel) ?? requestedModel,
    responseId: shortText(said.responseId),
    serviceTier: shortText(said.serviceTier)?.toLowerCase(),
    streamed: said.streamed,
    status: said.status,
    errorClass: failed
      ? classifyError({
          errorType: shortText(said.errorType),
          httpStatus: said.httpStatus,
          message: shortText(said.errorMessage) ?? span.statusMessage,
        })
      : finishReason !== undefined && cutOff.test(finishReason)
        ? 'truncated'
        : undefined,
    errorType: failed ? (shortText(said.errorType) ?? '_OTHER') : undefined,
    finishReason,
    usage,
    // Where a count was refused the rest is a floor, not the bill.
    usageQuality: usage === undefined ? 'missing' : faults.includes('token_count_refused') ? 'partial' : qualityOf(said.quality),
    cacheVerdict: verdict,
    parts: usage === undefined ? undefined : said.parts,
    ...(span.attributes[ours.cacheHit] === true ? { cacheHit: true } : {}),
    ...readRepeats(span),
    reportedCostNanoUsd: readCost(said.reportedCostUsd, faults),
    user: keepId('user', said.user, faults),
    session: keepId('session', said.session, faults),
    properties,
    resourceIdentity: resourceIdentity(span.resourceAttributes),
    origin: span.attributes[ours.sample] === true ? 'sample' : origin,
    faults,
  }
}

function readDuration(span: SpanRecord, faults: ReadingFault[]): number {
  const durationMs = span.endMs - span.startMs
  if (durationMs >= 0 && durationMs <= MAX_DURATION_MS) return Math.round(durationMs)
  // The end is the one that is not needed: a call is attributed to its start.
  faults.push('time_refused')
  return 0
}

/** Undefined where nothing was said. */
interface ReadUsage {
  readonly usage: Usage | undefined
  readonly verdict?: CacheVerdict | undefined
}

function readUsage(said: DialectCall, faults: ReadingFault[]): ReadUsage {
  if (said.parts !== undefined) return { usage: addUsage(...said.parts.map((part) => part.usage)) }
  if (said.usage !== undefined) return { usage: said.usage }
  const raw = said.counts
  const counts: TokenCounts = {
    input: readCount(raw.input, faults),
    output: readCount(raw.output, faults),
    total: readCount(raw.total, faults),
    cacheRead: readCount(raw.cacheRead, faults),
    cacheWrite: readCount(raw.cacheWrite, faults),
    cacheWrite5m: readCount(raw.cacheWrite5m, faults),
    cacheWrite1h: readCount(raw.cacheWrite1h, faults),
    reasoning: readCount(raw.reasoning, faults),
    audioInput: readCount(raw.audioInput, faults),
    audioCacheRead: readCount(raw.audioCacheRead, faults),
    audioOutput: readCount(raw.audioOutput, faults),
    imageInput: readCount(raw.imageInput, faults),
    imageOutput: readCount(raw.imageOutput, faults),
    webSearches: readCount(raw.webSearches, faults),
  }
  return { usage: disjointUsage(counts, said.counting), verdict: cacheVerdict(counts, said.counting) }
}

function readCount(value: unknown, faults: ReadingFault[]): number | undefined {
  if (value === undefined || value === null) return undefined
  const count = readTokenCount(value)
  if (count === undefined) faults.push('token_count_refused')
  return count
}

/** A span that says its usage is missing, and has one, has one. */
function qualityOf(said: DialectCall['quality']): UsageQuality {
  return said === undefined || said === 'missing' ? 'reported' : said
}

function readCost(value: unknown, faults: ReadingFault[]): number | undefined {
  if (value === undefined || value === null) return undefined
  const nanoUsd = parseUsd(value)
  if (nanoUsd === undefined) faults.push('cost_refused')
  return nanoUsd
}

function readProvider(value: unknown): string {
  const name = canonicalProvider(value)
  return name.includes('.') ? (providerOfHost(name) ?? name) : name
}
