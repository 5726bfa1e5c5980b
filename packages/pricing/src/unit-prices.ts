import { usageBuckets, type Usage } from '@spanledger/conventions'

import { formatDecimal, multiplyDecimals } from './decimal.ts'

/** What a price list can set a price for: each bucket of a usage, and the request itself. */
export type PricedUnit = keyof Usage | 'requests'

export const pricedUnits = [...usageBuckets, 'requests'] as const satisfies readonly PricedUnit[]

/** USD per million units, scaled (decimal.ts); a unit without a price is absent. */
export type UnitPrices = Readonly<Partial<Record<PricedUnit, bigint>>>

/** Which prices may stand in for one that a list leaves out. Anything not named here stays without a price. */
export interface Fallbacks {
  /** Anthropic's models: a one-hour cache write costs twice the input (platform.claude.com, prompt caching). */
  readonly hourWritesAtTwiceInput: boolean
  /** Lists that name a price for audio only where it differs from text (Google's). */
  readonly audioInputAsInput: boolean
  /** Models that put out nothing but audio, or nothing but images: their output price is the price of that. */
  readonly audioOutputAsOutput: boolean
  readonly imageOutputAsOutput: boolean
}

/** The prices of a list with the fallbacks filled in, so that they alone say what each unit costs. */
export function withFallbacks(listed: UnitPrices, fallbacks: Fallbacks): UnitPrices {
  const { inputTokens: input, outputTokens: output } = listed
  const cacheRead = listed.cacheReadTokens ?? input
  const cacheWrite5m = listed.cacheWrite5mTokens ?? input
  const twiceInput = fallbacks.hourWritesAtTwiceInput && input !== undefined ? input * 2n : undefined
  const audioInput = listed.audioInputTokens ?? (fallbacks.audioInputAsInput ? input : undefined)
  const filled: Partial<Record<PricedUnit, bigint | undefined>> = {
    ...listed,
    cacheReadTokens: cacheRead,
    cacheWrite5mTokens: cacheWrite5m,
    cacheWrite1hTokens: listed.cacheWrite1hTokens ?? twiceInput ?? cacheWrite5m,
    reasoningTokens: listed.reasoningTokens ?? output,
    audioInputTokens: audioInput,
    audioCacheReadTokens:
      listed.audioCacheReadTokens ?? (listed.audioInputTokens === undefined && audioInput !== undefined ? cacheRead : audioInput),
    audioOutputTokens: listed.audioOutputTokens ?? (fallbacks.audioOutputAsOutput ? output : undefined),
    imageInputTokens: listed.imageInputTokens ?? input,
    imageOutputTokens: listed.imageOutputTokens ?? (fallbacks.imageOutputAsOutput ? output : undefined),
  }
  return onlyPriced(filled)
}

/** Every token price times a factor; fees per use stay. A product that cannot be exact is no price. */
export function multiplyTokenPrices(prices: UnitPrices, factor: bigint): UnitPrices {
  const multiplied: Partial<Record<PricedUnit, bigint | undefined>> = {}
  for (const unit of pricedUnits) {
    const price = prices[unit]
    multiplied[unit] = price === undefined || unit === 'webSearches' || unit === 'requests' ? price : multiplyDecimals(price, factor)
  }
  return onlyPriced(multiplied)
}

/** As decimal text by unit, for the ledger and for people. */
export function formatPrices(prices: UnitPrices): Readonly<Partial<Record<PricedUnit, string>>> {
  const formatted: Partial<Record<PricedUnit, string>> = {}
  for (const unit of pricedUnits) {
    const price = prices[unit]
    if (price !== undefined) formatted[unit] = formatDecimal(price)
  }
  return formatted
}

function onlyPriced(prices: Partial<Record<PricedUnit, bigint | undefined>>): UnitPrices {
  const priced: Partial<Record<PricedUnit, bigint>> = {}
  for (const unit of pricedUnits) {
    const price = prices[unit]
    if (price !== undefined) priced[unit] = price
  }
  return priced
}
