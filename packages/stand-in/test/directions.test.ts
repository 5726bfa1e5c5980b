import Anthropic, { NotFoundError as AnthropicNotFoundError, RateLimitError as AnthropicRateLimitError } from '@anthropic-ai/sdk'
import OpenAI, { APIConnectionTimeoutError, AuthenticationError, InternalServerError, NotFoundError, RateLimitError } from 'openai'
import { afterEach, beforeEach, expect, it } from 'vitest'

import { startStandIn, type StandIn } from '../src/index.ts'

let standIn: StandIn
let openai: OpenAI
let anthropic: Anthropic
beforeEach(async () => {
  standIn = await startStandIn({ seed: 7 })
  openai = new OpenAI({ apiKey: 'any', baseURL: `${standIn.url}/v1`, maxRetries: 0 })
  anthropic = new Anthropic({ apiKey: 'any', baseURL: standIn.url, maxRetries: 0 })
})
afterEach(() => standIn.close())

const ask = (content: string, model = 'gpt-4o-mini'): Promise<OpenAI.ChatCompletion> =>
  openai.chat.completions.create({ model, messages: [{ role: 'user', content }] })
const message = (content: string, model = 'claude-haiku-4-5'): Promise<unknown> =>
  anthropic.messages.create({ model, max_tokens: 10, messages: [{ role: 'user', content }] })
const post = async (
  path: string,
  body: string,
  headers: Record<string, string> = { authorization: 'Bearer any' },
): Promise<[number, unknown]> => {
  const response = await fetch(standIn.url + path, { method: 'POST', headers, body })
  return [response.status, await response.json()]
}

it('reads directions from the header, the model or the last message, in that order, and takes the markers out', async () => {
  const answer = await openai.chat.completions.create(
    {
      model: 'gpt-4o-mini [stand-in {"reasoningTokens":5,"outputTokens":2}]',
      messages: [{ role: 'user', content: [{ type: 'text', text: 'Four [stand-in {"cacheReadTokens":9,"reasoningTokens":1}]' }] }],
    },
    { headers: { 'x-stand-in': '{"outputTokens":3}' } },
  )
  expect(standIn.requests[0]?.billed).toEqual([
    {
      model: 'gpt-4o-mini-2024-07-18',
      usage: {
        inputTokens: 1,
        cacheReadTokens: 9,
        cacheWrite5mTokens: 0,
        cacheWrite1hTokens: 0,
        outputTokens: 3,
        reasoningTokens: 5,
        webSearches: 0,
      },
    },
  ])
  expect(answer.model).toBe('gpt-4o-mini-2024-07-18')
})

it('refuses directions that it does not know, so that no test is steered wrongly', async () => {
  await expect(ask('Hi [stand-in {"reasoning":5}]')).rejects.toMatchObject({
    status: 400,
    message: expect.stringContaining('unknown direction "reasoning"'),
  })
  await expect(ask('Hi [stand-in {"status":"429"}]')).rejects.toMatchObject({
    status: 400,
    message: expect.stringContaining('"status" is not a count'),
  })
  await expect(ask('Hi [stand-in {oops}]')).rejects.toMatchObject({ status: 400, message: expect.stringContaining('not JSON') })
})

it('answers errors that each SDK turns into its own class', async () => {
  await expect(ask('[stand-in {"status":429,"retryAfterS":2}]')).rejects.toSatisfy(
    (error) => error instanceof RateLimitError && error.code === 'rate_limit_exceeded' && error.headers.get('retry-after') === '2',
  )
  await expect(ask('[stand-in {"status":401}]')).rejects.toBeInstanceOf(AuthenticationError)
  await expect(ask('[stand-in {"status":500}]')).rejects.toBeInstanceOf(InternalServerError)
  await expect(ask('Hi', 'gpt-nonexistent')).rejects.toSatisfy(
    (error) => error instanceof NotFoundError && error.code === 'model_not_found',
  )
  await expect(message('[stand-in {"status":529}]')).rejects.toMatchObject({ status: 529, error: { error: { type: 'overloaded_error' } } })
  await expect(message('[stand-in {"status":429}]')).rejects.toBeInstanceOf(AnthropicRateLimitError)
  await expect(message('Hi', 'gpt-4o-mini')).rejects.toBeInstanceOf(AnthropicNotFoundError)
  expect(standIn.requests.map(({ status }) => status)).toEqual([429, 401, 500, 404, 529, 429, 404])
  expect(standIn.requests.flatMap(({ billed }) => billed)).toEqual([])
})

