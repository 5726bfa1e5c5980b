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

/** What was said, by group. */
export interface SaidGroups {
  readonly groups: readonly FoundSaid[]
  /** What any other group has. */
  readonly nothing: Pick<Group, Said>
}

type Key = string | number | null

/** Four of five stars, on a scale from 0 to 10. */
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
): Promise<SaidGroups | undefined> {
  const statement = compileSaid(kind, dimensions, scope)
  if (statement === undefined) return undefined
  const isTold = kind === 'revenue' && (await isRevenueTold(store, scope))
  const groups = (await readRows<Key[]>(store, statement)).map((row) => ({
    keys: dimensions.map((_, n) => row[n * 2] ?? null),
    labels: dimensions.map((_, n) => row[n * 2 + 1] ?? null),
    group: toGroup(kind, row.slice(dimensions.length * 2), isTold),
  }))
  return { groups, nothing: toGroup(kind, [0, 0, 0, null], isTold) }
}

/** Whether anybody is known to have paid in a period: asked of the whole ledger, since who pays nothing is not told of. */
async function isRevenueTold(store: Store, { period: { fromMs, toMs } }: Scope): Promise<boolean> {
  const [row] = await store.all<{ told: number }>(
    `SELECT EXISTS (SELECT 1 FROM event_subjects AS s CROSS JOIN events AS e ON e.subject_id = s.subject_id
      WHERE s.kind = 'revenue' AND e.amount_nano_usd IS NOT NULL AND e.start_ms >= ? AND e.start_ms < ?) AS told`,
    fromMs,
    toMs,
  )
  return row?.told === 1
}

function compileSaid(kind: Said, dimensions: readonly Dimension[], scope: Scope): Fragment | undefined {
  const base = compileBase({ source: kind, dimensions, sums: [], needs: [] }, scope)
  if (base === undefined) return undefined
  const aliases = base.dimensions.map((_, n) => `k${n}`)
  const outer = [
    ...base.dimensions.flatMap(({ label }, n) => [raw(`k${n}`), label(`k${n}`)]),
    ...['a', 'CAST(b AS TEXT)', 'd', 'm', 'users'].map(raw),
  ]
  const inner = sql`SELECT ${join([...base.keys, raw('c.user_id'), raw(ofUser[kind])], ', ')} ${base.from}
    ${base.groupBy([...aliases, 'c.user_id'])}`
  const sums = raw(['sum(a) AS a', 'sum(b) AS b', 'sum(d) AS d', 'avg(m) AS m', 'count(m) AS users'].join(', '))
  return sql`SELECT json_group_array(json_array(${join(outer, ', ')})) AS rows FROM (
    SELECT ${join([...aliases.map(raw), sums], ', ')} FROM (${inner}) ${base.groupBy(aliases)} HAVING count(*) > 0)`
}

function toGroup(kind: Said, row: readonly Key[], isTold: boolean): Pick<Group, Said> {
  const [a = 0, b = 0, d = 0, , users = 0] = row.map(Number)
  if (kind === 'nps') return { nps: { answers: a, promoters: b, detractors: d } }
  if (kind === 'goals') return { goals: { told: a, reached: b } }
  if (kind === 'revenue') return { revenue: { payments: a, nanoUsd: BigInt(row[1] ?? 0), isTold } }
  const mean = row[3]
  // Whose answers are added up first is not the same in every ledger; the last bits of a double would tell.
  return {
    feedback: { count: a, positive: b, scored: d, users, satisfaction: typeof mean === 'number' ? Math.round(mean * 1e9) / 1e9 : null },
  }
}
