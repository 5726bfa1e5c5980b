// @anthropic-ai/sdk by itself: spans of its own, beside those of whoever else instruments it.
import { createRequire } from 'node:module'

import { trace } from '@opentelemetry/api'
import { AnthropicInstrumentation } from '@traceloop/instrumentation-anthropic'

import { anthropicWays, run, standIn, startTracing } from './app.mjs'

const provider = startTracing()
if (process.argv.includes('--twice')) new AnthropicInstrumentation().setTracerProvider(provider)
const { Anthropic } = createRequire(import.meta.url)('@anthropic-ai/sdk')
await run(
  anthropicWays(new Anthropic({ apiKey: 'any', baseURL: standIn, maxRetries: 0 }), ({ user, session, plan }, make) => {
    const attributes = user === undefined ? {} : { 'user.id': user, 'session.id': session, 'property.plan': plan }
    return trace.getTracer('app').startActiveSpan('POST /ask', { attributes }, (span) => make().finally(() => span.end()))
  }),
)
await provider.shutdown()
