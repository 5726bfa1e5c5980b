import { canonicalProvider, nothingSaid, providerOfHost, readTokenCount, type DialectCall } from '@spanledger/conventions'

import { callKey } from './call-key.ts'
import { countIn, numberIn, objectIn, textIn, type Fields } from './fields.ts'
import { heliconeEvents } from './helicone-events.ts'
import { importedCall, noCall, type Imported } from './imported-call.ts'
import { readKeptAnswer, type KeptAnswer } from './read-answer.ts'
import { readTime, type TimeRules } from './read-time.ts'
import { isRefusal, refuse } from './refusal.ts'

/**
 * Reads a request of Helicone's export: the fields of its request API, which the JSON formats hold as they are, and the twelve
 * columns of its CSV (examples/export/typescript/index.ts and request.ts of the Helicone repository, read 2026-11-25). Bodies are
 * looked into for the usage, never kept.
 */
export function readHelicone(fields: Fields, zone: TimeRules['zone']): Imported {
  const recordId = recordIdOf(fields)
  if (recordId === undefined) return refuse('no_id', 'neither response_id nor request_id')
  const created = fields.get('request_created_at')
  const startMs = readTime(created, { format: 'auto', zone })
  if (startMs === undefined) return refuse('no_time', `request_created_at ${JSON.stringify(created)?.slice(0, 60) ?? 'is not there'}`)
  if (isNoModel(fields)) return noCall
  const provider = providerOf(fields)
  const properties = propertiesOf(fields)
  const body = objectIn(fields.get('response_body'))
  const kept = readKeptAnswer(body, provider)
  const hit = isCacheHit(fields, properties, kept)
  const latencyMs = numberIn(fields.get('delay_ms')) ?? numberIn(fields.get('latency'))
  const call = importedCall({
    // By Helicone's own id of the record, though the provider's answer may have one: that stands in the body, which not every
    // export has, and a cached answer is that of an earlier request.
    key: callKey('helicone', { recordId }),
    startMs,
    endMs: startMs + (latencyMs ?? 0),
    said: {
      ...nothingSaid,
      ...statusOf(fields, body),
      ...identityOf(fields, properties),
      operation: kept?.operation ?? operationOf(fields),
      provider,
      requestedModel:
        textIn(fields.get('request_model')) ?? textIn(fields.get('model')) ?? textIn(objectIn(fields.get('request_body'))?.['model']),
      responseModel:
        textIn(fields.get('model_override')) ?? textIn(fields.get('response_model')) ?? kept?.answer.model ?? textIn(fields.get('model')),
      responseId: kept?.answer.responseId,
      serviceTier: kept?.answer.serviceTier,
      finishReason: kept?.answer.finishReason,
      streamed: objectIn(fields.get('request_body'))?.['stream'] === true,
      timeToFirstTokenMs: aboveZero(numberIn(fields.get('time_to_first_token'))),
      reportedCostUsd: costOf(fields),
      ...usageSaid(fields, kept),
    },
    cacheHit: hit,
  })
  return isRefusal(call) ? call : { calls: [call], events: heliconeEvents(fields, call, zone) }
}

/** Of the response where there is one: the CSV has no id of the request. */
function recordIdOf(fields: Fields): string | undefined {
  return ['response_id', 'request_id'].map((name) => textIn(fields.get(name))).find((id) => id !== undefined && id !== NO_ID)
}

/** What Helicone writes where there is none. */
const NO_ID = '00000000-0000-0000-0000-000000000000'

/** Tools, vector databases and data that Helicone logs in the same table (types of @helicone/helpers 1.8.3). */
function isNoModel(fields: Fields): boolean {
  const kind = objectIn(fields.get('request_body'))?.['_type']
  return kind === 'tool' || kind === 'vector_db' || kind === 'data'
}

function providerOf(fields: Fields): string {
  const named = canonicalProvider(fields.get('provider'))
  if (named !== 'unknown' && named !== 'custom') return named
  const url = textIn(fields.get('target_url')) ?? textIn(fields.get('request_path')) ?? ''
  return (URL.canParse(url) ? providerOfHost(new URL(url).hostname) : undefined) ?? named
}

function operationOf(fields: Fields): DialectCall['operation'] {
  const path = textIn(fields.get('request_path')) ?? ''
  if (/\/embed/i.test(path)) return 'embeddings'
  return /(?<!chat)\/completions/i.test(path) ? 'text_completion' : 'chat'
}

/** Every property, once; those of `properties` and of the columns `properties.KEY` are the same ones in other clothes. */
function propertiesOf(fields: Fields): Map<string, unknown> {
  const found = new Map<string, unknown>()
  for (const column of ['request_properties', 'properties']) {
    for (const name of fields.names) {
      if (name.startsWith(`${column}.`) && fields.get(name) !== undefined) found.set(name.slice(column.length + 1), fields.get(name))
    }
    for (const [name, value] of Object.entries(objectIn(fields.get(column)) ?? {})) found.set(name, value)
  }
  return found
}

