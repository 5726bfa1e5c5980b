import { context, diag, DiagLogLevel } from '@opentelemetry/api'
import { suppressTracing } from '@opentelemetry/core'
import { usageOf } from '@spanledger/conventions'
import * as fc from 'fast-check'
import OpenAI from 'openai'
import OpenAI4 from 'openai-v4'
import OpenAI5 from 'openai-v5'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'

import { instrument } from '../src/index.ts'
import { LiveCall } from '../src/live-call.ts'
import { openaiChat } from '../src/llm-apis.ts'
import { usageFilter } from '../src/usage-filter.ts'
import { sse, startReplayServer, type ReplayServer } from './replay-server.ts'
import { startTracing, type Tracing } from './tracing.ts'

const versions = [
  ['4', OpenAI4 as unknown as typeof OpenAI],
  ['5', OpenAI5 as unknown as typeof OpenAI],
  ['6', OpenAI],
] as const

const request = { model: 'gpt-4o-mini', messages: [{ role: 'user' as const, content: 'Hello' }], stream: true as const }

// What no JSON.stringify would write again the same: 1.0, \u00e9, spaces, a big integer, line ends of both kinds.
const withoutUs = [
  ': a comment\n\n',
  'data: {"id":"c-1","created":1.0,"choices":[{"index":0,"delta":{"content":"\\u00e9é 👍 \\"usage\\":null"},"finish_reason":null}]}\n\n',
  'data: { "id": "c-1", "big": 12345678901234567890, "choices": [ {"index":0,"delta":{"usage":null}} ] }\r\n\r\n',
  'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"obfuscation":"x"}\n\n',
  'data: [DONE]\n\n',
]
const withUs = [
  withoutUs[0]!,
  withoutUs[1]!.replace('}]}\n', '}],"usage":null}\n'),
  withoutUs[2]!.replace('] }\r', '], "usage": null }\r'),
  withoutUs[3]!.replace('{"choices"', '{"usage":null,"choices"'),
  'data: {"id":"c-1","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}}\n\n',
  withoutUs[4]!,
]
const reported = [{ usage: usageOf({ inputTokens: 9, outputTokens: 3 }), usageQuality: 'reported', finishReason: 'stop' }]

let tracing: Tracing
let server: ReplayServer
beforeAll(async () => {
  tracing = startTracing()
  server = await startReplayServer()
})
afterEach(() => tracing.reset())
afterAll(async () => {
  await server.close()
  await tracing.stop()
})

const uninstrumented = <Result>(fn: () => Result): Result => context.with(suppressTracing(context.active()), fn)
const seen = (): object[] => tracing.calls().map(({ usage, usageQuality, finishReason }) => ({ usage, usageQuality, finishReason }))

