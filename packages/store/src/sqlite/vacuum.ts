import type { Sqlite } from './sqlite.ts'

/**
 * Writes the file anew, so that nothing is left in it of what was deleted, and cuts its log. Outside of a transaction.
 * @returns false where a reader keeps the log from being cut
 * @throws StoreError where there is no room for a second copy, or another program writes
 */
export async function vacuum(db: Sqlite): Promise<boolean> {
  // The copy would stand in memory otherwise.
  await db.exec('PRAGMA temp_store = FILE')
  try {
    await db.exec('VACUUM')
  } finally {
    await db.exec('PRAGMA temp_store = MEMORY')
  }
  const [row] = await db.all<{ busy: number }>('PRAGMA wal_checkpoint(TRUNCATE)')
  return row?.busy === 0
}
