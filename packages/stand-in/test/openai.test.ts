import OpenAI from 'openai'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { startStandIn, type StandIn } from '../src/index.ts'

let standIn: StandIn
let openai: OpenAI
beforeEach(async () => {
  standIn = await startStandIn({ seed: 7 })
  openai = new OpenAI({ apiKey: 'any', baseURL: `${standIn.url}/v1`, maxRetries: 0 })
})
afterEach(() => standIn.close())

const messages = [{ role: 'user' as const, content: 'How many entries are on this page?' }]
const nothing = {
  inputTokens: 0,
  cacheReadTokens: 0,
  cacheWrite5mTokens: 0,
  cacheWrite1hTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  webSearches: 0,
}
const steer = (directions: object): { headers: { 'x-stand-in': string } } => ({ headers: { 'x-stand-in': JSON.stringify(directions) } })

describe('chat completions', () => {
  it('answers with the dated model, text and the usage it charged', async () => {
    const answer = await openai.chat.completions.create({ model: 'gpt-4o-mini', messages })
    const [recorded] = standIn.requests
    const output = Math.ceil((answer.choices[0]?.message.content ?? '').length / 4)
    expect(recorded).toMatchObject({ method: 'POST', path: '/v1/chat/completions', status: 200, responseId: answer.id, cut: false })
    expect(recorded?.body).toEqual({ model: 'gpt-4o-mini', messages })
    expect(recorded?.billed).toEqual([{ model: 'gpt-4o-mini-2024-07-18', usage: { ...nothing, inputTokens: 9, outputTokens: output } }])
    expect(answer.model).toBe('gpt-4o-mini-2024-07-18')
    expect(answer.usage).toMatchObject({ prompt_tokens: 9, completion_tokens: output, total_tokens: 9 + output })
  })

  it('counts cached tokens within the prompt and reasoning within the completion, as OpenAI does', async () => {
    const directions = { inputTokens: 100, cacheReadTokens: 1024, cacheWrite5mTokens: 50, outputTokens: 20, reasoningTokens: 64 }
    const answer = await openai.chat.completions.create({ model: 'gpt-5-mini', messages }, steer(directions))
    expect(answer.usage).toEqual({
      prompt_tokens: 1174,
      completion_tokens: 84,
      total_tokens: 1258,
      prompt_tokens_details: { cached_tokens: 1024, audio_tokens: 0, cache_write_tokens: 50 },
      completion_tokens_details: { reasoning_tokens: 64, audio_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 },
    })
    expect(standIn.requests[0]?.billed[0]?.usage).toEqual({ ...nothing, ...directions })
  })

  it('streams the same text in the asked number of pieces, with usage only where it is asked for', async () => {
    const whole = await openai.chat.completions.create({ model: 'gpt-4.1', messages, stream: false })
    for (const includeUsage of [true, false]) {
      const stream = await openai.chat.completions.create(
        { model: 'gpt-4.1', messages, stream: true, ...(includeUsage ? { stream_options: { include_usage: true } } : {}) },
        steer({ chunks: 5, outputTokens: 30 }),
      )
      const chunks = []
      for await (const chunk of stream) chunks.push(chunk)
      const pieces = chunks.map((chunk) => chunk.choices[0]?.delta.content).filter((piece) => (piece ?? '') !== '')
      const usages = chunks.map((chunk) => chunk.usage).filter((usage) => usage !== undefined && usage !== null)
      expect(pieces).toHaveLength(5)
      expect(pieces.join('')).toHaveLength(120)
      expect(usages.map((usage) => usage.total_tokens)).toEqual(includeUsage ? [39] : [])
      expect(chunks.at(includeUsage ? -2 : -1)?.choices[0]?.finish_reason).toBe('stop')
      expect(new Set(chunks.map((chunk) => chunk.id)).size).toBe(1)
      expect(chunks[0]?.id).not.toBe(whole.id)
    }
    expect(standIn.requests.slice(1).map(({ billed }) => billed[0]?.usage.outputTokens)).toEqual([30, 30])
  })

  it('charges the prompt once and every choice by itself', async () => {
    const answer = await openai.chat.completions.create({ model: 'gpt-4.1', messages, n: 3 }, steer({ outputTokens: 10 }))
    expect(answer.choices.map(({ index }) => index)).toEqual([0, 1, 2])
    expect(answer.usage).toMatchObject({ prompt_tokens: 9, completion_tokens: 30 })
    const stream = await openai.chat.completions.create({ model: 'gpt-4.1', messages, n: 2, stream: true }, steer({ outputTokens: 10 }))
    const texts = ['', '']
    for await (const { choices } of stream) for (const { index, delta } of choices) texts[index] += delta.content ?? ''
    expect(texts.map(({ length }) => length)).toEqual([40, 40])
    expect(standIn.requests.map(({ billed }) => billed[0]?.usage.outputTokens)).toEqual([30, 20])
  })

  it('stops at the most tokens that the request allows', async () => {
    const answer = await openai.chat.completions.create({ model: 'gpt-4.1', messages, max_completion_tokens: 3 })
    expect(answer.choices[0]?.finish_reason).toBe('length')
    expect(answer.choices[0]?.message.content).toHaveLength(12)
    expect(answer.usage?.completion_tokens).toBe(3)
  })

  it('charges an early leaver for what it was sent, and says that the answer was cut', async () => {
    const stream = await openai.chat.completions.create(
      { model: 'gpt-4.1', messages, stream: true },
      steer({ outputTokens: 1000, chunks: 1000, chunkDelayMs: 1 }),
    )
    let seen = 0
    for await (const chunk of stream) if ((chunk.choices[0]?.delta.content ?? '') !== '' && ++seen === 10) break
    await expect.poll(() => standIn.requests[0]?.cut).toBe(true)
    const charged = standIn.requests[0]?.billed[0]?.usage.outputTokens ?? 0
    expect(charged).toBeGreaterThanOrEqual(10)
    expect(charged).toBeLessThan(1000)
  })

  it('breaks the connection after the asked number of pieces and charges for those', async () => {
    const stream = await openai.chat.completions.create(
      { model: 'gpt-4.1', messages, stream: true, stream_options: { include_usage: true } },
      steer({ outputTokens: 40, chunks: 8, cutAfterChunks: 3 }),
    )
    let text = ''
    await expect(async () => {
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
    }).rejects.toThrow('terminated')
    expect(text).toHaveLength(60)
    expect(standIn.requests[0]).toMatchObject({ cut: true, billed: [{ usage: { inputTokens: 9, outputTokens: 15 } }] })
  })

  it('sends an error event inside a 200 stream', async () => {
    const stream = await openai.chat.completions.create(
      { model: 'gpt-4.1', messages, stream: true },
      steer({ chunks: 4, errorAfterChunks: 2, outputTokens: 8 }),
    )
    await expect(async () => {
      for await (const chunk of stream) expect(chunk.object).toBe('chat.completion.chunk')
    }).rejects.toMatchObject({ message: expect.stringContaining('had an error') })
    expect(standIn.requests[0]).toMatchObject({ status: 200, cut: false, billed: [{ usage: { outputTokens: 4 } }] })
  })
})

