import { totalTokens, usageBuckets, usageOf, type Usage } from '@spanledger/conventions'
import type { Cost, PriceBook, PriceUsed } from '@spanledger/pricing'

import type { WrittenCall } from '../batch.ts'
import { usageColumns } from '../rollups/measures.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'

/**
 * What cache hits saved, apart from what calls used: few ledgers have any, and totals of tokens and costs must not see them.
 * saved_cost_nano_usd NULL: what the call would have cost is unknown. `usage`: the buckets above 0, as JSON.
 */
export const savedSchema = `
  CREATE TABLE saved_calls (
    start_ms INTEGER NOT NULL,
    span_id BLOB NOT NULL,
    trace_id BLOB NOT NULL,
    saved_tokens INTEGER NOT NULL CHECK (saved_tokens >= 0),
    saved_cost_nano_usd INTEGER CHECK (saved_cost_nano_usd BETWEEN 0 AND 9007199254740991),
    usage TEXT NOT NULL,
    PRIMARY KEY (start_ms, span_id, trace_id)
  ) STRICT, WITHOUT ROWID;
`

const hitPrice: PriceUsed = { cacheHit: true }

/** The price of a cache hit, as the ledger keeps it. */
export const cacheHitPrice: string = JSON.stringify(hitPrice)

const free: Cost = { costNanoUsd: 0, price: hitPrice }

const nothing = usageOf({})

/** What a call costs: a cache hit nothing, whatever its model; any other what the book says. */
export function costOfCall(call: WrittenCall, priceBook: PriceBook): Cost {
  return call.cacheHit === true ? free : priceOf(call, priceBook)
}

function priceOf({ usage, parts, provider, model, requestedModel, serviceTier, startMs }: WrittenCall, priceBook: PriceBook): Cost {
  return priceBook.costOf({ usage, parts, provider, model, requestedModel, serviceTier, at: startMs })
}

/**
 * Calls as the ledger keeps them: a cache hit used nothing, which is known. Its response id is that of the answer that was
 * cached, and no sign that the two are one call.
 */
export function withoutSaved(calls: readonly WrittenCall[]): readonly WrittenCall[] {
  if (!calls.some(isHit)) return calls
  return calls.map((call) => (isHit(call) ? asHit(call) : call))
}

function asHit(call: WrittenCall): WrittenCall {
  return { ...call, usage: nothing, usageQuality: 'reported', parts: undefined, responseId: undefined, reportedCostNanoUsd: undefined }
}

function isHit({ cacheHit }: WrittenCall): boolean {
  return cacheHit === true
}

/**
 * Keeps what the hits of a batch saved. Inside the transaction that wrote them, after it. What is kept already stays, as the
 * call does.
 */
export async function writeSaved(db: Sqlite, calls: readonly WrittenCall[], priceBook: PriceBook): Promise<void> {
  const hits = calls.filter(isHit)
  if (hits.length === 0) return
  await db.run(
    `INSERT OR IGNORE INTO saved_calls (start_ms, span_id, trace_id, saved_tokens, saved_cost_nano_usd, usage)
     SELECT c.start_ms, c.span_id, c.trace_id, j.value->>3, j.value->>4, j.value->>5 FROM jsonb_each(?) AS j
     JOIN llm_calls AS c ON c.start_ms = j.value->>0 AND c.span_id = unhex(j.value->>1) AND c.trace_id = unhex(j.value->>2)
     JOIN prices AS p ON p.price_id = c.price_id AND p.price = ?`,
    JSON.stringify(hits.map((call) => savedRow(call, priceBook))),
    cacheHitPrice,
  )
}

function savedRow(call: WrittenCall, priceBook: PriceBook): (string | number | null)[] {
  const { usage = nothing, startMs, spanId, traceId } = call
  return [startMs, spanId, traceId, totalTokens(usage), priceOf(call, priceBook).costNanoUsd ?? null, JSON.stringify(usedBuckets(usage))]
}

function usedBuckets(usage: Usage): Record<string, number> {
  return Object.fromEntries(usageBuckets.filter((bucket) => usage[bucket] > 0).map((bucket) => [usageColumns[bucket], usage[bucket]]))
}

/** Whether each hit has what it saved, and nothing else does. */
export async function countSavedFaults(db: Sqlite): Promise<number> {
  const [row] = await db.all<{ faults: number }>(
    `SELECT (SELECT count(*) FROM saved_calls AS s WHERE NOT EXISTS (SELECT 1 FROM llm_calls AS c JOIN prices AS p USING (price_id)
         WHERE c.start_ms = s.start_ms AND c.span_id = s.span_id AND c.trace_id = s.trace_id AND p.price = ?1 AND c.cost_nano_usd = 0)) +
       abs((SELECT count(*) FROM llm_calls WHERE price_id = (SELECT price_id FROM prices WHERE price = ?1)) - (SELECT count(*) FROM saved_calls)) AS faults`,
    cacheHitPrice,
  )
  return row?.faults ?? 0
}
