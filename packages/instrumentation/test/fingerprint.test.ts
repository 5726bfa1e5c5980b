import { trace } from '@opentelemetry/api'
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { fingerprintOf } from '../src/fingerprint.ts'
import { instrument, withRetryOf } from '../src/index.ts'
import { resolveOptions } from '../src/options.ts'
import { json, startReplayServer, type ReplayServer } from './replay-server.ts'
import { settled, startTracing, type Tracing } from './tracing.ts'

const KEY = 'a key of sixteen or more'
const chat = { operation: 'chat' } as const
const of = (body: Readonly<Record<string, unknown>>, key = KEY): string | undefined => fingerprintOf(chat, body, key)
const user = (content: unknown): object => ({ role: 'user', content })

describe('a fingerprint', () => {
  it('is twelve hex digits that say nothing without the key, and others with another', () => {
    const body = { messages: [user('What is my balance?')] }
    expect(of(body)).toMatch(/^[0-9a-f]{12}$/)
    expect(of(body)).toBe(of({ ...body, model: 'another', temperature: 1 }))
    expect(of(body)).not.toBe(of(body, 'another key of sixteen'))
  })

  it('is the same whatever was said before, in any case and spacing, and in the words of each API', () => {
    const asked = of({ messages: [user('What is my balance?')] })
    const before = [user('Hi'), { role: 'assistant', content: 'Hello' }]
    for (const body of [
      { messages: [...before, user('  what is\n my  BALANCE? ')] },
      {
        messages: [
          user([
            { type: 'text', text: 'What is my balance?' },
            { type: 'image_url', image_url: { url: 'data:,' } },
          ]),
        ],
      },
      { input: 'What is my balance?' },
      { input: [{ role: 'user', content: [{ type: 'input_text', text: 'What is my balance?' }] }] },
      { prompt: 'What is my balance?' },
      // What a reply is to begin with (Anthropic).
      { messages: [user('What is my balance?'), { role: 'assistant', content: 'It is' }] },
    ])
      expect(of(body)).toBe(asked)
    expect(of({ messages: [user('What is my balance today?')] })).not.toBe(asked)
  })

  it('is another under another system prompt, wherever the API has it, and under another kept prompt', () => {
    const messages = [user('Hello')]
    const inMessages = of({ messages: [{ role: 'system', content: 'Be kind.' }, ...messages] })
    expect(of({ messages, system: [{ type: 'text', text: 'Be kind.' }] })).toBe(inMessages)
    expect(of({ input: 'Hello', instructions: 'Be kind.' })).toBe(inMessages)
    expect(of({ messages })).not.toBe(inMessages)
    const kept = (id: string): string | undefined => of({ input: 'Hello', prompt: { id }, instructions: `It is ${id}.` })
    expect(kept('pmpt_1')).not.toBe(kept('pmpt_2'))
    expect(kept('pmpt_1')).toBe(of({ input: 'Hello', prompt: { id: 'pmpt_1' }, instructions: 'It is later.' }))
  })

  it('has no request that no user waits for: results of tools, embeddings, what has no text', () => {
    for (const messages of [
      [user('Weather?'), { role: 'assistant', tool_calls: [{ id: 'c' }] }, { role: 'tool', content: 'sunny' }],
      [user('Weather?'), { role: 'assistant', content: [] }, user([{ type: 'tool_result', content: 'sunny' }])],
      [user([{ type: 'image_url', image_url: { url: 'data:,' } }])],
      [{ role: 'system', content: 'Be kind.' }],
      [],
      [null],
      ['text'],
    ])
      expect(of({ messages })).toBeUndefined()
    expect(of({ input: [user('Weather?'), { type: 'function_call_output', output: 'sunny' }] })).toBeUndefined()
    expect(of({})).toBeUndefined()
    expect(fingerprintOf({ operation: 'embeddings' }, { input: 'Hello' }, KEY)).toBeUndefined()
  })
})

