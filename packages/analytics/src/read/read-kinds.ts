import type { Store } from '@spanledger/store'

import { readRows } from '../ledger/snapshot.ts'

/** What a call was, and what became of it. */
export interface CallKind {
  readonly operation: string
  readonly status: 'ok' | 'error' | 'cancelled'
  /** One of the classes of conventions' `classifyError`; `truncated` on calls that are ok. */
  readonly errorClass: string | undefined
  /** Whether a program tried again: within this call, or with it. */
  readonly autoRetry?: 'inside' | 'itself' | undefined
}

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
