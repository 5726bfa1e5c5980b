// What all programs here share: where they send to, and the calls they make. Environment: STAND_IN_URL, OTLP_URL.
import { readFileSync } from 'node:fs'

import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node'

export const standIn = process.env.STAND_IN_URL
export const otlp = process.env.OTLP_URL

/** An app's own SDK, which exports everything by OTLP. */
export function startTracing(...processors) {
  const exporter = new OTLPTraceExporter({ url: `${otlp}/v1/traces` })
  const provider = new NodeTracerProvider({ spanProcessors: [...processors, new BatchSpanProcessor(exporter)] })
  provider.register()
  return provider
}

/** Makes the calls of the plan for which there is a way, one after the other; a way is asked for the call of an API. */
export async function run(ways) {
  const plan = JSON.parse(readFileSync(new URL('plan.json', import.meta.url), 'utf8'))
  for (const call of plan) {
    if (ways[call.api] === undefined) continue
    try {
      await ways[call.api](call)
    } catch (error) {
      if (call.charge.status === undefined) throw error
    }
  }
}

/** What a call says to the model; what it is to be charged, and which it is, stand in it. */
export function promptOf({ id, charge }) {
  return `[stand-in ${JSON.stringify(charge)}] [call ${id}] Name a holiday.`
}

/** The ways of an `openai` client, wrapped in whatever says whose the call is. */
export function openaiWays(client, as) {
  return {
    chat: (call) =>
      as(call, async () => {
        const body = { model: call.model, messages: [{ role: 'user', content: promptOf(call) }] }
        if (call.stream !== true) return client.chat.completions.create(body)
        const options = { ...body, stream: true, stream_options: { include_usage: true } }
        for await (const _ of await client.chat.completions.create(options)) if (call.leave === true) break
      }),
    responses: (call) => as(call, async () => client.responses.create({ model: call.model, input: promptOf(call) })),
    embeddings: (call) => as(call, async () => client.embeddings.create({ model: call.model, input: promptOf(call) })),
  }
}

/** The ways of an `@anthropic-ai/sdk` client. */
export function anthropicWays(client, as) {
  return {
    messages: (call) =>
      as(call, async () => {
        const body = { model: call.model, max_tokens: 1000, messages: [{ role: 'user', content: promptOf(call) }] }
        if (call.stream !== true) return client.messages.create(body)
        for await (const _ of await client.messages.create({ ...body, stream: true }));
      }),
  }
}

/** The ways of the Vercel AI SDK up to 6, which is told whose a call is with the call. */
export function vercelWays({ embed, generateText, streamText }, { openai, anthropic }) {
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
  return {
    chat: ask((model) => openai.chat(model)),
    responses: ask((model) => openai.responses(model)),
    messages: ask((model) => anthropic(model)),
    embeddings: (call) => embed({ model: openai.embedding(call.model), value: promptOf(call), ...telemetryOf(call) }),
  }
}
