import type { SpanRecord } from '../span.ts'
import { readTokenCount } from '../token-count.ts'
import type { Dialect, DialectCall, RawCounts } from './dialect.ts'
import { genaiCall, hasGenaiUsage, text } from './genai-call.ts'
import { asObject, readJsonObject, type JsonObject } from './json-attribute.ts'
import { noCounts } from './nothing-said.ts'
import { providerOfModel } from './provider-of-model.ts'

/** The Langfuse SDK: `langfuse.observation.*`, usage and cost as JSON (@langfuse/openai and tracing 5.11.1, read 2026-11-25). */
export const langfuse: Dialect = { name: 'langfuse', read }

const operationOfType: Readonly<Record<string, string>> = { generation: 'chat', embedding: 'embeddings' }

function read(span: SpanRecord): DialectCall | 'none' | undefined {
  const { attributes } = span
  const type = attributes['langfuse.observation.type']
  if (type === undefined) return undefined
  const operation = typeof type === 'string' && Object.hasOwn(operationOfType, type) ? operationOfType[type] : undefined
  const details = readJsonObject(attributes['langfuse.observation.usage_details'])
  if (operation === undefined && details === undefined && !hasGenaiUsage(attributes)) return 'none'
  const said = genaiCall(span, operation === undefined ? 'aggregate' : 'call')
  const model = attributes['langfuse.observation.model.name'] ?? said.responseModel
  const parameters = readJsonObject(attributes['langfuse.observation.model.parameters'])
  const started = readInstant(attributes['langfuse.observation.completion_start_time'])
  const failed = attributes['langfuse.observation.level'] === 'ERROR'
  const apart = details !== undefined && !speaksOpenai(details)
  return {
    ...said,
    // The OpenAI wrapper names its embeddings by the span only: `OpenAI.embeddings`.
    operation: operation === undefined ? 'invoke_agent' : span.name.endsWith('.embeddings') ? 'embeddings' : operation,
    provider: said.provider ?? (span.name.startsWith('OpenAI.') ? 'openai' : providerOfModel(model)),
    requestedModel: said.requestedModel ?? model,
    responseModel: model,
    streamed: parameters?.['stream'] === true || started !== undefined,
    timeToFirstTokenMs: started !== undefined && started >= span.startMs ? started - span.startMs : undefined,
    status: failed ? 'error' : said.status,
    errorMessage: attributes['langfuse.observation.status_message'],
    counts:
      details === undefined ? said.counts : apart ? { ...noCounts, ...countsApart(details) } : { ...noCounts, ...countsOfOpenai(details) },
    counting: apart ? { inputIncludesCache: false, outputIncludesReasoning: false } : {},
    // A cost of 0 is what it writes where it knows no price.
    reportedCostUsd: readJsonObject(attributes['langfuse.observation.cost_details'])?.['total'] || undefined,
  }
}

/** Where OpenAI's two APIs, and Langfuse's SDK for Python, put the parts of a count. */
const inputParts = ['prompt_tokens_details', 'input_tokens_details', 'input_token_details'] as const
const outputParts = ['completion_tokens_details', 'output_tokens_details', 'output_token_details'] as const

/** Details as the app got them from OpenAI: parts inside the counts. */
function speaksOpenai(details: JsonObject): boolean {
  return details['prompt_tokens'] !== undefined || [...inputParts, ...outputParts].some((name) => details[name] !== undefined)
}

function countsOfOpenai(details: JsonObject): Partial<RawCounts> {
  const [input] = inputParts.flatMap((name) => readObjects(details[name]))
  const [output] = outputParts.flatMap((name) => readObjects(details[name]))
  return {
    input: details['prompt_tokens'] ?? details['input_tokens'],
    output: details['completion_tokens'] ?? details['output_tokens'],
    total: details['total_tokens'],
    cacheRead: input?.['cached_tokens'],
    reasoning: output?.['reasoning_tokens'],
    audioInput: input?.['audio_tokens'],
    audioOutput: output?.['audio_tokens'],
  }
}

function readObjects(value: unknown): JsonObject[] {
  const object = asObject(value)
  return object === undefined ? [] : [object]
}

/** What the names of the parts mean; all others that begin with `input` or `output` are plain input or output. */
const partOfKey: Readonly<Record<string, keyof RawCounts>> = {
  total: 'total',
  input_cached_tokens: 'cacheRead',
  input_cache_read: 'cacheRead',
  cache_read_input_tokens: 'cacheRead',
  input_cache_creation: 'cacheWrite',
  input_cache_write_tokens: 'cacheWrite',
  cache_creation_input_tokens: 'cacheWrite',
  input_cache_creation_5m: 'cacheWrite5m',
  input_cache_creation_1h: 'cacheWrite1h',
  output_reasoning_tokens: 'reasoning',
  output_reasoning: 'reasoning',
  input_audio_tokens: 'audioInput',
  input_audio: 'audioInput',
  output_audio_tokens: 'audioOutput',
  output_audio: 'audioOutput',
}

/**
 * Langfuse's own form: each part beside the others, `input` and `output` being what is left. We count audio inside of input
 * and output, so it is added back; likewise predictions that were accepted or rejected, which are plain output.
 */
function countsApart(details: JsonObject): Partial<RawCounts> {
  const counts: { -readonly [Key in keyof RawCounts]?: unknown } = {}
  // What is no count makes the sum no count, which the reader then refuses.
  const add = (key: 'input' | 'output', value: unknown): void => {
    counts[key] = ((counts[key] as number | undefined) ?? 0) + (readTokenCount(value) ?? Number.NaN)
  }
  for (const key of Object.keys(details)) {
    const value = details[key]
    if (value === null || value === undefined) continue
    const part = Object.hasOwn(partOfKey, key) ? partOfKey[key] : undefined
    if (part !== undefined) counts[part] = value
    if (part === 'audioInput' || (part === undefined && /^(?:input|prompt)/.test(key))) add('input', value)
    else if (part === 'audioOutput' || (part === undefined && /^(?:output|completion)/.test(key))) add('output', value)
  }
  return counts
}

/** `"2026-11-20T18:36:07.783Z"`: JSON of a string, or the string itself. */
function readInstant(value: unknown): number | undefined {
  const instant = Date.parse((text(value) ?? '').replaceAll('"', '').slice(0, 64))
  return Number.isNaN(instant) ? undefined : instant
}
