import type { Sqlite } from '../sqlite/sqlite.ts'

type Value = string | number

/** A table that gives small numbers to things that repeat. */
export interface DictionaryTable<Thing> {
  readonly table: string
  readonly id: string
  /**
   * Unique together; they identify an entry, best the one first that tells most of them apart. How each is read off a thing;
   * it is read for every call, so it is to be cheap.
   */
  readonly columns: Readonly<Record<string, (thing: Thing) => Value>>
  /** Notes the id on the thing. */
  readonly set: (thing: Thing, id: number) => void
  /** For names that an emitter may invent without end; none where absent. */
  readonly limit?: DictionaryLimit<Thing>
}

/** Beyond so many entries a new one stands under another, which it shares with its like. */
export interface DictionaryLimit<Thing> {
  readonly max: number
  /** The entry in its place, in the order of the columns; undefined where it is to have its own all the same. */
  readonly fold: (thing: Thing, entry: readonly Value[]) => readonly Value[] | undefined
  /** Called once for each name that stands under another, again when it was forgotten. */
  readonly folded: () => void
}

/** The ids of a dictionary table, remembered. Ids never change, so what was read once in a committed transaction holds. */
export interface Dictionary<Thing> {
  /** Sets the id of a thing whose entry is remembered. @returns whether it is */
  find(thing: Thing): boolean
  /** Sets the ids of things whose entries are not remembered; those that the table lacks are added. Inside a transaction. */
  learn(things: readonly Thing[]): Promise<void>
  /** Drops what is remembered, if it is too much, so that memory stays bounded. */
  trim(): void
  /** Drops what is remembered: after a rollback. */
  forget(): void
}

/** Remembered entries beyond this are forgotten when there is a moment for it. */
const MAX_REMEMBERED = 20_000

/**
 * Entries by their first value; where several share it, by the next, and so on. No key is put together from the values: each
 * call would pay for the text and its hash.
 */
type Branch = Map<Value, Node>

interface Node {
  readonly entry: readonly Value[]
  readonly id: number
  /** Where more than one entry begins with the same values, all of them by the next value. */
  below: Branch | undefined
}

/** @throws StoreError from `learn` */
export function openDictionary<Thing>(db: Sqlite, { table, id, columns, set, limit }: DictionaryTable<Thing>): Dictionary<Thing> {
  const names = Object.keys(columns)
  const readers = Object.values(columns)
  const first = readers[0] ?? (() => '')
  const root: Branch = new Map()
  let remembered = 0
  const select = `SELECT (SELECT max(${id}) FROM ${table}) AS last,
      json_group_array(json_array(t.${id}, ${names.map((name) => `t.${name}`).join(', ')})) AS found
    FROM jsonb_each(?) AS wanted JOIN ${table} AS t ON ${names.map((name, n) => `t.${name} = wanted.value->>${n}`).join(' AND ')}`
  const insert = `INSERT INTO ${table} (${[id, ...names].join(', ')})
    SELECT ${[id, ...names].map((_, n) => `value->>${n}`).join(', ')} FROM jsonb_each(?)`

  const entryOf = (thing: Thing): Value[] => {
    const entry: Value[] = []
    for (const read of readers) entry.push(read(thing))
    return entry
  }
  const find = (thing: Thing): boolean => {
    let node = root.get(first(thing))
    let n = 1
    while (node?.below !== undefined) node = node.below.get(readers[n++]?.(thing) ?? '')
    if (node === undefined) return false
    for (; n < readers.length; n++) if (readers[n]?.(thing) !== node.entry[n]) return false
    set(thing, node.id)
    return true
  }
  const remember = (entry: readonly Value[], found: number): void => {
    let branch = root
    for (const [n, value] of entry.entries()) {
      const node = branch.get(value)
      if (node === undefined) {
        branch.set(value, { entry, id: found, below: undefined })
        break
      }
      node.below ??= new Map([[node.entry[n + 1] ?? '', { entry: node.entry, id: node.id, below: undefined }]])
      branch = node.below
    }
    remembered++
  }
  /** The entries that are there already of those under which things would stand beyond the limit. */
  const findShared = async (things: readonly Thing[]): Promise<Map<string, number>> => {
    const folds = new Set(things.map((thing) => JSON.stringify(limit?.fold(thing, entryOf(thing)))))
    const [row] = await db.all<{ found: string }>(select, `[${[...folds].filter((fold) => fold !== undefined).join(',')}]`)
    return new Map((JSON.parse(row?.found ?? '[]') as [number, ...Value[]][]).map(([found, ...entry]) => [JSON.stringify(entry), found]))
  }
  /** The entry under which a thing is to stand when there are so many. */
  const foldOf = (thing: Thing, entry: readonly Value[], known: number): readonly Value[] | undefined =>
    limit === undefined || known < limit.max ? undefined : limit.fold(thing, entry)

  return {
    find,
    learn: async (things) => {
      if (things.length === 0) return
      const [row] = await db.all<{ last: number | null; found: string }>(select, JSON.stringify(things.map(entryOf)))
      for (const [found, ...entry] of JSON.parse(row?.found ?? '[]') as [number, ...Value[]][]) remember(entry, found)
      // The transaction holds the lock for writing, so no other process gives out the next ids meanwhile.
      let next = (row?.last ?? 0) + 1
      const shared = next + things.length > (limit?.max ?? Number.POSITIVE_INFINITY) ? await findShared(things) : new Map<string, number>()
      const added: Value[][] = []
      for (const thing of things) {
        if (find(thing)) continue
        const entry = entryOf(thing)
        const fold = foldOf(thing, entry, next - 1)
        const place = fold === undefined ? undefined : JSON.stringify(fold)
        let found = place === undefined ? undefined : shared.get(place)
        if (found === undefined) {
          found = next++
          added.push([found, ...(fold ?? entry)])
          if (place !== undefined) shared.set(place, found)
        }
        if (fold !== undefined) limit?.folded()
        remember(entry, found)
        set(thing, found)
      }
      if (added.length > 0) await db.run(insert, JSON.stringify(added))
    },
    trim: () => {
      if (remembered <= MAX_REMEMBERED) return
      root.clear()
      remembered = 0
    },
    forget: () => {
      root.clear()
      remembered = 0
    },
  }
}
