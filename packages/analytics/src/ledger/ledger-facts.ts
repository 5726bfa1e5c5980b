import type { Store } from '@spanledger/store'

import { onSnapshot, readRows } from './snapshot.ts'

/** What a ledger says of its own completeness; for `doctor`. */
export interface LedgerFacts {
  readonly requests: number
  readonly firstMs: number | null
  readonly lastMs: number | null
  /** Spans that repeat what another call of their trace has; they are kept and not counted. */
  readonly uncounted: number
  readonly withoutUser: number
  readonly samples: number
  readonly estimated: number
  /** Calls that reported no tokens though they did not fail. */
  readonly silent: number
  /** Calls that start after `nowMs`. */
  readonly future: number
  readonly unpriced: readonly UnpricedModel[]
  /** Calls by what was taken of their emitter's input count: whether cached tokens were in it, and by what. Only where some were cached. */
  readonly cacheVerdicts: ReadonlyMap<string, number>
  /** What the prices of the calls came from, e.g. `genai-prices 0.1.8`. */
  readonly priceSources: readonly string[]
  readonly counters: ReadonlyMap<string, number>
}

export interface UnpricedModel {
  readonly provider: string
  readonly model: string
  readonly reason: string
  readonly requests: number
}

export async function readLedgerFacts(store: Store, nowMs: number): Promise<LedgerFacts> {
  return onSnapshot(store, async () => {
    const [sums] = await store.all<Omit<LedgerFacts, 'unpriced' | 'cacheVerdicts' | 'priceSources' | 'counters'>>(
      `SELECT coalesce(sum(c.counted), 0) AS requests, min(iif(c.counted, c.start_ms, NULL)) AS firstMs, max(iif(c.counted, c.start_ms, NULL)) AS lastMs,
         count(*) - coalesce(sum(c.counted), 0) AS uncounted, coalesce(sum(c.counted AND c.user_id = 0), 0) AS withoutUser,
         coalesce(sum(c.counted AND k.origin = 'sample'), 0) AS samples,
         coalesce(sum(c.counted AND k.usage_quality IN ('partial', 'estimated')), 0) AS estimated,
         coalesce(sum(c.counted AND k.usage_quality = 'missing' AND k.status = 'ok'), 0) AS silent,
         coalesce(sum(c.counted AND c.start_ms > ?), 0) AS future
       FROM llm_calls AS c JOIN kinds AS k ON k.kind_id = c.kind_id`,
      nowMs,
    )
    const unpriced = await store.all<UnpricedModel>(
      `SELECT m.provider, m.requested_model AS model, p.price ->> '$.unpriced' AS reason, count(*) AS requests
       FROM llm_calls AS c JOIN models AS m ON m.model_id = c.model_id JOIN prices AS p ON p.price_id = c.price_id JOIN kinds AS k ON k.kind_id = c.kind_id
       WHERE c.counted = 1 AND c.cost_nano_usd IS NULL GROUP BY m.provider, m.requested_model, reason ORDER BY requests DESC, m.provider, model`,
    )
    const verdicts = await store.all<{ verdict: string; requests: number }>(
      `SELECT k.cache_verdict AS verdict, count(*) AS requests FROM kinds AS k JOIN llm_calls AS c ON c.kind_id = k.kind_id
       WHERE k.cache_verdict <> '' AND c.counted = 1 GROUP BY k.cache_verdict ORDER BY requests DESC, verdict`,
    )
    const sources = await readRows<string>(store, {
      text: `SELECT json_group_array(DISTINCT price ->> '$.source') AS rows FROM prices WHERE price ->> '$.source' IS NOT NULL`,
      values: [],
    })
    const counters = await store.all<{ name: string; count: number }>('SELECT name, count FROM counters ORDER BY name')
    if (sums === undefined) throw new Error('A sum over no rows is a row.')
    return {
      ...sums,
      unpriced,
      cacheVerdicts: new Map(verdicts.map(({ verdict, requests }) => [verdict, requests])),
      priceSources: sources.toSorted(),
      counters: new Map(counters.map(({ name, count }) => [name, count])),
    }
  })
}
