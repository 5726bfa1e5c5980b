import type { ScheduleEntry } from './schedule.ts'
import { formatPrices, type PricedUnit, type UnitPrices } from './unit-prices.ts'

/**
 * The unit prices that a cost was computed from: cost in USD = the sum of units × `usdPerMillion` / 1,000,000, and one
 * request. Plain data; within a price book equal prices are the same object.
 */
export interface ModelPrice {
  /** As the list that the price comes from names them. */
  readonly provider: string
  readonly model: string
  readonly serviceTier: string
  /** Decimal text. Fallbacks are written out: a unit that is not here has no price. */
  readonly usdPerMillion: Readonly<Partial<Record<PricedUnit, string>>>
  /** `genai-prices 0.1.8`, `overlay 2026-08-20` or `override`. */
  readonly source: string
  /** First day of a dated price. */
  readonly startDate?: string
  /** Present on the price of long prompts: it holds for input of more tokens than this. */
  readonly inputTokensAbove?: number
}

/** What a call was priced by; with `parts`, one price for each part of the call, in order; `cacheHit`: by none, a cache answered. */
export type PriceUsed = ModelPrice | { readonly parts: readonly ModelPrice[] } | { readonly cacheHit: true }

/** A price ready to compute with, and its plain form. */
export interface PricedBand {
  readonly inputTokensAbove: number
  readonly prices: UnitPrices
  readonly used: ModelPrice
}

/** Keeps one object for each distinct price. */
export function priceInterning(): (entry: ScheduleEntry, serviceTier: string, bandIndex: number) => PricedBand {
  const known = new Map<string, ModelPrice>()
  return (entry, serviceTier, bandIndex) => {
    const band = entry.bands[bandIndex] as ScheduleEntry['bands'][number]
    const used: ModelPrice = {
      provider: entry.provider,
      model: entry.model,
      serviceTier,
      usdPerMillion: formatPrices(band.prices),
      source: entry.source,
      ...(entry.startDate === undefined ? {} : { startDate: entry.startDate }),
      ...(band.inputTokensAbove === undefined ? {} : { inputTokensAbove: band.inputTokensAbove }),
    }
    const key = JSON.stringify(used)
    const same = known.get(key)
    if (same === undefined) known.set(key, used)
    return { inputTokensAbove: band.inputTokensAbove ?? -1, prices: band.prices, used: same ?? used }
  }
}
