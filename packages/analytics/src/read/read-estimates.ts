import { responseHash, type Store } from '@spanledger/store'

import { join, raw, sql } from '../ledger/fragment.ts'
import { readRows } from '../ledger/snapshot.ts'
import { compileBase } from '../plan/compile.ts'
import { ratedAnswers } from '../plan/latest-events.ts'
import type { Key, Scope } from '../plan/scope.ts'
import type { Dimension } from '../query/dimensions.ts'
import type { Group } from '../sums/group.ts'
import { readKinds } from './read-kinds.ts'
import { outcomeSql, readTold, type Told } from './read-outcomes.ts'
import { isOneOf, readRetries } from './read-retries.ts'

type Estimate = NonNullable<Group['estimate']>

export const noEstimate: Estimate = { requests: 0, told: 0, rated: 0, succeeded: 0 }

/**
 * How the requests of each group ended: as the app told, else as people rated the answer, else as the call itself did, if the user did
 * not ask the same again. Groups without calls are left out.
 */
export async function readEstimates(
  store: Store,
  scope: Scope,
  dimensions: readonly Dimension[],
): Promise<readonly { readonly keys: readonly Key[]; readonly estimate: Estimate }[]> {
  const base = compileBase({ source: 'calls', dimensions, sums: [], needs: [] }, scope)
  // The calls know every dimension and filter.
  if (base === undefined) throw new Error('The calls cannot answer this reading.')
  const told = outcomeSql(await readTold(store, scope)) ?? raw('NULL')
  const rated = outcomeSql(await readRated(store, scope)) ?? raw('NULL')
  const kinds = [...(await readKinds(store))].flatMap(([id, { status }]) => (status === 'ok' ? [id] : []))
  const isOk = sql`c.kind_id IN (SELECT value FROM json_each(${JSON.stringify(kinds)}))`
  // What is asked again after the period says nothing of it yet.
  const retried = [...((await readRetries(store, scope))?.values() ?? [])].map(({ id }) => id)
  const inferred = retried.length === 0 ? isOk : sql`(${isOk} AND NOT ${isOneOf(retried)})`
  const aliases = dimensions.map((_, n) => `k${n}`)
  const sums = [
    'count(*) AS requests',
    'count(told) AS told',
    'sum(told IS NULL AND rated IS NOT NULL) AS rated',
    'sum(coalesce(told, rated, inferred)) AS succeeded',
  ]
  const rows = await readRows<Key[]>(
    store,
    sql`SELECT json_group_array(json_array(${raw([...aliases, 'requests', 'told', 'rated', 'succeeded'].join(', '))})) AS rows FROM (
      SELECT ${raw([...aliases, ...sums].join(', '))}
      FROM (SELECT ${join([...base.keys, sql`${told} AS told`, sql`${rated} AS rated`, sql`${inferred} AS inferred`], ', ')} ${base.from})
      ${base.groupBy(aliases)} HAVING count(*) > 0)`,
  )
  return rows.map((row) => {
    const [requests = 0, ofTold = 0, ofRated = 0, succeeded = 0] = row.slice(dimensions.length).map(Number)
    return { keys: row.slice(0, dimensions.length), estimate: { requests, told: ofTold, rated: ofRated, succeeded } }
  })
}

/** The answers that people thought well or badly of in the period; badly, where any did. */
async function readRated(store: Store, { period }: Scope): Promise<Told> {
  const [calls, answers] = [new Map<string, boolean>(), new Map<number, boolean>()]
  for (const [kind, target, isGood] of await readRows<[kind: string, target: string, isGood: number]>(store, ratedAnswers(period))) {
    if (kind === 'call') calls.set(target, isGood === 1 && calls.get(target) !== false)
    else answers.set(responseHash(target), isGood === 1 && answers.get(responseHash(target)) !== false)
  }
  return { calls, answers, sessions: new Map() }
}
