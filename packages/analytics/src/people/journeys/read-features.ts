import { addDays } from '@spanledger/store'

import { compileBase } from '../../plan/compile.ts'
import { raw, sql, type Fragment } from '../../ledger/fragment.ts'
import { scopeOf, type Frame } from '../../read/frame.ts'
import type { Period } from '../../query/period.ts'
import { readColumns, readRows } from '../../ledger/snapshot.ts'
import type { Week } from '../../behavior/user-history.ts'

/** When each user first used each feature, by user, in ms; calls before `as_of`. */
export async function readTried(frame: Frame): Promise<ReadonlyMap<number, readonly number[]>> {
  const { from, feature } = await callsOf(frame, { fromMs: 0, toMs: frame.clock.asOfMs })
  const [userIds = [], firsts = []] = await readColumns(
    frame.store,
    sql`SELECT json_group_array(user_id) AS user_ids, json_group_array(first_ms) AS firsts FROM (
      SELECT c.user_id, min(c.start_ms) AS first_ms ${from} AND ${feature} IS NOT NULL GROUP BY c.user_id, ${feature})`,
  )
  const tried = new Map<number, number[]>()
  for (const [n, userId] of userIds.entries()) {
    const own = tried.get(userId)
    if (own === undefined) tried.set(userId, [firsts[n] ?? 0])
    else own.push(firsts[n] ?? 0)
  }
  return tried
}

const WINDOW_DAYS = 28
const ADOPTED_WEEKS = 2

/** Features that a user used in at least two weeks of four: of the four before a day, and of the four before those. */
export interface Adopted {
  readonly before: number
  readonly now: number
}

/** By user, of those who had adopted any; days are those that were over at an instant. */
export async function readAdopted(
  frame: Frame,
  { beforeMs, week }: { readonly beforeMs: number; readonly week: Week },
): Promise<ReadonlyMap<number, Adopted>> {
  const { zone } = frame
  const last = zone.day(beforeMs)
  const starts = [-2 * WINDOW_DAYS, -WINDOW_DAYS, 0].map((days) => zone.startOfDay(addDays(last, days)))
  const [first = 0, middle = 0, end = 0] = starts
  const before = await readWindow(frame, { fromMs: first, toMs: middle }, week)
  const now = await readWindow(frame, { fromMs: middle, toMs: end }, week)
  return new Map(
    [...new Set([...before.keys(), ...now.keys()])].map((userId) => [
      userId,
      { before: before.get(userId) ?? 0, now: now.get(userId) ?? 0 },
    ]),
  )
}

async function readWindow(frame: Frame, period: Period, kind: Week): Promise<ReadonlyMap<number, number>> {
  const { from, feature, week } = await callsOf(frame, period, kind)
  return new Map(
    await readRows<[userId: number, adopted: number]>(
      frame.store,
      sql`SELECT json_group_array(json_array(user_id, n)) AS rows FROM (
        SELECT user_id, count(*) AS n FROM (
          SELECT c.user_id, ${feature} AS feature, count(DISTINCT ${week}) AS weeks ${from} AND ${feature} IS NOT NULL GROUP BY c.user_id, feature)
        WHERE weeks >= ${raw(String(ADOPTED_WEEKS))} GROUP BY user_id)`,
    ),
  )
}

interface Calls {
  readonly from: Fragment
  readonly feature: Fragment
  readonly week: Fragment
}

async function callsOf(frame: Frame, period: Period, kind: Week = 'week'): Promise<Calls> {
  const scope = await scopeOf({ ...frame, where: undefined }, period)
  const dimensions = [
    { kind: 'property', key: 'feature' },
    { kind: 'time', step: kind },
  ] as const
  const base = compileBase({ source: 'calls', dimensions, sums: [], needs: [] }, scope)
  const [feature, week] = base?.dimensions ?? []
  // The calls know every dimension.
  if (base === undefined || feature === undefined || week === undefined) throw new Error('The calls cannot answer this reading.')
  return { from: sql`${base.from} AND c.user_id <> 0`, feature: feature.key, week: week.key }
}
