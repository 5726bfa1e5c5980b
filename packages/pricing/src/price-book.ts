import { divideHalfEven, totalInputTokens, usageBuckets, type Usage, type UsagePart } from '@spanledger/conventions'

import { CATALOGUE_SOURCE } from './catalogue.ts'
import { PRICE_PER_NANO_USD } from './decimal.ts'
import { canonicalTier } from './overlay.ts'
import { readOverrides, readOverridesFile, type Override, type PriceOverride } from './overrides.ts'
import { listNames, listPrices, type PriceName } from './price-list.ts'
import { priceInterning, type ModelPrice, type PricedBand, type PriceUsed } from './price-used.ts'
import { resolvePrices, unpriced, type PriceQuery, type ResolutionStep, type TieredEntry, type Unpriced } from './resolution.ts'
import { entryAt } from './schedule.ts'

/** What a call's cost is computed from. An `LlmCall` with its start as `at` is one. */
export interface PricedCall {
  /** Undefined: unknown, and so is the cost. */
  readonly usage: Usage | undefined
  /** Where several models served the call: each part is priced at its own model, and `usage` is not. */
  readonly parts?: readonly UsagePart[] | undefined
  /** Canonical id (`canonicalProvider` of conventions). */
  readonly provider: string
  readonly model: string
  readonly requestedModel?: string | undefined
  readonly serviceTier?: string | undefined
  /** When the call started, in milliseconds since 1970 UTC: a call is priced by the price of its instant. */
  readonly at: number
}

export type Cost = { readonly costNanoUsd: number; readonly price: PriceUsed } | Unpriced

/** How a price was found, or why none was. */
export interface Explanation {
  readonly provider: string
  readonly model: string
  readonly serviceTier: string
  readonly steps: readonly ResolutionStep[]
  /** Every band of the price at that instant, short prompts first. */
  readonly prices: readonly ModelPrice[]
  readonly unpriced: Unpriced | undefined
}

export interface PriceBook {
  /** The cost of a call, exact and rounded half-even once, or why there is none. Some microseconds; never throws. */
  costOf(call: PricedCall): Cost
  /** Every price in force at an instant (now, where not said), the user's own first. */
  list(at?: number): readonly ModelPrice[]
  /** Every model that is spelled out, by the names it is asked for. */
  names(): readonly PriceName[]
  explain(model: string, options: { provider: string; requestedModel?: string; serviceTier?: string; at?: number }): Explanation
  /** What the prices come from: the catalogue, and how many rows of the user's own stand above it. */
  readonly source: string
}

export interface PriceBookOptions {
  /** A JSON file of the user's own prices (docs/prices.md). */
  readonly overridesPath?: string | undefined
  /** The same rows from code; they stand above those of the file. */
  readonly overrides?: readonly PriceOverride[] | undefined
}

/** Models a process meets are few; beyond this the names are noise, and starting over costs less than keeping them. */
const MAX_REMEMBERED = 10_000

/**
 * Opens the price book: the bundled catalogue and overlay, with the user's own prices above them. No network, ever.
 * @throws PriceBookError when the overrides cannot be read
 */
export function openPriceBook({ overridesPath, overrides = [] }: PriceBookOptions = {}): PriceBook {
  const own: readonly Override[] = [...(overridesPath === undefined ? [] : readOverridesFile(overridesPath)), ...readOverrides(overrides)]
  const intern = priceInterning()
  const remembered = new Map<string, Remembered>()
  const combinations = new Map<string, PriceUsed>()

  function pricesOf(query: PriceQuery): Remembered {
    const key = `${query.provider}\n${query.model}\n${query.requestedModel ?? ''}\n${query.tier}`
    let found = remembered.get(key)
    if (found === undefined) {
      found = remember(query, own, intern)
      if (remembered.size >= MAX_REMEMBERED) remembered.clear()
      remembered.set(key, found)
    }
    return found
  }

  function combined(prices: readonly ModelPrice[]): PriceUsed {
    const key = JSON.stringify(prices)
    let same = combinations.get(key)
    if (same === undefined) {
      same = { parts: prices }
      if (combinations.size >= MAX_REMEMBERED) combinations.clear()
      combinations.set(key, same)
    }
    return same
  }

  return {
    source: own.length === 0 ? CATALOGUE_SOURCE : `${CATALOGUE_SOURCE}, ${own.length} own`,
    costOf({ usage, parts, provider, model, requestedModel, serviceTier, at }) {
      const tier = canonicalTier(serviceTier)
      if (parts === undefined || parts.length === 0) {
        if (usage === undefined) return noUsage
        const part = costOfPart(pricesOf({ provider, model, requestedModel, tier }), usage, at)
        return 'reason' in part ? part : toCost(part.scaled, part.used)
      }
      let scaled = 0n
      const prices: ModelPrice[] = []
      for (const { model: partModel, usage: partUsage } of parts) {
        const query = { provider, model: partModel, requestedModel: partModel === model ? requestedModel : undefined, tier }
        const part = costOfPart(pricesOf(query), partUsage, at)
        if ('reason' in part) return part
        scaled += part.scaled
        prices.push(part.used)
      }
      return toCost(scaled, combined(prices))
    },
    list: (at = Date.now()) => listPrices(own, intern, at),
    names: () => listNames(own),
    explain(model, { provider, requestedModel, serviceTier, at = Date.now() }) {
      const tier = canonicalTier(serviceTier)
      const steps: ResolutionStep[] = []
      const resolution = resolvePrices({ provider, model, requestedModel, tier }, own, steps)
      const entry = 'entries' in resolution ? entryAt(resolution.entries, at) : undefined
      return {
        provider,
        model,
        serviceTier: tier,
        steps,
        prices: entry === undefined ? [] : entry.bands.map((_, n) => intern(entry, tier, n).used),
        unpriced: 'entries' in resolution ? (entry === undefined ? noPriceYet(model, at) : undefined) : resolution,
      }
    },
  }
}

