import { context, diag, DiagLogLevel, SpanStatusCode } from '@opentelemetry/api'
import { suppressTracing } from '@opentelemetry/core'
import { usageOf } from '@spanledger/conventions'
import { startStandIn, type Directions, type StandIn } from '@spanledger/stand-in'
import OpenAI, { AzureOpenAI } from 'openai'
import OpenAI4 from 'openai-v4'
import OpenAI5 from 'openai-v5'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'

import { instrument, instrumentationState, LlmInstrumentation } from '../src/index.ts'
import { chatEvents, json, sse, startReplayServer, type ReplayServer } from './replay-server.ts'
import { settled, startTracing, type Tracing } from './tracing.ts'

const versions = [
  ['4', OpenAI4 as unknown as typeof OpenAI],
  ['5', OpenAI5 as unknown as typeof OpenAI],
  ['6', OpenAI],
] as const

const messages = [{ role: 'user' as const, content: 'Say something about ledgers.' }]
const request = { model: 'gpt-4o-mini', messages }

let tracing: Tracing
let standIn: StandIn
let server: ReplayServer

beforeAll(async () => {
  tracing = startTracing()
  standIn = await startStandIn({ seed: 7 })
  server = await startReplayServer()
})
afterEach(() => tracing.reset())
afterAll(async () => {
  await standIn.close()
  await server.close()
  await tracing.stop()
})

/** What the provider charged for the last request, in all buckets. */
function lastBilled(): object {
  return usageOf(standIn.requests.at(-1)!.billed[0]!.usage)
}

const directed = (directions: Directions): { headers: Record<string, string> } => ({
  headers: { 'x-stand-in': JSON.stringify(directions) },
})
const uninstrumented = <Result>(fn: () => Result): Result => context.with(suppressTracing(context.active()), fn)