describe('responses', () => {
  it('answers and streams the same shape, reasoning included', async () => {
    const directions = { outputTokens: 12, reasoningTokens: 100, cacheReadTokens: 64, chunks: 3 }
    const usage = {
      input_tokens: 67,
      input_tokens_details: { cached_tokens: 64 },
      output_tokens: 112,
      output_tokens_details: { reasoning_tokens: 100 },
      total_tokens: 179,
    }
    const answer = await openai.responses.create({ model: 'gpt-5-mini', input: 'Explain it' }, steer(directions))
    expect(answer.output.map(({ type }) => type)).toEqual(['reasoning', 'message'])
    expect(answer.output_text).toHaveLength(48)
    expect(answer.usage).toEqual(usage)

    const events = []
    for await (const event of openai.responses.stream({ model: 'gpt-5-mini', input: 'Explain it' }, steer(directions))) events.push(event)
    expect(events.map(({ type }) => type)).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.output_item.done',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.delta',
      'response.output_text.delta',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ])
    const last = events.at(-1)
    expect(last?.type === 'response.completed' ? last.response.usage : undefined).toEqual(usage)
    const charged = { ...nothing, inputTokens: 3, cacheReadTokens: 64, outputTokens: 12, reasoningTokens: 100 }
    expect(standIn.requests.map(({ billed }) => billed)).toEqual([1, 2].map(() => [{ model: 'gpt-5-mini-2025-08-07', usage: charged }]))
  })

  it('ends incomplete at max_output_tokens, and failed where it is steered to fail', async () => {
    const answer = await openai.responses.create({ model: 'gpt-4.1', input: 'Hi', max_output_tokens: 2 })
    expect(answer).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } })
    const response = await fetch(`${standIn.url}/v1/responses`, {
      method: 'POST',
      headers: { authorization: 'Bearer any', 'x-stand-in': '{"errorAfterChunks":1,"chunks":3}' },
      body: JSON.stringify({ model: 'gpt-4.1', input: 'Hi', stream: true }),
    })
    const events = [...(await response.text()).matchAll(/^event: (.*)$/gm)].map(([, name]) => name)
    expect(events.slice(-3)).toEqual(['response.output_text.delta', 'error', 'response.failed'])
  })
})

describe('embeddings', () => {
  it('gives equal texts equal vectors of length 1, in both encodings', async () => {
    const answer = await openai.embeddings.create({ model: 'text-embedding-3-small', input: ['one text', 'another', 'one text'] })
    const [first, second, third] = answer.data.map(({ embedding }) => embedding)
    expect(first).toHaveLength(1536)
    expect(first).toEqual(third)
    expect(first).not.toEqual(second)
    expect(Math.hypot(...(first ?? []))).toBeCloseTo(1, 5)
    const floats = await openai.embeddings.create({ model: 'text-embedding-3-small', input: 'one text', encoding_format: 'float' })
    expect(floats.data[0]?.embedding).toEqual(first)
    expect(answer.usage).toEqual({ prompt_tokens: 6, total_tokens: 6 })
    expect(standIn.requests[0]?.billed).toEqual([{ model: 'text-embedding-3-small', usage: { ...nothing, inputTokens: 6 } }])
  })
})
