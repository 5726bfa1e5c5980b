import { setTimeout as wait } from 'node:timers/promises'

import type { Cost, PriceBook } from '@spanledger/pricing'

import { contributionColumns, toContribution, type Contribution } from '../rollups/contributions.ts'
import { openDictionary } from '../names/dictionary.ts'
import { priceTable, priceText } from '../names/interning.ts'
import { cacheHitPrice } from '../write/saved.ts'
import { openChangeSums, type ChangeSums, type CostChange, type ModelChange, type Reader, type UserChange } from './reprice-change.ts'
import { beginRepricing, noteProgress, stampRepricing, type RepriceScope } from './reprice-log.ts'
import { addContribution, emptyDelta } from '../rollups/rollup-delta.ts'
import { applyDelta } from '../rollups/rollups.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'
import { StoreError } from '../sqlite/store-error.ts'
import type { Zone } from '../zone.ts'

/** Which calls are to be priced anew, and how. */
export interface RepriceOptions {
  /** Calls that start from here on; all where undefined. */
  readonly sinceMs?: number | undefined
  /** Calls that start before; all where undefined. */
  readonly untilMs?: number | undefined
  /** Only calls that this model answered, or was asked for; case does not matter. */
  readonly model?: string | undefined
  /** Only calls that have no cost. */
  readonly unpricedOnly?: boolean | undefined
  /** Says what would change and writes nothing. */
  readonly dryRun?: boolean | undefined
  /** The store's own by default. */
  readonly priceBook?: PriceBook | undefined
  /** Called after each step with how many calls of the period have been looked at. */
  readonly onProgress?: ((progress: { readonly done: number; readonly of: number }) => void) | undefined
}

export interface RepriceOutcome {
  /** What `undoRepricing` takes; undefined where nothing was written. */
  readonly repricingId: number | undefined
  /** Calls in the scope, those that do not count too. */
  readonly callsRead: number
  /** Of those, how many got another cost or another price; the sums below are of those that count and got another cost. */
  readonly callsRewritten: number
  /** Calls that had a price of the user's own, and would have (or got) one that is not. */
  readonly overridesLost: number
  readonly total: CostChange
  readonly users: readonly UserChange[]
  readonly models: readonly ModelChange[]
}

/** What re-pricing leans on. */
export interface RepriceContext {
  /** Sees what is committed. */
  readonly read: Reader
  /** Runs in a transaction of its own. */
  readonly inTransaction: <Result>(work: (writing: { readonly db: Sqlite; readonly zone: Zone }) => Promise<Result>) => Promise<Result>
  readonly priceBook: () => PriceBook
  readonly nowMs: () => number
}

/** Calls are looked at this many at a time, each step in a transaction of its own, so that other writers wait for parts of a second. */
export const REPRICE_STEP = 5000
/** Between two steps that wrote: another process that waits for the lock looks for it every some ms. */
export const PAUSE_MS = 5

/** Before all calls of an instant. */
const startKey = (sinceMs: number): Key => [sinceMs, '', '']
/** No call starts later than this. */
const END_MS = Number.MAX_SAFE_INTEGER

type Key = readonly [startMs: number, spanId: string, traceId: string]

/**
 * Prices calls anew, by the instant each was made. Written in steps: when it is interrupted, what it did so far is a repricing
 * like any other, and running it again does the rest.
 */
