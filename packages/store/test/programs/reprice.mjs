// Reprices the ledger named by the first argument at twice the price, or undoes the repricing named by the second; prints a line per step.
import { openStore } from '@spanledger/store'

const [, , path, undo] = process.argv
const price = { provider: 'test', model: 'any', source: 'twice' }
const priceBook = { source: 'twice', costOf: ({ usage }) => ({ costNanoUsd: 2 * (usage.inputTokens + usage.outputTokens), price }) }
const store = await openStore({ path, priceBook })
const onProgress = ({ done, of }) => process.stdout.write(`${done} of ${of}\n`)
if (undo === undefined) await store.reprice({ onProgress })
else await store.undoRepricing(Number(undo), { onProgress })
await store.close()
