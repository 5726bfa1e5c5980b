import { compileBase } from '../../plan/compile.ts'
import { MIN_REQUESTS, type BusyDay } from '../../behavior/abuse.ts'
import { join, raw, sql } from '../../ledger/fragment.ts'
import { scopeOf, type Frame } from '../../read/frame.ts'
import { readRows } from '../../ledger/snapshot.ts'

/** The days on which users made many calls: hours with a call, the busiest minute, errors. Users by id; nobody is no user. */
export async function readBusyDays(frame: Frame): Promise<BusyDay[]> {
  const dimensions = [
    { kind: 'time', step: 'day' },
    { kind: 'time', step: 'hour' },
  ] as const
  const base = compileBase({ source: 'calls', dimensions, sums: [], needs: [] }, await scopeOf(frame, frame.period))
  // The calls know every dimension.
  if (base === undefined) throw new Error('The calls cannot answer this reading.')
  const columns = [
    ...base.keys,
    raw('c.user_id AS user_id'),
    raw('c.start_ms / 60000 AS minute'),
    raw("c.kind_id IN (SELECT kind_id FROM kinds WHERE status = 'error') AS failed"),
  ]
  const rows = await readRows<[user: number, day: number, requests: number, errors: number, hours: number, perMinute: number]>(
    frame.store,
    sql`SELECT json_group_array(json_array(user_id, k0, n, errors, hours, per_minute)) AS rows FROM (
      SELECT user_id, k0, sum(n) AS n, sum(errors) AS errors, count(DISTINCT k1) AS hours, max(n) AS per_minute FROM (
        SELECT user_id, k0, k1, minute, count(*) AS n, sum(failed) AS errors FROM (
          SELECT ${join(columns, ', ')} ${base.from} AND c.user_id <> 0)
        GROUP BY user_id, k0, k1, minute)
      GROUP BY user_id, k0 HAVING sum(n) >= ${MIN_REQUESTS})`,
  )
  return rows.map(([user, day, requests, errors, hours, perMinute]) => ({ user: String(user), day, requests, errors, hours, perMinute }))
}