describe.each(versions)('openai %s', (_version, Sdk) => {
  let client: OpenAI
  const on = (url: string, options: object = {}): OpenAI => new Sdk({ apiKey: 'none', baseURL: `${url}/v1`, maxRetries: 0, ...options })
  beforeAll(() => {
    instrument(Sdk, { includeUsage: true })
    client = on(standIn.url)
  })

  it('gives a call one span with all that the conventions ask for and no content', async () => {
    const completion = await client.chat.completions.create({ ...request, temperature: 0.5, max_tokens: 50, user: 'u-7' })
    const [span, ...others] = tracing.spans()
    expect(others).toEqual([])
    expect({ name: span!.name, kind: span!.kind, status: span!.status, scope: span!.instrumentationScope.name }).toEqual({
      name: 'chat gpt-4o-mini',
      kind: 2,
      status: { code: SpanStatusCode.UNSET },
      scope: '@spanledger/instrumentation',
    })
    expect(span!.attributes).toEqual({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'gpt-4o-mini',
      'gen_ai.request.temperature': 0.5,
      'gen_ai.request.max_tokens': 50,
      'server.address': '127.0.0.1',
      'server.port': standIn.port,
      'user.id': 'u-7',
      'gen_ai.response.model': completion.model,
      'gen_ai.response.id': completion.id,
      'gen_ai.response.finish_reasons': ['stop'],
      'openai.response.service_tier': 'default',
      'gen_ai.usage.input_tokens': completion.usage!.prompt_tokens,
      'gen_ai.usage.output_tokens': completion.usage!.completion_tokens,
    })
    expect(tracing.calls()[0]!.usage).toEqual(lastBilled())
  })

  it('counts cached and reasoning tokens', async () => {
    await client.chat.completions.create(
      { ...request, model: 'o4-mini' },
      directed({ inputTokens: 40, cacheReadTokens: 1920, outputTokens: 30, reasoningTokens: 512 }),
    )
    expect(tracing.calls()[0]!.usage).toEqual(usageOf({ inputTokens: 40, cacheReadTokens: 1920, outputTokens: 30, reasoningTokens: 512 }))
  })

  it('asks a stream for its usage, and the app sees the very chunks it sees without us', async () => {
    server.answer = sse(
      chatEvents(
        {
          id: 'c-1',
          object: 'chat.completion.chunk',
          model: 'gpt-4o-mini-2024-07-18',
          choices: [{ index: 0, delta: { role: 'assistant', content: 'Hi' }, finish_reason: null }],
          usage: null,
        },
        {
          id: 'c-1',
          object: 'chat.completion.chunk',
          model: 'gpt-4o-mini-2024-07-18',
          choices: [{ index: 0, delta: {}, finish_reason: 'stop' }],
          usage: null,
        },
        {
          id: 'c-1',
          object: 'chat.completion.chunk',
          model: 'gpt-4o-mini-2024-07-18',
          choices: [],
          usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 },
        },
      ),
    )
    const ours = await readAll(await on(server.url).chat.completions.create({ ...request, stream: true }))
    const sent = server.bodies.at(-1)
    server.answer = sse(
      chatEvents(
        {
          id: 'c-1',
          object: 'chat.completion.chunk',
          model: 'gpt-4o-mini-2024-07-18',
          choices: [{ index: 0, delta: { role: 'assistant', content: 'Hi' }, finish_reason: null }],
        },
        {
          id: 'c-1',
          object: 'chat.completion.chunk',
          model: 'gpt-4o-mini-2024-07-18',
          choices: [{ index: 0, delta: {}, finish_reason: 'stop' }],
        },
      ),
    )
    const theirs = await uninstrumented(async () => readAll(await on(server.url).chat.completions.create({ ...request, stream: true })))
    expect(JSON.stringify(ours)).toBe(JSON.stringify(theirs))
    expect(sent).toEqual({ ...request, stream: true, stream_options: { include_usage: true } })
    expect(server.bodies.at(-1)).toEqual({ ...request, stream: true })
    expect(tracing.calls().map(({ usage, usageQuality }) => ({ usage, usageQuality }))).toEqual([
      { usage: usageOf({ inputTokens: 9, outputTokens: 3 }), usageQuality: 'reported' },
    ])
  })

  it('leaves the usage chunk to an app that asked for it', async () => {
    const chunks = await readAll(
      await client.chat.completions.create({ ...request, stream: true, stream_options: { include_usage: true } }),
    )
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: expect.any(Number) } })
    expect(tracing.calls()[0]!.usage).toEqual(lastBilled())
  })

  it('estimates the usage of a stream whose app declined it', async () => {
    await readAll(await client.chat.completions.create({ ...request, stream: true, stream_options: { include_usage: false } }))
    expect(tracing.calls()[0]).toMatchObject({ usageQuality: 'estimated', streamed: true, finishReason: 'stop' })
    expect(tracing.calls()[0]!.usage!.outputTokens).toBeGreaterThan(0)
  })

  it('ends the span of a stream that the app leaves, as the app leaves it', async () => {
    const stream = await client.chat.completions.create({ ...request, stream: true }, directed({ chunks: 20, chunkDelayMs: 5 }))
    const seen: unknown[] = []
    for await (const chunk of stream) {
      seen.push(chunk)
      if (seen.length === 4) break
    }
    expect(tracing.calls()).toMatchObject([{ status: 'ok', usageQuality: 'estimated' }])
    expect(tracing.calls()[0]!.usage!.outputTokens).toBeGreaterThan(0)
    await vi.waitFor(() => expect(standIn.requests.at(-1)!.cut).toBe(true))
  })

  it('ends the span of a stream whose reader throws', async () => {
    const stream = await client.chat.completions.create({ ...request, stream: true })
    await expect(
      (async () => {
        for await (const chunk of stream) throw new Error(`no place for ${chunk.object}`)
      })(),
    ).rejects.toThrow('no place for chat.completion.chunk')
    expect(tracing.calls()).toHaveLength(1)
  })

  it('says that a stream was cancelled when the app aborts it', async () => {
    const stream = await client.chat.completions.create({ ...request, stream: true }, directed({ chunks: 20, chunkDelayMs: 5 }))
    let chunks = 0
    for await (const chunk of stream) if (chunk.id !== '' && ++chunks === 3) stream.controller.abort()
    await vi.waitFor(() =>
      expect(tracing.calls()).toMatchObject([{ status: 'cancelled', errorClass: 'cancelled', usageQuality: 'estimated' }]),
    )
  })

  it('counts a stream once through tee()', async () => {
    const [left, right] = (await client.chat.completions.create({ ...request, stream: true })).tee()
    const [seenLeft, seenRight] = await Promise.all([readAll(left), readAll(right)])
    expect(seenLeft).toEqual(seenRight)
    expect(tracing.calls().map(({ usage }) => usage)).toEqual([lastBilled()])
  })

  it('counts a stream once through toReadableStream()', async () => {
    const stream = (await client.chat.completions.create({ ...request, stream: true })).toReadableStream()
    const text = await new Response(stream).text()
    expect(text.split('\n').length).toBeGreaterThan(3)
    expect(tracing.calls().map(({ usage }) => usage)).toEqual([lastBilled()])
  })

  it('counts a call once through the stream() helper and finalChatCompletion()', async () => {
    const completions =
      'stream' in client.chat.completions
        ? client.chat.completions
        : (client as unknown as { beta: { chat: OpenAI.Chat } }).beta.chat.completions
    const final = await completions.stream(request).finalChatCompletion()
    expect(final.choices[0]!.message.content).not.toBe('')
    expect(tracing.calls().map(({ usage }) => usage)).toEqual([lastBilled()])
  })

  it('counts a call once through the parse() helper', async () => {
    const completions =
      'parse' in client.chat.completions
        ? client.chat.completions
        : (client as unknown as { beta: { chat: OpenAI.Chat } }).beta.chat.completions
    const parsed = await completions.parse(request)
    expect(parsed.choices[0]!.message.content).not.toBe('')
    expect(tracing.calls().map(({ usage }) => usage)).toEqual([lastBilled()])
  })

  it('leaves the body of asResponse() to the app and reads it along', async () => {
    const response = await client.chat.completions.create(request).asResponse()
    const body = (await response.json()) as { usage: { prompt_tokens: number } }
    expect(body.usage.prompt_tokens).toBeGreaterThan(0)
    expect(tracing.calls().map(({ usage }) => usage)).toEqual([lastBilled()])
  })

  it('gives withResponse() both and one span', async () => {
    const { data, response } = await client.chat.completions.create(request).withResponse()
    expect([data.object, response.status]).toEqual(['chat.completion', 200])
    expect(tracing.calls().map(({ usage }) => usage)).toEqual([lastBilled()])
  })

  it('gives each of three ways to await one promise the same answer and one span', async () => {
    const promise = client.chat.completions.create(request)
    const answers = await Promise.all([promise, promise.then((completion) => completion), promise.withResponse().then(({ data }) => data)])
    expect(new Set(answers).size).toBe(1)
    expect(tracing.calls()).toHaveLength(1)
  })

  it.each([
    [429, 'rate_limit_exceeded', 'rate_limit'],
    [500, 'server_error', 'server_error'],
    [401, 'invalid_api_key', 'auth'],
  ] as const)('gives a call that fails with %i one span with that error', async (status, type, errorClass) => {
    await expect(client.chat.completions.create(request, directed({ status }))).rejects.toMatchObject({ status })
    expect(tracing.calls()).toMatchObject([{ status: 'error', errorClass, usage: undefined }])
    expect(tracing.spans()[0]!.attributes).toMatchObject({ 'error.type': type, 'http.response.status_code': status })
    expect(tracing.spans()[0]!.status).toEqual({ code: SpanStatusCode.ERROR, message: expect.any(String) })
  })

  it('gives a call that the SDK retries one span, that of the answer', async () => {
    await on(standIn.url, { maxRetries: 2 }).chat.completions.create(
      { ...request, seed: Math.floor(Math.random() * 1e9) },
      directed({ failures: 1, retryAfterS: 0 }),
    )
    expect(tracing.calls()).toMatchObject([{ status: 'ok', usage: lastBilled() }])
  })

  it('gives a call without a connection one span with that error', async () => {
    await expect(on('http://127.0.0.1:9').chat.completions.create(request)).rejects.toThrow('Connection error.')
    expect(tracing.spans().map(({ attributes, status }) => [attributes['error.type'], status.message])).toEqual([
      ['APIConnectionError', 'Connection error.'],
    ])
  })

  it('gives a call that times out one span with that error', async () => {
    await expect(client.chat.completions.create(request, { ...directed({ latencyMs: 300 }), timeout: 20 })).rejects.toThrow('timed out')
    expect(tracing.calls()).toMatchObject([{ status: 'error', errorClass: 'timeout' }])
  })

  it('gives a call that the app aborts one span that says so', async () => {
    const controller = new AbortController()
    const promise = client.chat.completions.create(request, { ...directed({ latencyMs: 300 }), signal: controller.signal })
    setTimeout(() => controller.abort(), 10)
    await expect(promise).rejects.toThrow('aborted')
    expect(tracing.calls()).toMatchObject([{ status: 'cancelled', errorType: 'cancelled' }])
  })

  it('gives an error event inside a stream one span with that error and what was used until then', async () => {
    const stream = await client.chat.completions.create({ ...request, stream: true }, directed({ chunks: 8, errorAfterChunks: 4 }))
    await expect(readAll(stream)).rejects.toThrow(/error/i)
    expect(tracing.calls()).toMatchObject([{ status: 'error', usageQuality: 'estimated' }])
  })

  it('gives a stream whose connection breaks one span with that error', async () => {
    const stream = await client.chat.completions.create({ ...request, stream: true }, directed({ chunks: 8, cutAfterChunks: 4 }))
    await expect(readAll(stream)).rejects.toThrow(/terminated|Premature close/)
    expect(tracing.calls()).toMatchObject([{ status: 'error', usageQuality: 'estimated' }])
  })

  it('gives an answer that is broken JSON one span, and quotes nothing of it', async () => {
    server.answer = { pieces: ['{"choices":[{"message":{"content":"secret'] }
    await expect(on(server.url).chat.completions.create(request)).rejects.toThrow(/JSON/)
    expect(tracing.calls()).toMatchObject([{ status: 'error' }])
    expect(JSON.stringify([tracing.spans()[0]!.attributes, tracing.spans()[0]!.status])).not.toContain('secret')
  })

  it('counts the calls of the Responses API, plain and streamed', async () => {
    if (client.responses === undefined) return
    await client.responses.create(
      { model: 'gpt-4o-mini', input: 'Hello' },
      directed({ inputTokens: 11, cacheReadTokens: 5, outputTokens: 7, reasoningTokens: 3 }),
    )
    await readAll(await client.responses.create({ model: 'gpt-4o-mini', input: 'Hello', stream: true }))
    await client.responses.stream({ model: 'gpt-4o-mini', input: 'Hello' }).finalResponse()
    const calls = tracing.calls()
    expect(calls.map(({ operation, streamed, finishReason }) => [operation, streamed, finishReason])).toEqual([
      ['chat', false, 'completed'],
      ['chat', true, 'completed'],
      ['chat', true, 'completed'],
    ])
    expect(calls.map(({ usage }) => usage)).toEqual(standIn.requests.slice(-3).map(({ billed }) => usageOf(billed[0]!.usage)))
  })

  it('counts embeddings', async () => {
    const { data } = await client.embeddings.create({ model: 'text-embedding-3-small', input: ['one', 'two'] })
    expect(data).toHaveLength(2)
    expect(tracing.calls()).toMatchObject([{ operation: 'embeddings', usage: lastBilled(), usageQuality: 'reported' }])
  })

  it('counts completions of the old API', async () => {
    server.answer = json({
      id: 'cmpl-1',
      model: 'gpt-3.5-turbo-instruct',
      choices: [{ text: 'Hi', finish_reason: 'stop' }],
      usage: { prompt_tokens: 4, completion_tokens: 2 },
    })
    await on(server.url).completions.create({ model: 'gpt-3.5-turbo-instruct', prompt: 'Hello' })
    expect(tracing.calls()).toMatchObject([{ operation: 'text_completion', usage: usageOf({ inputTokens: 4, outputTokens: 2 }) }])
  })

  it('estimates an answer without usage', async () => {
    await client.chat.completions.create(request, directed({ omitUsage: true }))
    expect(tracing.calls()).toMatchObject([{ usageQuality: 'estimated' }])
    expect(tracing.calls()[0]!.usage!.inputTokens).toBeGreaterThan(0)
  })

  it('keeps out of the way where tracing is suppressed', async () => {
    const completion = await uninstrumented(() => client.chat.completions.create(request))
    expect(completion.object).toBe('chat.completion')
    expect(tracing.spans()).toEqual([])
  })

  it('rejects a promise nobody handles as it does without us, and no other', async () => {
    const unhandled: unknown[] = []
    const listeners = process.listeners('unhandledRejection')
    process.removeAllListeners('unhandledRejection')
    process.on('unhandledRejection', (reason) => unhandled.push(reason))
    await client.chat.completions.create(request, directed({ status: 400 })).catch(() => {})
    await settled()
    process.removeAllListeners('unhandledRejection')
    for (const listener of listeners) process.on('unhandledRejection', listener)
    expect(unhandled).toEqual([])
  })
})

