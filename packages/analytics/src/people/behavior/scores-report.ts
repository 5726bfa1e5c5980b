import { filterSql } from '../../plan/compile-filter.ts'
import { raw, sql } from '../../ledger/fragment.ts'
import { scopeOf } from '../../read/frame.ts'
import { scoreEvents } from '../../plan/latest-events.ts'
import { QueryError } from '../../query/query-error.ts'
import { readRows } from '../../ledger/snapshot.ts'
import type { PeopleAsked } from '../answers/people-report.ts'
import type { Told } from '../answers/told.ts'

type Row = [
  name: string,
  source: string,
  scores: number,
  users: number,
  mean: number | null,
  least: number | null,
  most: number | null,
  satisfaction: number | null,
  labels: string,
]

/** What answers were scored, each name and source for itself: a person, a rule and a judging model do not measure the same. */
export async function tellScores({ frame, isBegun }: PeopleAsked): Promise<Told> {
  // All history begins with the first call; a score may come from before it.
  const scope = await scopeOf(frame, isBegun ? frame.period : { ...frame.period, fromMs: 0 })
  const where = frame.where === undefined ? raw('1') : filterSql(frame.where, 'feedback', scope)
  if (where === undefined) {
    throw new QueryError('Scores are filtered by user, session, property and segment; only calls have a model, a cost, a latency.', {
      given: 'where',
    })
  }
  const rows = await readRows<Row>(
    frame.store,
    sql`SELECT json_group_array(json_array(name, source, scores, users, mean, least, most, satisfaction, labels)) AS rows FROM (
      SELECT name, source, sum(n) AS scores, count(DISTINCT nullif(user_id, 0)) AS users, sum(total) / sum(valued) AS mean,
        min(least) AS least, max(most) AS most, sum(points) / sum(scaled) AS satisfaction,
        json_group_array(json_array(outcome, n)) || '' AS labels
      FROM (SELECT c.name, c.source, c.user_id, c.outcome, count(*) AS n, count(c.value) AS valued, sum(c.value) AS total, min(c.value) AS least,
          max(c.value) AS most, count(c.satisfaction) AS scaled, sum(c.satisfaction) AS points
        FROM ${scoreEvents(scope)} AS c WHERE ${where} GROUP BY c.name, c.source, c.user_id, c.outcome ORDER BY c.name, c.source, c.user_id, c.outcome)
      GROUP BY name, source ORDER BY scores DESC, name, source)`,
  )
  return {
    columns: {
      name: ['Score', 'string', 'what was scored: the name of the feedback or of the evaluation'],
      source: ['Source', 'string', 'who gave it: human, heuristic (a rule) or judge (a model); never pooled'],
      scores: ['Scores', 'int', 'of each user, name and target the latest'],
      users: ['Users', 'int', 'different users whose answers were scored'],
      mean: ['Mean', 'number', 'of those with a number, as given'],
      min: ['Least', 'number', 'the smallest of them'],
      max: ['Most', 'number', 'the largest of them'],
      satisfaction: ['0 to 10', 'number', 'mean of those given on a scale, from 0 to 10'],
      labels: ['Labels', 'string', 'the three most frequent words given with it, and how often'],
    },
    rows: rows.map(([name, source, scores, users, mean, min, max, satisfaction, labels]) => ({
      name,
      source,
      scores,
      users,
      mean: rounded(mean),
      min,
      max,
      satisfaction: rounded(satisfaction),
      labels: mostFrequent(JSON.parse(labels) as [string | null, number][]),
    })),
  }
}

/** Whose scores are added up first is not the same in every ledger; the last bits of a double would tell. */
function rounded(mean: number | null): number | null {
  return mean === null ? null : Math.round(mean * 1e9) / 1e9
}

function mostFrequent(counts: readonly [string | null, number][]): string | null {
  const byLabel = new Map<string, number>()
  for (const [label, n] of counts) if (label !== null) byLabel.set(label, (byLabel.get(label) ?? 0) + n)
  const most = [...byLabel].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).slice(0, 3)
  return most.length === 0 ? null : most.map(([label, n]) => `${label} ${n}`).join(', ')
}
