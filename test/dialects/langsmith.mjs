// langsmith's OpenTelemetry export with wrapOpenAI: identity in the metadata of the run.
import OpenAI from 'openai'

import { openaiWays, otlp, run, standIn, startTracing } from './app.mjs'

Object.assign(process.env, {
  LANGSMITH_TRACING: 'true',
  LANGSMITH_OTEL_ENABLED: 'true',
  LANGSMITH_API_KEY: 'any',
  LANGSMITH_ENDPOINT: otlp,
})
const provider = startTracing()
const { initializeOTEL } = await import('langsmith/experimental/otel/setup')
initializeOTEL({ globalTracerProvider: provider, skipGlobalContextManagerSetup: true })
const { traceable } = await import('langsmith/traceable')
const { wrapOpenAI } = await import('langsmith/wrappers')
const { Client } = await import('langsmith')
const langsmith = new Client()
const client = wrapOpenAI(new OpenAI({ apiKey: 'any', baseURL: `${standIn}/v1`, maxRetries: 0 }), { client: langsmith })
await run(
  openaiWays(client, ({ user, session, plan }, make) => {
    const metadata = user === undefined ? {} : { user_id: user, session_id: session, plan }
    return traceable(make, { name: 'ask', metadata, client: langsmith })()
  }),
)
await langsmith.awaitPendingTraceBatches()
await provider.shutdown()
