/** @jsxImportSource #jsx */
/** An experiment on what users see, as a component: `npm run start:feature-test` here. */
import { defineExperiments, getUserExperiment } from 'spanledger'

import { startApp } from './app.js'

const { close } = await startApp('feature-test.db')

defineExperiments({ new_chat_ui: { variants: ['control', 'variant_a'] } })

const NewChatUI = (): string => (
  <main>
    <p>Ask away</p>
    <p>or pick up where you left off</p>
  </main>
)
const CurrentChatUI = (): string => <main>Ask away</main>

function ChatUI({ userId }: { readonly userId: string }): string {
  // A/B test new feature with user segments
  const experimentVariant = getUserExperiment(userId, 'new_chat_ui')

  if (experimentVariant === 'variant_a') {
    // Show improved chat interface
    return <NewChatUI />
  } else {
    // Show current interface
    return <CurrentChatUI />
  }
}

for (const userId of ['user-12345', 'user-3', 'user-3']) console.log(`${userId}: ${<ChatUI userId={userId} />}`)
await close()
