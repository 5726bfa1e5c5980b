import type { Sqlite } from './sqlite.ts'

/** How many rows a table has, and how many stand in one of it and its temporary namesake only. */
export interface Compared {
  readonly rows: number
  readonly differing: number
}

/** Compares tables of the file, or their rows that pass a condition, with temporary ones of the same names, in which the same was computed from the calls. */
export async function compareTables(db: Sqlite, tables: readonly string[], where = 'true'): Promise<ReadonlyMap<string, Compared>> {
  const compared = new Map<string, Compared>()
  for (const table of tables) {
    const [row] = await db.all<Compared>(
      `SELECT (SELECT count(*) FROM main.${table}) AS rows,
        (SELECT count(*) FROM (SELECT * FROM main.${table} WHERE ${where} EXCEPT SELECT * FROM temp.${table})) +
        (SELECT count(*) FROM (SELECT * FROM temp.${table} WHERE ${where} EXCEPT SELECT * FROM main.${table})) AS differing`,
    )
    compared.set(table, row ?? { rows: 0, differing: 0 })
  }
  return compared
}
