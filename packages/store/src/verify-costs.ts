import { usageBuckets, usageOf, type Usage, type UsagePart } from '@spanledger/conventions'
import { costAtKeptPrice, type CostAtKeptPrice, type PriceUsed } from '@spanledger/pricing'

import { usageColumns } from './rollups/measures.ts'
import type { Sqlite } from './sqlite/sqlite.ts'

/** How far a check of all calls has come. */
export type OnProgress = (progress: { readonly done: number; readonly of: number }) => void

/** What recomputing the costs of all calls found. */
export interface CostFaults {
  readonly calls: number
  /** Calls whose cost is not what their usage and the price kept with them give; those that do not count too. */
  readonly differing: number
  /** Calls whose price says no prices of units, as a price book of the app's own may hand out: nothing can be computed from it. */
  readonly uncheckable: number
  /** What such calls cost above, and below, what they should. */
  readonly overNanoUsd: bigint
  readonly underNanoUsd: bigint
  /** The first few, as `trace/span`. */
  readonly examples: readonly string[]
}

const STEP = 20_000
const EXAMPLES = 3

/**
 * Computes the cost of every call anew from its tokens and the price kept with it. Unlike re-pricing it asks no price list: a call that
 * was right when it was written is right for ever. Reads all calls once, in steps; below 10 s of processor time a million.
 */
export async function checkCosts(db: Sqlite, onProgress?: OnProgress): Promise<CostFaults> {
  const of = onProgress === undefined ? 0 : await countCalls(db)
  const costs = new Map<number, Kept>()
  const examples: string[] = []
  let [calls, differing, uncheckable, overNanoUsd, underNanoUsd] = [0, 0, 0, 0n, 0n]
  let after: readonly [number, string, string] = [-1, '', '']
  for (;;) {
    const [row] = await db.all<{ rows: string }>(pricedAfter, ...after)
    const rows = JSON.parse(row?.rows ?? '[]') as PricedRow[]
    const last = rows.at(-1)
    if (last === undefined) return { calls, differing, uncheckable, overNanoUsd, underNanoUsd, examples }
    after = [last[0], last[1], last[2]]
    await learnPrices(db, costs, rows)
    for (const priced of rows) {
      const [, spanId, traceId, priceId, kept] = priced
      const price = costs.get(priceId)
      if (price === 'no units') {
        uncheckable++
        continue
      }
      const cost = price?.(usedBy(priced))
      if (kept === null ? cost === undefined : cost === BigInt(kept)) continue
      differing++
      const difference = BigInt(kept ?? 0) - (cost ?? 0n)
      if (difference > 0n) overNanoUsd += difference
      else underNanoUsd -= difference
      if (examples.length < EXAMPLES) examples.push(`${traceId}/${spanId}`.toLowerCase())
    }
    calls += rows.length
    onProgress?.({ done: calls, of: Math.max(of, calls) })
  }
}

type PricedRow = [
  startMs: number,
  spanId: string,
  traceId: string,
  priceId: number,
  costNanoUsd: number | null,
  isSilent: number,
  parts: string | null,
  ...tokens: number[],
]

const pricedAfter = `SELECT json_group_array(json_array(c.start_ms, hex(c.span_id), hex(c.trace_id), c.price_id, c.cost_nano_usd,
      k.usage_quality = 'missing', c.parts, ${usageBuckets.map((bucket) => `c.${usageColumns[bucket]}`).join(', ')})) AS rows
    FROM (SELECT * FROM llm_calls WHERE (start_ms, span_id, trace_id) > (?, unhex(?), unhex(?))
      ORDER BY start_ms, span_id, trace_id LIMIT ${STEP}) AS c
    LEFT JOIN kinds AS k ON k.kind_id = c.kind_id`

async function countCalls(db: Sqlite): Promise<number> {
  const [row] = await db.all<{ calls: number }>('SELECT count(*) AS calls FROM llm_calls')
  return row?.calls ?? 0
}

/** What a row of `prices` gives. Undefined: no price, so that its calls must have no cost either. */
type Kept = CostAtKeptPrice | 'no units' | undefined

async function learnPrices(db: Sqlite, costs: Map<number, Kept>, rows: readonly PricedRow[]): Promise<void> {
  const unknown = [...new Set(rows.map(([, , , priceId]) => priceId))].filter((priceId) => !costs.has(priceId))
  if (unknown.length === 0) return
  const prices = await db.all<{ id: number; price: string }>(
    'SELECT price_id AS id, price FROM prices WHERE price_id IN (SELECT value FROM json_each(?))',
    JSON.stringify(unknown),
  )
  for (const { id, price } of prices) costs.set(id, costOf(price))
}

function costOf(text: string): Kept {
  const price = parsed(text)
  if (typeof price !== 'object' || price === null || 'unpriced' in price) return undefined
  const saysUnits = 'usdPerMillion' in price || 'parts' in price || 'cacheHit' in price
  return saysUnits ? costAtKeptPrice(price as PriceUsed) : 'no units'
}

function usedBy([, , , , , isSilent, parts, ...tokens]: PricedRow): { usage: Usage | undefined; parts: readonly UsagePart[] | undefined } {
  const usage = isSilent === 1 ? undefined : usageOf(Object.fromEntries(usageBuckets.map((bucket, n) => [bucket, tokens[n]])))
  return { usage, parts: parts === null ? undefined : (parsed(parts) as readonly UsagePart[] | undefined) }
}

/** Undefined where the text is no JSON: anybody may have written it. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
