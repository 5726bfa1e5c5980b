import { responseHash, type Store } from '@spanledger/store'

import { join, raw, sql, type Fragment } from '../ledger/fragment.ts'
import { readRows } from '../ledger/snapshot.ts'
import { compileBase } from '../plan/compile.ts'
import { toldOutcomes } from '../plan/latest-events.ts'
import type { Key, Scope } from '../plan/scope.ts'
import type { Dimension } from '../query/dimensions.ts'
import type { Group } from '../sums/group.ts'

/** How many requests of a group are known to have ended well or badly. */
export interface FoundOutcomes {
  readonly keys: readonly Key[]
  readonly outcomes: NonNullable<Group['outcomes']>
}

/** How what was told in a period ended. */
export interface Told {
  /** By `trace-span`, the hash of an answer's id, and the id of a session. */
  readonly calls: ReadonlyMap<string, boolean>
  readonly answers: ReadonlyMap<number, boolean>
  readonly sessions: ReadonlyMap<number, boolean>
}

/**
 * Counts the requests whose outcome was told in the period: by a goal about the very call, else by a score of a rule or judge that
 * says it passed or failed, else by the last goal in its session, else by the last task that ended in it, else by how that ended. Groups without any are left out.
 */
export async function readOutcomes(store: Store, scope: Scope, dimensions: readonly Dimension[]): Promise<FoundOutcomes[]> {
  const told = await readTold(store, scope)
  const outcome = outcomeSql(told)
  const base = compileBase({ source: 'calls', dimensions, sums: [], needs: [] }, scope)
  if (outcome === undefined || base === undefined) return []
  const aliases = dimensions.map((_, n) => `k${n}`)
  const rows = await readRows<Key[]>(
    store,
    sql`SELECT json_group_array(json_array(${raw([...aliases, 'known', 'succeeded'].join(', '))})) AS rows FROM (
      SELECT ${raw([...aliases, 'count(*) AS known', 'sum(outcome) AS succeeded'].join(', '))}
      FROM (SELECT ${join([...base.keys, sql`${outcome} AS outcome`], ', ')} ${base.from}) WHERE outcome IS NOT NULL
      ${base.groupBy(aliases)} HAVING count(*) > 0)`,
  )
  return rows.map((row) => {
    const [known, succeeded] = row.slice(dimensions.length).map(Number)
    return { keys: row.slice(0, dimensions.length), outcomes: { known: known ?? 0, succeeded: succeeded ?? 0 } }
  })
}

export async function readTold(store: Store, { period }: Scope): Promise<Told> {
  const [calls, answers, sessions] = [new Map<string, boolean>(), new Map<number, boolean>(), new Map<number, boolean>()]
  const rows = await readRows<[sessionId: number, kind: string, target: string, outcome: string]>(store, toldOutcomes(period))
  for (const [sessionId, kind, target, outcome] of rows) {
    const isGood = outcome === 'success' || outcome === 'completed'
    if (kind === 'call') calls.set(target, isGood)
    else if (kind === 'response') answers.set(responseHash(target), isGood)
    else if (sessionId !== 0) sessions.set(sessionId, isGood)
  }
  return { calls, answers, sessions }
}

/** 1, 0, or NULL where nothing was told of a call; undefined where nothing was told at all. What comes first decides. */
export function outcomeSql({ calls, answers, sessions }: Told): Fragment | undefined {
  const whens: Fragment[] = []
  for (const isGood of [true, false]) {
    if (calls.size === 0) break
    const spans = JSON.stringify(named(calls, isGood).map((id) => id.split('-')))
    const listed = sql`(SELECT unhex(value->>1), unhex(value->>0) FROM json_each(${spans}))`
    whens.push(sql`WHEN (c.span_id, c.trace_id) IN ${listed} THEN ${Number(isGood)}`)
  }
  for (const [column, outcomes] of [['response_hash', answers] as const, ['session_id', sessions] as const]) {
    if (outcomes.size === 0) continue
    for (const isGood of [true, false]) {
      const listed = sql`(SELECT value FROM json_each(${JSON.stringify(named(outcomes, isGood))}))`
      whens.push(sql`WHEN c.${raw(column)} IN ${listed} THEN ${Number(isGood)}`)
    }
  }
  return whens.length === 0 ? undefined : sql`CASE ${join(whens, ' ')} END`
}

function named<Name>(outcomes: ReadonlyMap<Name, boolean>, isGood: boolean): Name[] {
  return [...outcomes].filter(([, good]) => good === isGood).map(([name]) => name)
}