/** The `stream_options` that a stream of a fresh client asks with. */
const asked = async (url: string, options: object): Promise<unknown> => {
  const bodies: string[] = []
  const fetch = (_url: unknown, init: { body: string }): Promise<Response> => {
    bodies.push(init.body)
    return Promise.resolve(new Response('data: [DONE]\n\n', { headers: { 'content-type': 'text/event-stream' } }))
  }
  class Fresh extends OpenAI {}
  const instance = new Fresh({ apiKey: 'none', baseURL: url, fetch: fetch as never })
  const create = Object.getPrototypeOf(instance.chat.completions) as object
  instance.chat.completions = Object.create(create, {
    create: { writable: true, value: originalCreate(), enumerable: true },
    _client: { value: instance },
  }) as never
  instrument(instance, options)
  await readAll(await instance.chat.completions.create({ ...request, stream: true }))
  return (JSON.parse(bodies[0]!) as { stream_options?: unknown }).stream_options
}

describe('the option includeUsage', () => {
  it.each([
    ['auto', 'https://api.openai.com/v1', { include_usage: true }],
    ['auto', 'https://me.openai.azure.com/openai', { include_usage: true }],
    ['auto', 'http://127.0.0.1:1/v1', undefined],
    ['auto', 'https://api.mistral.ai/v1', undefined],
    [true, 'http://127.0.0.1:1/v1', { include_usage: true }],
    [false, 'https://api.openai.com/v1', undefined],
  ] as const)('%s asks %s for %o', async (includeUsage, url, expected) => {
    expect(await asked(url, { includeUsage })).toEqual(expected)
  })
})

