/** Costs by segment, three ways: `npm start` here, or `node --import spanledger/register segments.mjs`. */
import { NodeSDK } from '@opentelemetry/sdk-node'
import { startStandIn } from '@spanledger/stand-in'
import OpenAI from 'openai'
import { LedgerSpanProcessor, LlmInstrumentation, openAnalytics, openStore, withProperties, withUser } from 'spanledger'

const path = process.env.SPANLEDGER_STORE ?? 'segments.db'
const sdk = new NodeSDK({ instrumentations: [new LlmInstrumentation()], spanProcessors: [new LedgerSpanProcessor({ store: path })] })
sdk.start()

const standIn = process.env.OPENAI_BASE_URL === undefined ? await startStandIn() : undefined
const openai = new OpenAI(standIn === undefined ? {} : { baseURL: `${standIn.url}/v1`, apiKey: 'any' })
const ask = (content, headers = {}) =>
  openai.chat.completions.create({ model: 'gpt-4o-mini', messages: [{ role: 'user', content }] }, { headers })

// 1. Environments. An app written for Helicone keeps its headers; they are read here and change nothing else.
await ask('Are the tests green?', { 'Helicone-Property-Environment': 'development' })
await ask('Is the release ready?', { 'Helicone-Property-Environment': 'staging' })
for (const content of ['Hello', 'Where is my order?', 'Thank you']) await ask(content, { 'Helicone-Property-Environment': 'production' })

// 2. User type × feature. Scopes merge: the user's type once, the feature where it is used.
const people = [
  { user: 'ada', type: 'paid', spellchecks: 1, chats: 3 },
  { user: 'ben', type: 'free', spellchecks: 4, chats: 1 },
  { user: 'cleo', type: 'free', spellchecks: 3, chats: 0 },
]
for (const { user, type, spellchecks, chats } of people) {
  await withUser(user, { properties: { 'User-Type': type } }, async () => {
    for (let n = 0; n < spellchecks; n++)
      await withProperties({ Feature: 'spellcheck' }, () => ask(`Check sentence ${n + 1} of the letter, please.`))
    for (let n = 0; n < chats; n++) await withProperties({ Feature: 'chat' }, () => ask(`Question ${n + 1}`))
  })
}

// 3. As fine as you like: any number of properties, any two or three of them together.
const visits = [
  { Location: 'Berlin', 'Device-Type': 'mobile', 'Activity-Level': 'high' },
  { Location: 'Berlin', 'Device-Type': 'desktop', 'Activity-Level': 'low' },
  { Location: 'Lisbon', 'Device-Type': 'mobile', 'Activity-Level': 'high' },
]
for (const [n, visit] of visits.entries()) {
  const job = { 'Job-UUID': `1234-5678-9012-345${n}`, Plan: 'enterprise' }
  await withUser(`visitor-${n + 1}`, { properties: { ...visit, ...job } }, () => ask('What is open near me?'))
}
await sdk.shutdown()
await standIn?.close()

// `spanledger report properties --by property:environment`, and so on, says the same.
const store = await openStore({ path, readOnly: true })
const analytics = openAnalytics(store)
const show = async (title, params) => {
  const { rows } = await analytics.report('properties', { ...params, metrics: ['requests', 'users', 'cost_usd', 'total_tokens'] })
  console.log(`\n${title}`)
  console.table(rows)
  return rows
}
await show('Environments', { by: ['property:environment'], where: 'exists environment' })
const features = await show('Features by type of user', { by: ['property:user_type', 'property:feature'], where: 'exists user_type' })
const spellchecksOf = (type) => features.find((row) => row.user_type === type && row.feature === 'spellcheck')?.requests ?? 0
console.log(`Spellchecks: ${spellchecksOf('free')} by free users, ${spellchecksOf('paid')} by paying ones.`)
await show('Activity on mobile devices by place', { by: ['property:location', 'property:activity_level'], where: '"device type" = mobile' })
await store.close()
