import { createHash, randomInt } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

import { anthropicCountTokens, anthropicMessages } from './anthropic-messages.ts'
import { billedUntil, type BilledPart } from './billed.ts'
import { readDirections, UnreadableDirections, type Directions } from './directions.ts'
import type { Endpoint, Reply, Stream } from './endpoint.ts'
import { isKnownModel } from './known-models.ts'
import { openaiChat } from './openai-chat.ts'
import { openaiEmbeddings } from './openai-embeddings.ts'
import { openaiResponses } from './openai-responses.ts'
import { errorBody, faultOfStatus, type Fault, type ProviderName } from './provider-error.ts'
import { seededRandom, seedOf } from './seeded-random.ts'

export interface StandInOptions {
  /** 0, the default, picks a free one. */
  readonly port?: number
  readonly host?: string
  /** The same seed gives the same ids and answers; a random one by default. */
  readonly seed?: number
  /** Waits before the first byte of each answer. */
  readonly latencyMs?: number
}

export interface StandIn {
  /** Without a path: Anthropic's base URL; OpenAI's is this and `/v1`. */
  readonly url: string
  readonly port: number
  /** Every request so far, in the order of arrival. */
  readonly requests: readonly RecordedRequest[]
  close(): Promise<void>
}

/** A request as it arrived, and what was answered and charged. */
export interface RecordedRequest {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** As sent, markers included; undefined where it was no JSON. */
  readonly body: unknown
  readonly startedAtMs: number
  /** 0 until the answer begins. */
  readonly status: number
  readonly responseId: string | undefined
  /** True when the connection broke, on either side, before the answer was complete. */
  readonly cut: boolean
  /** Empty for errors, for counting tokens, and until the answer has ended. */
  readonly billed: readonly BilledPart[]
}

