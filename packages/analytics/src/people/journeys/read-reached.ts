import { sql } from '../../ledger/fragment.ts'
import type { Frame } from '../../read/frame.ts'
import { readRows } from '../../ledger/snapshot.ts'
import { reachedGoals } from './reached-goals.ts'
import { signUpMilestones } from '../../read/read-sign-ups.ts'

/** When users reached what the app calls goals and milestones: by user, then by `goal:NAME` or `milestone:NAME`, in ms. */
export type Reached = ReadonlyMap<number, ReadonlyMap<string, number>>

/** Reads goals and milestones told before `as_of`, each by the first time. A sign-up is no milestone but the begin. */
export async function readReached({ store, clock }: Frame): Promise<Reached> {
  const rows = await readRows<[userId: number, name: string, ms: number]>(
    store,
    sql`SELECT json_group_array(json_array(user_id, step, ms)) AS rows FROM (
      SELECT user_id, 'goal:' || name AS step, min(ms) AS ms FROM (${reachedGoals(clock.asOfMs)}) GROUP BY user_id, name
      UNION ALL
      SELECT e.user_id, 'milestone:' || s.name, min(e.start_ms)
      FROM event_subjects AS s CROSS JOIN events AS e ON e.subject_id = s.subject_id
      WHERE s.kind = 'milestone' AND e.user_id <> 0 AND e.start_ms < ${clock.asOfMs}
        AND lower(s.name) NOT IN (SELECT value FROM json_each(${JSON.stringify(signUpMilestones)}))
      GROUP BY e.user_id, s.name)`,
  )
  const reached = new Map<number, Map<string, number>>()
  for (const [userId, step, ms] of rows) {
    const own = reached.get(userId)
    if (own === undefined) reached.set(userId, new Map([[step, ms]]))
    else own.set(step, ms)
  }
  return reached
}
