/** A model for each user, by what the ledger knows of the user: `npm start` here. */
import { getUserMetrics, loadUserMetrics, withUser } from 'spanledger'

import { startApp } from './app.js'

// Personalized model selection based on user history
const getUserPreferredModel = (userId: string) => {
  const userMetrics = getUserMetrics(userId)

  if (userMetrics.prefers_speed) {
    return 'gpt-4o-mini/openai,gemini-flash/google'
  }

  if (userMetrics.prefers_quality) {
    return 'claude-3.5-sonnet-v2/anthropic,gpt-4o/openai'
  }

  return 'gpt-4o-mini/openai,claude-3.5-haiku/anthropic'
}

const { path, client, flush, close } = await startApp('personalization.db')

// What users prefer is a property of their calls, set where the app has it: in their settings, from a choice they make.
const settings = [
  { user: 'ada', preference: 'quality' },
  { user: 'ben', preference: 'speed' },
  { user: 'cleo', preference: undefined },
] as const
for (const { user, preference } of settings) {
  await withUser(user, { properties: preference === undefined ? {} : { Preference: preference } }, () =>
    client.chat.completions.create({ model: 'gpt-4o/openai', messages: [{ role: 'user', content: 'Hello' }] }),
  )
}

// From here on it is history: the ledger has it, and every process that reads the ledger.
await flush()
await loadUserMetrics({ store: path })
for (const user of ['ada', 'ben', 'cleo', 'somebody new']) {
  const model = getUserPreferredModel(user)
  await withUser(user, () => client.chat.completions.create({ model, messages: [{ role: 'user', content: 'And what is a span?' }] }))
  console.log(`${user}: ${model}`)
}
await close()
