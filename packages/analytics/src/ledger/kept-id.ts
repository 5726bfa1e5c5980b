import { readId } from '@spanledger/conventions'

/**
 * An id of a user or session as the ledger keeps it, so that it is found in whichever spelling an app or a question has it.
 * What the ledger keeps no id for, `(none)` among it, stays as it is.
 */
export function keptId(id: string): string {
  return readId(id).id ?? id
}