it('fails the asked number of times and then answers, and starts again for the next round', async () => {
  const patient = openai.withOptions({ maxRetries: 2 })
  const request = {
    model: 'gpt-4o-mini',
    messages: [{ role: 'user' as const, content: 'Hi [stand-in {"failures":2,"status":503,"retryAfterS":0}]' }],
  }
  await patient.chat.completions.create(request)
  await patient.chat.completions.create(request)
  expect(standIn.requests.map(({ status }) => status)).toEqual([503, 503, 200, 503, 503, 200])
  expect(standIn.requests.map(({ billed }) => billed.length)).toEqual([0, 0, 1, 0, 0, 1])
})

it('refuses what the providers refuse', async () => {
  const messages = [{ role: 'user', content: 'Hi' }]
  const chat = (body: object): Promise<[number, unknown]> => post('/v1/chat/completions', JSON.stringify(body))
  const messagesPath = (body: object): Promise<[number, unknown]> => post('/v1/messages', JSON.stringify(body), { 'x-api-key': 'any' })
  expect(await chat({ model: 'gpt-4o-mini', messages, headers: {} })).toEqual([
    400,
    { error: { message: "Unknown parameter: 'headers'.", type: 'invalid_request_error', param: 'headers', code: 'unknown_parameter' } },
  ])
  expect((await chat({ messages }))[0]).toBe(400)
  expect((await chat({ model: 'gpt-4o-mini', messages: [] }))[0]).toBe(400)
  expect((await chat({ model: 'gpt-4o-mini', messages: ['Hi'] }))[0]).toBe(400)
  expect((await post('/v1/chat/completions', '{'))[0]).toBe(400)
  expect((await post('/v1/chat/completions', '[]'))[0]).toBe(400)
  expect((await post('/v1/embeddings', '{"model":"text-embedding-3-small","input":[]}'))[0]).toBe(400)
  expect((await post('/v1/responses', '{"model":"gpt-4.1"}'))[0]).toBe(400)
  expect(await messagesPath({ model: 'claude-haiku-4-5', messages })).toMatchObject([
    400,
    { error: { message: 'max_tokens: Field required' } },
  ])
  expect(await messagesPath({ model: 'claude-haiku-4-5', max_tokens: 1, messages, user: 'u' })).toMatchObject([
    400,
    { type: 'error', error: { type: 'invalid_request_error', message: 'user: Extra inputs are not permitted' } },
  ])
  expect((await post('/v1/nothing', '{}'))[0]).toBe(404)
  expect((await post('/v1/chat/completions', JSON.stringify({ model: 'gpt-4o-mini', messages }), {}))[0]).toBe(401)
})

it('answers the same with the same seed, however many ask at once, under ids that are all different', async () => {
  const other = await startStandIn({ seed: 7 })
  const prompts = Array.from({ length: 50 }, (_, index) => `Question ${index}`)
  const first = await Promise.all(prompts.map((prompt) => ask(prompt)))
  openai = new OpenAI({ apiKey: 'any', baseURL: `${other.url}/v1` })
  const second = await Promise.all(prompts.toReversed().map((prompt) => ask(prompt)))
  await other.close()
  expect(second.toReversed().map(({ choices, usage }) => ({ choices, usage }))).toEqual(
    first.map(({ choices, usage }) => ({ choices, usage })),
  )
  expect(new Set(first.map(({ id }) => id)).size).toBe(50)
})

it('keeps what it charged to itself where it is asked to omit the usage', async () => {
  const answer = await ask('Hi [stand-in {"omitUsage":true}]')
  expect(answer.usage).toBeUndefined()
  expect(standIn.requests[0]?.billed[0]?.usage.inputTokens).toBe(1)
})

it('waits as long as it is asked to', async () => {
  await expect(
    openai.chat.completions.create(
      { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hi [stand-in {"latencyMs":60000}]' }] },
      { timeout: 50 },
    ),
  ).rejects.toBeInstanceOf(APIConnectionTimeoutError)
})
