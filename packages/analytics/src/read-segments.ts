import { addDays, monthOf, type Store } from '@spanledger/store'

import { activityWindows, powerThreshold, standingOf, type Segment, type Standing, type UserActivity } from './automatic-segments.ts'
import { zoneOf } from './buckets.ts'
import { readFirstSeen } from './seen-users.ts'
import { readColumns, readRows } from './snapshot.ts'
import { positionsOf, sumBy } from './sum-by-id.ts'

/** The automatic segments of a ledger's users at one instant; all calls decide, whatever a question is restricted to. */
export interface UserSegments {
  /** Reads what decides the segments of some users, or of all. @returns the segment of one of them, given the user's first call */
  read(userIds?: readonly number[]): Promise<(userId: number, firstMs: number) => Segment>
  /** The same with what led to it. */
  readStandings(userIds?: readonly number[]): Promise<(userId: number, firstMs: number) => Standing>
}

/** What a power user is depends on all users, so that is read first. */
export async function readSegments(store: Store, { asOfMs, timeZone }: { asOfMs: number; timeZone: string }): Promise<UserSegments> {
  const powerFrom = await readPowerThreshold(store, asOfMs)
  const zone = zoneOf(timeZone)
  const asOfDay = zone.day(asOfMs)
  const readStandings: UserSegments['readStandings'] = async (userIds) => {
    const activities = await readActivities(store, asOfMs, userIds)
    return (userId, firstMs) => standingOf(activities.get(userId), { firstDay: zone.day(firstMs), asOfDay, powerFrom })
  }
  return {
    readStandings,
    read: async (userIds) => {
      const standing = await readStandings(userIds)
      return (userId, firstMs) => standing(userId, firstMs).segment
    },
  }
}

/** The segment of every user that had made a call by then, by id. */
export async function segmentsOfUsers(store: Store, userSegments: UserSegments, asOfMs: number): Promise<ReadonlyMap<number, Segment>> {
  const segmentOfUser = new Map<number, Segment>()
  const segmentFor = await userSegments.read()
  for (const [userId, firstMs] of await readFirstSeen(store)) {
    if (userId !== 0 && firstMs < asOfMs) segmentOfUser.set(userId, segmentFor(userId, firstMs))
  }
  return segmentOfUser
}

async function readPowerThreshold(store: Store, asOfMs: number): Promise<number> {
  const { days, edges } = partsOf([asOfMs - activityWindows.last30Days, asOfMs], store.timeZone)
  // LIMIT -1 keeps SQLite from reading the JSON again for every row of the rollup.
  const [userIds = [], counts] = await readColumns(store, {
    text: `SELECT json_group_array(r.user_id) AS ids, json_group_array(r.requests * b.sign) AS n
      FROM (SELECT value->>0 AS bucket, value->>1 AS sign FROM json_each(?) LIMIT -1) AS b CROSS JOIN rollup_users AS r ON r.bucket = b.bucket`,
    values: [JSON.stringify(byMonths(days.map(([day]) => day)))],
  })
  const [edgeIds = []] = await readColumns(store, {
    text: `SELECT json_group_array(c.user_id) AS ids FROM (SELECT value->>0 AS from_ms, value->>1 AS to_ms FROM json_each(?)) AS e
      CROSS JOIN llm_calls AS c ON c.start_ms >= e.from_ms AND c.start_ms < e.to_ms AND c.counted = 1`,
    values: [JSON.stringify(edges)],
  })
  const { unique, positions } = positionsOf([...userIds, ...edgeIds])
  const sums = sumBy(positions, unique.length, [...(counts ?? []), ...edgeIds.map(() => 1)])
  const anonymous = unique.indexOf(0)
  if (anonymous !== -1) sums[anonymous] = 0
  return powerThreshold(sums)
}

/** A month's row of a user stands for about as many of its days. */
const MONTH_IN_DAYS = 9

/** Days as signed buckets: where most of a month is in, the month, less the days of it that are not, is fewer rows. */
function byMonths(days: readonly number[]): (readonly [bucket: number, sign: 1 | -1])[] {
  const inMonth = new Map<number, Set<number>>()
  for (const day of days) inMonth.set(monthOf(day), (inMonth.get(monthOf(day)) ?? new Set()).add(day))
  const buckets: (readonly [number, 1 | -1])[] = []
  for (const [month, taken] of inMonth) {
    const left: number[] = []
    for (let day = month + 1; monthOf(day) === month; day = addDays(day, 1)) if (!taken.has(day)) left.push(day)
    const isCheaper = MONTH_IN_DAYS + left.length < taken.size
    if (isCheaper) buckets.push([month, 1])
    for (const day of isCheaper ? left : taken) buckets.push([day, isCheaper ? -1 : 1])
  }
  return buckets
}

async function readActivities(
  store: Store,
  asOfMs: number,
  userIds: readonly number[] | undefined,
): Promise<ReadonlyMap<number, UserActivity>> {
  const { last30Days, prior, recent } = activityWindows
  const { days, edges } = partsOf([asOfMs - last30Days, asOfMs - prior, asOfMs - recent, asOfMs], store.timeZone)
  const rows = await readRows<[userId: number, outer: number, prior: number, recent: number]>(store, {
    text: `SELECT json_group_array(json_array(user_id, outermost, prior, recent)) AS rows FROM (
      SELECT user_id, sum(iif(in_window = 0, n, 0)) AS outermost, sum(iif(in_window = 1, n, 0)) AS prior, sum(iif(in_window = 2, n, 0)) AS recent
      FROM (${requestsInParts(userIds !== undefined)}) WHERE user_id <> 0 GROUP BY user_id)`,
    values: [JSON.stringify(days), JSON.stringify(edges), ...(userIds === undefined ? [] : [JSON.stringify(userIds)])],
  })
  return new Map(rows.map(([userId, outer, before, now]) => [userId, { last30Days: outer + before + now, prior: before, recent: now }]))
}

/**
 * Requests of users in parts of windows: whole days (?1) from the rollup, the days in which a window begins or ends (?2)
 * from the calls; of some users (?3) only, or of all. LIMIT -1 as above.
 */
function requestsInParts(someUsers: boolean): string {
  const only = (alias: string): string => (someUsers ? `AND ${alias}.user_id IN (SELECT value FROM json_each(?3))` : '')
  return `SELECT r.user_id, b.in_window, r.requests AS n
    FROM (SELECT value->>0 AS bucket, value->>1 AS in_window FROM json_each(?1) LIMIT -1) AS b
    CROSS JOIN rollup_users AS r ON r.bucket = b.bucket ${only('r')}
    UNION ALL
    SELECT c.user_id, e.in_window, 1
    FROM (SELECT value->>0 AS from_ms, value->>1 AS to_ms, value->>2 AS in_window FROM json_each(?2) LIMIT -1) AS e
    CROSS JOIN llm_calls AS c ON c.start_ms >= e.from_ms AND c.start_ms < e.to_ms AND c.counted = 1 ${only('c')}`
}

/** The windows between ascending bounds, in whole local days of the store and what is left of days. */
function partsOf(
  bounds: readonly number[],
  timeZone: string,
): { days: [bucket: number, window: number][]; edges: [fromMs: number, toMs: number, window: number][] } {
  const parts: Parameters<typeof split>[2] = { days: [], edges: [] }
  for (let window = 0; window + 1 < bounds.length; window++) {
    split({ fromMs: bounds[window] ?? 0, toMs: bounds[window + 1] ?? 0, window }, timeZone, parts)
  }
  return parts
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
