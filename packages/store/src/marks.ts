import type { Marks } from './batch.ts'
import type { Sqlite } from './sqlite/sqlite.ts'

/** What a writer notes for itself stands in `meta`, apart from the ledger's own entries. */
const PREFIX = 'mark:'

/** Keeps, replaces or takes away notes. Inside a transaction. */
export async function writeMarks(db: Sqlite, marks: Marks): Promise<void> {
  for (const [name, text] of marks) {
    if (text === null) await db.run('DELETE FROM meta WHERE key = ?', PREFIX + name)
    else
      await db.run(
        'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
        PREFIX + name,
        text,
      )
  }
}

/** The notes whose names begin so, by name. */
export async function readMarks(db: Pick<Sqlite, 'all'>, beginning: string): Promise<ReadonlyMap<string, string>> {
  const from = PREFIX + beginning
  const rows = await db.all<{ key: string; value: string }>(
    'SELECT key, value FROM meta WHERE substr(key, 1, ?) = ? ORDER BY key',
    from.length,
    from,
  )
  return new Map(rows.map(({ key, value }) => [key.slice(PREFIX.length), value]))
}

/** A note as it was last committed. */
export async function readMark(db: Pick<Sqlite, 'all'>, name: string): Promise<string | undefined> {
  const [row] = await db.all<{ value: string }>('SELECT value FROM meta WHERE key = ?', PREFIX + name)
  return row?.value
}
