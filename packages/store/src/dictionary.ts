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
  /** Makes sure that every entry has an id. @returns the entries that were not in the table before. Inside a transaction. */
  intern(entries: Iterable<Entry>): Promise<Entry[]>
  /** The id of an entry interned since the last `forget`. */
  id(entry: Entry): number
  /** Drops what is remembered: after a rollback, or when there is too much of it. */
  forget(): void
}

/** Remembered entries beyond this are forgotten before the next batch, so that memory stays bounded. */
const MAX_REMEMBERED = 20_000

/** @throws StoreError from `intern` */
export function openDictionary(db: Sqlite, { table, id, columns }: DictionaryTable): Dictionary {
  const ids = new Map<string, number>()
  const value = columns.map((_, n) => `value->>${n}`)
  const insert = `INSERT OR IGNORE INTO ${table} (${columns.join(', ')}) SELECT ${value.join(', ')} FROM jsonb_each(?)
    RETURNING ${columns.join(', ')}`
  const select = `SELECT json_group_array(json_array(t.${id}, ${columns.map((column) => `t.${column}`).join(', ')})) AS found
    FROM jsonb_each(?) AS wanted JOIN ${table} AS t ON ${columns.map((column, n) => `t.${column} = wanted.value->>${n}`).join(' AND ')}`

  const read = async (entries: readonly Entry[]): Promise<void> => {
    const [row] = await db.all<{ found: string }>(select, JSON.stringify(entries))
    for (const [found, ...entry] of JSON.parse(row?.found ?? '[]') as [number, ...Entry][]) ids.set(keyOf(entry), found)
  }
  return {
    intern: async (entries) => {
      if (ids.size > MAX_REMEMBERED) ids.clear()
      const missing = new Map<string, Entry>()
      for (const entry of entries) {
        const key = keyOf(entry)
        if (!ids.has(key)) missing.set(key, entry)
      }
      if (missing.size === 0) return []
      await read([...missing.values()])
      const unknown = [...missing].filter(([key]) => !ids.has(key)).map(([, entry]) => entry)
      if (unknown.length === 0) return []
      const added = await db.all<Record<string, string | number>>(insert, JSON.stringify(unknown))
      await read(unknown)
      return added.map((row) => columns.map((column) => row[column] ?? ''))
    },
    id: (entry) => {
      const found = ids.get(keyOf(entry))
      if (found === undefined) throw new Error(`no id in ${table} for ${keyOf(entry)}`)
      return found
    },
    forget: () => ids.clear(),
  }
}

/** Entries hold no NUL: ids refuse it, and all other text has it replaced when it is read. */
function keyOf(entry: Entry): string {
  return entry.length === 1 ? String(entry[0]) : entry.join('\u0000')
}
