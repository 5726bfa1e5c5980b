import { sql } from '../ledger/fragment.ts'
import { readRows } from '../ledger/snapshot.ts'
import { compileBase } from '../plan/compile.ts'
import { scopeOf, type ScopeWords } from '../plan/scope-of.ts'
import { backwards, type Period } from '../query/period.ts'

/** Which of the values that a user had counts. */
export interface WhichValue {
  readonly which: 'first' | 'latest'
  /** Only what was said before. */
  readonly beforeMs: number
  /** Whose values are wanted, where not everybody's; others may be told too. The latest of few are found without reading all calls. */
  readonly userIds?: readonly number[]
}

/**
 * The first or latest value of each user under one of some names, by id: the trait that holds, else what stands on the user's calls
 * under that property. Names are canonical; an earlier one goes before a later one. Empty texts are none.
 */
export async function readUserValues(
  words: ScopeWords,
  names: readonly string[],
  choice: WhichValue,
): Promise<ReadonlyMap<number, string>> {
  const values = new Map<number, string>()
  for (const read of [readTraitValues, readCallValues]) {
    for (const name of names)
      for (const [userId, value] of await read(words, name, choice)) if (!values.has(userId)) values.set(userId, value)
  }
  return values
}

/** A user's own come first, then those of its aliases, which are no users themselves. */
export async function readTraitValues(
  { store, catalog }: ScopeWords,
  name: string,
  { which, beforeMs }: WhichValue,
): Promise<[number, string][]> {
  const key = catalog.traits.get(name)
  if (key === undefined) return []
  const order = which === 'first' ? sql`ASC` : sql`DESC`
  return readRows<[number, string]>(
    store,
    sql`SELECT json_group_array(json_array(user_id, value)) AS rows FROM (
      SELECT user_id, value, row_number() OVER (PARTITION BY user_id ORDER BY from_user_id <> 0, valid_from_ms ${order}, value) AS place
      FROM user_traits WHERE key_id = ${key.keyId} AND valid_from_ms < ${beforeMs} AND value <> ''
        AND user_id NOT IN (SELECT from_user_id FROM aliases WHERE undone_ms IS NULL)) WHERE place = 1`,
  )
}

/** What stands on the calls of users under a property. */
export async function readCallValues(words: ScopeWords, name: string, choice: WhichValue): Promise<Iterable<[number, string]>> {
  if (!words.catalog.keys.has(name) && !words.catalog.keysLeftOut) return []
  const { which, beforeMs, userIds } = choice
  const [first] = await words.store.all<{ ms: number | null }>('SELECT min(start_ms) AS ms FROM llm_calls')
  // Not since 1970: a zone takes a while to say its offsets of so long.
  const period = { fromMs: Math.min(first?.ms ?? beforeMs, beforeMs), toMs: beforeMs }
  if (which === 'first' || userIds === undefined) return readCallValuesIn(words, name, { which, period })
  const wanted = new Set(userIds)
  const found: [number, string][] = []
  for (const part of backwards(period)) {
    if (wanted.size === 0) break
    for (const [userId, text] of await readCallValuesIn(words, name, { which, period: part, userIds: [...wanted] })) {
      wanted.delete(userId)
      found.push([userId, text])
    }
  }
  return found
}

interface ValuesAsked {
  readonly which: WhichValue['which']
  readonly period: Period
  readonly userIds?: readonly number[]
}

async function readCallValuesIn(words: ScopeWords, name: string, { which, period, userIds }: ValuesAsked): Promise<[number, string][]> {
  const scope = await scopeOf({ ...words, where: undefined }, period, userIds === undefined ? {} : { userIds })
  const base = compileBase({ source: 'calls', dimensions: [{ kind: 'property', key: name }], sums: [], needs: [] }, scope)
  const [value] = base?.dimensions ?? []
  if (base === undefined || value === undefined) return []
  const pick = which === 'first' ? sql`min` : sql`max`
  const rows = await readRows<[userId: number, text: string, at: string]>(
    words.store,
    sql`SELECT json_group_array(json_array(user_id, ${value.label('k0')}, at)) AS rows FROM (
      SELECT c.user_id, ${value.key} AS k0, ${pick}(printf('%019d', c.start_ms) || hex(c.span_id) || hex(c.trace_id)) AS at
      ${base.from} AND c.user_id <> 0 AND ${value.key} IS NOT NULL GROUP BY c.user_id, k0)`,
  )
  const chosen = new Map<number, { text: string; at: string }>()
  for (const [userId, text, at] of rows) {
    const known = chosen.get(userId)
    const isNext = known === undefined || (which === 'first' ? at < known.at : at > known.at)
    if (text !== '' && isNext) chosen.set(userId, { text, at })
  }
  return [...chosen].map(([userId, { text }]) => [userId, text])
}
