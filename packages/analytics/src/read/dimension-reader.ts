import type { Store } from '@spanledger/store'

import { columnDictionary, dimensionSql } from '../plan/compile-dimension.ts'
import type { DimensionSql } from '../plan/dimension-sql.ts'
import type { Dimension } from '../query/dimensions.ts'
import { join, raw, sql } from '../ledger/fragment.ts'
import type { Key, Scope } from '../plan/scope.ts'
import { readRows } from '../ledger/snapshot.ts'

/** What is read of calls for a dimension: lists side by side. */
export type KeyLists = readonly (readonly Key[])[]

/**
 * Reads a dimension of calls: as its key, or as the ids of what has it (a model, a set of properties), of which there are few, so
 * that their keys are looked up once and not for every call.
 */
export class DimensionReader {
  /** Columns of calls; undefined where the key itself is to be read. */
  readonly ids: readonly string[] | undefined
  /** The keys found so far, and what is shown of those that were looked up. */
  readonly keys: Key[] = []
  readonly #labels: Key[] = []
  readonly #positionOfKey = new Map<Key, number>()
  readonly #positionOfIds = new Map<Key, number>()
  readonly #sql: DimensionSql

  constructor(dimension: Dimension, scope: Scope) {
    const compiled = dimensionSql(dimension, 'calls', scope)
    if (compiled === undefined) throw new Error('The calls know every dimension.')
    this.#sql = compiled
    this.ids = idColumns(dimension, scope)
  }

  /** Finds out what ids stand for that were not seen before. */
  async learn(store: Store, lists: KeyLists): Promise<void> {
    if (this.ids === undefined) return
    const unknown = new Map<Key, readonly Key[]>()
    for (let n = 0; n < (lists[0]?.length ?? 0); n++) {
      const id = idsAt(lists, n)
      if (!this.#positionOfIds.has(id) && !unknown.has(id))
        unknown.set(
          id,
          lists.map((list) => list[n] ?? null),
        )
    }
    if (unknown.size === 0) return
    const columns = raw(this.ids.map((column, n) => `value->>${n} AS ${column}`).join(', '))
    const rows = await readRows<[n: number, key: Key, label: Key]>(
      store,
      sql`SELECT json_group_array(json_array(n, k0, ${this.#sql.label('k0')})) AS rows FROM (SELECT c.n, ${this.#sql.key} AS k0
        FROM (SELECT key AS n, ${columns} FROM json_each(${JSON.stringify([...unknown.values()])}) LIMIT -1) AS c ${join(this.#sql.joins, ' ')})`,
    )
    const asked = [...unknown.keys()]
    for (const [n, key, label] of rows) {
      const position = this.#positionOf(key)
      this.#labels[position] = label
      this.#positionOfIds.set(asked[n] ?? null, position)
    }
  }

  /** The position among `keys` of the key of the n-th call. */
  positionAt(lists: KeyLists, n: number): number {
    return this.ids === undefined ? this.#positionOf(lists[0]?.[n] ?? null) : (this.#positionOfIds.get(idsAt(lists, n)) ?? 0)
  }

  /** What is shown of each key. */
  async labels(store: Store): Promise<readonly Key[]> {
    if (this.ids !== undefined || this.keys.length === 0) return this.#labels
    const rows = await readRows<[n: number, label: Key]>(
      store,
      sql`SELECT json_group_array(json_array(n, ${this.#sql.label('k0')})) AS rows
        FROM (SELECT key AS n, value AS k0 FROM json_each(${JSON.stringify(this.keys)}) LIMIT -1)`,
    )
    for (const [n, label] of rows) this.#labels[n] = label
    return this.#labels
  }

  #positionOf(key: Key): number {
    let position = this.#positionOfKey.get(key)
    if (position === undefined) {
      position = this.keys.push(key) - 1
      this.#positionOfKey.set(key, position)
    }
    return position
  }
}

function idColumns(dimension: Dimension, { catalog }: Scope): readonly string[] | undefined {
  if (dimension.kind === 'column') {
    const table = columnDictionary(dimension.name)
    return table === 'models' ? ['model_id'] : table === 'kinds' ? ['kind_id'] : undefined
  }
  const key = dimension.kind === 'property' ? catalog.keys.get(dimension.key) : undefined
  // Values that are not interned may be as many as calls.
  if (key === undefined || key.place === 'overflow') return undefined
  return key.slot === null ? ['segment_id'] : ['segment_id', `p${key.slot}`]
}

/** The ids of the n-th call as one value. */
function idsAt(lists: KeyLists, n: number): Key {
  const first = lists[0]?.[n] ?? null
  return lists.length === 1 ? first : lists.map((list) => list[n] ?? '').join(' ')
}
