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
export interface Dictionary {
  /**
   * The id of each entry, in order; entries that the table lacks are added. Inside a transaction.
   * `added` are those that were not there, with their ids.
   */
  intern(entries: readonly Entry[]): Promise<{ ids: number[]; added: readonly { readonly entry: Entry; readonly id: number }[] }>
  /** Drops what is remembered: after a rollback, or when there is too much of it. */
  forget(): void
}

/** Remembered entries beyond this are forgotten before the next batch, so that memory stays bounded. */
const MAX_REMEMBERED = 20_000

/** @throws StoreError from `intern` */
export function openDictionary(db: Sqlite, { table, id, columns }: DictionaryTable): Dictionary {
  const remembered = new Map<string | number, number>()
  const value = columns.map((_, n) => `value->>${n}`)
  const insert = `INSERT OR IGNORE INTO ${table} (${columns.join(', ')}) SELECT ${value.join(', ')} FROM jsonb_each(?)
    RETURNING ${id} AS id, ${columns.join(', ')}`
  const select = `SELECT json_group_array(json_array(t.${id}, ${columns.map((column) => `t.${column}`).join(', ')})) AS found
    FROM jsonb_each(?) AS wanted JOIN ${table} AS t ON ${columns.map((column, n) => `t.${column} = wanted.value->>${n}`).join(' AND ')}`

  const remember = async (missing: ReadonlyMap<string | number, Entry>): Promise<{ entry: Entry; id: number }[]> => {
    const [row] = await db.all<{ found: string }>(select, JSON.stringify([...missing.values()]))
    for (const [found, ...entry] of JSON.parse(row?.found ?? '[]') as [number, ...Entry][]) remembered.set(keyOf(entry), found)
    const unknown = [...missing].filter(([key]) => !remembered.has(key)).map(([, entry]) => entry)
    if (unknown.length === 0) return []
    const rows = await db.all<{ id: number } & Record<string, string | number>>(insert, JSON.stringify(unknown))
    return rows.map((added) => {
      const entry = columns.map((column) => added[column] ?? '')
      remembered.set(keyOf(entry), added.id)
      return { entry, id: added.id }
    })
  }
  return {
    intern: async (entries) => {
      if (remembered.size > MAX_REMEMBERED) remembered.clear()
      const keys = entries.map(keyOf)
      const missing = new Map<string | number, Entry>()
      for (let n = 0; n < keys.length; n++) {
        const key = keys[n]
        const entry = entries[n]
        if (key !== undefined && entry !== undefined && !remembered.has(key)) missing.set(key, entry)
      }
      const added = missing.size === 0 ? [] : await remember(missing)
      return { ids: keys.map((key) => idOf(remembered, key, table)), added }
    },
    forget: () => remembered.clear(),
  }
}

function idOf(remembered: ReadonlyMap<string | number, number>, key: string | number, table: string): number {
  const id = remembered.get(key)
  if (id === undefined) throw new Error(`no id in ${table} for ${JSON.stringify(key)}`)
  return id
}

/** Entries hold no NUL: ids refuse it, and all other text has it replaced when it is read. */
function keyOf(entry: Entry): string | number {
  return entry.length === 1 ? (entry[0] ?? '') : entry.join('\u0000')
}
