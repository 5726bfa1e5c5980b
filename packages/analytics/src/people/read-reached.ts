import type { Frame } from '../frame.ts'
import { readRows } from '../snapshot.ts'
import { signUpMilestones } from './read-sign-ups.ts'

/** When users reached what the app calls goals and milestones: by user, then by `goal:NAME` or `milestone:NAME`, in ms. */
export type Reached = ReadonlyMap<number, ReadonlyMap<string, number>>

/**
 * Reads goals and milestones told before `as_of`, each by the first time that it was reached. Of a goal about one thing (a session, a task)
 * the latest word counts: what was taken back was not reached. A sign-up is no milestone but the begin.
 */
export async function readReached({ store, clock }: Frame): Promise<Reached> {
  const rows = await readRows<[userId: number, name: string, ms: number]>(store, {
    // The key is of one width, so that the outcome behind the greatest one is that of the latest event.
    text: `SELECT json_group_array(json_array(user_id, step, ms)) AS rows FROM (
      SELECT user_id, 'goal:' || name AS step, min(ms) AS ms FROM (
        SELECT e.user_id, s.name, min(iif(e.outcome = 'success', e.start_ms, NULL)) AS ms,
          max(printf('%019d', e.start_ms * 1024 + e.start_fraction) || hex(e.span_id) || hex(e.trace_id) || e.outcome) AS latest
        FROM event_subjects AS s CROSS JOIN events AS e ON e.subject_id = s.subject_id
        WHERE s.kind = 'goal' AND e.outcome IS NOT NULL AND e.user_id <> 0 AND e.start_ms < ?1
        GROUP BY e.user_id, s.name, e.target_kind, CASE e.target_kind WHEN 'session' THEN e.session_id
          WHEN 'itself' THEN hex(e.span_id) || hex(e.trace_id) ELSE e.target END, e.step)
      WHERE latest LIKE '%success' GROUP BY user_id, name
      UNION ALL
      SELECT e.user_id, 'milestone:' || s.name, min(e.start_ms)
      FROM event_subjects AS s CROSS JOIN events AS e ON e.subject_id = s.subject_id
      WHERE s.kind = 'milestone' AND e.user_id <> 0 AND e.start_ms < ?1 AND lower(s.name) NOT IN (SELECT value FROM json_each(?2))
      GROUP BY e.user_id, s.name)`,
    values: [clock.asOfMs, JSON.stringify(signUpMilestones)],
  })
  const reached = new Map<number, Map<string, number>>()
  for (const [userId, step, ms] of rows) {
    const own = reached.get(userId)
    if (own === undefined) reached.set(userId, new Map([[step, ms]]))
    else own.set(step, ms)
  }
  return reached
}
