import type { Sqlite } from './sqlite.ts'

/** A table that gives small numbers to things that repeat. */
export interface DictionaryTable {
  readonly table: string
  readonly id: string
  /** Unique together; they identify an entry. */
  readonly columns: readonly string[]
}

export type Entry = readonly (string | number)[]

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

/** How a thing is written in a dictionary. */
export interface Wording<Thing> {
  /**
   * The entry's values, joined by NUL where there are several; made once per call, so it is to be cheap. Values hold no NUL:
   * ids refuse it, and all other text has it replaced when it is read.
   */
  readonly key: (thing: Thing) => string
  /** The values by column; made only for what is new. */
  readonly entry: (thing: Thing) => Entry
}

/** Remembered entries beyond this are forgotten before the next batch, so that memory stays bounded. */
const MAX_REMEMBERED = 20_000

/** @throws StoreError from `intern` */
export function openDictionary<Thing>(
  db: Sqlite,
  { table, id, columns }: DictionaryTable,
  { key, entry }: Wording<Thing>,
): Dictionary<Thing> {
  const remembered = new Map<string, number>()
  const value = columns.map((_, n) => `value->>${n}`)
  const insert = `INSERT OR IGNORE INTO ${table} (${columns.join(', ')}) SELECT ${value.join(', ')} FROM jsonb_each(?)
    RETURNING ${id} AS id, ${columns.join(', ')}`
  const select = `SELECT json_group_array(json_array(t.${id}, ${columns.map((column) => `t.${column}`).join(', ')})) AS found
    FROM jsonb_each(?) AS wanted JOIN ${table} AS t ON ${columns.map((column, n) => `t.${column} = wanted.value->>${n}`).join(' AND ')}`

  const remember = async (missing: ReadonlyMap<string, Entry>): Promise<{ entry: Entry; id: number }[]> => {
    const [row] = await db.all<{ found: string }>(select, JSON.stringify([...missing.values()]))
    for (const [found, ...values] of JSON.parse(row?.found ?? '[]') as [number, ...Entry][]) remembered.set(values.join('\u0000'), found)
    const unknown = [...missing].filter(([word]) => !remembered.has(word)).map(([, values]) => values)
    if (unknown.length === 0) return []
    const rows = await db.all<{ id: number } & Record<string, string | number>>(insert, JSON.stringify(unknown))
    return rows.map((added) => {
      const values = columns.map((column) => added[column] ?? '')
      remembered.set(values.join('\u0000'), added.id)
      return { entry: values, id: added.id }
    })
  }
  return {
    intern: async (things) => {
      if (remembered.size > MAX_REMEMBERED) remembered.clear()
      const keys = things.map(key)
      const missing = new Map<string, Entry>()
      for (const [n, thing] of things.entries()) {
        const word = keys[n] ?? ''
        if (!remembered.has(word) && !missing.has(word)) missing.set(word, entry(thing))
      }
      const added = missing.size === 0 ? [] : await remember(missing)
      return { ids: keys.map((word) => idOf(remembered, word, table)), added }
    },
    forget: () => remembered.clear(),
  }
}

function idOf(remembered: ReadonlyMap<string, number>, word: string, table: string): number {
  const id = remembered.get(word)
  if (id === undefined) throw new Error(`no id in ${table} for ${JSON.stringify(word)}`)
  return id
}
