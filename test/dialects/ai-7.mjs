// The Vercel AI SDK 7 with @ai-sdk/otel: identity by enrichSpan, or, with --context, as runtime context.
import { AsyncLocalStorage } from 'node:async_hooks'

import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAI } from '@ai-sdk/openai'
import { OpenTelemetry } from '@ai-sdk/otel'
import { embed, generateText, registerTelemetry, streamText } from 'ai'

import { promptOf, run, standIn, startTracing } from './app.mjs'

const byContext = process.argv.includes('--context')
const provider = startTracing()
const who = new AsyncLocalStorage()
registerTelemetry(
  new OpenTelemetry(
    byContext
      ? { runtimeContext: true, usage: true }
      : {
          usage: true,
          enrichSpan: () => {
            const { user, session, plan } = who.getStore() ?? {}
            return user === undefined ? {} : { 'user.id': user, 'session.id': session, 'property.plan': plan }
          },
        },
  ),
)
const openai = createOpenAI({ apiKey: 'any', baseURL: `${standIn}/v1` })
const anthropic = createAnthropic({ apiKey: 'any', baseURL: `${standIn}/v1` })
const contextOf = ({ user, session, plan }) =>
  byContext && user !== undefined
    ? {
        runtimeContext: { userId: user, sessionId: session, plan },
        telemetry: { includeRuntimeContext: { userId: true, sessionId: true, plan: true } },
      }
    : {}
const ask = (model) => (call) =>
  who.run(call, async () => {
    const options = { model: model(call.model), prompt: promptOf(call), maxRetries: 0, ...contextOf(call) }
    if (call.stream !== true) return generateText(options)
    const { textStream } = streamText(options)
    for await (const _ of textStream) if (call.leave === true) break
  })
await run({
  chat: ask((model) => openai.chat(model)),
  responses: ask((model) => openai.responses(model)),
  messages: ask((model) => anthropic(model)),
  embeddings: (call) => who.run(call, () => embed({ model: openai.embedding(call.model), value: promptOf(call), maxRetries: 0 })),
})
await provider.shutdown()
