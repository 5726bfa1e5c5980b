/** Experiments on a feature and on a model, and what they come to: `npm run start:ab-test` here. */
import { defineExperiments, getUserExperiment, openAnalytics, openStore, withUser } from 'spanledger'

import { startApp } from './app.js'

const { path, client, close } = await startApp('ab-test.db')

defineExperiments({
  new_chat_ui: { variants: ['control', 'variant_a'] },
  model_selection: { variants: ['gpt_first', 'claude_first'] },
})

const NewChatUI = (answer: string): string => `| ${answer} |`
const CurrentChatUI = (answer: string): string => answer

async function chat(userId: string, content: string): Promise<string> {
  // Test model preference by user segment
  const modelTest = getUserExperiment(userId, 'model_selection')

  const model =
    modelTest === 'claude_first' ? 'claude-3.5-sonnet-v2/anthropic,gpt-4o/openai' : 'gpt-4o/openai,claude-3.5-sonnet-v2/anthropic'

  const answer = await client.chat.completions.create({ model, messages: [{ role: 'user', content }] })

  // A/B test new feature with user segments
  const experimentVariant = getUserExperiment(userId, 'new_chat_ui')

  if (experimentVariant === 'variant_a') {
    // Show improved chat interface
    return NewChatUI(answer)
  } else {
    // Show current interface
    return CurrentChatUI(answer)
  }
}

const users = Array.from({ length: 40 }, (_, n) => `user-${n + 1}`)
// Every user comes twice, and sees the same both times.
for (const user of [...users, ...users]) await withUser(user, () => chat(user, 'What is a ledger?'))
await close()

// `spanledger report experiments --experiment model_selection --metric cost_usd --window end` says the same.
const store = await openStore({ path, readOnly: true })
const { rows } = await openAnalytics(store).report('experiments', {
  options: { experiment: 'model_selection', metric: 'cost_usd', window: 'end' },
})
await store.close()
console.table(rows.map(({ variant, users: exposed, value, state }) => ({ variant, users: exposed, cost_usd_per_user: value, state })))
