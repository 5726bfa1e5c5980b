import { raw, sql } from '../../ledger/fragment.ts'
import { readRows } from '../../ledger/snapshot.ts'
import { filterSql } from '../../plan/compile-filter.ts'
import { latestPayments } from '../../plan/latest-events.ts'
import type { Scope } from '../../plan/scope.ts'
import type { Frame } from '../../read/frame.ts'

/** Money that came in, or (negative) went back. */
export interface Payment {
  /** 0 is nobody known. */
  readonly userId: number
  readonly ms: number
  readonly nanoUsd: bigint
  readonly period: string | null
}

/**
 * The payments of a scope that its filter lets through: of one id the latest, of those without an id each.
 * @returns undefined where the filter asks for what only calls have
 */
export async function readPayments({ store }: Frame, scope: Scope): Promise<Payment[] | undefined> {
  const where = scope.where === undefined ? raw('1') : filterSql(scope.where, 'revenue', scope)
  if (where === undefined) return undefined
  const rows = await readRows<[userId: number, ms: number, amount: string, period: string | null]>(
    store,
    sql`SELECT json_group_array(json_array(user_id, start_ms, CAST(amount_nano_usd AS TEXT), period)) AS rows FROM (
      SELECT c.user_id, c.start_ms, c.amount_nano_usd, c.period FROM ${latestPayments(scope)} AS c WHERE ${where})`,
  )
  return rows.map(([userId, ms, amount, period]) => ({ userId, ms, nanoUsd: BigInt(amount), period }))
}