/** The cost of one call by the bundled prices; for more than one, or with prices of your own, open a price book. */
export function costOf(call: PricedCall): Cost {
  bundled ??= openPriceBook()
  return bundled.costOf(call)
}

let bundled: PriceBook | undefined

/** The prices of one model in one tier over time, ready to compute with. */
type Remembered = { readonly schedule: readonly RememberedEntry[]; readonly model: string; readonly tier: string } | Unpriced

interface RememberedEntry extends TieredEntry {
  readonly priced: readonly PricedBand[]
}

function remember(query: PriceQuery, own: readonly Override[], intern: ReturnType<typeof priceInterning>): Remembered {
  const resolution = resolvePrices(query, own)
  if (!('entries' in resolution)) return resolution
  const schedule = resolution.entries.map((entry) => rememberedEntry(entry, query.tier, intern))
  return { schedule, model: query.model, tier: query.tier }
}

function rememberedEntry(entry: TieredEntry, tier: string, intern: ReturnType<typeof priceInterning>): RememberedEntry {
  return { ...entry, priced: entry.bands.map((_, n) => intern(entry, tier, n)) }
}

const noUsage = unpriced('no_usage', 'The call reported no usage.')

function noPriceYet(model: string, at: number): Unpriced {
  const instant = new Date(at)
  const when = Number.isNaN(instant.getTime()) ? String(at) : instant.toISOString()
  return unpriced('no_price_yet', `No price of "${model}" holds at ${when}.`)
}

/** The exact cost of one part, scaled as its prices are. */
function costOfPart(prices: Remembered, usage: Usage, at: number): { readonly scaled: bigint; readonly used: ModelPrice } | Unpriced {
  if ('reason' in prices) return prices
  const entry = entryAt(prices.schedule, at)
  if (entry === undefined) return noPriceYet(prices.model, at)
  const input = totalInputTokens(usage)
  if (entry.upToInputTokens !== undefined && input > entry.upToInputTokens) {
    return unpriced(
      'unknown_service_tier',
      `No price for service tier "${prices.tier}" of "${prices.model}" above ${entry.upToInputTokens} input tokens.`,
    )
  }
  let band = entry.priced[0] as PricedBand
  for (const longer of entry.priced) if (input > longer.inputTokensAbove) band = longer
  let scaled = band.prices.requests ?? 0n
  for (const bucket of usageBuckets) {
    const count = usage[bucket]
    if (count === 0) continue
    if (!Number.isSafeInteger(count) || count < 0)
      return unpriced('invalid_usage', `${bucket} is ${count}; it must be a whole number of at least 0.`)
    const price = band.prices[bucket]
    if (price === undefined) return unpriced('no_price_for_bucket', `"${prices.model}" has no price for ${bucket} (${count} used).`)
    scaled += BigInt(count) * price
  }
  return { scaled, used: band.used }
}

function toCost(scaled: bigint, price: PriceUsed): Cost {
  const nanoUsd = divideHalfEven(scaled, PRICE_PER_NANO_USD)
  return nanoUsd <= BigInt(Number.MAX_SAFE_INTEGER)
    ? { costNanoUsd: Number(nanoUsd), price }
    : unpriced('cost_over_limit', `The cost would be ${nanoUsd} nano-USD, more than the ledger can hold exactly.`)
}