describe('the provider of a call', () => {
  const fetch = () =>
    Promise.resolve(Response.json({ id: 'c-1', model: 'm', choices: [], usage: { prompt_tokens: 1, completion_tokens: 1 } }))
  it.each([
    [OpenAI, { baseURL: 'https://api.openai.com/v1' }, 'openai', 'api.openai.com', 443],
    [OpenAI, { baseURL: 'https://api.mistral.ai/v1' }, 'mistral_ai', 'api.mistral.ai', 443],
    [OpenAI, { baseURL: 'http://[::1]:8080/v1' }, 'openai', '::1', 8080],
    [
      AzureOpenAI,
      { endpoint: 'https://gateway.example', apiVersion: '2024-10-21', deployment: 'mine' },
      'azure.ai.openai',
      'gateway.example',
      443,
    ],
    [AzureOpenAI, { endpoint: 'https://me.openai.azure.com', apiVersion: '2024-10-21' }, 'azure.ai.openai', 'me.openai.azure.com', 443],
  ])('is read from the host, else from the client (%o, %o)', async (Client, options, provider, address, port) => {
    const client = new Client({ apiKey: 'none', fetch: fetch as never, ...(options as object) } as never) as OpenAI
    await client.chat.completions.create(request)
    const { attributes } = tracing.spans()[0]!
    expect([attributes['gen_ai.provider.name'], attributes['server.address'], attributes['server.port']]).toEqual([provider, address, port])
  })
})

