import { divideHalfEven, usageBuckets, type Usage, type UsagePart } from '@spanledger/conventions'

import { parseDecimal, PRICE_PER_NANO_USD } from './decimal.ts'
import type { ModelPrice, PriceUsed } from './price-used.ts'
import { pricedUnits, type UnitPrices } from './unit-prices.ts'

/** What a call used, as it is kept beside its price. */
export interface KeptUsage {
  /** Undefined where the call reported none. */
  readonly usage: Usage | undefined
  /** What each of several models served; then `usage` is not priced. */
  readonly parts?: readonly UsagePart[] | undefined
}

/** @returns the cost in nano-USD, or undefined where no cost can come of the two */
export type CostAtKeptPrice = (used: KeptUsage) => bigint | undefined

/**
 * Computes costs from a price that was kept with calls instead of looked up: the same sum, to the nano-USD, as `costOf` made when it
 * handed the price out, whatever price lists say since. Never throws: `price` may be any JSON.
 */
export function costAtKeptPrice(price: PriceUsed): CostAtKeptPrice {
  if (!isObject(price)) return noCost
  if ('cacheHit' in price) return () => 0n
  if (!('parts' in price)) {
    const prices = unitPricesOf(price)
    return ({ usage, parts }) => (usage === undefined || hasParts(parts) ? undefined : toNanoUsd([scaledCost(prices, usage)]))
  }
  const prices = Array.isArray(price.parts) ? price.parts.map(unitPricesOf) : []
  return ({ parts }) =>
    hasParts(parts) && parts.length === prices.length ? toNanoUsd(parts.map(({ usage }, n) => scaledCost(prices[n], usage))) : undefined
}

const noCost: CostAtKeptPrice = () => undefined

function hasParts(parts: KeptUsage['parts']): parts is readonly UsagePart[] {
  return Array.isArray(parts) && parts.length > 0
}

/** Undefined where something in it is no price. */
function unitPricesOf({ usdPerMillion }: ModelPrice): UnitPrices | undefined {
  if (!isObject(usdPerMillion)) return undefined
  const prices: { -readonly [Unit in keyof UnitPrices]: UnitPrices[Unit] } = {}
  for (const unit of pricedUnits) {
    const text = usdPerMillion[unit]
    if (text === undefined) continue
    const scaled = parseDecimal(text)
    if (scaled === undefined) return undefined
    prices[unit] = scaled
  }
  return prices
}

function scaledCost(prices: UnitPrices | undefined, usage: Usage): bigint | undefined {
  if (prices === undefined || !isObject(usage)) return undefined
  let scaled = prices.requests ?? 0n
  for (const bucket of usageBuckets) {
    const count = usage[bucket]
    if (count === 0) continue
    const price = prices[bucket]
    if (price === undefined || !Number.isSafeInteger(count) || count < 0) return undefined
    scaled += BigInt(count) * price
  }
  return scaled
}

function toNanoUsd(scaled: readonly (bigint | undefined)[]): bigint | undefined {
  let sum = 0n
  for (const one of scaled) {
    if (one === undefined) return undefined
    sum += one
  }
  return divideHalfEven(sum, PRICE_PER_NANO_USD)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