export async function repriceCalls(context: RepriceContext, options: RepriceOptions): Promise<RepriceOutcome> {
  const { sinceMs, untilMs, model, unpricedOnly = false, dryRun = false, onProgress } = options
  const priceBook = options.priceBook ?? context.priceBook()
  const scope: RepriceScope = { sinceMs, untilMs, model, unpricedOnly }
  const sums = openChangeSums()
  const counts = { read: 0, rewritten: 0, overridesLost: 0 }
  const of = onProgress === undefined ? 0 : await countCalls(context.read, scope)
  let done = 0
  let repricingId: number | undefined
  let after: Key | undefined = startKey(sinceMs ?? 0)
  while (after !== undefined) {
    const from: Key = after
    const step = dryRun
      ? await priceStep(context.read, { from, scope, priceBook })
      : await context.inTransaction(async ({ db, zone }) => {
          const priced = await priceStep(db.all.bind(db), { from, scope, priceBook })
          if (priced.changed.length === 0) return priced
          repricingId ??= await beginRepricing(db, { scope, priceSource: priceBook.source, nowMs: context.nowMs() })
          await rewrite(db, zone, repricingId, priced.changed)
          addUp(sums, priced.changed)
          if (!(await noteProgress(db, repricingId, sums.total))) throw undoneMeanwhile(repricingId)
          return priced
        })
    if (dryRun) addUp(sums, step.changed)
    counts.read += step.callsRead
    counts.rewritten += step.changed.length
    counts.overridesLost += step.changed.filter(({ isOverrideLost }) => isOverrideLost).length
    done += step.seen
    onProgress?.({ done, of: Math.max(of, done) })
    after = step.last
    if (!dryRun && step.changed.length > 0) await wait(PAUSE_MS)
  }
  if (repricingId !== undefined) {
    const id = repricingId
    await context.inTransaction(({ db }) => stampRepricing(db, id, 'finished_ms', context.nowMs()))
  }
  return {
    repricingId,
    callsRead: counts.read,
    callsRewritten: counts.rewritten,
    overridesLost: counts.overridesLost,
    total: sums.total,
    ...(await sums.named(context.read)),
  }
}

async function countCalls(all: Reader, { sinceMs, untilMs }: RepriceScope): Promise<number> {
  const [row] = await all<{ calls: number }>(
    'SELECT count(*) AS calls FROM llm_calls WHERE start_ms >= ? AND start_ms < ?',
    sinceMs ?? 0,
    untilMs ?? END_MS,
  )
  return row?.calls ?? 0
}

function addUp(sums: ChangeSums, changed: readonly Changed[]): void {
  for (const { counted, contribution, cost } of changed) {
    const [before, after] = [contribution.costNanoUsd, cost.costNanoUsd ?? null]
    if (counted && before !== after) sums.add({ userId: contribution.userId, modelId: contribution.modelId, before, after })
  }
}

function undoneMeanwhile(id: number): StoreError {
  return new StoreError('refused', `Repricing ${id} is being undone by another process, and goes no further.`)
}

/** A call with what it cost and what it costs now. */
interface Changed {
  readonly key: Key
  readonly counted: boolean
  readonly contribution: Contribution
  readonly cost: Cost
  readonly isOverrideLost: boolean
}

interface Step {
  /** Calls of the period. */
  readonly seen: number
  /** Of those, the calls in the scope. */
  readonly callsRead: number
  readonly changed: readonly Changed[]
  /** Where the next step begins; undefined at the end. */
  readonly last: Key | undefined
}

/** Prices the next calls; those whose cost or price is another one now. */
async function priceStep(all: Reader, { from, scope, priceBook }: { from: Key; scope: RepriceScope; priceBook: PriceBook }): Promise<Step> {
  const [row] = await all<{ rows: string; last: string | null; seen: number }>(
    callsAfter,
    ...from,
    scope.untilMs ?? END_MS,
    scope.unpricedOnly ? 1 : 0,
    scope.model?.toLowerCase() ?? null,
  )
  const rows = JSON.parse(row?.rows ?? '[]') as (number | string | null)[][]
  return {
    seen: row?.seen ?? 0,
    callsRead: rows.length,
    changed: rows.flatMap((call) => priceAnew(call, priceBook) ?? []),
    last: typeof row?.last === 'string' ? (JSON.parse(row.last) as Key) : undefined,
  }
}

