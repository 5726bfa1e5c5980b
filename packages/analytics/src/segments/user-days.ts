import { addDays, type Store, type Zone } from '@spanledger/store'

import { zoneOf } from '../query/buckets.ts'
import { unpackCounts } from '../sums/packed-counts.ts'
import type { Period } from '../query/period.ts'
import { readColumns } from '../ledger/snapshot.ts'

/** Who called on a local day of the store, or on the part of it that a period holds, and how often; calls without a user by id 0. */
export interface DayUsers {
  /** `yyyymmdd` */
  readonly day: number
  /** Each once. */
  readonly userIds: ArrayLike<number>
  readonly requests: ArrayLike<number>
}

/**
 * The users of each day of a period that has calls, all calls that count: closed days from what is kept of them, open ones from
 * the rollup of users, and the calls where a period begins or ends within a day.
 */
export async function readUserDays(store: Store, period: Period): Promise<DayUsers[]> {
  const zone = zoneOf(store.timeZone)
  const { first, end, edges } = wholeDays(period, zone)
  const closed = await store.all<{ day: number; requests: Uint8Array }>(
    'SELECT day, requests FROM day_users WHERE day >= ? AND day < ?',
    first,
    end,
  )
  const known = closed.map(({ day, requests }): DayUsers => {
    const { keys, counts } = unpackCounts(requests)
    return { day, userIds: keys, requests: counts }
  })
  const isClosed = new Set(closed.map(({ day }) => day))
  const open: number[] = []
  for (let day = first; day < end; day = addDays(day, 1)) if (!isClosed.has(day)) open.push(day)
  const rest = await Promise.all([...edges.map((edge) => readPart(store, zone, edge)), readOpenDays(store, open)])
  return [...known, ...rest.flat()]
}

/** The whole local days of a period, as `yyyymmdd`, and what of it lies on days that are not whole in it. */
export function wholeDays({ fromMs, toMs }: Period, zone: Zone): { first: number; end: number; edges: Period[] } {
  const firstDay = zone.day(fromMs)
  const first = zone.startOfDay(firstDay) === fromMs ? firstDay : addDays(firstDay, 1)
  const end = zone.day(toMs)
  if (end < first) return { first, end: first, edges: [{ fromMs, toMs }] }
  const edges = [
    { fromMs, toMs: zone.startOfDay(first) },
    { fromMs: zone.startOfDay(end), toMs },
  ]
  return { first, end, edges: edges.filter((edge) => edge.fromMs < edge.toMs) }
}

async function readPart(store: Store, zone: Zone, { fromMs, toMs }: Period): Promise<DayUsers[]> {
  const [userIds = [], requests = []] = await readColumns(store, {
    text: `SELECT json_group_array(user_id) AS user_ids, json_group_array(n) AS n FROM (
      SELECT user_id, count(*) AS n FROM llm_calls WHERE start_ms >= ? AND start_ms < ? AND counted = 1 GROUP BY user_id)`,
    values: [fromMs, toMs],
  })
  return userIds.length === 0 ? [] : [{ day: zone.day(fromMs), userIds, requests }]
}

async function readOpenDays(store: Store, days: readonly number[]): Promise<DayUsers[]> {
  if (days.length === 0) return []
  // LIMIT -1 keeps SQLite from reading the JSON again for every row of the rollup.
  const [buckets = [], userIds = [], requests = []] = await readColumns(store, {
    text: `SELECT json_group_array(r.bucket) AS buckets, json_group_array(r.user_id) AS user_ids, json_group_array(r.requests) AS requests
      FROM (SELECT value AS bucket FROM json_each(?) LIMIT -1) AS b CROSS JOIN rollup_users AS r ON r.bucket = b.bucket`,
    values: [JSON.stringify(days)],
  })
  const found: DayUsers[] = []
  for (let at = 0; at < buckets.length;) {
    const day = buckets[at] ?? 0
    let next = at
    while (buckets[next] === day) next++
    found.push({ day, userIds: userIds.slice(at, next), requests: requests.slice(at, next) })
    at = next
  }
  return found
}

/** The highest user id of some days; 0 where they have none. */
export function lastIdOf(days: readonly DayUsers[]): number {
  let last = 0
  for (const { userIds } of days) for (let n = 0; n < userIds.length; n++) last = Math.max(last, userIds[n] ?? 0)
  return last
}
