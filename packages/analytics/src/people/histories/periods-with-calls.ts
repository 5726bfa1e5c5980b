import { addDays } from '@spanledger/store'

import { zoneOf } from '../../query/buckets.ts'
import { filterSql } from '../../plan/compile-filter.ts'
import { sql } from '../../ledger/fragment.ts'
import type { Frame } from '../../read/frame.ts'
import type { Period } from '../../query/period.ts'
import type { Scope } from '../../plan/scope.ts'
import { readRows } from '../../ledger/snapshot.ts'

/** Of more users than this most days have calls. */
const FEW_USERS = 100

/**
 * The parts of a period outside of which no call passes a filter that chooses a few users and nothing else: the days on which
 * the rollup of users has one of them. There is no index of calls by user. All of the period where that says nothing.
 */
export async function periodsWithCalls(scope: Scope, { store }: Frame): Promise<readonly Period[]> {
  const { period, where, userIds } = scope
  const { fromMs, toMs } = period
  if (toMs <= fromMs) return []
  const chosen = where === undefined || userIds !== undefined ? undefined : filterSql(where, 'users', scope)
  if (chosen === undefined) return [period]
  // The filter looks at the id of a row of the rollup, or here at that of a user.
  const users = await readRows<number>(
    store,
    sql`SELECT json_group_array(user_id) AS rows FROM (SELECT r.user_id FROM users AS r WHERE ${chosen} LIMIT ${FEW_USERS + 1})`,
  )
  if (users.length > FEW_USERS) return [period]
  const zone = zoneOf(store.timeZone)
  const days = await readRows<number>(
    store,
    sql`SELECT json_group_array(bucket) AS rows FROM (
      SELECT DISTINCT b.bucket FROM (SELECT DISTINCT bucket FROM rollup_models WHERE bucket >= ${zone.day(Math.max(fromMs, 0))} AND bucket <= ${zone.day(toMs - 1)} AND bucket % 100 <> 0) AS b
      CROSS JOIN json_each(${JSON.stringify(users)}) AS u CROSS JOIN rollup_users AS r ON r.bucket = b.bucket AND r.user_id = u.value
      ORDER BY b.bucket)`,
  )
  const periods: Period[] = []
  for (const day of days) {
    const from = Math.max(fromMs, zone.startOfDay(day))
    const to = Math.min(toMs, zone.startOfDay(addDays(day, 1)))
    const last = periods.at(-1)
    if (last?.toMs === from) periods[periods.length - 1] = { fromMs: last.fromMs, toMs: to }
    else periods.push({ fromMs: from, toMs: to })
  }
  return periods
}
