import { createRequire } from 'node:module'

import type OpenAI from 'openai'

/** A copy of the openai SDK that shares nothing with other copies: what patches one leaves the others alone. */
export interface OpenAiModule {
  readonly OpenAI: typeof OpenAI
}

/** Loads the openai SDK anew, past the module cache. */
export function loadOpenAi(): OpenAiModule {
  const require = createRequire(import.meta.url)
  const entry = require.resolve('openai')
  const folder = entry.slice(0, entry.lastIndexOf('openai') + 'openai'.length)
  for (const path of Object.keys(require.cache)) if (path.startsWith(folder)) delete require.cache[path]
  return require(entry) as OpenAiModule
}

const json = { 'content-type': 'application/json' }
const sse = { 'content-type': 'text/event-stream' }

const usage = {
  prompt_tokens: 1200,
  completion_tokens: 160,
  total_tokens: 1360,
  prompt_tokens_details: { cached_tokens: 1024, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 64, audio_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 },
}

const head = { id: 'chatcmpl-bench', created: 1_760_000_000, model: 'gpt-4o-mini-2024-07-18', service_tier: 'default' }

const plainBody = JSON.stringify({
  ...head,
  object: 'chat.completion',
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: 'An answer of some length. '.repeat(20), refusal: null },
      logprobs: null,
      finish_reason: 'stop',
    },
  ],
  usage,
})

function chunkEvent(choices: unknown[], more: object = { usage: null }): string {
  return `data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', choices, ...more })}\n\n`
}

/** A stream of `chunks` pieces of text, ending with the usage, as `stream_options.include_usage` asks for. */
function streamBody(chunks: number): string {
  const texts = Array.from({ length: chunks }, (_, n) =>
    chunkEvent([{ index: 0, delta: n === 0 ? { role: 'assistant', content: '' } : { content: ` word${n}` }, finish_reason: null }]),
  )
  const last = [chunkEvent([{ index: 0, delta: {}, finish_reason: 'stop' }]), chunkEvent([], { usage }), 'data: [DONE]\n\n']
  return [...texts, ...last].join('')
}

/**
 * A client whose fetch answers from memory: no socket, so that what is measured is the SDK and what is added to it. The answer
 * comes a turn of the event loop later, as from any network: whatever a processor has put off until then gets its turn too.
 */
export function clientOf({ OpenAI: Client }: OpenAiModule, chunks: number): OpenAI {
  const stream = streamBody(chunks)
  return new Client({
    apiKey: 'none',
    baseURL: 'https://api.openai.com/v1',
    fetch: (_url, init) => {
      const streamed = typeof init?.body === 'string' && init.body.includes('"stream":true')
      return new Promise((resolve) => {
        setImmediate(() => resolve(new Response(streamed ? stream : plainBody, { status: 200, headers: streamed ? sse : json })))
      })
    },
  })
}

export async function plainCall(client: OpenAI): Promise<void> {
  await client.chat.completions.create({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'A question.' }] })
}

/** @returns how many chunks came */
export async function streamedCall(client: OpenAI): Promise<number> {
  const stream = await client.chat.completions.create({
    model: 'gpt-4o-mini',
    messages: [{ role: 'user', content: 'A question.' }],
    stream: true,
    stream_options: { include_usage: true },
  })
  let chunks = 0
  for await (const chunk of stream) if (chunk.object === 'chat.completion.chunk') chunks++
  return chunks
}
