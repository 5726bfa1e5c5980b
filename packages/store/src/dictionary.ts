import type { Sqlite } from './sqlite.ts'

type Value = string | number

/** A table that gives small numbers to things that repeat. */
export interface DictionaryTable<Thing> {
  readonly table: string
  readonly id: string
  /** Unique together; they identify an entry. How each is read off a thing; it is read for every call, so it is to be cheap. */
  readonly columns: Readonly<Record<string, (thing: Thing) => Value>>
}

/** An entry's values, in the order of the columns. */
export type Entry = readonly Value[]

/** The ids of a dictionary table, remembered. Ids never change, so what was read once in a committed transaction holds. */
export interface Dictionary<Thing> {
  /**
   * The id of each thing, in order; those that the table lacks are added. Inside a transaction.
   * `added` are those that were not there, with their ids.
   */
  intern(things: readonly Thing[]): Promise<{ ids: number[]; added: readonly { readonly entry: Entry; readonly id: number }[] }>
  /** Drops what is remembered: after a rollback, or when there is too much of it. */
  forget(): void
}

/** Remembered entries beyond this are forgotten before the next batch, so that memory stays bounded. */
const MAX_REMEMBERED = 20_000

/**
 * Ids by the values of an entry, one level a column. No key is put together from the values: each call would pay for
 * the text and its hash.
 */
interface Branch extends Map<Value, Branch | number> {}

/** @throws StoreError from `intern` */
export function openDictionary<Thing>(db: Sqlite, { table, id, columns }: DictionaryTable<Thing>): Dictionary<Thing> {
  const names = Object.keys(columns)
  const readers = Object.values(columns)
  const last = readers.length - 1
  const root: Branch = new Map()
  let remembered = 0
  const insert = `INSERT OR IGNORE INTO ${table} (${names.join(', ')}) SELECT ${names.map((_, n) => `value->>${n}`).join(', ')} FROM jsonb_each(?)
    RETURNING ${id} AS id, ${names.join(', ')}`
  const select = `SELECT json_group_array(json_array(t.${id}, ${names.map((name) => `t.${name}`).join(', ')})) AS found
    FROM jsonb_each(?) AS wanted JOIN ${table} AS t ON ${names.map((name, n) => `t.${name} = wanted.value->>${n}`).join(' AND ')}`

  const find = (thing: Thing): number => {
    let branch: Branch = root
    for (let n = 0; n < readers.length; n++) {
      const next: Branch | number | undefined = branch.get(readers[n]?.(thing) ?? '')
      if (next === undefined) return -1
      if (typeof next === 'number') return next
      branch = next
    }
    return -1
  }
  const learn = (entry: Entry, found: number): void => {
    let branch = root
    for (let n = 0; n < last; n++) {
      let next = branch.get(entry[n] ?? '')
      if (typeof next !== 'object') branch.set(entry[n] ?? '', (next = new Map()))
      branch = next
    }
    branch.set(entry[last] ?? '', found)
    remembered++
  }
  /** Reads or adds the entries of things that are not remembered. */
  const look = async (missing: readonly Thing[]): Promise<{ entry: Entry; id: number }[]> => {
    const wanted = (things: readonly Thing[]): string => JSON.stringify(things.map((thing) => readers.map((read) => read(thing))))
    const [row] = await db.all<{ found: string }>(select, wanted(missing))
    for (const [found, ...entry] of JSON.parse(row?.found ?? '[]') as [number, ...Value[]][]) learn(entry, found)
    const unknown = missing.filter((thing) => find(thing) === -1)
    if (unknown.length === 0) return []
    const rows = await db.all<{ id: number } & Record<string, Value>>(insert, wanted(unknown))
    return rows.map((added) => {
      const entry = names.map((name) => added[name] ?? '')
      learn(entry, added.id)
      return { entry, id: added.id }
    })
  }
  return {
    intern: async (things) => {
      if (remembered > MAX_REMEMBERED) {
        root.clear()
        remembered = 0
      }
      const ids = things.map(find)
      const missing = things.filter((_, n) => ids[n] === -1)
      if (missing.length === 0) return { ids, added: [] }
      const added = await look(missing)
      return { ids: ids.map((found, n) => (found === -1 ? known(find(things[n] as Thing), table) : found)), added }
    },
    forget: () => {
      root.clear()
      remembered = 0
    },
  }
}

function known(id: number, table: string): number {
  if (id === -1) throw new Error(`an entry of ${table} has no id`)
  return id
}
