import type { Store } from '@spanledger/store'

import { readRows } from '../../ledger/snapshot.ts'

/** The ids of users as apps know them, by the ledger's own. */
export async function readUserNames(store: Store, userIds: readonly number[]): Promise<ReadonlyMap<number, string>> {
  return new Map(
    await readRows<[userId: number, name: string]>(store, {
      text: 'SELECT json_group_array(json_array(user_id, name)) AS rows FROM users WHERE user_id IN (SELECT value FROM json_each(?))',
      values: [JSON.stringify([...new Set(userIds)])],
    }),
  )
}