function identityOf(fields: Fields, properties: ReadonlyMap<string, unknown>): Pick<DialectCall, 'user' | 'session' | 'properties'> {
  let session: unknown
  const named: [string, unknown][] = []
  for (const [name, value] of properties) {
    const lower = name.toLowerCase()
    if (lower === 'helicone-session-id') session = value
    // As the instrumentation names them when an app sends the same headers, so that old and new calls are of one property.
    else if (lower === 'helicone-session-path' || lower === 'helicone-session-name') named.push([name.slice('helicone-'.length), value])
    else named.push([name, value])
  }
  return { user: fields.get('request_user_id') ?? fields.get('helicone_user'), session, properties: named }
}

function statusOf(
  fields: Fields,
  body: Readonly<Record<string, unknown>> | undefined,
): Pick<DialectCall, 'status' | 'errorType' | 'httpStatus'> {
  const status = numberIn(fields.get('response_status'))
  if (status === undefined || (status >= 100 && status < 400)) return { status: 'ok', errorType: undefined, httpStatus: status }
  const error = objectIn(body?.['error'])
  const errorType = textIn(error?.['type']) ?? textIn(error?.['code']) ?? String(status)
  // Below 0 stand Helicone's own words for requests without an answer.
  return { status: 'error', errorType, httpStatus: status < 0 ? undefined : status }
}

/**
 * What Helicone says the call cost, in USD; its table has 1e-9 USD, so a whole number that no call costs in USD is taken for
 * that. 0 is what it writes for a model it does not know.
 */
function costOf(fields: Fields): unknown {
  const said = fields.get('costUSD') ?? fields.get('cost_usd') ?? fields.get('cost')
  const cost = numberIn(said)
  if (cost === undefined) return said
  if (cost === 0) return undefined
  return Number.isInteger(cost) && cost >= MORE_USD_THAN_A_CALL_COSTS ? cost / 1e9 : said
}

const MORE_USD_THAN_A_CALL_COSTS = 1000

/** An answer that Helicone gave from its cache: its columns hold no tokens, though its body does, which are those that were saved. */
function isCacheHit(fields: Fields, properties: ReadonlyMap<string, unknown>, kept: KeptAnswer | undefined): boolean {
  const reference = textIn(fields.get('cache_reference_id'))
  if (reference !== undefined && !/^[0-]+$/.test(reference)) return true
  const cacheAsked = [...properties].some(([name, value]) => name.toLowerCase() === 'helicone-cache-enabled' && String(value) === 'true')
  return cacheAsked && kept?.answer.usage !== undefined && countColumns.every((name) => (numberIn(fields.get(name)) ?? 0) === 0)
}

type UsageSaid = Pick<DialectCall, 'usage' | 'parts' | 'counts' | 'counting'>

/** The body says what the provider said; the columns say the same in buckets that do not overlap. */
function usageSaid(fields: Fields, kept: KeptAnswer | undefined): UsageSaid {
  return {
    counts: countsIn(fields),
    counting: { inputIncludesCache: false, outputIncludesReasoning: false },
    usage: kept?.answer.usage,
    parts: kept?.answer.usage === undefined ? undefined : kept.answer.parts,
  }
}

function countsIn(fields: Fields): DialectCall['counts'] {
  const count = (name: string): unknown => countIn(fields.get(name))
  // No answer takes no tokens at all: where every column is 0, nothing was counted.
  if (countColumns.every((name) => (numberIn(fields.get(name)) ?? 0) === 0)) return nothingSaid.counts
  return {
    ...nothingSaid.counts,
    input: withAudio(count('prompt_tokens'), count('prompt_audio_tokens')),
    output: withAudio(count('completion_tokens'), count('completion_audio_tokens')),
    cacheRead: count('prompt_cache_read_tokens'),
    cacheWrite: count('prompt_cache_write_tokens'),
    reasoning: count('reasoning_tokens'),
    audioInput: count('prompt_audio_tokens'),
    audioOutput: count('completion_audio_tokens'),
  }
}

const countColumns = [
  'prompt_tokens',
  'completion_tokens',
  'prompt_cache_read_tokens',
  'prompt_cache_write_tokens',
  'reasoning_tokens',
  'prompt_audio_tokens',
  'completion_audio_tokens',
]

/** Text and audio together, as the readers of counts expect it; a count that is none stays as it is, to be refused. */
function withAudio(text: unknown, audio: unknown): unknown {
  const [textTokens, audioTokens] = [readTokenCount(text), readTokenCount(audio)]
  return textTokens === undefined || audioTokens === undefined ? text : textTokens + audioTokens
}

function aboveZero(ms: number | undefined): number | undefined {
  return ms !== undefined && ms > 0 ? ms : undefined
}