describe('a failure of ours', () => {
  it.each([
    ['onStart', 'start'],
    ['onEnd', 'end'],
  ] as const)('reaches neither the call nor any chunk when a span processor throws in %s', async (method, place) => {
    const broken = { onStart() {}, onEnd() {}, forceFlush: async () => {}, shutdown: async () => {}, [method]: () => raise() }
    const throwing = startTracing({ processors: [broken], global: false })
    const warn = vi.fn<() => void>()
    diag.setLogger({ error: warn, warn, info() {}, debug() {}, verbose() {} }, DiagLogLevel.WARN)
    const client = new OpenAI({ apiKey: 'none', baseURL: `${standIn.url}/v1` })
    client.chat.completions = Object.create(Object.getPrototypeOf(client.chat.completions) as object, {
      create: { writable: true, value: originalCreate(), enumerable: true },
      _client: { value: client },
    }) as never
    instrument(client, { tracerProvider: throwing.provider, includeUsage: true })
    const before = instrumentationState().failures
    expect((await client.chat.completions.create(request)).object).toBe('chat.completion')
    expect((await readAll(await client.chat.completions.create({ ...request, stream: true }))).length).toBeGreaterThan(2)
    const { failures } = instrumentationState()
    expect((failures[place] ?? 0) - (before[place] ?? 0)).toBe(2)
    expect(warn.mock.calls).toHaveLength(1)
    diag.disable()
    await throwing.stop()
  })
})

