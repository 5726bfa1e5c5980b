import Anthropic from '@anthropic-ai/sdk'
import { SpanStatusCode } from '@opentelemetry/api'
import { addUsage, usageOf } from '@spanledger/conventions'
import { startStandIn, type Directions, type StandIn } from '@spanledger/stand-in'
import OldAnthropic from 'anthropic-v0-133'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'

import { instrument, instrumentationState, withUser } from '../src/index.ts'
import { settled, startTracing, type Tracing } from './tracing.ts'

/** `own`: the SDK emits no spans, so ours is made; `native`: it does, so its span is completed. */
const versions = [
  ['0.133', OldAnthropic as unknown as typeof Anthropic, 'own', {}],
  ['1.11', Anthropic, 'native', {}],
  ['1.11 with its own spans off', Anthropic, 'own', { openTelemetry: false }],
] as const

const request = {
  model: 'claude-sonnet-4-5',
  max_tokens: 1000,
  messages: [{ role: 'user' as const, content: 'Say something about ledgers.' }],
}

let tracing: Tracing
let standIn: StandIn

beforeAll(async () => {
  vi.spyOn(console, 'warn').mockImplementation(() => {})
  tracing = startTracing()
  standIn = await startStandIn({ seed: 7 })
})
afterEach(() => tracing.reset())
afterAll(async () => {
  await standIn.close()
  await tracing.stop()
})

function directed(directions: Directions): { headers: Record<string, string> } {
  return { headers: { 'x-stand-in': JSON.stringify(directions) } }
}

function lastBilled(): object {
  return addUsage(...standIn.requests.at(-1)!.billed.map(({ usage }) => usageOf(usage)))
}

/** Runs something and returns the calls that it made, when their spans have ended. */
const callsOf = async (fn: () => Promise<unknown>): Promise<ReturnType<Tracing['calls']>> => {
  await fn()
  await settled()
  return tracing.calls()
}

