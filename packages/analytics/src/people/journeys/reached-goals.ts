import { sql, type Fragment } from '../../ledger/fragment.ts'

/**
 * SQL of rows `user_id, name, ms`: goals of users that were reached before an instant, each about one thing (a session, the user, itself)
 * at the first time that it was. The latest word counts: what was taken back is not there. Steps of tasks are no goals.
 */
export function reachedGoals(beforeMs: number): Fragment {
  // The key is of one width, so that the outcome behind the greatest one is that of the latest event.
  return sql`SELECT user_id, name, ms FROM (
    SELECT e.user_id, s.name, min(iif(e.outcome = 'success', e.start_ms, NULL)) AS ms,
      max(printf('%019d', e.start_ms * 1024 + e.start_fraction) || hex(e.span_id) || hex(e.trace_id) || e.outcome) AS latest
    FROM event_subjects AS s CROSS JOIN events AS e ON e.subject_id = s.subject_id
    WHERE s.kind = 'goal' AND e.step IS NULL AND e.outcome IS NOT NULL AND e.user_id <> 0 AND e.start_ms < ${beforeMs}
    GROUP BY e.user_id, s.name, e.target_kind,
      CASE e.target_kind WHEN 'session' THEN e.session_id WHEN 'itself' THEN hex(e.span_id) || hex(e.trace_id) ELSE e.target END)
    WHERE latest LIKE '%success'`
}
