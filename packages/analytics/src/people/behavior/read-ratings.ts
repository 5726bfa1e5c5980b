import { raw, sql } from '../../ledger/fragment.ts'
import { readColumns } from '../../ledger/snapshot.ts'
import { filterSql } from '../../plan/compile-filter.ts'
import { allRatings } from '../../plan/latest-events.ts'
import type { Scope } from '../../plan/scope.ts'
import type { Frame } from '../../read/frame.ts'
import type { Rating } from '../../retention/evolution.ts'

/**
 * What users rated in a scope, in the order of time, by the local day; of nobody nothing.
 * @returns undefined where a filter asks for what only calls have
 */
export async function readRatings(
  { store }: Frame,
  { scope, dayOf }: { scope: Scope; dayOf: (ms: number) => number },
): Promise<Rating[] | undefined> {
  const where = scope.where === undefined ? raw('1') : filterSql(scope.where, 'feedback', scope)
  if (where === undefined) return undefined
  const [users = [], starts = [], abouts = [], scores = []] = await readColumns<number | string | null>(
    store,
    sql`SELECT json_group_array(user_id) AS users, json_group_array(start_ms) AS starts, json_group_array(about) AS abouts,
        json_group_array(satisfaction) AS scores
      FROM (SELECT c.user_id, c.start_ms, c.about || '' AS about, c.satisfaction FROM ${allRatings(scope)} AS c WHERE c.user_id <> 0 AND ${where}
        ORDER BY c.start_ms, c.start_fraction, c.span_id, c.trace_id)`,
  )
  return users.map((user, n) => ({
    user: String(user),
    day: dayOf(Number(starts[n])),
    about: String(abouts[n]),
    score: typeof scores[n] === 'number' ? scores[n] : null,
  }))
}
