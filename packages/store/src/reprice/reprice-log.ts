import type { Reader, CostChange } from './reprice-change.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'

/** Which calls were asked for. */
export interface RepriceScope {
  readonly sinceMs: number | undefined
  readonly untilMs: number | undefined
  readonly model: string | undefined
  readonly unpricedOnly: boolean
}

/** One repricing of the past, as the ledger remembers it. */
export interface Repricing extends CostChange {
  readonly id: number
  /** `interrupted`, `undo interrupted`: not at its end yet, and perhaps still running in another process. */
  readonly state: 'done' | 'interrupted' | 'undone' | 'undo interrupted'
  readonly startedMs: number
  readonly finishedMs: number | undefined
  readonly undoneMs: number | undefined
  readonly scope: RepriceScope
  /** What the new prices came from. */
  readonly priceSource: string
}

/** Notes that a repricing begins. Inside a transaction. @returns its id */
export async function beginRepricing(
  db: Sqlite,
  { scope, priceSource, nowMs }: { scope: RepriceScope; priceSource: string; nowMs: number },
): Promise<number> {
  const [row] = await db.all<{ id: number }>(
    `INSERT INTO repricings (started_ms, scope, price_source, calls_changed, newly_priced, newly_unpriced, cost_before_nano_usd, cost_after_nano_usd)
     VALUES (?, ?, ?, 0, 0, 0, 0, 0) RETURNING repricing_id AS id`,
    nowMs,
    JSON.stringify(scope),
    priceSource,
  )
  return row?.id ?? 0
}

/**
 * Notes how far a repricing has come. Inside the transaction of the step.
 * @returns whether it may go on: false when somebody has begun to undo it
 */
export async function noteProgress(db: Sqlite, id: number, change: CostChange): Promise<boolean> {
  const found = await db.run(
    `UPDATE repricings SET calls_changed = ?, newly_priced = ?, newly_unpriced = ?,
       cost_before_nano_usd = CAST(? AS INTEGER), cost_after_nano_usd = CAST(? AS INTEGER)
     WHERE repricing_id = ? AND undo_started_ms IS NULL`,
    change.callsChanged,
    change.newlyPriced,
    change.newlyUnpriced,
    String(change.costBeforeNanoUsd),
    String(change.costAfterNanoUsd),
    id,
  )
  return found > 0
}

/** Stamps a repricing with the instant at which something happened to it. Inside a transaction. */
export async function stampRepricing(
  db: Sqlite,
  id: number,
  column: 'finished_ms' | 'undo_started_ms' | 'undone_ms',
  nowMs: number,
): Promise<void> {
  await db.run(`UPDATE repricings SET ${column} = coalesce(${column}, ?) WHERE repricing_id = ?`, nowMs, id)
}

/** Every repricing, the latest first; or the one with an id. */
export async function readRepricings(all: Reader, id?: number): Promise<Repricing[]> {
  const rows = await all<RepricingRow>(
    `SELECT repricing_id, started_ms, finished_ms, undo_started_ms, undone_ms, scope, price_source, calls_changed, newly_priced, newly_unpriced,
       CAST(cost_before_nano_usd AS TEXT) AS cost_before, CAST(cost_after_nano_usd AS TEXT) AS cost_after
     FROM repricings ${id === undefined ? '' : 'WHERE repricing_id = ?'} ORDER BY repricing_id DESC`,
    ...(id === undefined ? [] : [id]),
  )
  return rows.map((row) => {
    const { sinceMs, untilMs, model, unpricedOnly } = JSON.parse(row.scope) as Partial<RepriceScope>
    return {
      id: row.repricing_id,
      state: stateOf(row),
      startedMs: row.started_ms,
      finishedMs: row.finished_ms ?? undefined,
      undoneMs: row.undone_ms ?? undefined,
      scope: { sinceMs, untilMs, model, unpricedOnly: unpricedOnly === true },
      priceSource: row.price_source,
      callsChanged: row.calls_changed,
      newlyPriced: row.newly_priced,
      newlyUnpriced: row.newly_unpriced,
      costBeforeNanoUsd: BigInt(row.cost_before),
      costAfterNanoUsd: BigInt(row.cost_after),
    }
  })
}

interface RepricingRow {
  readonly repricing_id: number
  readonly started_ms: number
  readonly finished_ms: number | null
  readonly undo_started_ms: number | null
  readonly undone_ms: number | null
  readonly scope: string
  readonly price_source: string
  readonly calls_changed: number
  readonly newly_priced: number
  readonly newly_unpriced: number
  readonly cost_before: string
  readonly cost_after: string
}

function stateOf({ finished_ms, undo_started_ms, undone_ms }: RepricingRow): Repricing['state'] {
  if (undone_ms !== null) return 'undone'
  if (undo_started_ms !== null) return 'undo interrupted'
  return finished_ms === null ? 'interrupted' : 'done'
}