/** Starts a local provider that answers as OpenAI and Anthropic do and keeps the truth about what it charged. */
export async function startStandIn(options: StandInOptions = {}): Promise<StandIn> {
  const { port = 0, host = '127.0.0.1', seed = randomInt(2 ** 31), latencyMs = 0 } = options
  const requests: RecordedRequest[] = []
  const life: Life = { seed, latencyMs, failuresLeft: new Map(), ids: 0 }
  const server = createServer((incoming, response) => {
    const recorded = recordOf(incoming)
    requests.push(recorded)
    answer(life, incoming, response, recorded).catch((error: unknown) => {
      if (!response.headersSent)
        sendError(response, recorded, providerOf(recorded.path), { status: 500, message: String(error) }, 'req_fault')
      else response.destroy()
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  const bound = server.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound.port}`,
    port: bound.port,
    requests,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error === undefined ? resolve() : reject(error)))
        server.closeAllConnections()
      }),
  }
}

/** What lasts from one request to the next. */
interface Life {
  readonly seed: number
  readonly latencyMs: number
  /** Failures still to come, by request. */
  readonly failuresLeft: Map<string, number>
  ids: number
}

type Recording = { -readonly [Key in keyof RecordedRequest]: RecordedRequest[Key] }

const endpoints: Readonly<Record<string, Endpoint>> = {
  '/v1/chat/completions': openaiChat,
  '/v1/responses': openaiResponses,
  '/v1/embeddings': openaiEmbeddings,
  '/v1/messages': anthropicMessages,
  '/v1/messages/count_tokens': anthropicCountTokens,
}

const MOST_BODY_BYTES = 32 * 1024 * 1024

function recordOf(incoming: IncomingMessage): Recording {
  return {
    method: incoming.method ?? '',
    path: (incoming.url ?? '/').split('?', 1)[0] ?? '/',
    headers: incoming.headers,
    body: undefined,
    startedAtMs: Date.now(),
    status: 0,
    responseId: undefined,
    cut: false,
    billed: [],
  }
}

async function answer(life: Life, incoming: IncomingMessage, response: ServerResponse, recorded: Recording): Promise<void> {
  const requestId = newId(life, 'req_')
  const provider = providerOf(recorded.path)
  const refuse = (fault: Fault, directions?: Directions): void => sendError(response, recorded, provider, fault, requestId, directions)
  const endpoint = Object.hasOwn(endpoints, recorded.path) ? endpoints[recorded.path] : undefined
  if (endpoint === undefined || recorded.method !== 'POST') {
    incoming.resume()
    return refuse({ status: 404, code: 'unknown_url', message: `Unknown request URL: ${recorded.method} ${recorded.path}.` })
  }
  const text = await readText(incoming)
  if (text === undefined) return refuse({ status: 413, message: 'Request exceeds the maximum size' })
  const sent = parseObject(text)
  if (sent === undefined) return refuse({ status: 400, message: 'We could not parse the JSON body of your request.' })
  recorded.body = sent

  let directions: Directions
  let body: Record<string, unknown>
  try {
    ;[directions, body] = readDirections(firstOf(incoming.headers['x-stand-in']), sent)
  } catch (error) {
    if (error instanceof UnreadableDirections) return refuse({ status: 400, message: error.message })
    throw error
  }
  const fault = faultOf(endpoint, incoming, body) ?? directedFault(life, directions, `${recorded.path} ${text}`, String(body['model']))
  await pause(directions.latencyMs ?? life.latencyMs)
  if (fault !== undefined) return refuse(fault, directions)

  const reply = endpoint.reply({
    body,
    model: String(body['model']),
    directions,
    // Answers depend on what was asked, not on when, so that concurrent requests stay deterministic.
    random: seededRandom(life.seed ^ seedOf(JSON.stringify(body))),
    newId: (prefix) => newId(life, prefix),
    nowS: Math.floor(recorded.startedAtMs / 1000),
  })
  recorded.responseId = reply.responseId
  recorded.status = 200
  const headers = { [provider === 'anthropic' ? 'request-id' : 'x-request-id']: requestId }
  if (reply.stream === undefined) sendWhole(response, recorded, reply, headers)
  else await sendStream({ response, recorded, reply, stream: reply.stream, directions, headers })
}

function faultOf(endpoint: Endpoint, incoming: IncomingMessage, body: Record<string, unknown>): Fault | undefined {
  if (incoming.headers.authorization === undefined && incoming.headers['x-api-key'] === undefined) {
    return { status: 401, message: 'You did not provide an API key.' }
  }
  const unknown = Object.keys(body).find((name) => !endpoint.parameters.has(name))
  if (unknown !== undefined) {
    return endpoint.provider === 'anthropic'
      ? { status: 400, message: `${unknown}: Extra inputs are not permitted` }
      : { status: 400, message: `Unknown parameter: '${unknown}'.`, param: unknown, code: 'unknown_parameter' }
  }
  const model = body['model']
  if (typeof model !== 'string' || model === '') {
    return { status: 400, message: endpoint.provider === 'anthropic' ? 'model: Field required' : 'you must provide a model parameter' }
  }
  const fault = endpoint.faultOf(body)
  if (fault !== undefined || isKnownModel(endpoint.provider, model)) return fault
  return endpoint.provider === 'anthropic' ? { status: 404, message: `model: ${model}` } : faultOfStatus(404, model)
}

/** The error that the request asked for; with `failures`, only so many times for the same request. */
function directedFault(life: Life, { status, failures }: Directions, request: string, model: string): Fault | undefined {
  if (failures === undefined) return status === undefined || status < 400 ? undefined : faultOfStatus(status, model)
  const key = createHash('sha256').update(request).digest('base64')
  const left = life.failuresLeft.get(key) ?? failures
  if (left === 0) {
    life.failuresLeft.delete(key)
    return undefined
  }
  life.failuresLeft.set(key, left - 1)
  return faultOfStatus(status ?? 500, model)
}

function sendError(
  response: ServerResponse,
  recorded: Recording,
  provider: ProviderName,
  fault: Fault,
  requestId: string,
  directions?: Directions,
): void {
  recorded.status = fault.status
  response.writeHead(fault.status, {
    'content-type': 'application/json',
    [provider === 'anthropic' ? 'request-id' : 'x-request-id']: requestId,
    ...(directions?.retryAfterS === undefined ? {} : { 'retry-after': String(directions.retryAfterS) }),
  })
  response.end(JSON.stringify(errorBody(provider, fault, requestId)))
}

function sendWhole(response: ServerResponse, recorded: Recording, reply: Reply, headers: Record<string, string>): void {
  recorded.billed = reply.billed
  response.writeHead(200, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(reply.body))
}

interface Sending {
  readonly response: ServerResponse
  readonly recorded: Recording
  readonly reply: Reply
  readonly stream: Stream
  readonly directions: Directions
  readonly headers: Record<string, string>
}

async function sendStream({ response, recorded, reply, stream, directions, headers }: Sending): Promise<void> {
  const { cutAfterChunks, errorAfterChunks, chunkDelayMs = 0 } = directions
  const pieces = stream.frames.filter((frame) => frame.isPiece).length
  let sent = 0
  let framesSent = 0
  const chargeForSent = (): void => {
    recorded.billed = billedUntil(reply.billed, pieces === 0 ? 1 : sent / pieces)
  }
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache', ...headers })
  response.flushHeaders()
  for (const frame of stream.frames) {
    if (frame.isPiece || sent === pieces) {
      if (sent === errorAfterChunks) {
        response.end(stream.errorFrames(framesSent).map(encode).join(''))
        return chargeForSent()
      }
      if (sent === cutAfterChunks) {
        recorded.cut = true
        chargeForSent()
        response.destroy()
        return
      }
    }
    await pause(frame.isPiece ? chunkDelayMs : 0)
    if (response.destroyed) {
      recorded.cut = true
      return chargeForSent()
    }
    if (!response.write(encode(frame))) await drained(response)
    framesSent++
    if (frame.isPiece) sent++
    // A turn of the event loop for each piece, so that a client that leaves early is noticed.
    if (frame.isPiece) await new Promise(setImmediate)
  }
  chargeForSent()
  response.end()
}

function encode({ event, data }: { event?: string; data: unknown }): string {
  return `${event === undefined ? '' : `event: ${event}\n`}data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done)
      resolve()
    }
    response.on('drain', done).on('close', done)
  })
}

async function pause(durationMs: number): Promise<void> {
  if (durationMs > 0) await delay(durationMs)
}

async function readText(incoming: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes <= MOST_BODY_BYTES) chunks.push(chunk)
  }
  return bytes > MOST_BODY_BYTES ? undefined : Buffer.concat(chunks).toString('utf8')
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function newId(life: Life, prefix: string): string {
  life.ids++
  return prefix + createHash('sha256').update(`${life.seed} ${life.ids}`).digest('hex').slice(0, 29)
}

function providerOf(path: string): ProviderName {
  return path.startsWith('/v1/messages') ? 'anthropic' : 'openai'
}

function firstOf(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header
}
