import type { RollupDelta } from './rollup-delta.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'

/**
 * Marks users as stale of whom a change touches a day that is kept. Inside the transaction of the change, which pays one short
 * query for it where nothing kept is touched.
 */
export async function markStale(db: Sqlite, { users }: RollupDelta): Promise<void> {
  if (users.size === 0) return
  const [row] = await db.all<{ until: number }>('SELECT kept_until AS until FROM open_sessions')
  if (row === undefined) return
  const marks = [...users].flatMap(([day, byUser]) => (day < row.until ? Array.from(byUser.keys(), (userId) => [userId, day]) : []))
  if (marks.length === 0) return
  await db.run('INSERT OR IGNORE INTO stale_sessions (user_id, day) SELECT value->>0, value->>1 FROM jsonb_each(?)', JSON.stringify(marks))
}
