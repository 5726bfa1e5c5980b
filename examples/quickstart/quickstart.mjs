/** From the first call to what each user cost: `npm start` here, or `node --import spanledger/register quickstart.mjs`. */
import { NodeSDK } from '@opentelemetry/sdk-node'
import { startStandIn } from '@spanledger/stand-in'
import OpenAI from 'openai'
import { LedgerSpanProcessor, LlmInstrumentation, openAnalytics, openStore, withUser } from 'spanledger'

const path = process.env.SPANLEDGER_STORE ?? 'quickstart.db'

// This is all that an app adds: the instrumentation, the processor, and `withUser` around a request.
const sdk = new NodeSDK({ instrumentations: [new LlmInstrumentation()], spanProcessors: [new LedgerSpanProcessor({ store: path })] })
sdk.start()

// Without OPENAI_BASE_URL a local stand-in answers: no key, no cost.
const standIn = process.env.OPENAI_BASE_URL === undefined ? await startStandIn() : undefined
const openai = new OpenAI(standIn === undefined ? {} : { baseURL: `${standIn.url}/v1`, apiKey: 'any' })

/** A request of the app: everything below `withUser` belongs to the user, however deep. */
async function answer(user, plan, question) {
  await withUser(user, { sessionId: `${user}-1`, properties: { Plan: plan, Feature: 'chat' } }, async () => {
    const messages = [{ role: 'user', content: question }]
    await openai.chat.completions.create({ model: 'gpt-4o-mini', messages })
    // With include_usage a stream is counted as exactly as an answer in one piece; without, OpenAI and Azure are asked for it anyway.
    let text = ''
    const stream = await openai.chat.completions.create({
      model: 'gpt-4o-mini',
      messages,
      stream: true,
      stream_options: { include_usage: true },
    })
    for await (const { choices } of stream) text += choices[0]?.delta.content ?? ''
    console.log(`${user}: ${text}`)
  })
}

await Promise.all([
  answer('ada', 'premium', 'What is a ledger?'),
  answer('ben', 'free', 'And what is a span?'),
  answer('ada', 'premium', 'Who keeps the books?'),
])
// Writes what waits; an app does this when it ends.
await sdk.shutdown()
await standIn?.close()

const store = await openStore({ path, readOnly: true })
const { rows } = await openAnalytics(store).report('users', { metrics: ['requests', 'cost_usd', 'total_tokens', 'sessions', 'top_model'] })
await store.close()
console.table(rows)
