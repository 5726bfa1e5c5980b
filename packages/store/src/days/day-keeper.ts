import type { RollupSchema } from '../rollups/rollups.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'
import type { Zone } from '../zone.ts'

/** A local day, and where its rows go: into the file, or into temporary tables to compare with. */
export interface DayToFill {
  readonly day: number
  readonly zone: Zone
  readonly schema: RollupSchema
}

/**
 * Something that is kept of a day that is over. Its tables have a column `day`, and a trigger in the schema that deletes the rows
 * of a day that leaves `closed_days`. What it fills in follows from the calls of the day: the same calls give the same bytes.
 */
export interface DayKeeper {
  readonly tables: readonly string[]
  /** Fills in the rows of a day of which there are none. Inside a transaction. */
  fill(db: Sqlite, day: DayToFill): Promise<void>
}
