import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { startStandIn, type StandIn } from '../src/index.ts'

const shared = fileURLToPath(new URL('../../../../shared/data/recordings', import.meta.url))

let standIn: StandIn
beforeAll(async () => {
  standIn = await startStandIn({ seed: 1 })
})
afterAll(() => standIn.close())

const user = { role: 'user', content: 'Hi' }
const claude = { model: 'claude-haiku-4-5', max_tokens: 100, messages: [user] }
const iterations = [
  { type: 'message', inputTokens: 1, outputTokens: 1 },
  { type: 'advisor_message', model: 'claude-opus-4-8', inputTokens: 1, outputTokens: 1 },
]

const isPresent = existsSync(shared)
describe.skipIf(!isPresent)(`every field of an answer${isPresent ? '' : ' (skipped: ../shared not present)'}`, () => {
  it.each([
    ['openai', '/v1/chat/completions', { model: 'gpt-4.1', messages: [user] }, { cacheWrite5mTokens: 1 }],
    ['openai', '/v1/chat/completions', { model: 'gpt-4.1', messages: [user], stream: true, stream_options: { include_usage: true } }, {}],
    ['openai', '/v1/responses', { model: 'gpt-5-mini', input: 'Hi' }, { reasoningTokens: 9, cacheWrite5mTokens: 1 }],
    ['openai', '/v1/responses', { model: 'gpt-5-mini', input: 'Hi', stream: true }, { reasoningTokens: 9 }],
    ['openai', '/v1/responses', { model: 'gpt-5-mini', input: 'Hi', stream: true }, { errorAfterChunks: 0 }],
    ['openai', '/v1/chat/completions', { model: 'gpt-nonexistent', messages: [user] }, {}],
    ['anthropic', '/v1/messages', claude, { reasoningTokens: 9, webSearches: 1, cacheWrite1hTokens: 1 }],
    ['anthropic', '/v1/messages', claude, { iterations }],
    ['anthropic', '/v1/messages', { ...claude, stream: true }, { reasoningTokens: 9, webSearches: 1 }],
    ['anthropic', '/v1/messages', { ...claude, stream: true }, { iterations }],
    ['anthropic', '/v1/messages', { ...claude, model: 'claude-nonexistent' }, {}],
  ])('is one that %s sends: %s %j %j', async (provider, path, body, directions) => {
    const response = await fetch(standIn.url + path, {
      method: 'POST',
      headers: { authorization: 'Bearer any', 'x-stand-in': JSON.stringify(directions) },
      body: JSON.stringify(body),
    })
    const known = fieldsOfRecordings(provider, path)
    expect(known.size).toBeGreaterThan(10)
    const ours = new Set(messagesOf(await response.text()).flatMap(fieldsOf))
    expect([...ours].filter((field) => !known.has(field))).toEqual([])
  })
})

/** The fields of every answer that was recorded at a path, as `type: a.b.c`. */
function fieldsOfRecordings(provider: string, path: string): Set<string> {
  const fields = readdirSync(`${shared}/${provider}`).flatMap((file) => {
    const { request, response } = JSON.parse(readFileSync(`${shared}/${provider}/${file}`, 'utf8')) as Recording
    if (new URL(request?.url ?? 'http://none').pathname !== path) return []
    const { sse, body } = response
    return (sse === undefined ? [body] : messagesOf(sse)).flatMap(fieldsOf)
  })
  return new Set(fields)
}

interface Recording {
  readonly request?: { readonly url: string }
  readonly response: { readonly sse?: string; readonly body?: unknown }
}

/** The data of server-sent events, or the one JSON body. */
function messagesOf(text: string): unknown[] {
  if (text.startsWith('{')) return [JSON.parse(text)]
  const data = [...text.matchAll(/^data: (.*)$/gm)].map(([, json]) => json ?? '').filter((json) => json !== '[DONE]')
  return data.flatMap(parsed)
}

/** Recordings are trimmed, some of them in the middle of a value; such an event says nothing. */
function parsed(json: string): unknown[] {
  try {
    return [JSON.parse(json)]
  } catch {
    return []
  }
}

function fieldsOf(value: unknown): string[] {
  return nestedFields(value, '')
}

function nestedFields(value: unknown, path: string): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => nestedFields(item, path))
  if (typeof value !== 'object' || value === null) return []
  const type = 'type' in value && path === '' ? `${String(value.type)}: ` : path
  return Object.entries(value).flatMap(([key, nested]) => [`${type}${key}`].concat(nestedFields(nested, `${type}${key}.`)))
}
