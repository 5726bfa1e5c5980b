import Anthropic from '@anthropic-ai/sdk'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { startStandIn, type StandIn } from '../src/index.ts'

let standIn: StandIn
let anthropic: Anthropic
beforeEach(async () => {
  standIn = await startStandIn({ seed: 7 })
  anthropic = new Anthropic({ apiKey: 'any', baseURL: standIn.url, maxRetries: 0 })
})
afterEach(() => standIn.close())

const request = { model: 'claude-haiku-4-5', max_tokens: 500, messages: [{ role: 'user' as const, content: 'What is the total?' }] }
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

describe('messages', () => {
  it('counts cached tokens beside the input and splits writes by their life', async () => {
    const directions = {
      inputTokens: 3,
      cacheReadTokens: 1111,
      cacheWrite5mTokens: 418,
      cacheWrite1hTokens: 200,
      outputTokens: 33,
      reasoningTokens: 7,
    }
    const answer = await anthropic.messages.create(request, steer(directions))
    expect(answer.usage).toEqual({
      input_tokens: 3,
      cache_creation_input_tokens: 618,
      cache_read_input_tokens: 1111,
      cache_creation: { ephemeral_5m_input_tokens: 418, ephemeral_1h_input_tokens: 200 },
      output_tokens: 40,
      output_tokens_details: { thinking_tokens: 7 },
      service_tier: 'standard',
    })
    expect(answer.content.map(({ type }) => type)).toEqual(['thinking', 'text'])
    expect(standIn.requests[0]).toMatchObject({ path: '/v1/messages', status: 200, responseId: answer.id })
    expect(standIn.requests[0]?.billed).toEqual([{ model: 'claude-haiku-4-5-20251001', usage: { ...nothing, ...directions } }])
  })

  it('streams what the SDK puts together to the same message and the same usage', async () => {
    const directions = { cacheReadTokens: 10, cacheWrite1hTokens: 20, outputTokens: 24, reasoningTokens: 8, chunks: 4 }
    const events: string[] = []
    const stream = anthropic.messages.stream(request, steer(directions))
    stream.on('streamEvent', ({ type }) => events.push(type))
    const streamed = await stream.finalMessage()
    expect(events).toEqual([
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'content_block_start',
      ...Array.from({ length: 4 }, () => 'content_block_delta'),
      'content_block_stop',
      'message_delta',
      'message_stop',
    ])
    const whole = await anthropic.messages.create(request, steer(directions))
    expect(streamed.usage).toMatchObject({ input_tokens: whole.usage.input_tokens, output_tokens: 32, cache_creation_input_tokens: 20 })
    expect(streamed.content.at(-1)).toMatchObject({ type: 'text', text: expect.stringMatching(/^.{96}$/s) })
    expect(standIn.requests[0]?.billed).toEqual(standIn.requests[1]?.billed)
  })

  it('lets message_delta outgrow message_start where the provider searched', async () => {
    const stream = await anthropic.messages.create({ ...request, stream: true }, steer({ webSearches: 2 }))
    const inputs = []
    for await (const event of stream) {
      if (event.type === 'message_start') inputs.push(event.message.usage.input_tokens)
      if (event.type === 'message_delta') inputs.push(event.usage.input_tokens, event.usage.server_tool_use?.web_search_requests)
    }
    expect(inputs).toEqual([5, 4005, 2])
    expect(standIn.requests[0]?.billed[0]?.usage).toMatchObject({ inputTokens: 4005, webSearches: 2 })
  })

  it('charges every iteration at its own model, and sums up as Anthropic does', async () => {
    const iterations = [
      { type: 'compaction', inputTokens: 60385, outputTokens: 592 },
      { type: 'message', inputTokens: 682, outputTokens: 120 },
      { type: 'advisor_message', model: 'claude-opus-4-8', inputTokens: 2728, outputTokens: 874 },
      { type: 'message', inputTokens: 18, outputTokens: 30 },
    ]
    const answer = await anthropic.messages.create(request, steer({ iterations }))
    expect(answer.usage).toMatchObject({ input_tokens: 700, output_tokens: 150 })
    expect((answer.usage as { iterations?: unknown[] }).iterations).toHaveLength(4)
    expect(standIn.requests[0]?.billed).toEqual(
      iterations.map(({ model, inputTokens, outputTokens }) => ({
        model: model ?? 'claude-haiku-4-5-20251001',
        usage: { ...nothing, inputTokens, outputTokens },
      })),
    )
  })

  it('answers as the model that was asked, also when an advisor came last', async () => {
    const iterations = [
      { type: 'message', inputTokens: 9, outputTokens: 3 },
      { type: 'advisor_message', model: 'claude-opus-4-8', inputTokens: 2728, outputTokens: 874 },
    ]
    const answer = await anthropic.messages.create(request, steer({ iterations }))
    expect(answer).toMatchObject({ model: 'claude-haiku-4-5-20251001', usage: { input_tokens: 9, output_tokens: 3 } })
    expect(standIn.requests[0]?.billed.map(({ model }) => model)).toEqual([answer.model, 'claude-opus-4-8'])
  })

  it('shows only the model that answered after a fallback, and charges both', async () => {
    const iterations = [
      { type: 'message', inputTokens: 408, outputTokens: 0 },
      { type: 'fallback_message', model: 'claude-opus-4-8', inputTokens: 412, outputTokens: 264 },
    ]
    const answer = await anthropic.messages.create(request, steer({ iterations }))
    expect(answer).toMatchObject({ model: 'claude-opus-4-8', usage: { input_tokens: 412, output_tokens: 264 } })
    expect(standIn.requests[0]?.billed.map(({ usage }) => usage.inputTokens)).toEqual([408, 412])
  })

  it('fails in the middle of a stream with an overloaded_error event', async () => {
    const stream = await anthropic.messages.create({ ...request, stream: true }, steer({ chunks: 4, errorAfterChunks: 1, outputTokens: 8 }))
    await expect(async () => {
      for await (const event of stream) expect(event.type).not.toBe('message_stop')
    }).rejects.toMatchObject({ message: expect.stringContaining('overloaded_error') })
    expect(standIn.requests[0]?.billed[0]?.usage.outputTokens).toBe(2)
  })

  it('counts tokens without charging for them', async () => {
    const { input_tokens: inputTokens } = await anthropic.messages.countTokens({ model: request.model, messages: request.messages })
    expect(inputTokens).toBe(5)
    expect(standIn.requests[0]).toMatchObject({ path: '/v1/messages/count_tokens', status: 200, billed: [] })
  })

  it('stops at max_tokens', async () => {
    const answer = await anthropic.messages.create({ ...request, max_tokens: 2 })
    expect(answer).toMatchObject({ stop_reason: 'max_tokens', usage: { output_tokens: 2 } })
  })
})
