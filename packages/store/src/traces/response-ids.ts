import type { WrittenCall } from '../batch.ts'
import { namesOneAnswer } from './settle.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'
import { TRACE_DAYS } from './trace-spans.ts'

/** The entry of `meta` with the last day on which somebody else than an app's own processor reported an answer. */
export const LAST_DAY_OF_REPORTS = 'last_day_of_reports'

/**
 * Whether answers are reported twice in this ledger: while calls come from outside too (a gateway's spans by OTLP, imported
 * transcripts), an app's own calls are to be remembered by their response ids, and are not where they come alone: that
 * would cost each of them a row. Notes what a batch brings. Inside a transaction.
 */
export async function noteReports(
  db: Sqlite,
  calls: readonly WrittenCall[],
  { today, lastDay }: { today: number; lastDay: number | undefined },
): Promise<boolean> {
  const named = calls.filter(({ responseId }) => namesOneAnswer(responseId))
  if (named.length === 0) return false
  if (lastDay !== today && named.some(({ origin }) => origin === 'otlp' || origin === 'import')) {
    await db.run(
      'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
      LAST_DAY_OF_REPORTS,
      String(today),
    )
    return true
  }
  return lastDay !== undefined && lastDay >= today - TRACE_DAYS
}
