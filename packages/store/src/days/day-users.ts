import { encodeCounts } from '../rollups/counts.ts'
import type { DayKeeper } from './day-keeper.ts'

/** Who called on a day, and how often: one row a day, where the rollup of users has one for each of them. */
export const dayUsers: DayKeeper = {
  tables: ['day_users'],
  fill: async (db, { day, schema }) => {
    const [row] = await db.all<{ users: string }>(
      'SELECT json_group_array(json_array(user_id, requests)) AS users FROM rollup_users WHERE bucket = ?',
      day,
    )
    const requests = encodeCounts(new Map(JSON.parse(row?.users ?? '[]') as [number, number][]))
    await db.run(`INSERT INTO ${schema}.day_users (day, requests) VALUES (?, unhex(?))`, day, Buffer.from(requests).toString('hex'))
  },
}
