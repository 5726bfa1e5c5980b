import type { Store } from '@spanledger/store'

import { compileBase } from './compile.ts'
import type { Dimension } from './dimensions.ts'
import { join, raw, sql } from './fragment.ts'
import type { Key, Scope } from './scope.ts'
import { readRows } from './snapshot.ts'

/** Goals of one group of users: how many the app told of, and how many of these were reached. */
export interface FoundGoals {
  readonly keys: readonly Key[]
  readonly labels: readonly Key[]
  readonly told: number
  readonly reached: number
}

/**
 * Reads what `track.goal` told in a period: of each user, goal and target the latest. Steps of tasks are no goals.
 * @returns undefined where that cannot be told: goals have no model, and a filter by cost lets none through
 */
export async function readGoals(store: Store, scope: Scope, dimensions: readonly Dimension[]): Promise<FoundGoals[] | undefined> {
  const base = compileBase({ source: 'goal', dimensions, sums: [], needs: [] }, scope)
  if (base === undefined) return undefined
  const aliases = base.dimensions.map((_, n) => `k${n}`)
  const outer = [...base.dimensions.flatMap(({ label }, n) => [raw(`k${n}`), label(`k${n}`)]), raw('told'), raw('reached')]
  const sums = [raw('count(*) AS told'), raw("sum(c.outcome = 'success') AS reached")]
  const rows = await readRows<Key[]>(
    store,
    sql`SELECT json_group_array(json_array(${join(outer, ', ')})) AS rows FROM (
      SELECT ${join([...base.keys, ...sums], ', ')} ${base.from} ${base.groupBy(aliases)} HAVING count(*) > 0)`,
  )
  return rows.map((row) => ({
    keys: dimensions.map((_, n) => row[n * 2] ?? null),
    labels: dimensions.map((_, n) => row[n * 2 + 1] ?? null),
    told: Number(row.at(-2)),
    reached: Number(row.at(-1)),
  }))
}
