import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import OpenAI4 from 'openai-v4'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { instrument } from '../src/index.ts'
import { chatEvents, json, sse, startReplayServer, type ReplayServer } from './replay-server.ts'
import { settled, startTracing, type Tracing } from './tracing.ts'

let tracing: Tracing
let server: ReplayServer
beforeAll(async () => {
  tracing = startTracing()
  server = await startReplayServer()
  for (const sdk of [OpenAI, OpenAI4, Anthropic]) instrument(sdk)
})
afterAll(async () => {
  await server.close()
  await tracing.stop()
})
beforeEach(() => tracing.reset())

const usage = { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 }
const completion = {
  id: 'chatcmpl-of-the-first-answer',
  object: 'chat.completion',
  model: 'gpt-4o-mini',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
  usage,
}
const body = { model: 'gpt-4o-mini', messages: [{ role: 'user' as const, content: 'Hello' }] }
const hit = { 'Helicone-Cache': 'HIT' }

async function seen(): Promise<object> {
  await settled()
  const [call, ...more] = tracing.calls()
  expect(more).toEqual([])
  return { cacheHit: call?.cacheHit, status: call?.status, input: call?.usage?.inputTokens, output: call?.usage?.outputTokens }
}
const savedCall = { cacheHit: true, status: 'ok', input: 100, output: 20 }

describe.each([
  ['openai', OpenAI],
  ['openai 4', OpenAI4],
])('%s, answered by the cache of a gateway', (_, Sdk) => {
  const client = (): OpenAI => new Sdk({ apiKey: 'none', baseURL: `${server.url}/v1`, maxRetries: 0 }) as OpenAI

  it('awaited, with its response, and unparsed, is a cache hit with the usage that the answer would have had', async () => {
    server.answer = { ...json(completion), headers: hit }
    expect((await client().chat.completions.create(body)).id).toBe(completion.id)
    expect(await seen()).toEqual(savedCall)
    tracing.reset()
    await client().chat.completions.create(body).withResponse()
    expect(await seen()).toEqual(savedCall)
    tracing.reset()
    await (await client().chat.completions.create(body).asResponse()).json()
    expect(await seen()).toEqual(savedCall)
  })

  it('streamed, is one too', async () => {
    const chunk = { id: completion.id, object: 'chat.completion.chunk', model: 'gpt-4o-mini' }
    server.answer = {
      ...sse(
        chatEvents(
          { ...chunk, choices: [{ index: 0, delta: { content: 'Hi' }, finish_reason: 'stop' }] },
          { ...chunk, choices: [], usage },
        ),
      ),
      headers: hit,
    }
    const stream = await client().chat.completions.create({ ...body, stream: true, stream_options: { include_usage: true } })
    await stream.toReadableStream().pipeTo(new WritableStream())
    expect(await seen()).toEqual(savedCall)
  })

  it.each<Record<string, string>>([{}, { 'Helicone-Cache': 'MISS' }, { 'Helicone-Cache': '' }])(
    'with headers %j, is none',
    async (headers) => {
      server.answer = { ...json(completion), headers }
      await client().chat.completions.create(body)
      expect(await seen()).toEqual({ ...savedCall, cacheHit: undefined })
    },
  )

  it('that fails, fails as it would without us, and is no hit', async () => {
    server.answer = { ...json({ error: { message: 'no' } }, 400), headers: { 'cf-aig-cache-status': 'MISS' } }
    await expect(client().chat.completions.create(body)).rejects.toThrow('400')
    expect(await seen()).toMatchObject({ cacheHit: undefined, status: 'error' })
  })
})

it('Anthropic, answered by the cache of a gateway, is a cache hit', async () => {
  server.answer = {
    ...json({
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'claude-haiku-4-5',
      content: [],
      stop_reason: 'end_turn',
      usage: { input_tokens: 100, output_tokens: 20 },
    }),
    headers: { 'cf-aig-cache-status': 'HIT' },
  }
  const client = new Anthropic({ apiKey: 'none', baseURL: server.url, maxRetries: 0 })
  await client.messages.create({ model: 'claude-haiku-4-5', max_tokens: 100, messages: body.messages })
  expect(await seen()).toEqual(savedCall)
})
