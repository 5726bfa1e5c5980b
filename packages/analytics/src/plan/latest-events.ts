import { raw, sql, type Fragment } from '../ledger/fragment.ts'
import type { Said } from '../sums/group.ts'
import type { Scope } from './scope.ts'

/** What makes two events say the same thing anew, besides user and name: what they are about. */
export const sameTarget = `e.target_kind, CASE e.target_kind WHEN 'session' THEN e.session_id WHEN 'itself' THEN hex(e.span_id) || hex(e.trace_id)
  ELSE e.target END`

/**
 * Which events replace each other. One user has one opinion of the app, however it was asked; nobody's answers are not told
 * apart. Steps of a task are no goals of their own.
 */
const replacing: Readonly<Record<Said, { only: string; same: string }>> = {
  feedback: {
    only: "s.kind = 'feedback' AND s.source = 'human' AND (e.value IS NOT NULL OR e.outcome IS NOT NULL)",
    same: `e.user_id, s.name, ${sameTarget}`,
  },
  nps: { only: "s.kind = 'nps' AND e.value IS NOT NULL AND e.user_id <> 0", same: 'e.user_id' },
  goals: { only: "s.kind = 'goal' AND e.outcome IS NOT NULL AND e.step IS NULL", same: `e.user_id, s.name, ${sameTarget}` },
  revenue: { only: "s.kind = 'revenue' AND e.amount_nano_usd IS NOT NULL", same: `e.user_id, s.name, ${sameTarget}` },
}

/** Two of five stars, on a scale from 0 to 10; a thumb down is 0. */
const DISLIKED = 2.5
/** Four of five; a thumb up is 10. */
const LIKED = 7.5

/** What the outer statements read of an event: where its user, session and properties stand, when it was, what it says. */
const columns = [
  'start_ms',
  'user_id',
  'session_id',
  'segment_id',
  'overflow',
  'p1',
  'p2',
  'p3',
  'p4',
  'p5',
  'p6',
  'p7',
  'p8',
  'value',
  'outcome',
  'amount_nano_usd',
]

/**
 * The events of a period that count: of each user, name and target the latest. Rows of events, with `satisfaction`: the
 * value from 0 to 10, NULL where it was given without a scale.
 */
export function latestEvents(said: Said, scope: Scope): Fragment {
  return latestOf(replacing[said], scope)
}

/**
 * Every rating of people in a period, also those that later ones replace: with `satisfaction`, and with what makes two of one
 * user say the same thing anew as `about`.
 */
export function allRatings({ period }: Scope): Fragment {
  return sql`(SELECT ${raw(columns.map((column) => `e.${column}`).join(', '))}, e.start_fraction, e.span_id, e.trace_id,
      json_array(s.name, ${raw(sameTarget)}) AS about, (e.value - e.min) / (e.max - e.min) * 10 AS satisfaction
    FROM event_subjects AS s CROSS JOIN events AS e ON e.subject_id = s.subject_id
    WHERE ${raw(replacing.feedback.only)} AND e.start_ms >= ${period.fromMs} AND e.start_ms < ${period.toMs})`
}

/** Rows `[user, session, time, kind of target, target]` of what people thought badly of, who have not thought better of it since. */
export function dislikedAnswers(period: Scope['period']): Fragment {
  const found = latestOf(replacing.feedback, { period }, ['target_kind', 'target'])
  return sql`SELECT json_group_array(json_array(c.user_id, c.session_id, c.start_ms, c.target_kind, c.target)) AS rows FROM ${found} AS c
    WHERE c.satisfaction <= ${DISLIKED + 1e-9} AND c.user_id <> 0
      AND (c.target_kind IN ('call', 'response') OR c.target_kind = 'session' AND c.session_id <> 0)`
}

/** Rows `[kind of target, target, whether it was thought well of]` of the answers that people thought well or badly of in a period. */
export function ratedAnswers(period: Scope['period']): Fragment {
  const found = latestOf(replacing.feedback, { period }, ['target_kind', 'target'])
  return sql`SELECT json_group_array(json_array(c.target_kind, c.target, c.satisfaction >= ${LIKED - 1e-9})) AS rows FROM ${found} AS c
    WHERE (c.satisfaction <= ${DISLIKED + 1e-9} OR c.satisfaction >= ${LIKED - 1e-9}) AND c.target_kind IN ('call', 'response')`
}