it('a key comes from the option or the environment; one that can be guessed is none', () => {
  const { fingerprintKey } = resolveOptions({}, { SPANLEDGER_FINGERPRINT_KEY: KEY })
  expect(fingerprintKey).toBe(KEY)
  expect(resolveOptions({ fingerprintKey: 'another key of sixteen' }, { SPANLEDGER_FINGERPRINT_KEY: KEY }).fingerprintKey).toBe(
    'another key of sixteen',
  )
  for (const options of [{}, { fingerprintKey: 'short' }, { fingerprintKey: 5 as never }, { fingerprintKey: '' }])
    expect(resolveOptions(options, {}).fingerprintKey).toBeUndefined()
})

describe('calls of the SDKs', () => {
  let tracing: Tracing
  let server: ReplayServer
  beforeAll(async () => {
    tracing = startTracing()
    server = await startReplayServer()
    for (const sdk of [OpenAI, Anthropic]) instrument(sdk, { fingerprintKey: KEY })
  })
  afterAll(async () => {
    await server.close()
    await tracing.stop()
  })
  beforeEach(() => tracing.reset())

  const completion = {
    id: 'c',
    object: 'chat.completion',
    model: 'gpt-4o-mini',
    choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
  }
  const message = {
    id: 'm',
    type: 'message',
    role: 'assistant',
    model: 'claude-sonnet-4-5',
    content: [{ type: 'text', text: 'Hi' }],
    stop_reason: 'end_turn',
    usage: { input_tokens: 1, output_tokens: 1 },
  }
  const openai = (): OpenAI => new OpenAI({ apiKey: 'none', baseURL: `${server.url}/v1`, maxRetries: 1 })
  const ask = async (): Promise<unknown> =>
    openai().chat.completions.create({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello' }] })

  it('carry it, on spans of ours and on those that an SDK makes itself, and the ledger reads it', async () => {
    server.answer = json(completion)
    await ask()
    server.answer = json(message)
    await new Anthropic({ apiKey: 'none', baseURL: server.url }).messages.create({
      model: 'claude-sonnet-4-5',
      max_tokens: 5,
      messages: [{ role: 'user', content: ' hello' }],
    })
    await settled()
    const [first, second, ...more] = tracing.calls()
    expect(more).toEqual([])
    expect(first?.fingerprint).toBe(Number.parseInt(of({ messages: [user('Hello')] }) ?? '', 16))
    expect(second?.fingerprint).toBe(first?.fingerprint)
    expect(first).not.toHaveProperty('retryOf')
    expect(first).not.toHaveProperty('autoRetry')
  })

  it('say what they ask once more, in withRetryOf', async () => {
    server.answer = json(completion)
    const original = { traceId: '0123456789abcdef0123456789abcdef', spanId: '0123456789abcdef' }
    await withRetryOf(original, ask)
    await settled()
    expect(tracing.calls()[0]?.retryOf).toBe(`${original.traceId}-${original.spanId}`)
    tracing.reset()
    const span = trace.getTracer('app').startSpan('click')
    await withRetryOf(span.spanContext(), ask)
    span.end()
    await settled()
    expect(tracing.calls()[0]?.retryOf).toBe(`${span.spanContext().traceId}-${span.spanContext().spanId}`)
  })

  it('say that the SDK tried more than once, and are one call', async () => {
    server.answer = json(completion)
    let sent = 0
    const busyAtFirst: typeof fetch = async (...request) =>
      sent++ === 0 ? new Response('{}', { status: 500, headers: { 'retry-after-ms': '1' } }) : fetch(...request)
    await new OpenAI({ apiKey: 'none', baseURL: `${server.url}/v1`, maxRetries: 1, fetch: busyAtFirst }).chat.completions.create({
      model: 'gpt-4o-mini',
      messages: [{ role: 'user', content: 'Hello' }],
    })
    expect(sent).toBe(2)
    await settled()
    const [only, ...more] = tracing.calls()
    expect([more, only?.autoRetry, only?.status]).toEqual([[], 'inside', 'ok'])
  })
})