describe.each(versions)('@anthropic-ai/sdk %s', (_version, Sdk, kind, options) => {
  let client: Anthropic
  const on = (baseURL: string, more: object = {}): Anthropic => new Sdk({ apiKey: 'none', baseURL, maxRetries: 0, ...options, ...more })
  beforeAll(() => {
    instrument(Sdk)
    client = on(standIn.url)
  })
  it(`gives a call exactly one span, the ${kind} one, with its user`, async () => {
    await withUser('u-1', { sessionId: 's-1', properties: { Plan: 'pro' } }, () => client.messages.create(request))
    await settled()
    const [span, ...others] = tracing.spans()
    expect(others).toEqual([])
    expect([span!.name, span!.instrumentationScope.name]).toEqual(
      kind === 'own'
        ? ['chat claude-sonnet-4-5', '@spanledger/instrumentation']
        : ['anthropic.messages.create', 'com.anthropic.sdk.typescript'],
    )
    expect(tracing.calls()).toMatchObject([{ user: 'u-1', session: 's-1', provider: 'anthropic', status: 'ok', usage: lastBilled() }])
    expect(tracing.calls()[0]!.properties.get('plan')).toEqual({ name: 'Plan', value: 'pro' })
  })

  it('keeps cache writes of one hour apart from those of five minutes, plain and streamed', async () => {
    const directions = { inputTokens: 21, cacheReadTokens: 2089, cacheWrite5mTokens: 337, cacheWrite1hTokens: 16399, outputTokens: 393 }
    const usage = usageOf({ inputTokens: 21, cacheReadTokens: 2089, cacheWrite5mTokens: 337, cacheWrite1hTokens: 16399, outputTokens: 393 })
    const calls = await callsOf(async () => {
      await client.messages.create(request, directed(directions))
      await readAll(await client.messages.create({ ...request, stream: true }, directed(directions)))
    })
    expect(calls.map((call) => [call.usage, call.usageQuality, call.streamed])).toEqual([
      [usage, 'reported', false],
      [usage, 'reported', true],
    ])
  })

  it('keeps the parts that several models served, each with its own usage', async () => {
    const iterations = [
      { type: 'message', model: 'claude-sonnet-4-5-20250929', inputTokens: 2414, outputTokens: 100 },
      { type: 'advisor_message', model: 'claude-opus-4-8', inputTokens: 2728, outputTokens: 874 },
    ] as const
    const calls = await callsOf(async () => {
      await client.messages.create(request, directed({ iterations }))
      await readAll(await client.messages.create({ ...request, stream: true }, directed({ iterations })))
    })
    const parts = [
      { model: 'claude-sonnet-4-5-20250929', usage: usageOf({ inputTokens: 2414, outputTokens: 100 }) },
      { model: 'claude-opus-4-8', usage: usageOf({ inputTokens: 2728, outputTokens: 874 }) },
    ]
    expect(calls.map((call) => call.parts)).toEqual([parts, parts])
    expect(calls.map((call) => call.usage)).toEqual([lastBilled(), lastBilled()])
  })

  it('says the service tier', async () => {
    const calls = await callsOf(() => client.messages.create(request, directed({ serviceTier: 'priority' })))
    expect(calls).toMatchObject([{ serviceTier: 'priority' }])
  })

  it('keeps what a stream used until the app left it', async () => {
    const calls = await callsOf(async () => {
      let read = 0
      const stream = await client.messages.create({ ...request, stream: true }, directed({ inputTokens: 500, chunks: 20, chunkDelayMs: 3 }))
      for await (const event of stream) if (event.type !== 'message_stop' && ++read === 6) break
    })
    expect(calls).toMatchObject([{ status: 'ok', usageQuality: 'partial', usage: { inputTokens: 500 } }])
    expect(calls[0]!.usage!.outputTokens).toBeGreaterThan(1)
  })

  it('ends the span of the stream() helper when the app aborts it', async () => {
    const stream = client.messages.stream(request, directed({ inputTokens: 500, chunks: 20, chunkDelayMs: 5 }))
    await new Promise((resolve) => stream.once('text', resolve))
    stream.abort()
    await stream.done().catch(() => {})
    await vi.waitFor(() => expect(tracing.calls()).toMatchObject([{ usageQuality: 'partial', usage: { inputTokens: 500 } }]))
  })

  it('counts a call once through the stream() helper and finalMessage()', async () => {
    const calls = await callsOf(() => withUser('u-2', () => client.messages.stream(request).finalMessage()))
    expect(calls).toMatchObject([{ user: 'u-2', usage: lastBilled(), usageQuality: 'reported', status: 'ok' }])
  })

  it('counts a call once through beta.messages', async () => {
    const calls = await callsOf(() => client.beta.messages.create(request))
    expect(calls).toMatchObject([{ usage: lastBilled(), usageQuality: 'reported' }])
  })

  it('counts a stream once through tee()', async () => {
    const calls = await callsOf(async () => {
      const [left, right] = (await client.messages.create({ ...request, stream: true })).tee()
      await Promise.all([readAll(left), readAll(right)])
    })
    expect(calls.map(({ usage }) => usage)).toEqual([lastBilled()])
  })

  it('leaves the body of asResponse() to the app and reads it along', async () => {
    const calls = await callsOf(async () => {
      const response = await client.messages.create(request).asResponse()
      expect(await response.json()).toMatchObject({ type: 'message' })
    })
    expect(calls.map(({ usage, usageQuality }) => [usage, usageQuality])).toEqual([[lastBilled(), 'reported']])
  })

  it('gives withResponse() both and one span', async () => {
    const calls = await callsOf(async () => {
      const { data, response } = await client.messages.create(request).withResponse()
      expect([data.type, response.status]).toEqual(['message', 200])
    })
    expect(calls.map(({ usage }) => usage)).toEqual([lastBilled()])
  })

  it.each([
    [429, 'rate_limit_error', 'rate_limit'],
    [529, 'overloaded_error', 'server_error'],
    [400, 'invalid_request_error', 'model_error'],
  ] as const)('gives a call that fails with %i one span with that error', async (status, type, errorClass) => {
    const calls = await callsOf(() => expect(client.messages.create(request, directed({ status }))).rejects.toMatchObject({ status }))
    expect(calls).toMatchObject([{ status: 'error', errorClass, errorType: type }])
    const [span] = tracing.spans()
    expect([span!.status.code, typeof span!.status.message, span!.attributes['http.response.status_code']]).toEqual([
      SpanStatusCode.ERROR,
      'string',
      status,
    ])
  })

  it('gives a stream that the server fails one span with that error and the input', async () => {
    const calls = await callsOf(async () => {
      const stream = await client.messages.create(
        { ...request, stream: true },
        directed({ inputTokens: 500, chunks: 8, errorAfterChunks: 3 }),
      )
      await expect(readAll(stream)).rejects.toThrow(/error/i)
    })
    expect(calls).toMatchObject([{ status: 'error', usageQuality: 'partial', usage: { inputTokens: 500 } }])
  })

  it('gives a call that the app aborts one span that says so', async () => {
    const controller = new AbortController()
    const calls = await callsOf(async () => {
      const promise = client.messages.create(request, { ...directed({ latencyMs: 300 }), signal: controller.signal })
      setTimeout(() => controller.abort(), 10)
      await expect(promise).rejects.toThrow('aborted')
    })
    expect(calls).toMatchObject([{ status: 'cancelled' }])
  })

  it('gives a call without a connection one span with that error', async () => {
    const calls = await callsOf(() => expect(on('http://127.0.0.1:9').messages.create(request)).rejects.toThrow('Connection error.'))
    expect(calls).toMatchObject([{ status: 'error', errorClass: 'server_error' }])
  })

  it('reads the user of the metadata, and lets withUser beat it', async () => {
    const withMetadata = { ...request, metadata: { user_id: 'from-metadata' } }
    const calls = await callsOf(async () => {
      await client.messages.create(withMetadata)
      await withUser('from-scope', () => client.messages.create(withMetadata))
    })
    expect(calls.map(({ user }) => user)).toEqual(['from-metadata', 'from-scope'])
  })
})

