import type { Store } from '@spanledger/store'

import { compileBase } from '../plan/compile.ts'
import type { Dimension } from '../query/dimensions.ts'
import { join, raw, sql, type Fragment } from '../ledger/fragment.ts'
import type { Group, Said } from '../sums/group.ts'
import type { Scope } from '../plan/scope.ts'
import { readRows } from '../ledger/snapshot.ts'

/** What was said beside calls, of one group of answers or goals. */
export interface FoundSaid {
  readonly keys: readonly Key[]
  readonly labels: readonly Key[]
  readonly group: Pick<Group, Said>
}

/** What a group has where nobody said anything. */
export const nothingSaid: Required<Pick<Group, Said>> = {
  feedback: { count: 0, positive: 0, scored: 0, satisfaction: null },
  nps: { answers: 0, promoters: 0, detractors: 0 },
  goals: { told: 0, reached: 0 },
  revenue: { payments: 0, nanoUsd: 0n },
}

/** Four of five stars, on a scale from 0 to 10. */
type Key = string | number | null

const POSITIVE = 7.5

/** Of each user first, so that satisfaction is a mean over users. Answers of nobody are counted, but make no user. */
const ofUser: Readonly<Record<Said, string>> = {
  feedback: `count(*) AS a, sum(c.satisfaction >= ${POSITIVE - 1e-9}) AS b, count(c.satisfaction) AS d,
    iif(c.user_id = 0, NULL, avg(c.satisfaction)) AS m`,
  nps: 'count(*) AS a, sum(c.value >= 9) AS b, sum(c.value <= 6) AS d, NULL AS m',
  goals: "count(*) AS a, sum(c.outcome = 'success') AS b, 0 AS d, NULL AS m",
  revenue: 'count(*) AS a, sum(c.amount_nano_usd) AS b, 0 AS d, NULL AS m',
}

/**
 * Reads what people said and apps told of goals, by the dimensions of a question.
 * @returns undefined where that cannot be told: events have no model, and a filter by cost lets no event through
 */
export async function readSaid(
  store: Store,
  scope: Scope,
  { kind, dimensions }: { kind: Said; dimensions: readonly Dimension[] },
): Promise<FoundSaid[] | undefined> {
  const statement = compileSaid(kind, dimensions, scope)
  if (statement === undefined) return undefined
  return (await readRows<Key[]>(store, statement)).map((row) => ({
    keys: dimensions.map((_, n) => row[n * 2] ?? null),
    labels: dimensions.map((_, n) => row[n * 2 + 1] ?? null),
    group: toGroup(kind, row.slice(dimensions.length * 2)),
  }))
}

function compileSaid(kind: Said, dimensions: readonly Dimension[], scope: Scope): Fragment | undefined {
  const base = compileBase({ source: kind, dimensions, sums: [], needs: [] }, scope)
  if (base === undefined) return undefined
  const aliases = base.dimensions.map((_, n) => `k${n}`)
  const outer = [
    ...base.dimensions.flatMap(({ label }, n) => [raw(`k${n}`), label(`k${n}`)]),
    ...['a', 'CAST(b AS TEXT)', 'd', 'm'].map(raw),
  ]
  const inner = sql`SELECT ${join([...base.keys, raw('c.user_id'), raw(ofUser[kind])], ', ')} ${base.from}
    ${base.groupBy([...aliases, 'c.user_id'])}`
  const sums = raw(['sum(a) AS a', 'sum(b) AS b', 'sum(d) AS d', 'avg(m) AS m'].join(', '))
  return sql`SELECT json_group_array(json_array(${join(outer, ', ')})) AS rows FROM (
    SELECT ${join([...aliases.map(raw), sums], ', ')} FROM (${inner}) ${base.groupBy(aliases)} HAVING count(*) > 0)`
}

function toGroup(kind: Said, row: readonly Key[]): Pick<Group, Said> {
  const [a = 0, b = 0, d = 0] = row.map(Number)
  if (kind === 'nps') return { nps: { answers: a, promoters: b, detractors: d } }
  if (kind === 'goals') return { goals: { told: a, reached: b } }
  if (kind === 'revenue') return { revenue: { payments: a, nanoUsd: BigInt(row[1] ?? 0) } }
  const mean = row[3]
  // Whose answers are added up first is not the same in every ledger; the last bits of a double would tell.
  return {
    feedback: { count: a, positive: b, scored: d, satisfaction: typeof mean === 'number' ? Math.round(mean * 1e9) / 1e9 : null },
  }
}
