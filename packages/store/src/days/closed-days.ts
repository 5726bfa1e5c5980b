import { compareTables, type Compared } from '../sqlite/compare-tables.ts'
import { dayGroups } from './day-groups.ts'
import type { DayKeeper } from './day-keeper.ts'
import { dayUsage } from './day-usage.ts'
import { dayUsers } from './day-users.ts'
import type { RollupSchema } from '../rollups/rollups.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'
import { addDays, type Zone } from '../zone.ts'

/** What is kept of each closed day. */
const keepers: readonly DayKeeper[] = [dayUsers, dayGroups, dayUsage]

/** A day is closed so long after it ended: most of what comes late has come by then, and would open it again. */
const GRACE_MS = 3_600_000

/** Days with calls that are over and not closed, the latest first: those are asked for most. */
export async function daysToClose(db: Sqlite, zone: Zone, nowMs: number): Promise<number[]> {
  const [row] = await db.all<{ days: string }>(
    `SELECT json_group_array(bucket) AS days FROM (
       SELECT DISTINCT bucket FROM rollup_models WHERE bucket % 100 <> 0 AND bucket NOT IN (SELECT day FROM closed_days) ORDER BY bucket DESC)`,
  )
  return (JSON.parse(row?.days ?? '[]') as number[]).filter((day) => isOver(day, zone, nowMs))
}

/** The day that is not over yet, or not for long enough to be closed. */
export function firstOpenDay(zone: Zone, nowMs: number): number {
  return zone.day(nowMs - GRACE_MS)
}

function isOver(day: number, zone: Zone, nowMs: number): boolean {
  return zone.startOfDay(addDays(day, 1)) + GRACE_MS <= nowMs
}

/** Closes a day, unless it was closed meanwhile, or has no calls any more. Inside a transaction. @returns whether it did */
export async function closeDay(db: Sqlite, zone: Zone, day: number): Promise<boolean> {
  const [found] = await db.all<{ open: number }>(
    `SELECT EXISTS (SELECT 1 FROM rollup_models WHERE bucket = ?1) AND NOT EXISTS (SELECT 1 FROM closed_days WHERE day = ?1) AS open`,
    day,
  )
  if (found?.open !== 1) return false
  await fillDay(db, { day, zone, schema: 'main' })
  await db.run('INSERT INTO closed_days (day) VALUES (?)', day)
  return true
}

async function fillDay(db: Sqlite, day: { day: number; zone: Zone; schema: RollupSchema }): Promise<void> {
  for (const keeper of keepers) await keeper.fill(db, day)
}

/** The closed days, to be closed again by `refillDays` when what opens them is done. */
export async function readClosedDays(db: Sqlite): Promise<number[]> {
  const rows = await db.all<{ day: number }>('SELECT day FROM closed_days ORDER BY day')
  return rows.map(({ day }) => day)
}

/** Closes days again that were closed before. Inside a transaction, after the rollups were computed anew. */
export async function refillDays(db: Sqlite, zone: Zone, closed: readonly number[]): Promise<void> {
  for (const day of closed) await closeDay(db, zone, day)
}

/** Rows of closed days that differ from what the calls give, by table. Writes temporary tables. */
export async function compareDays(db: Sqlite, zone: Zone): Promise<ReadonlyMap<string, Compared>> {
  const tables = keepers.flatMap((keeper) => keeper.tables)
  for (const table of tables)
    await db.exec(`DROP TABLE IF EXISTS temp.${table}; CREATE TEMP TABLE ${table} AS SELECT * FROM main.${table} WHERE false`)
  for (const day of await readClosedDays(db)) await fillDay(db, { day, zone, schema: 'temp' })
  return compareTables(db, tables)
}
