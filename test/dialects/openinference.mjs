// @arizeai/openinference-instrumentation-openai: identity by its context keys.
import { context } from '@opentelemetry/api'
import { setMetadata, setSession, setUser } from '@arizeai/openinference-core'
import { OpenAIInstrumentation } from '@arizeai/openinference-instrumentation-openai'
import OpenAI from 'openai'

import { openaiWays, run, standIn, startTracing } from './app.mjs'

const provider = startTracing()
const instrumentation = new OpenAIInstrumentation({ tracerProvider: provider })
instrumentation.manuallyInstrument(OpenAI)
const client = new OpenAI({ apiKey: 'any', baseURL: `${standIn}/v1`, maxRetries: 0 })
await run(
  openaiWays(client, ({ user, session, plan }, make) => {
    if (user === undefined) return make()
    const withUser = setUser(context.active(), { userId: user })
    return context.with(setMetadata(setSession(withUser, { sessionId: session }), { plan }), make)
  }),
)
await provider.shutdown()
