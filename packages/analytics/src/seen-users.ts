import type { Store } from '@spanledger/store'

import { readRows } from './snapshot.ts'

/** The start of the first call ever of some users, or of all, by id; from the rollups by month, which hold all history. */
export async function readFirstSeen(store: Store, userIds?: readonly number[]): Promise<ReadonlyMap<number, number>> {
  const some = userIds !== undefined
  const rows = await readRows<[userId: number, firstMs: number]>(store, {
    text: `SELECT json_group_array(json_array(user_id, first_ms)) AS rows FROM (
      ${withMonths}
      SELECT r.user_id, min(r.first_ms) AS first_ms
      FROM months CROSS JOIN rollup_users AS r ON r.bucket = months.bucket ${some ? 'AND r.user_id IN (SELECT value FROM json_each(?))' : ''}
      GROUP BY r.user_id)`,
    values: some ? [JSON.stringify(userIds)] : [],
  })
  return new Map(rows)
}

/** The users that called last, by id, at most so many; from the rollups by month too. */
export async function readLatestUsers(store: Store, limit: number): Promise<readonly number[]> {
  return readRows<number>(store, {
    text: `SELECT json_group_array(user_id) AS rows FROM (
      ${withMonths}
      SELECT r.user_id FROM months CROSS JOIN rollup_users AS r ON r.bucket = months.bucket
      WHERE r.user_id <> 0 GROUP BY r.user_id ORDER BY max(r.last_ms) DESC, r.user_id LIMIT ?)`,
    values: [limit],
  })
}

/** The rollups by month, found one by one: between two of them lie the rows of days, which are many. */
const withMonths = `WITH RECURSIVE months (bucket) AS (
  SELECT min(bucket) FROM rollup_users
  UNION ALL
  SELECT (SELECT min(r.bucket) FROM rollup_users AS r WHERE r.bucket >= months.bucket + 100 - months.bucket % 100)
  FROM months WHERE months.bucket IS NOT NULL)`
