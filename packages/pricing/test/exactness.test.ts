import { usageBuckets, usageOf, type Usage } from '@spanledger/conventions'
import { openPriceBook, type ModelPrice } from '@spanledger/pricing'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { formatDecimal, parseDecimal } from '../src/decimal.ts'

const at = Date.parse('2026-10-01T00:00:00Z')
const book = openPriceBook()

/** Models with prices of every kind: tiers, dates, audio, images, own reasoning, searches, requests. */
const models = fc.constantFrom(
  ['openai', 'gpt-5-mini'],
  ['openai', 'gpt-5.6-sol'],
  ['openai', 'gpt-realtime'],
  ['openai', 'gpt-image-1.5'],
  ['anthropic', 'claude-sonnet-4-5'],
  ['anthropic', 'claude-haiku-4-5'],
  ['gcp.gemini', 'gemini-2.5-flash'],
  ['gcp.gemini', 'gemini-2.5-pro'],
  ['deepseek', 'deepseek-v4-flash'],
  ['deepseek', 'deepseek-chat'],
  ['perplexity', 'sonar-deep-research'],
  ['perplexity', 'sonar-pro'],
  ['mistral_ai', 'mistral-small-latest'],
  ['openrouter', 'openai/gpt-oss-20b'],
) as fc.Arbitrary<[provider: string, model: string]>

const count = fc.oneof(fc.constant(0), fc.nat(50), fc.nat(400_000), fc.nat(50_000_000))
const textUsage = fc
  .record({
    inputTokens: count,
    cacheReadTokens: count,
    cacheWrite5mTokens: count,
    cacheWrite1hTokens: count,
    outputTokens: count,
    reasoningTokens: count,
    imageInputTokens: count,
  })
  .map(usageOf)

/** Long multiplication on digits, as on paper: no BigInt, no float. `price` is decimal text; the answer has `decimals` of it. */
function timesOnPaper(units: number, price: string): { digits: number[]; decimals: number } {
  const [whole = '', fraction = ''] = price.split('.')
  const factor = [...(whole + fraction)].map(Number).toReversed()
  const digits: number[] = []
  for (const [n, digit] of [...String(units)].toReversed().entries()) {
    for (const [m, other] of factor.entries()) digits[n + m] = (digits[n + m] ?? 0) + Number(digit) * other
  }
  return { digits, decimals: fraction.length }
}

/** The cost as its published price says, digit by digit: USD per million, so 6 more decimals; then half-even at the ninth. */
function costOnPaper(usage: Usage, price: ModelPrice): number {
  const DECIMALS = 24
  const sum: number[] = Array.from({ length: 60 }, () => 0)
  const units = [...usageBuckets.map((bucket) => [bucket, usage[bucket]] as const), ['requests', 1] as const]
  for (const [unit, used] of units) {
    const unitPrice = price.usdPerMillion[unit]
    if (unitPrice === undefined) continue
    const { digits, decimals } = timesOnPaper(used, unitPrice)
    for (const [n, digit] of digits.entries()) sum[n + DECIMALS - decimals - 6] = (sum[n + DECIMALS - decimals - 6] ?? 0) + digit
  }
  for (let n = 0; n < sum.length - 1; n++) {
    sum[n + 1] = (sum[n + 1] ?? 0) + Math.floor((sum[n] ?? 0) / 10)
    sum[n] = (sum[n] ?? 0) % 10
  }
  const rest = sum
    .slice(0, DECIMALS - 9)
    .toReversed()
    .join('')
  const kept = Number(
    sum
      .slice(DECIMALS - 9)
      .toReversed()
      .join(''),
  )
  const half = `5${'0'.repeat(rest.length - 1)}`
  return kept + (rest > half || (rest === half && kept % 2 === 1) ? 1 : 0)
}

describe('a cost', () => {
  it('is what its published unit prices give on paper, for 100,000 usages', () => {
    fc.assert(
      fc.property(models, textUsage, ([provider, model], usage) => {
        const cost = book.costOf({ provider, model, usage, at })
        if (cost.costNanoUsd === undefined) throw new Error(cost.detail)
        expect(cost.costNanoUsd).toBe(costOnPaper(usage, cost.price as ModelPrice))
      }),
      { numRuns: 100_000 },
    )
  })

  it('of two parts is what their units cost together, before the one rounding', () => {
    fc.assert(
      fc.property(textUsage, textUsage, (one, other) => {
        const parts = [one, other].map((usage) => ({ model: 'claude-haiku-4-5', usage }))
        const both = usageOf(Object.fromEntries(usageBuckets.map((bucket) => [bucket, one[bucket] + other[bucket]])))
        const call = { provider: 'anthropic', model: 'claude-haiku-4-5', at }
        expect(book.costOf({ ...call, usage: both, parts }).costNanoUsd).toBe(book.costOf({ ...call, usage: both }).costNanoUsd)
      }),
    )
  })

  it('sums to the same total in any order and partition of the calls', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(models, textUsage), { maxLength: 20 }), fc.integer({ min: 1, max: 5 }), (calls, groups) => {
        const costs = calls.map(([[provider, model], usage]) => book.costOf({ provider, model, usage, at }).costNanoUsd ?? Number.NaN)
        const total = costs.reduce((sum, cost) => sum + BigInt(cost), 0n)
        const byGroup = Array.from({ length: groups }, (_, group) =>
          costs.filter((_cost, n) => n % groups === group).reduce((sum, cost) => sum + BigInt(cost), 0n),
        )
        expect(byGroup.reduce((sum, part) => sum + part, 0n)).toBe(total)
        expect(costs.toReversed().reduce((sum, cost) => sum + BigInt(cost), 0n)).toBe(total)
      }),
    )
  })

  it('never falls when more is used', () => {
    fc.assert(
      fc.property(models, textUsage, fc.constantFrom(...usageBuckets.slice(0, 6)), ([provider, model], usage, bucket) => {
        const more = { ...usage, [bucket]: usage[bucket] + 1 }
        const less = book.costOf({ provider, model, usage, at }).costNanoUsd ?? Number.NaN
        expect(book.costOf({ provider, model, usage: more, at }).costNanoUsd).toBeGreaterThanOrEqual(less)
      }),
    )
  })
})

describe('a price', () => {
  it('is read exactly from a number or a text, and written back as the shortest decimal', () => {
    fc.assert(
      fc.property(fc.nat(999_999), fc.nat({ max: 999_999_999 }), (whole, fraction) => {
        const text = `${whole}.${String(fraction).padStart(9, '0')}`
        expect(formatDecimal(parseDecimal(text) ?? -1n)).toBe(text.replace(/\.?0+$/, ''))
      }),
    )
    expect([0.0028, 2.8e-3, '2.80e-3', '0.00280'].map((price) => parseDecimal(price))).toEqual(Array(4).fill(2_800_000_000_000_000n))
  })

  it('is refused where it is none, or could only be rounded', () => {
    const none = [-1, Number.NaN, Infinity, '', '1,5', '0x10', 'free', null, undefined, {}, '1e20', `0.${'0'.repeat(18)}1`, '1234567890']
    expect(none.map((value) => parseDecimal(value))).toEqual(none.map(() => undefined))
  })
})
