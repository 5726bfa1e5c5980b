import type { Store } from '@spanledger/store'

import { readColumns, readRows } from './snapshot.ts'

/** The start of the first call ever that counts; undefined of a ledger without one. */
export async function readFirstStart(store: Store): Promise<number | undefined> {
  const [first] = await store.all<{ ms: number }>('SELECT start_ms AS ms FROM llm_calls WHERE counted = 1 ORDER BY start_ms LIMIT 1')
  return first?.ms
}

/** The start of the first call ever of some users, or of all, by id; from the rollups by month, which hold all history. */
export async function readFirstSeen(store: Store, userIds?: readonly number[]): Promise<ReadonlyMap<number, number>> {
  const [ids = [], firsts = []] = await readMonths(store, userIds)
  const firstOf = new Map<number, number>()
  for (const [n, id] of ids.entries()) {
    const firstMs = firsts[n] ?? 0
    if (firstMs < (firstOf.get(id) ?? Number.POSITIVE_INFINITY)) firstOf.set(id, firstMs)
  }
  return firstOf
}

/** The same of all users as an array by id, Infinity for ids without a call: ids are dense, and filling a Map takes longer than reading. */
export async function readFirstStarts(store: Store): Promise<Float64Array> {
  const [ids = [], firsts = []] = await readMonths(store)
  return startsBy(ids, firsts)
}

/** First calls as such an array. */
export function firstStartsOf(firstSeen: ReadonlyMap<number, number>): Float64Array {
  return startsBy([...firstSeen.keys()], [...firstSeen.values()])
}

function startsBy(ids: readonly number[], firsts: readonly number[]): Float64Array {
  let last = 0
  for (const id of ids) if (id > last) last = id
  const starts = new Float64Array(last + 1).fill(Number.POSITIVE_INFINITY)
  for (let n = 0; n < ids.length; n++) {
    const id = ids[n] ?? 0
    starts[id] = Math.min(starts[id] ?? Number.POSITIVE_INFINITY, firsts[n] ?? 0)
  }
  return starts
}

/** The user ids and first calls of the rollups by month. */
function readMonths(store: Store, userIds?: readonly number[]): Promise<number[][]> {
  const some = userIds !== undefined
  // A user stands there once a month: the least of few is found faster here than by a GROUP BY over all.
  return readColumns(store, {
    text: `${withMonths}
      SELECT json_group_array(r.user_id) AS ids, json_group_array(r.first_ms) AS firsts
      FROM months CROSS JOIN rollup_users AS r ON r.bucket = months.bucket ${some ? 'AND r.user_id IN (SELECT value FROM json_each(?))' : ''}`,
    values: some ? [JSON.stringify(userIds)] : [],
  })
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
