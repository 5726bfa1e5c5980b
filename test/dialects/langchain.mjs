// @langchain/openai under @arizeai/openinference-instrumentation-langchain: identity by its context keys, properties by LangChain's
// metadata. Run with LANGCHAIN_CALLBACKS_BACKGROUND=false: in the background callbacks see the context of another call.
import { context } from '@opentelemetry/api'
import { setSession, setUser } from '@arizeai/openinference-core'
import { LangChainInstrumentation } from '@arizeai/openinference-instrumentation-langchain'
import * as callbackManager from '@langchain/core/callbacks/manager'
import { ChatPromptTemplate } from '@langchain/core/prompts'
import { ChatOpenAI } from '@langchain/openai'

import { promptOf, run, standIn, startTracing } from './app.mjs'

const provider = startTracing()
new LangChainInstrumentation({ tracerProvider: provider }).manuallyInstrument(callbackManager)
const chainOf = (model, options) =>
  ChatPromptTemplate.fromMessages([['user', '{question}']]).pipe(
    new ChatOpenAI({ model, apiKey: 'any', configuration: { baseURL: `${standIn}/v1` }, maxRetries: 0, ...options }),
  )
const ask = (options) => (call) => {
  const { user, session, plan } = call
  const make = async () => {
    const chain = chainOf(call.model, options)
    const input = { question: promptOf(call) }
    const config = plan === undefined ? {} : { metadata: { plan } }
    if (call.stream !== true) return chain.invoke(input, config)
    for await (const _ of await chain.stream(input, config)) if (call.leave === true) break
  }
  if (user === undefined) return make()
  return context.with(setSession(setUser(context.active(), { userId: user }), { sessionId: session }), make)
}
await run({ chat: ask({ useResponsesApi: false }), responses: ask({ useResponsesApi: true }) })
await provider.shutdown()
