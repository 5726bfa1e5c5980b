/**
 * What one request asks the stand-in to do, as JSON: in the header `x-stand-in: {"status":429}`, or as a marker
 * `[stand-in {"status":429}]` in the model's name or in the last message, for clients whose headers cannot be set.
 * The header beats the model, the model beats the message; markers are taken out before anything else is read.
 */
export interface Directions {
  /** Answers this status with the provider's error body. */
  readonly status?: number
  /** Sends `retry-after` with that error. */
  readonly retryAfterS?: number
  /** The error (500 unless `status` says otherwise) comes this many times for one request body, then the answer. */
  readonly failures?: number
  /** Waits before the first byte. */
  readonly latencyMs?: number
  /** Waits before each chunk of a stream. */
  readonly chunkDelayMs?: number
  /** Pieces that a stream's text comes in. */
  readonly chunks?: number
  /** Breaks the connection after this many pieces of text. */
  readonly cutAfterChunks?: number
  /** Sends the provider's error event inside the 200 stream after this many pieces of text, and ends it. */
  readonly errorAfterChunks?: number
  /** Input that is neither read from nor written to a cache; instead of the count derived from the text. */
  readonly inputTokens?: number
  readonly cacheReadTokens?: number
  readonly cacheWrite5mTokens?: number
  readonly cacheWrite1hTokens?: number
  /** Visible text; instead of the count of the text that is made up. */
  readonly outputTokens?: number
  readonly reasoningTokens?: number
  readonly webSearches?: number
  /** Answers of Anthropic's that several turns or models made; `usage` then sums up as Anthropic's does. */
  readonly iterations?: readonly Iteration[]
  readonly serviceTier?: string
  /** Leaves the usage out of the answer; it is charged all the same. */
  readonly omitUsage?: boolean
}

/** One entry of Anthropic's `usage.iterations`. */
export interface Iteration {
  readonly type: 'message' | 'compaction' | 'advisor_message' | 'fallback_message'
  /** The requested model where absent. */
  readonly model?: string
  readonly inputTokens: number
  readonly outputTokens: number
  readonly cacheReadTokens?: number
  readonly cacheWrite5mTokens?: number
  readonly cacheWrite1hTokens?: number
}

/** Directions that could not be read; answered with 400, because a test that is steered wrongly should not pass. */
export class UnreadableDirections extends Error {
  override readonly name = 'UnreadableDirections'
}

/** A request's directions, and its body as the provider would have seen it: without markers. */
export function readDirections(header: string | undefined, body: Record<string, unknown>): [Directions, Record<string, unknown>] {
  const [inModel, model] = takeMarker(body['model'])
  const [inMessage, clean] = takeMarkerOfLastText(body)
  const directions = { ...inMessage, ...inModel, ...(header === undefined ? {} : parse(header)) }
  return [directions, inModel === undefined ? clean : { ...clean, model }]
}

const kinds: Readonly<Record<keyof Directions, 'count' | 'string' | 'boolean' | 'iterations'>> = {
  status: 'count',
  retryAfterS: 'count',
  failures: 'count',
  latencyMs: 'count',
  chunkDelayMs: 'count',
  chunks: 'count',
  cutAfterChunks: 'count',
  errorAfterChunks: 'count',
  inputTokens: 'count',
  cacheReadTokens: 'count',
  cacheWrite5mTokens: 'count',
  cacheWrite1hTokens: 'count',
  outputTokens: 'count',
  reasoningTokens: 'count',
  webSearches: 'count',
  iterations: 'iterations',
  serviceTier: 'string',
  omitUsage: 'boolean',
}

function parse(json: string): Directions {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch (cause) {
    throw new UnreadableDirections(`x-stand-in: not JSON: ${json.slice(0, 100)}`, { cause })
  }
  if (!isRecord(value)) throw new UnreadableDirections('x-stand-in: expected an object')
  for (const [key, given] of Object.entries(value)) {
    const kind = Object.hasOwn(kinds, key) ? kinds[key as keyof Directions] : undefined
    if (kind === undefined)
      throw new UnreadableDirections(`x-stand-in: unknown direction "${key}"; known: ${Object.keys(kinds).join(', ')}`)
    const fits =
      kind === 'count'
        ? Number.isInteger(given) && (given as number) >= 0
        : kind === 'iterations'
          ? Array.isArray(given) && given.length > 0 && given.every(isIteration)
          : typeof given === kind
    if (!fits) throw new UnreadableDirections(`x-stand-in: "${key}" is not a ${kind}`)
  }
  return value
}

function isIteration(value: unknown): boolean {
  return (
    isRecord(value) &&
    typeof value['type'] === 'string' &&
    Number.isInteger(value['inputTokens']) &&
    Number.isInteger(value['outputTokens'])
  )
}

function takeMarker(text: unknown): [Directions | undefined, unknown] {
  if (typeof text !== 'string') return [undefined, text]
  const found = /\s*\[stand-in (\{.*\})\]/s.exec(text)
  if (found === null) return [undefined, text]
  return [parse(found[1] ?? ''), text.slice(0, found.index) + text.slice(found.index + found[0].length)]
}

/** Where each wire format keeps what the user said last. */
function takeMarkerOfLastText(body: Record<string, unknown>): [Directions | undefined, Record<string, unknown>] {
  const field = body['messages'] === undefined ? 'input' : 'messages'
  const [directions, value] = takeMarkerOfLast(body[field])
  return directions === undefined ? [undefined, body] : [directions, { ...body, [field]: value }]
}

/** The last string at the end of nested lists and messages: `[{ content: [{ text }] }]`, `[{ content }]`, `[text]` or `text`. */
function takeMarkerOfLast(value: unknown): [Directions | undefined, unknown] {
  if (Array.isArray(value)) {
    const [directions, last] = takeMarkerOfLast(value.at(-1))
    return [directions, directions === undefined ? value : [...value.slice(0, -1), last]]
  }
  if (isRecord(value)) {
    const field = value['content'] === undefined ? 'text' : 'content'
    const [directions, content] = takeMarkerOfLast(value[field])
    return [directions, directions === undefined ? value : { ...value, [field]: content }]
  }
  return takeMarker(value)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
