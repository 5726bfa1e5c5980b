import type { PriceBook } from './price-book.ts'
import type { PriceName } from './price-list.ts'
import type { ModelPrice } from './price-used.ts'
import { pricedUnits, type PricedUnit } from './unit-prices.ts'

/** One unit price that two books say differently. */
export interface PriceDifference extends PriceName {
  /** Where it is the price of long prompts: of more input tokens than this. */
  readonly inputTokensAbove: number | undefined
  readonly unit: PricedUnit
  /** USD per million, decimal text; undefined where that book has no price. */
  readonly before: string | undefined
  readonly after: string | undefined
}

/** All that changes at an instant when one price book takes the place of another, in the order of provider, model, tier. */
export function diffPriceBooks(before: PriceBook, after: PriceBook, at: number = Date.now()): PriceDifference[] {
  const names = new Map([...before.names(), ...after.names()].map((name) => [keyOf(name), name]))
  return [...names]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([, name]) => diffModel(name, pricesIn(before, name, at), pricesIn(after, name, at)))
}

function keyOf({ provider, model, serviceTier }: PriceName): string {
  return [provider, model, serviceTier].join('\n')
}

function pricesIn(book: PriceBook, { provider, model, serviceTier }: PriceName, at: number): readonly ModelPrice[] {
  return book.explain(model, { provider, serviceTier, at }).prices
}

function diffModel(name: PriceName, before: readonly ModelPrice[], after: readonly ModelPrice[]): PriceDifference[] {
  const starts = [...new Set([...before, ...after].map(({ inputTokensAbove }) => inputTokensAbove ?? -1))].sort((a, b) => a - b)
  return starts.flatMap((start) => {
    const [was, is] = [bandAt(before, start), bandAt(after, start)]
    return pricedUnits.flatMap((unit): PriceDifference[] => {
      const [from, to] = [was?.usdPerMillion[unit], is?.usdPerMillion[unit]]
      return from === to ? [] : [{ ...name, inputTokensAbove: start < 0 ? undefined : start, unit, before: from, after: to }]
    })
  })
}

/** What holds for prompts just longer than that, also where the book draws no line there. */
function bandAt(prices: readonly ModelPrice[], start: number): ModelPrice | undefined {
  return prices.findLast(({ inputTokensAbove }) => (inputTokensAbove ?? -1) <= start)
}
