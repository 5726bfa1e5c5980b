import { StoreError } from '@spanledger/store'

import { Refusal } from './refusal.ts'

/** An error in the words of an answer. What is wrong with a ledger may be right in a while: senders are to keep what they have. */
export function toRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  if (error instanceof StoreError) return new Refusal('busy', `The ledger takes nothing at the moment (${error.kind}).`, { cause: error })
  // A fault of ours. Senders try again, and whoever runs the collector sees it (`onFault`).
  return new Refusal('busy', 'The collector failed on this request.', { cause: error })
}
