// Writes batches to the ledger named by the first argument until it is killed; after each commit it prints how many calls stand.
import { openStore } from '@spanledger/store'

const [, , path, name] = process.argv
const store = await openStore({ path })
const base = {
  parentSpanId: undefined,
  role: 'call',
  durationMs: 5,
  operation: 'chat',
  provider: 'openai',
  requestedModel: 'gpt-4o-mini',
  model: 'gpt-4o-mini',
  streamed: false,
  status: 'ok',
  usage: undefined,
  usageQuality: 'missing',
  session: undefined,
  properties: new Map(),
  origin: 'app',
  faults: [],
  settled: true,
}
for (let written = 0; ;) {
  const calls = Array.from({ length: 50 }, (_, n) => {
    const id = written + n
    const hex = id.toString(16).padStart(15, '0')
    return {
      ...base,
      traceId: `${name}${hex}`.padStart(32, '0'),
      spanId: `${name}${hex}`,
      startMs: Date.UTC(2026, 0, 1) + id,
      user: `user-${id % 7}`,
    }
  })
  await store.write({ calls })
  written += 50
  process.stdout.write(`${written}\n`)
}
