// @langfuse/otel with @langfuse/openai: identity by propagateAttributes.
import { observeOpenAI } from '@langfuse/openai'
import { LangfuseSpanProcessor } from '@langfuse/otel'
import { propagateAttributes, startActiveObservation } from '@langfuse/tracing'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node'
import OpenAI from 'openai'

import { openaiWays, otlp, run, standIn } from './app.mjs'

const processor = new LangfuseSpanProcessor({
  publicKey: 'any',
  secretKey: 'any',
  baseUrl: otlp,
  exporter: new OTLPTraceExporter({ url: `${otlp}/v1/traces` }),
})
const provider = new NodeTracerProvider({ spanProcessors: [processor] })
provider.register()
const client = observeOpenAI(new OpenAI({ apiKey: 'any', baseURL: `${standIn}/v1`, maxRetries: 0 }))
await run(
  openaiWays(client, ({ user, session, plan }, make) => {
    const observed = () => startActiveObservation('ask', make)
    return user === undefined ? observed() : propagateAttributes({ userId: user, sessionId: session, metadata: { plan } }, observed)
  }),
)
await provider.shutdown()
