import { addDays, type Store } from '@spanledger/store'

import { activityWindows, powerThreshold, segmentOf, type Segment, type UserActivity } from './automatic-segments.ts'
import { zoneOf } from './buckets.ts'
import { readRows } from './snapshot.ts'

/** The automatic segments of a ledger's users at one instant. */
export interface UserSegments {
  /** The segment of a user, given the user's first call. */
  of(userId: number, firstMs: number): Segment
}

/** Calls of every user in the windows that segments are decided by; all calls, whatever a question is restricted to. */
export async function readSegments(store: Store, { asOfMs, timeZone }: { asOfMs: number; timeZone: string }): Promise<UserSegments> {
  const activities = await readActivities(store, asOfMs)
  const powerFrom = powerThreshold(activities.values())
  const zone = zoneOf(timeZone)
  const asOfDay = zone.day(asOfMs)
  return { of: (userId, firstMs) => segmentOf(activities.get(userId), { firstDay: zone.day(firstMs), asOfDay, powerFrom }) }
}

/** The segment of every user that had made a call by then, by id. */
export async function segmentsOfUsers(store: Store, userSegments: UserSegments, asOfMs: number): Promise<ReadonlyMap<number, Segment>> {
  const segmentOfUser = new Map<number, Segment>()
  for (const [userId, firstMs] of await readFirstSeen(store)) {
    if (userId !== 0 && firstMs < asOfMs) segmentOfUser.set(userId, userSegments.of(userId, firstMs))
  }
  return segmentOfUser
}

/** The start of every user's first call, by id; from the rollups by month. */
async function readFirstSeen(store: Store): Promise<(readonly [userId: number, firstMs: number])[]> {
  return readRows(store, {
    text: `SELECT json_group_array(json_array(user_id, first_ms)) AS rows FROM (
      WITH RECURSIVE months (bucket) AS (
        SELECT min(bucket) FROM rollup_users
        UNION ALL
        SELECT (SELECT min(r.bucket) FROM rollup_users AS r WHERE r.bucket >= months.bucket + 100 - months.bucket % 100)
        FROM months WHERE months.bucket IS NOT NULL)
      SELECT r.user_id, min(r.first_ms) AS first_ms FROM months CROSS JOIN rollup_users AS r ON r.bucket = months.bucket GROUP BY r.user_id)`,
    values: [],
  })
}

async function readActivities(store: Store, asOfMs: number): Promise<ReadonlyMap<number, UserActivity>> {
  const bounds = [activityWindows.last30Days, activityWindows.prior, activityWindows.recent, 0].map((ms) => asOfMs - ms)
  const days: [bucket: number, window: number][] = []
  const edges: [fromMs: number, toMs: number, window: number][] = []
  for (let window = 0; window < 3; window++)
    split({ fromMs: bounds[window] ?? 0, toMs: bounds[window + 1] ?? 0, window }, store.timeZone, { days, edges })
  // Whole days from the rollup; the days in which a window begins or ends from the calls.
  const rows = await readRows<[userId: number, outer: number, prior: number, recent: number]>(store, {
    text: `SELECT json_group_array(json_array(user_id, outermost, prior, recent)) AS rows FROM (
      SELECT user_id, sum(iif(in_window = 0, n, 0)) AS outermost, sum(iif(in_window = 1, n, 0)) AS prior, sum(iif(in_window = 2, n, 0)) AS recent FROM (
        SELECT r.user_id, b.in_window, r.requests AS n
        FROM (SELECT value->>0 AS bucket, value->>1 AS in_window FROM json_each(?)) AS b CROSS JOIN rollup_users AS r ON r.bucket = b.bucket
        UNION ALL
        SELECT c.user_id, e.in_window, 1
        FROM (SELECT value->>0 AS from_ms, value->>1 AS to_ms, value->>2 AS in_window FROM json_each(?)) AS e
        CROSS JOIN llm_calls AS c ON c.start_ms >= e.from_ms AND c.start_ms < e.to_ms AND c.counted = 1)
      WHERE user_id <> 0 GROUP BY user_id)`,
    values: [JSON.stringify(days), JSON.stringify(edges)],
  })
  return new Map(rows.map(([userId, outer, prior, recent]) => [userId, { last30Days: outer + prior + recent, prior, recent }]))
}

function split(
  { fromMs, toMs, window }: { fromMs: number; toMs: number; window: number },
  timeZone: string,
  { days, edges }: { days: [number, number][]; edges: [number, number, number][] },
): void {
  const zone = zoneOf(timeZone)
  const firstDay = zone.day(fromMs)
  const firstWhole = zone.startOfDay(firstDay) === fromMs ? firstDay : addDays(firstDay, 1)
  const endDay = zone.day(toMs)
  edges.push([fromMs, zone.startOfDay(firstWhole), window], [zone.startOfDay(endDay), toMs, window])
  for (let day = firstWhole; day < endDay; day = addDays(day, 1)) days.push([day, window])
}
