import { raw, sql, type Fragment } from './fragment.ts'
import type { Opinion, Scope } from './scope.ts'

/** What makes two events say the same thing anew, besides user and name: what they are about. */
const target = `e.target_kind, CASE e.target_kind WHEN 'session' THEN e.session_id WHEN 'itself' THEN hex(e.span_id) || hex(e.trace_id)
  ELSE e.target END`

/** Which answers replace each other. One user has one opinion of the app, however it was asked; nobody's answers are not told apart. */
const opinions: Readonly<Record<Opinion, { only: string; same: string }>> = {
  feedback: {
    only: "s.kind = 'feedback' AND s.source = 'human' AND (e.value IS NOT NULL OR e.outcome IS NOT NULL)",
    same: `e.user_id, s.name, ${target}`,
  },
  nps: { only: "s.kind = 'nps' AND e.value IS NOT NULL AND e.user_id <> 0", same: 'e.user_id' },
}

/**
 * The opinions of a period that count: of each user, name and target the latest. Rows of events, with `satisfaction`: the
 * value from 0 to 10, NULL where it was given without a scale.
 */
export function latestOpinions(opinion: Opinion, { period, userIds }: Scope): Fragment {
  const { only, same } = opinions[opinion]
  // Who is asked for is known before: the answers of others replace none of theirs.
  const asked = userIds === undefined ? raw('1') : sql`e.user_id IN (SELECT value FROM json_each(${JSON.stringify(userIds)}))`
  return sql`(SELECT * FROM (
    SELECT e.*, (e.value - e.min) / (e.max - e.min) * 10 AS satisfaction,
      row_number() OVER (PARTITION BY ${raw(same)} ORDER BY e.start_ms DESC, e.start_fraction DESC, e.span_id DESC, e.trace_id DESC) AS place
    FROM event_subjects AS s CROSS JOIN events AS e ON e.subject_id = s.subject_id
    WHERE ${raw(only)} AND e.start_ms >= ${period.fromMs} AND e.start_ms < ${period.toMs} AND ${asked}) WHERE place = 1)`
}
