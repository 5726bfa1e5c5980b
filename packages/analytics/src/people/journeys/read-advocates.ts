import { sql } from '../../ledger/fragment.ts'
import type { Frame } from '../../read/frame.ts'
import { readRows } from '../../ledger/snapshot.ts'
import { reachedGoals } from './reached-goals.ts'

/** The latest NPS answer of each user before an instant, by id. */
export async function readLatestNps({ store }: Frame, beforeMs: number): Promise<ReadonlyMap<number, number>> {
  return new Map(
    await readRows<[userId: number, value: number]>(
      store,
      // With one max() the other columns are those of its row (https://www.sqlite.org/lang_select.html#bareagg, read 2026-11-25).
      sql`SELECT json_group_array(json_array(user_id, value)) AS rows FROM (
        SELECT e.user_id, e.value, max(printf('%019d', e.start_ms * 1024 + e.start_fraction) || hex(e.span_id) || hex(e.trace_id))
        FROM event_subjects AS s CROSS JOIN events AS e ON e.subject_id = s.subject_id
        WHERE s.kind = 'nps' AND e.value IS NOT NULL AND e.user_id <> 0 AND e.start_ms < ${beforeMs} GROUP BY e.user_id)`,
    ),
  )
}

/** When users referred others: goals and milestones that the app calls `referral`, by user, in ms. */
export async function readReferrals({ store, clock }: Frame): Promise<ReadonlyMap<number, readonly number[]>> {
  const rows = await readRows<[userId: number, ms: number]>(
    store,
    sql`SELECT json_group_array(json_array(user_id, ms)) AS rows FROM (
      SELECT user_id, ms FROM (${reachedGoals(clock.asOfMs)}) WHERE lower(name) = 'referral'
      UNION ALL
      SELECT e.user_id, min(e.start_ms) FROM event_subjects AS s CROSS JOIN events AS e ON e.subject_id = s.subject_id
      WHERE s.kind = 'milestone' AND lower(s.name) = 'referral' AND e.user_id <> 0 AND e.start_ms < ${clock.asOfMs} GROUP BY e.user_id)`,
  )
  const referrals = new Map<number, number[]>()
  for (const [userId, ms] of rows) {
    const own = referrals.get(userId)
    if (own === undefined) referrals.set(userId, [ms])
    else own.push(ms)
  }
  return referrals
}
