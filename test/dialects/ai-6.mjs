// The Vercel AI SDK 6: identity in the metadata of its telemetry.
import { createAnthropic } from '@ai-sdk/anthropic-v3'
import { createOpenAI } from '@ai-sdk/openai-v3'
import { embed, generateText, streamText } from 'ai-v6'

import { promptOf, run, standIn, startTracing } from './app.mjs'

const provider = startTracing()
const openai = createOpenAI({ apiKey: 'any', baseURL: `${standIn}/v1` })
const anthropic = createAnthropic({ apiKey: 'any', baseURL: `${standIn}/v1` })
const telemetryOf = ({ user, session, plan }) => ({
  experimental_telemetry: {
    isEnabled: true,
    functionId: 'ask',
    metadata: user === undefined ? {} : { userId: user, sessionId: session, plan },
  },
  maxRetries: 0,
})
const ask = (model) => async (call) => {
  const options = { model: model(call.model), prompt: promptOf(call), ...telemetryOf(call) }
  if (call.stream !== true) return generateText(options)
  const { textStream } = streamText(options)
  for await (const _ of textStream) if (call.leave === true) break
}
await run({
  chat: ask((model) => openai.chat(model)),
  responses: ask((model) => openai.responses(model)),
  messages: ask((model) => anthropic(model)),
  embeddings: (call) => embed({ model: openai.embedding(call.model), value: promptOf(call), ...telemetryOf(call) }),
})
await provider.shutdown()
