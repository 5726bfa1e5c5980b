import type { Store } from '@spanledger/store'

import type { CallKind } from '../../behavior/user-call.ts'
import { readRows } from '../../ledger/snapshot.ts'

/** The kinds of a ledger's calls, by id. */
export async function readKinds(store: Store): Promise<ReadonlyMap<number, CallKind>> {
  const rows = await readRows<
    [id: number, operation: string, status: CallKind['status'], errorClass: string, autoRetry: 'inside' | 'itself' | '']
  >(store, {
    text: 'SELECT json_group_array(json_array(kind_id, operation, status, error_class, auto_retry)) AS rows FROM kinds',
    values: [],
  })
  return new Map(
    rows.map(([id, operation, status, errorClass, autoRetry]) => [
      id,
      { operation, status, errorClass: errorClass === '' ? undefined : errorClass, autoRetry: autoRetry === '' ? undefined : autoRetry },
    ]),
  )
}
