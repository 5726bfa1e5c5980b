// @traceloop/instrumentation-openai and -anthropic without Traceloop's own SDK: the app puts the user on a span above.
import { createRequire } from 'node:module'

import { trace } from '@opentelemetry/api'
import { AnthropicInstrumentation } from '@traceloop/instrumentation-anthropic'
import { OpenAIInstrumentation } from '@traceloop/instrumentation-openai'

import { anthropicWays, openaiWays, run, standIn, startTracing } from './app.mjs'

const require = createRequire(import.meta.url)
const provider = startTracing()
for (const instrumentation of [new OpenAIInstrumentation(), new AnthropicInstrumentation()]) instrumentation.setTracerProvider(provider)
const OpenAI = require('openai').OpenAI
const Anthropic = require('@anthropic-ai/sdk').Anthropic
const as = ({ user, session, plan }, make) => {
  const attributes = user === undefined ? {} : { 'user.id': user, 'session.id': session, 'property.plan': plan }
  return trace.getTracer('app').startActiveSpan('POST /ask', { attributes }, (span) => make().finally(() => span.end()))
}
await run({
  ...openaiWays(new OpenAI({ apiKey: 'any', baseURL: `${standIn}/v1`, maxRetries: 0 }), as),
  // Its own spans off: what the instrumentation says by itself is what is looked at.
  ...anthropicWays(new Anthropic({ apiKey: 'any', baseURL: standIn, maxRetries: 0, openTelemetry: false }), as),
})
await provider.shutdown()
