import { checkSetup, instrumentationState } from '@spanledger/instrumentation'

import { finished } from './collector.mjs'

/** Ends a scenario: what the test looks at goes to stdout. */
export async function report(client, sdk) {
  for (let waits = 0; waits < 200 && isOpen(); waits++) await new Promise((resolve) => setTimeout(resolve, 10))
  await sdk.shutdown()
  process.stdout.write(JSON.stringify({ spans: finished, state: instrumentationState(), findings: checkSetup(client) }))
}

function isOpen() {
  const { startedCalls, endedCalls } = instrumentationState()
  return endedCalls < startedCalls
}
