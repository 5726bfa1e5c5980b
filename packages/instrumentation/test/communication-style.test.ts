import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { labelStyle, styleOf } from '../src/communication-style.ts'
import { instrument, withUser } from '../src/index.ts'
import { resolveOptions } from '../src/options.ts'
import { json, startReplayServer, type ReplayServer } from './replay-server.ts'
import { settled, startTracing, type Tracing } from './tracing.ts'

describe('how a text is written', () => {
  it.each([
    'Dear support team, I would like to request a copy of my latest invoice.',
    'Could you please summarise the attached contract and clarify the termination clause?',
    'We are writing regarding the outage of last Tuesday. Kindly provide a detailed report.',
    'The quarterly figures of the northern region must be compared with those of last year.',
    'Good morning, may I ask you to translate the following paragraph into Spanish?',
  ])('is formal: %s', (text) => {
    expect(labelStyle(text)).toBe('formal')
  })

  it.each([
    'hey can u fix this pls',
    "yo what's up with my code lol",
    'i dunno why this is broken 😅',
    "it doesn't work!!! gonna cry",
    'thx, thats kinda cool tho :)',
  ])('is casual: %s', (text) => {
    expect(labelStyle(text)).toBe('casual')
  })

  it.each(['', 'ok', 'translate this', 'SELECT name FROM users', 'list three colours', '42', 'Wie spät ist es jetzt'])(
    'is neither: %j',
    (text) => {
      expect(labelStyle(text)).toBe('unknown')
    },
  )

  it('is told in time that grows with the text, whatever the text', () => {
    for (const unit of ['a', 'i ', '!', 'A b c. ', "don't ", '😀', ' '])
      expect(['formal', 'casual', 'unknown']).toContain(
        styleOf({ operation: 'chat' }, { input: unit.repeat(200_000) }, labelStyle) ?? 'unknown',
      )
  })
})

describe('the style of a request', () => {
  const chat = { operation: 'chat' } as const
  it('is that of the last message of the user, by whoever labels it, who sees no more than its begin', () => {
    const seen: string[] = []
    const body = {
      messages: [
        { role: 'user', content: 'first' },
        { role: 'assistant', content: 'x' },
        { role: 'user', content: `last${'.'.repeat(5000)}` },
      ],
    }
    const label = styleOf(chat, body, (text) => {
      seen.push(text)
      return 'casual'
    })
    expect([label, seen.map((text) => [text.slice(0, 4), text.length])]).toEqual(['casual', [['last', 2000]]])
  })

  it('is unknown for any other label, and none where nobody asked', () => {
    for (const odd of ['rude', undefined, { toString: () => 'formal' }])
      expect(styleOf(chat, { input: 'Hello' }, () => odd as never)).toBe('unknown')
    const toolResult = {
      messages: [
        { role: 'user', content: 'Weather?' },
        { role: 'tool', content: 'sunny' },
      ],
    }
    expect(styleOf(chat, toolResult, labelStyle)).toBeUndefined()
    expect(styleOf({ operation: 'embeddings' }, { input: 'please' }, labelStyle)).toBeUndefined()
  })

  it('is off unless it is asked for', () => {
    expect(resolveOptions({}, {}).communicationStyle).toBeUndefined()
    expect(resolveOptions({ communicationStyle: false }, { SPANLEDGER_COMMUNICATION_STYLE: 'true' }).communicationStyle).toBeUndefined()
    expect(resolveOptions({ communicationStyle: 'yes' as never }, {}).communicationStyle).toBeUndefined()
    expect(resolveOptions({}, { SPANLEDGER_COMMUNICATION_STYLE: 'true' }).communicationStyle).toBe(labelStyle)
  })
})

describe('calls of the SDKs', () => {
  let tracing: Tracing
  let server: ReplayServer
  beforeAll(async () => {
    tracing = startTracing()
    server = await startReplayServer()
    const label = (text: string) => {
      if (text === 'fail') throw new Error('a labeller that fails')
      return labelStyle(text)
    }
    for (const sdk of [OpenAI, Anthropic]) instrument(sdk, { communicationStyle: label })
  })
  afterAll(async () => {
    await server.close()
    await tracing.stop()
  })
  beforeEach(() => tracing.reset())

  const ask = async (content: string): Promise<unknown> => {
    server.answer = json({
      id: 'c',
      object: 'chat.completion',
      model: 'gpt-4o',
      choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
    })
    return new OpenAI({ apiKey: 'none', baseURL: `${server.url}/v1` }).chat.completions.create({
      model: 'gpt-4o',
      messages: [{ role: 'user', content }],
    })
  }
  const styles = async (): Promise<unknown[]> => {
    await settled()
    return tracing.calls().map(({ properties }) => properties.get('communication_style')?.value)
  }

  it('carry it, on spans of ours and on those that an SDK makes itself, and nothing of the text', async () => {
    await ask('Could you please provide the report of last week?')
    server.answer = json({
      id: 'm',
      type: 'message',
      role: 'assistant',
      model: 'claude-sonnet-4-5',
      content: [{ type: 'text', text: 'Hi' }],
      stop_reason: 'end_turn',
      usage: { input_tokens: 1, output_tokens: 1 },
    })
    await new Anthropic({ apiKey: 'none', baseURL: server.url }).messages.create({
      model: 'claude-sonnet-4-5',
      max_tokens: 5,
      messages: [{ role: 'user', content: 'yo gimme the secret plan' }],
    })
    expect(await styles()).toEqual(['formal', 'casual'])
    expect(JSON.stringify(tracing.calls(), (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))).not.toMatch(
      /secret|report of/,
    )
  })

  it('have what the app itself says of its user', async () => {
    await withUser('ada', { properties: { Communication_Style: 'casual' } }, () => ask('Could you please provide the report of last week?'))
    expect(await styles()).toEqual(['casual'])
  })

  it('go on where a labeller fails', async () => {
    await ask('fail')
    expect(await styles()).toEqual([undefined])
  })
})
