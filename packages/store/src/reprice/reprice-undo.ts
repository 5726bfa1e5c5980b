import { setTimeout as wait } from 'node:timers/promises'

import { contributionColumns, toContribution, type Contribution } from '../rollups/contributions.ts'
import { PAUSE_MS, REPRICE_STEP, setCosts, type RepriceContext, type RepriceOptions, type RepriceOutcome } from './reprice.ts'
import { openChangeSums } from './reprice-change.ts'
import { readRepricings, stampRepricing } from './reprice-log.ts'
import { addContribution, emptyDelta } from '../rollups/rollup-delta.ts'
import { applyDelta } from '../rollups/rollups.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'
import { StoreError } from '../sqlite/store-error.ts'
import type { Zone } from '../zone.ts'

/**
 * Gives the calls of a repricing the cost and price that they had before it. In steps, like the repricing; an interrupted undo
 * is run again.
 * @throws StoreError of kind `refused` when there is no such repricing, it is undone, or a later one changed the same calls
 */
export async function undoRepricing(
  context: RepriceContext,
  id: number,
  { onProgress }: Pick<RepriceOptions, 'onProgress'> = {},
): Promise<RepriceOutcome> {
  await checkUndoable(context, id)
  await context.inTransaction(({ db }) => stampRepricing(db, id, 'undo_started_ms', context.nowMs()))
  const sums = openChangeSums()
  const counts = { read: 0, rewritten: 0 }
  const of = onProgress === undefined ? 0 : await countRepriced(context, id)
  for (let after: Key | undefined = [-1, '', '']; after !== undefined;) {
    const from: Key = after
    const { restored, read, last } = await context.inTransaction(({ db, zone }) => restoreStep(db, zone, id, from))
    for (const { counted, contribution, old } of restored) {
      const { userId, modelId, costNanoUsd: before } = contribution
      if (counted && before !== old) sums.add({ userId, modelId, before, after: old })
    }
    counts.read += read
    counts.rewritten += restored.length
    onProgress?.({ done: counts.read, of })
    after = last
    if (restored.length > 0) await wait(PAUSE_MS)
  }
  await context.inTransaction(({ db }) => stampRepricing(db, id, 'undone_ms', context.nowMs()))
  return {
    repricingId: id,
    callsRead: counts.read,
    callsRewritten: counts.rewritten,
    overridesLost: 0,
    total: sums.total,
    ...(await sums.named(context.read)),
  }
}

async function countRepriced({ read }: RepriceContext, id: number): Promise<number> {
  const [row] = await read<{ calls: number }>('SELECT count(*) AS calls FROM repriced_calls WHERE repricing_id = ?', id)
  return row?.calls ?? 0
}

async function checkUndoable({ read }: RepriceContext, id: number): Promise<void> {
  const [found] = await readRepricings(read, id)
  if (found === undefined) {
    const known = (await readRepricings(read)).map((one) => one.id)
    throw new StoreError(
      'refused',
      `There is no repricing ${id}. ${known.length === 0 ? 'This ledger was never repriced' : `There are: ${known.join(', ')}`}.`,
    )
  }
  if (found.state === 'undone') {
    throw new StoreError('refused', `Repricing ${id} was undone already, at ${new Date(found.undoneMs ?? 0).toISOString()}.`)
  }
  const [later] = await read<{ id: number }>(
    `SELECT later.repricing_id AS id FROM repricings AS later WHERE later.repricing_id > ?1 AND later.undone_ms IS NULL AND EXISTS (
       SELECT 1 FROM repriced_calls AS mine JOIN repriced_calls AS theirs ON theirs.repricing_id = later.repricing_id
         AND theirs.start_ms = mine.start_ms AND theirs.span_id = mine.span_id AND theirs.trace_id = mine.trace_id
       WHERE mine.repricing_id = ?1)
     ORDER BY 1 DESC LIMIT 1`,
    id,
  )
  if (later !== undefined) throw changedSince(id, `${later.id}`)
}

function changedSince(id: number, by: string): StoreError {
  return new StoreError(
    'refused',
    `Calls of repricing ${id} were repriced again since, by ${by}. Undo that first: spanledger reprice --undo ${by}`,
  )
}

type Key = readonly [startMs: number, spanId: string, traceId: string]

interface Restored {
  readonly counted: boolean
  readonly contribution: Contribution
  readonly old: number | null
}

async function restoreStep(
  db: Sqlite,
  zone: Zone,
  id: number,
  from: Key,
): Promise<{ restored: readonly Restored[]; read: number; last: Key | undefined }> {
  const [row] = await db.all<{ rows: string; last: string | null; read: number }>(repricedAfter, id, ...from)
  const delta = emptyDelta()
  const restored: Restored[] = []
  const costs: (number | string | null)[][] = []
  for (const call of JSON.parse(row?.rows ?? '[]') as (number | string | null)[][]) {
    const [priceId, oldCost, oldPriceId, newCost, newPriceId] = call.slice(-5) as [number, number | null, number, number | null, number]
    const contribution = toContribution(call)
    // Restored by an undo that was interrupted.
    if (priceId === oldPriceId && contribution.costNanoUsd === oldCost) continue
    // Two processes that repriced at the same time may have numbers in another order than their changes.
    if (priceId !== newPriceId || contribution.costNanoUsd !== newCost) throw changedSince(id, 'another repricing')
    const counted = call[3] === 1
    restored.push({ counted, contribution, old: oldCost })
    costs.push([contribution.startMs, call[1] ?? '', call[2] ?? '', oldCost, oldPriceId])
    if (!counted || contribution.costNanoUsd === oldCost) continue
    addContribution(delta, contribution, zone, -1)
    addContribution(delta, { ...contribution, costNanoUsd: oldCost }, zone)
  }
  if (costs.length > 0) await db.run(setCosts, JSON.stringify(costs))
  await applyDelta(db, delta)
  return { restored, read: row?.read ?? 0, last: typeof row?.last === 'string' ? (JSON.parse(row.last) as Key) : undefined }
}

const repricedAfter = `WITH step AS MATERIALIZED (
    SELECT * FROM repriced_calls WHERE repricing_id = ? AND (start_ms, span_id, trace_id) > (?, unhex(?), unhex(?))
    ORDER BY start_ms, span_id, trace_id LIMIT ${REPRICE_STEP})
  SELECT (SELECT count(*) FROM step) AS read,
    (SELECT json_array(start_ms, hex(span_id), hex(trace_id)) FROM step ORDER BY start_ms DESC, span_id DESC, trace_id DESC LIMIT 1) AS last,
    (SELECT json_group_array(json_array(${contributionColumns}, c.price_id, r.old_cost_nano_usd, r.old_price_id, r.new_cost_nano_usd, r.new_price_id))
     FROM step AS r JOIN llm_calls AS c ON c.start_ms = r.start_ms AND c.span_id = r.span_id AND c.trace_id = r.trace_id
     JOIN kinds AS k ON k.kind_id = c.kind_id) AS rows`
