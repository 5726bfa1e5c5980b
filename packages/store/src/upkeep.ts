import { closeDay, daysToClose, firstOpenDay, readClosedDays, refillDays } from './days/closed-days.ts'
import type { Connections } from './sqlite/connections.ts'
import { clearKept, keepNext, keepUntil } from './sessions/keep-sessions.ts'
import { clearRollups, fillRollups } from './rollups/rollups.ts'
import { rereadSessions } from './rollups/sessions.ts'
import type { Sqlite } from './sqlite/sqlite.ts'
import type { Zone } from './zone.ts'

/** Closes days and keeps sessions that are over, each in a transaction of its own: writes come between. @returns how many days were closed */
export async function closeDays({ db, inTurn }: Connections, zone: () => Zone): Promise<number> {
  let closedDays = 0
  for (const day of await inTurn(() => daysToClose(db, zone(), Date.now()))) if (await inTurn(() => closeDay(db, zone(), day))) closedDays++
  // After the days: they are closed the latest first, sessions go on from the day before.
  while (await inTurn(() => keepNext(db, zone(), firstOpenDay(zone(), Date.now()))));
  return closedDays
}

/** Computes all that is derived anew from the calls. Inside a transaction. */
export async function rebuild(db: Sqlite, zone: Zone): Promise<void> {
  const closedDays = await readClosedDays(db)
  const keptUntil = await clearKept(db)
  await clearRollups(db)
  await fillRollups(db, zone, 'main')
  await rereadSessions(db)
  await refillDays(db, zone, closedDays)
  if (keptUntil !== undefined) await keepUntil(db, zone, keptUntil)
}

/** Gives the ledger another reporting zone: what is kept of days of the old one goes. Inside a transaction. */
export async function moveToZone(db: Sqlite, zone: Zone): Promise<void> {
  await db.run("UPDATE meta SET value = ? WHERE key = 'time_zone'", zone.name)
  await clearKept(db)
  await clearRollups(db)
  await fillRollups(db, zone, 'main')
}