describe('@anthropic-ai/sdk 1.11', () => {
  it('gets a span of ours where no tracer provider stands behind its own', async () => {
    await tracing.stop()
    const separate = startTracing({ global: false })
    const client = new Anthropic({ apiKey: 'none', baseURL: standIn.url })
    client.messages = Object.create(Object.getPrototypeOf(client.messages) as object, {
      create: { writable: true, enumerable: true, value: originalCreate() },
      _client: { value: client },
    }) as never
    instrument(client, { tracerProvider: separate.provider })
    await client.messages.create(request)
    await readAll(await client.messages.create({ ...request, stream: true }))
    await settled()
    expect(separate.spans().map(({ name, instrumentationScope }) => [name, instrumentationScope.name])).toEqual([
      ['chat claude-sonnet-4-5', '@spanledger/instrumentation'],
      ['chat claude-sonnet-4-5', '@spanledger/instrumentation'],
    ])
    expect(separate.calls().map(({ usageQuality, streamed }) => [usageQuality, streamed])).toEqual([
      ['reported', false],
      ['reported', true],
    ])
    await separate.stop()
    tracing = startTracing()
  })

  it('leaves no call open', () => {
    const { startedCalls, endedCalls, failures } = instrumentationState()
    expect([endedCalls, failures]).toEqual([startedCalls, {}])
  })
})

function originalCreate(): unknown {
  const { create } = Anthropic.Messages.prototype as unknown as Record<string, object>
  return Reflect.get(create!, Symbol.for('spanledger.original')) ?? create
}

async function readAll<Chunk>(stream: AsyncIterable<Chunk>): Promise<Chunk[]> {
  const chunks: Chunk[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return chunks
}