describe('a call that the app forgets', () => {
  it('is closed after the idle time: an answer never awaited, a stream never read, a stream left hanging', async () => {
    const instrumentation = new LlmInstrumentation({ idleMs: 60, enabled: false })
    const client = new OpenAI({ apiKey: 'none', baseURL: `${standIn.url}/v1` })
    const promise = client.chat.completions.create(request)
    const unread = await client.chat.completions.create({ ...request, stream: true })
    const hanging = (await client.chat.completions.create({ ...request, stream: true }))[Symbol.asyncIterator]()
    await hanging.next()
    await vi.waitFor(() => expect(tracing.calls()).toHaveLength(3), { timeout: 5000 })
    expect(
      tracing
        .calls()
        .map(({ usageQuality }) => usageQuality)
        .toSorted(),
    ).toEqual(['estimated', 'missing', 'missing'])
    expect([typeof promise, typeof unread]).toEqual(['object', 'object'])
    instrumentation.setConfig({ enabled: false })
  })
})

/** The SDK's own method, whatever has patched the class meanwhile. */
function originalCreate(): unknown {
  const { create } = OpenAI.Chat.Completions.prototype as unknown as Record<string, object>
  return Reflect.get(create!, Symbol.for('spanledger.original')) ?? create
}

function raise(): never {
  throw new Error('the processor is broken')
}

async function readAll<Chunk>(stream: AsyncIterable<Chunk>): Promise<Chunk[]> {
  const chunks: Chunk[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return chunks
}