const callsAfter = `WITH step AS MATERIALIZED (
    SELECT * FROM llm_calls WHERE (start_ms, span_id, trace_id) > (?1, unhex(?2), unhex(?3)) AND start_ms < ?4
    ORDER BY start_ms, span_id, trace_id LIMIT ${REPRICE_STEP})
  SELECT (SELECT json_array(start_ms, hex(span_id), hex(trace_id)) FROM step ORDER BY start_ms DESC, span_id DESC, trace_id DESC LIMIT 1) AS last,
    (SELECT count(*) FROM step) AS seen,
    (SELECT json_group_array(json_array(${contributionColumns}, m.provider, m.requested_model, m.model, k.service_tier, c.parts, p.price))
     FROM step AS c JOIN kinds AS k ON k.kind_id = c.kind_id JOIN models AS m ON m.model_id = c.model_id JOIN prices AS p ON p.price_id = c.price_id
     WHERE (?5 = 0 OR c.cost_nano_usd IS NULL) AND (?6 IS NULL OR lower(m.model) = ?6 OR lower(m.requested_model) = ?6)) AS rows`

function priceAnew(row: readonly (number | string | null)[], priceBook: PriceBook): Changed | undefined {
  const contribution = toContribution(row)
  if (row.at(-1) === cacheHitPrice) return undefined
  const [provider, requestedModel, model, serviceTier, parts, price] = row.slice(-6) as [
    string,
    string,
    string,
    string,
    string | null,
    string,
  ]
  const cost = priceBook.costOf({
    // A call that reported nothing keeps zeros in its columns.
    usage: contribution.quality === 'missing' ? undefined : contribution.usage,
    parts: parts === null ? undefined : JSON.parse(parts),
    provider,
    model,
    requestedModel,
    serviceTier,
    at: contribution.startMs,
  })
  const text = priceText(cost)
  if (text === price && (cost.costNanoUsd ?? null) === contribution.costNanoUsd) return undefined
  return {
    key: [contribution.startMs, String(row[1]), String(row[2])],
    counted: row[3] === 1,
    contribution,
    cost,
    isOverrideLost: isOverride(price) && !isOverride(text),
  }
}

/** Whether a price, as the ledger keeps it, is the user's own (price-used.ts: `override`, `override of …`). */
function isOverride(price: string): boolean {
  return price.includes('"source":"override')
}

/** Gives calls their new cost and price, keeps the old ones, and moves the rollups. */
async function rewrite(db: Sqlite, zone: Zone, repricingId: number, changed: readonly Changed[]): Promise<void> {
  const priced = changed.map(({ key, cost }) => ({ key, cost, priceId: 0 }))
  await openDictionary(db, priceTable).learn(priced)
  const rows = JSON.stringify(priced.map(({ key, cost, priceId }) => [key[0], key[1], key[2], cost.costNanoUsd ?? null, priceId]))
  await db.run(
    `INSERT INTO repriced_calls (repricing_id, start_ms, span_id, trace_id, old_cost_nano_usd, old_price_id, new_cost_nano_usd, new_price_id)
     SELECT ?1, c.start_ms, c.span_id, c.trace_id, c.cost_nano_usd, c.price_id, j.value->>3, j.value->>4 FROM jsonb_each(?2) AS j
     JOIN llm_calls AS c ON c.start_ms = j.value->>0 AND c.span_id = unhex(j.value->>1) AND c.trace_id = unhex(j.value->>2)`,
    repricingId,
    rows,
  )
  await db.run(setCosts, rows)
  const delta = emptyDelta()
  for (const { counted, contribution, cost } of changed) {
    if (!counted || contribution.costNanoUsd === (cost.costNanoUsd ?? null)) continue
    addContribution(delta, contribution, zone, -1)
    addContribution(delta, { ...contribution, costNanoUsd: cost.costNanoUsd ?? null }, zone)
  }
  await applyDelta(db, delta)
}

/** Binds a JSON array of rows: start, span, trace, cost, price_id. */
export const setCosts = `UPDATE llm_calls SET cost_nano_usd = j.cost_nano_usd, price_id = j.price_id
  FROM (SELECT value->>0 AS start_ms, unhex(value->>1) AS span_id, unhex(value->>2) AS trace_id, value->>3 AS cost_nano_usd, value->>4 AS price_id
        FROM jsonb_each(?)) AS j
  WHERE llm_calls.start_ms = j.start_ms AND llm_calls.span_id = j.span_id AND llm_calls.trace_id = j.trace_id`