describe.each(versions)('the raw response of a stream of openai %s whose usage only we asked for', (_version, Sdk) => {
  let client: OpenAI
  beforeAll(() => {
    instrument(Sdk, { includeUsage: true })
    client = new Sdk({ apiKey: 'none', baseURL: `${server.url}/v1`, maxRetries: 0 })
  })

  it('is byte for byte what it is without us, and the call has the usage', async () => {
    server.answer = sse(withUs)
    const response = await client.chat.completions.create(request).asResponse()
    const text = await response.text()
    expect(server.bodies.at(-1)).toEqual({ ...request, stream_options: { include_usage: true } })
    server.answer = sse(withoutUs)
    const theirs = await uninstrumented(() => client.chat.completions.create(request).asResponse())
    expect(text).toBe(await theirs.text())
    expect(seen()).toEqual(reported)
    const facts = ({ status, statusText, url, ok, redirected, type, bodyUsed, headers }: Response): object => ({
      facts: { status, statusText, url, ok, redirected, type, bodyUsed },
      contentType: headers.get('content-type'),
    })
    expect(facts(response)).toEqual(facts(theirs))
    expect(response.constructor).toBe(theirs.constructor)
    expect(response).toBeInstanceOf(theirs.constructor)
  })

  it('is filtered however its body is read', async () => {
    server.answer = sse(withUs)
    const { body } = await client.chat.completions.create(request).asResponse()
    expect(Buffer.concat(await readAll(body as unknown as AsyncIterable<Uint8Array>)).toString()).toBe(withoutUs.join(''))
    const response = await client.chat.completions.create(request).asResponse()
    expect(response.bodyUsed).toBe(false)
    const copy = response.clone()
    expect(await Promise.all([response.text(), copy.text()])).toEqual([withoutUs.join(''), withoutUs.join('')])
    expect(seen()).toEqual([...reported, ...reported])
  })

  it('of withResponse() is filtered too, and does not disturb the parsed stream', async () => {
    server.answer = sse(withUs)
    const raw = await client.chat.completions.create(request).withResponse()
    expect(await raw.response.text()).toBe(withoutUs.join(''))
    const parsed = await client.chat.completions.create(request).withResponse()
    expect(await readAll(parsed.data)).toHaveLength(3)
    const theirs = await uninstrumented(() => client.chat.completions.create(request).withResponse())
    await readAll(theirs.data)
    expect([parsed.response.status, parsed.response.bodyUsed]).toEqual([200, theirs.response.bodyUsed])
    expect(seen()).toEqual([...reported, ...reported])
  })

  it('is one however often it is asked for, and leaves the stream to an app that parses after all', async () => {
    server.answer = sse(withUs)
    const promise = client.chat.completions.create(request)
    expect(await promise.asResponse()).toBe(await promise.asResponse())
    expect(await readAll(await promise)).toHaveLength(3)
    expect(seen()).toEqual(reported)
  })

  it('ends its call when the app leaves it, and when the connection breaks', async () => {
    server.answer = sse(withUs)
    const { body } = await client.chat.completions.create(request).asResponse()
    for await (const bytes of body as unknown as AsyncIterable<Uint8Array>) {
      expect(bytes.byteLength).toBeGreaterThan(0)
      break
    }
    await vi.waitFor(() => expect(tracing.calls()).toHaveLength(1))
    tracing.reset()
    server.answer = sse(withUs.slice(0, 3), 'broken')
    const response = await client.chat.completions.create(request).asResponse()
    await expect(response.text()).rejects.toThrow(/terminated|Premature close/)
    expect(tracing.calls()).toMatchObject([{ status: 'error', usageQuality: 'estimated' }])
  })

  it('ends its call as cancelled when the app aborts it, and as failed when the server says so inside', async () => {
    server.answer = sse(withUs.slice(0, 3), 'open')
    const controller = new AbortController()
    const response = await client.chat.completions.create(request, { signal: controller.signal }).asResponse()
    const reading = response.text()
    setTimeout(() => controller.abort(), 20)
    await expect(reading).rejects.toThrow(/abort/i)
    const error = 'data: {"error":{"message":"overloaded","type":"server_error","code":null}}\n\n'
    server.answer = sse([...withUs.slice(0, 3), error])
    expect(await (await client.chat.completions.create(request).asResponse()).text()).toBe([...withoutUs.slice(0, 3), error].join(''))
    expect(tracing.calls()).toMatchObject([{ status: 'cancelled' }, { status: 'error', errorType: 'server_error' }])
  })

  it('keeps the usage that the app asked for', async () => {
    server.answer = sse(withUs)
    const response = await client.chat.completions.create({ ...request, stream_options: { include_usage: true } }).asResponse()
    expect(await response.text()).toBe(withUs.join(''))
  })
})

describe('the filter', () => {
  const filter = (): ReturnType<typeof usageFilter> =>
    usageFilter(
      new LiveCall({ api: openaiChat, body: {}, model: 'm', provider: 'openai', hidesUsage: true }, { span: {}, finish: () => {} }),
    )
  const filtered = (pieces: readonly Uint8Array[]): Buffer => {
    const { pass, rest } = filter()
    return Buffer.concat([...pieces.map((piece) => pass(piece)), rest()])
  }

  it('does not depend on where the network cuts the bytes, nor on the blank line at the end', () => {
    const [given, expected] = [Buffer.from(withUs.join('').trimEnd()), withoutUs.join('').trimEnd()]
    fc.assert(
      fc.property(fc.array(fc.nat({ max: given.length })), (cuts) => {
        const at = [0, ...cuts.toSorted((a, b) => a - b), given.length]
        expect(filtered(at.slice(1).map((end, i) => given.subarray(at[i], end))).toString()).toBe(expected)
      }),
    )
  })

  it('passes bytes that are no events as they are, whatever they are', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 50 })), (pieces) => {
        expect(filtered(pieces).equals(Buffer.concat(pieces))).toBe(true)
      }),
    )
  })

  it('passes an event on as soon as it is whole', () => {
    const { pass } = filter()
    const shown = withUs.map((event) => Buffer.from(pass(Buffer.from(event))).toString())
    expect(shown).toEqual([...withoutUs.slice(0, 4), '', withoutUs[4]])
  })

  it('passes broken events as they are', () => {
    diag.setLogger({ error() {}, warn() {}, info() {}, debug() {}, verbose() {} }, DiagLogLevel.NONE)
    const broken = 'data: {"usage":null\n\ndata: ,"usage":null\n\nevent: x\n\ndata: {"choices":{},"usage":{}}\n\n'
    expect(filtered([Buffer.from(broken)]).toString()).toBe(broken)
    diag.disable()
  })
})

async function readAll<Chunk>(stream: AsyncIterable<Chunk>): Promise<Chunk[]> {
  const chunks: Chunk[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return chunks
}
