import type { Store } from '@spanledger/store'

import { compileBase } from './compile.ts'
import type { Dimension } from './dimensions.ts'
import { join, raw, sql, type Fragment } from './fragment.ts'
import type { Group, Opinion } from './group.ts'
import type { Scope } from './scope.ts'
import { readRows } from './snapshot.ts'

/** What people said, of one group of answers. */
export interface FoundOpinions {
  readonly keys: readonly Key[]
  readonly labels: readonly Key[]
  readonly group: Pick<Group, Opinion>
}

/** What a group has where nobody said anything. */
export const noOpinions: Required<Pick<Group, Opinion>> = {
  feedback: { count: 0, positive: 0, scored: 0, satisfaction: null },
  nps: { answers: 0, promoters: 0, detractors: 0 },
}

/** Four of five stars, on a scale from 0 to 10. */
type Key = string | number | null

const POSITIVE = 7.5

/** Of each user first, so that satisfaction is a mean over users. Answers of nobody are counted, but make no user. */
const ofUser: Readonly<Record<Opinion, string>> = {
  feedback: `count(*) AS a, sum(c.satisfaction >= ${POSITIVE - 1e-9}) AS b, count(c.satisfaction) AS d,
    iif(c.user_id = 0, NULL, avg(c.satisfaction)) AS m`,
  nps: 'count(*) AS a, sum(c.value >= 9) AS b, sum(c.value <= 6) AS d, NULL AS m',
}

/**
 * Reads what people said, by the dimensions of a question.
 * @returns undefined where that cannot be told: events have no model, and a filter by cost lets no event through
 */
export async function readOpinions(
  store: Store,
  scope: Scope,
  { opinion, dimensions }: { opinion: Opinion; dimensions: readonly Dimension[] },
): Promise<FoundOpinions[] | undefined> {
  const statement = compileOpinions(opinion, dimensions, scope)
  if (statement === undefined) return undefined
  return (await readRows<Key[]>(store, statement)).map((row) => ({
    keys: dimensions.map((_, n) => row[n * 2] ?? null),
    labels: dimensions.map((_, n) => row[n * 2 + 1] ?? null),
    group: toGroup(opinion, row.slice(dimensions.length * 2)),
  }))
}

function compileOpinions(opinion: Opinion, dimensions: readonly Dimension[], scope: Scope): Fragment | undefined {
  const base = compileBase({ source: opinion, dimensions, sums: [], needs: [] }, scope)
  if (base === undefined) return undefined
  const aliases = base.dimensions.map((_, n) => `k${n}`)
  const outer = [...base.dimensions.flatMap(({ label }, n) => [raw(`k${n}`), label(`k${n}`)]), ...['a', 'b', 'd', 'm'].map(raw)]
  const inner = sql`SELECT ${join([...base.keys, raw('c.user_id'), raw(ofUser[opinion])], ', ')} ${base.from}
    ${base.groupBy([...aliases, 'c.user_id'])}`
  const sums = raw(['sum(a) AS a', 'sum(b) AS b', 'sum(d) AS d', 'avg(m) AS m'].join(', '))
  return sql`SELECT json_group_array(json_array(${join(outer, ', ')})) AS rows FROM (
    SELECT ${join([...aliases.map(raw), sums], ', ')} FROM (${inner}) ${base.groupBy(aliases)} HAVING count(*) > 0)`
}

function toGroup(opinion: Opinion, row: readonly Key[]): Pick<Group, Opinion> {
  const [a = 0, b = 0, d = 0] = row.map(Number)
  if (opinion === 'nps') return { nps: { answers: a, promoters: b, detractors: d } }
  const mean = row[3]
  // Whose answers are added up first is not the same in every ledger; the last bits of a double would tell.
  return {
    feedback: { count: a, positive: b, scored: d, satisfaction: typeof mean === 'number' ? Math.round(mean * 1e9) / 1e9 : null },
  }
}
