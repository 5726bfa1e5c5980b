import type { Sqlite } from '../sqlite/sqlite.ts'
import { LAST_DAY_OF_REPORTS } from './response-ids.ts'

/** Where a ledger stands when a transaction begins. */
export interface Standing {
  /** The latest start of a call; -1 where there is none. */
  readonly latestMs: number
  /** The last day on which somebody else than an app's own processor reported an answer. */
  readonly lastDayOfReports: number | undefined
  /** The last row of the remembered spans; 0 where there is none. */
  readonly lastSpanRow: number
  /** Another number after each commit of another process. */
  readonly dataVersion: number
  /** 0 where nobody was ever erased. */
  readonly lastErasure: number
  /** Whether there are users of whom nothing is to be kept. */
  readonly withholds: boolean
}

/** Reads it in one statement: between two of them SQLite waits until the event loop has its turn. Inside a transaction. */
export async function readStanding(db: Sqlite): Promise<Standing> {
  const [row] = await db.all<{
    latestMs: number | null
    lastDay: string | null
    lastSpanRow: number | null
    dataVersion: number
    lastErasure: number | null
    withholds: 0 | 1
  }>(
    `SELECT (SELECT max(start_ms) FROM llm_calls) AS latestMs, (SELECT value FROM meta WHERE key = '${LAST_DAY_OF_REPORTS}') AS lastDay,
       (SELECT max(number) FROM trace_spans) AS lastSpanRow, (SELECT data_version FROM pragma_data_version) AS dataVersion,
       (SELECT max(erasure_id) FROM erasures) AS lastErasure, EXISTS (SELECT 1 FROM withheld_users) AS withholds`,
  )
  return {
    latestMs: row?.latestMs ?? -1,
    lastDayOfReports: row === undefined || row.lastDay === null ? undefined : Number(row.lastDay),
    lastSpanRow: row?.lastSpanRow ?? 0,
    dataVersion: row?.dataVersion ?? -1,
    lastErasure: row?.lastErasure ?? 0,
    withholds: row?.withholds === 1,
  }
}
