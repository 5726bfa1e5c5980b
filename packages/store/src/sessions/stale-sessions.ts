import { parseOpen, readKept, type KeptSession } from './kept-rows.ts'
import { SESSION_DAY_MS } from './session-fold.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'
import type { Zone } from '../zone.ts'

/** What of sessions is kept, and of whom it no longer holds. */
export interface KeptState {
  /** The first day of which nothing is kept; undefined where nothing is kept at all. */
  readonly untilDay: number | undefined
  /** Those that may go on. */
  readonly open: readonly KeptSession[]
  /** Users a call of whom was added, changed or taken away in what is kept. */
  readonly staleUsers: ReadonlySet<number>
  /** The earliest day on which that was. */
  readonly staleFromDay: number
  /** How many pairs of both there are. */
  readonly marks: number
}

const noState: KeptState = { untilDay: undefined, open: [], staleUsers: new Set(), staleFromDay: 0, marks: 0 }

/** @param all runs a query; a part of a store and of its connection */
export async function readKeptState({ all }: Pick<Sqlite, 'all'>): Promise<KeptState> {
  const [row] = await all<{ until: number; open: string; stale: string }>(
    `SELECT kept_until AS until, sessions AS open, (SELECT json_group_array(json_array(user_id, day)) FROM stale_sessions) AS stale FROM open_sessions`,
  )
  if (row === undefined) return noState
  const marks = JSON.parse(row.stale) as [number, number][]
  return {
    untilDay: row.until,
    open: parseOpen(row.open),
    staleUsers: new Set(marks.map(([userId]) => userId)),
    staleFromDay: marks.reduce((first, [, day]) => Math.min(first, day), row.until),
    marks: marks.length,
  }
}

/** What is to be done again for stale users: their calls from an instant on, and what stands in place of that. */
export interface Refold {
  readonly fromMs: number
  readonly over: readonly KeptSession[]
}

/**
 * From where the sessions of stale users may be other ones: none of theirs that began before has a call after it, nor would have one.
 */
export async function findRefold(db: Pick<Sqlite, 'all'>, state: KeptState, zone: Zone): Promise<Refold> {
  const { staleUsers, staleFromDay, open } = state
  const ids = JSON.stringify([...staleUsers])
  const staleMs = zone.startOfDay(staleFromDay)
  let fromMs = open.reduce((first, { facts }) => (staleUsers.has(facts.userId) ? Math.min(first, facts.startMs) : first), staleMs)
  for (;;) {
    const [row] = await db.all<{ from_ms: number | null }>(
      `SELECT min(s.start_ms) AS from_ms FROM json_each(?) AS u JOIN kept_sessions AS s ON s.user_id = u.value WHERE s.last_ms >= ? OR s.end_ms >= ?`,
      ids,
      fromMs,
      staleMs - SESSION_DAY_MS,
    )
    const earlier = row?.from_ms ?? fromMs
    if (earlier >= fromMs) break
    fromMs = earlier
  }
  return { fromMs, over: await readKept(db, staleUsers, fromMs) }
}
