import { migrations } from '../src/schema/schema.ts'
import { openSqlite } from '../src/sqlite/sqlite.ts'

/** Makes a ledger of an older schema version that has what a ledger of today holds, as far as that version could keep it. */
export async function writeOlder(path: string, { version, from }: { version: number; from: string }): Promise<void> {
  const db = await openSqlite(path, 'write')
  for (const step of migrations.slice(0, version)) await db.exec(step)
  await db.exec(`ATTACH '${from}' AS today`)
  // Closed days last: a row of a rollup that changes opens its day.
  const tables = await db.all<{ name: string }>(
    `SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name IN (SELECT name FROM today.sqlite_schema) ORDER BY name = 'closed_days', name`,
  )
  for (const { name } of tables) {
    const columns = await db.all<{ name: string }>(
      `SELECT o.name FROM pragma_table_info('${name}', 'main') AS o JOIN pragma_table_xinfo('${name}', 'today') AS t ON t.name = o.name`,
    )
    const names = columns.map((column) => column.name).join(', ')
    await db.exec(`INSERT OR REPLACE INTO main.${name} (${names}) SELECT ${names} FROM today.${name}`)
  }
  await db.exec(`DETACH today; PRAGMA application_id = ${0x53504c44}; PRAGMA user_version = ${version}`)
  await db.close()
}