/** Labels by which a rule or a judging model says of an answer that it does what it should, or does not. */
const passing = ['pass', 'passed', 'correct', 'success']
const failing = ['fail', 'failed', 'incorrect', 'failure']
const quoted = (words: readonly string[]): string => words.map((word) => `'${word}'`).join(', ')

/**
 * Rows `[session, kind of target, target, outcome]` of what a period tells of how calls, answers and sessions ended, those that count
 * more behind the others: of a call or answer its goals more than scores with such a label, of a session its goals more than its tasks,
 * and these more than its end; the later more than the earlier.
 */
export function toldOutcomes(period: Scope['period']): Fragment {
  const goals = latestOf(replacing.goals, { period }, ['target_kind', 'target'])
  const tasks = latestOf(
    { only: "s.kind = 'task' AND e.step IS NULL AND e.outcome IN ('completed', 'failed')", same: `e.user_id, s.name, ${sameTarget}` },
    { period },
  )
  const scores = latestOf(
    {
      only: `s.kind = 'feedback' AND s.source <> 'human' AND lower(e.outcome) IN (${quoted([...passing, ...failing])}) AND e.target_kind IN ('call', 'response')`,
      same: `e.user_id, s.name, s.source, ${sameTarget}`,
    },
    { period },
    ['target_kind', 'target'],
  )
  return sql`SELECT json_group_array(json_array(session_id, target_kind, target, outcome)) AS rows FROM (
    SELECT session_id, target_kind, target, outcome, 2 AS place, latest FROM ${goals}
    UNION ALL SELECT session_id, 'session', NULL, outcome, 1, latest FROM ${tasks}
    UNION ALL SELECT session_id, target_kind, target, iif(lower(outcome) IN (${raw(quoted(passing))}), 'success', 'failure'), 0, latest FROM ${scores}
    UNION ALL SELECT e.session_id, e.target_kind, e.target, e.outcome, 0,
        printf('%019d', e.start_ms * 1024 + e.start_fraction) || hex(e.span_id) || hex(e.trace_id)
      FROM event_subjects AS s CROSS JOIN events AS e ON e.subject_id = s.subject_id
      WHERE s.kind = 'session_end' AND e.outcome IS NOT NULL AND e.start_ms >= ${period.fromMs} AND e.start_ms < ${period.toMs}
    ORDER BY place, latest)`
}

/** The payments of a period that count, as `latestEvents` has them, with the `period` that each is for. */
export function latestPayments(scope: Scope): Fragment {
  return latestOf(replacing.revenue, scope, ['period'])
}

/** The same of scores by whomever: people, rules and judging models, with `name` and `source`. */
export function scoreEvents(scope: Scope): Fragment {
  const only = "s.kind = 'feedback' AND (e.value IS NOT NULL OR e.outcome IS NOT NULL)"
  return latestOf({ only, same: `e.user_id, s.name, s.source, ${sameTarget}` }, scope)
}

function latestOf(
  { only, same }: { only: string; same: string },
  { period, userIds }: Pick<Scope, 'period' | 'userIds'>,
  more: readonly string[] = [],
): Fragment {
  // Who is asked for is known before: the answers of others replace none of theirs.
  const asked = userIds === undefined ? raw('1') : sql`e.user_id IN (SELECT value FROM json_each(${JSON.stringify(userIds)}))`
  // With one max() the other columns are those of its row (https://www.sqlite.org/lang_select.html#bareagg, read 2026-11-25): half
  // of what a window function takes. The key is of one width and holds all that tells two events apart, so that no two are equal.
  return sql`(SELECT ${raw([...columns, ...more].map((column) => `e.${column}`).join(', '))}, s.name, s.source, (e.value - e.min) / (e.max - e.min) * 10 AS satisfaction,
      max(printf('%019d', e.start_ms * 1024 + e.start_fraction) || hex(e.span_id) || hex(e.trace_id)) AS latest
    FROM event_subjects AS s CROSS JOIN events AS e ON e.subject_id = s.subject_id
    WHERE ${raw(only)} AND e.start_ms >= ${period.fromMs} AND e.start_ms < ${period.toMs} AND ${asked} GROUP BY ${raw(same)})`
}
