import { disjointUsage, readAnthropicMessages, usageOf, type Usage } from '@spanledger/conventions'
import { costOf, openPriceBook, type PricedCall, type PriceUsed } from '@spanledger/pricing'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const book = openPriceBook()

/** A call of 2026-10-01, unless it says otherwise. */
function call(provider: string, model: string, usage: Partial<Usage>, more: Partial<PricedCall> = {}): PricedCall {
  return { provider, model, usage: usageOf(usage), at: Date.parse('2026-10-01T12:00:00Z'), ...more }
}

function nanoUsd(...args: Parameters<typeof call>): number | string {
  const cost = book.costOf(call(...args))
  return cost.costNanoUsd ?? cost.reason
}

function priceUsed(priced: PricedCall): PriceUsed | undefined {
  const cost = book.costOf(priced)
  return cost.costNanoUsd === undefined ? undefined : cost.price
}

describe('golden costs', () => {
  it('prices an Anthropic cache write once ($0.054399, not $0.091311)', () => {
    const { usage } = readAnthropicMessages({ usage: { input_tokens: 3, cache_creation_input_tokens: 12_304, output_tokens: 550 } })
    expect(
      book.costOf({ provider: 'anthropic', model: 'claude-3-7-sonnet-20250219', usage, at: Date.parse('2025-04-08T00:00:00Z') }),
    ).toEqual({
      costNanoUsd: 54_399_000,
      price: {
        provider: 'anthropic',
        model: 'claude-3-7-sonnet-latest',
        serviceTier: 'standard',
        usdPerMillion: {
          inputTokens: '3',
          cacheReadTokens: '0.3',
          cacheWrite5mTokens: '3.75',
          cacheWrite1hTokens: '6',
          outputTokens: '15',
          reasoningTokens: '15',
          imageInputTokens: '3',
          webSearches: '10000',
        },
        source: 'genai-prices 0.1.8',
      },
    })
  })

  it('gives the same cost when the input count holds the cache write, as OpenTelemetry counts', () => {
    const usage = disjointUsage({ input: 12_307, cacheWrite: 12_304, output: 550 })
    expect(nanoUsd('anthropic', 'claude-3-7-sonnet-20250219', usage ?? {})).toBe(54_399_000)
  })

  it('prices the completion from its own count, never from total minus prompt', () => {
    const usage = disjointUsage({ input: 3, output: 442, total: 8712, cacheRead: 7917, cacheWrite: 350 })
    expect(usage).toEqual(usageOf({ inputTokens: 3, cacheReadTokens: 7917, cacheWrite5mTokens: 350, outputTokens: 442 }))
    expect(nanoUsd('aws.bedrock', 'us.anthropic.claude-3-7-sonnet-20250219-v1:0', { outputTokens: 442 })).toBe(6_630_000)
    expect(nanoUsd('aws.bedrock', 'us.anthropic.claude-3-7-sonnet-20250219-v1:0', usage ?? {})).toBe(10_326_600)
  })

  it('prices a cache write of an hour at twice the input', () => {
    expect(nanoUsd('anthropic', 'claude-haiku-4-5-20251001', { cacheWrite1hTokens: 25_919 })).toBe(51_838_000)
    // Bedrock's list names no price for it; Anthropic's rule holds there too.
    expect(nanoUsd('aws.bedrock', 'eu.anthropic.claude-haiku-4-5-20251001-v1:0', { cacheWrite1hTokens: 1_000_000 })).toBe(2_200_000_000)
  })

  it.each([
    ['x_ai', 'grok-3-mini', { inputTokens: 10, cacheReadTokens: 2, outputTokens: 1, reasoningTokens: 228 }, '2026-08-14', 117_650],
    ['x_ai', 'grok-3-mini', { inputTokens: 1, cacheReadTokens: 290, outputTokens: 26, reasoningTokens: 196 }, '2026-08-14', 133_050],
    [
      'openrouter',
      'anthropic/claude-4.6-sonnet-20260217',
      { inputTokens: 3, cacheWrite5mTokens: 2569, outputTokens: 63 },
      '2026-03-09',
      10_587_750,
    ],
  ] as const)('agrees to the nano-USD with what %s itself reported for %s', (provider, model, usage, day, reported) => {
    expect(nanoUsd(provider, model, usage, { at: Date.parse(day) })).toBe(reported)
  })

  it('prices each part of an advised answer at its own model, and rounds once', () => {
    const parts = [
      { model: 'claude-sonnet-4-6', usage: usageOf({ inputTokens: 1051, outputTokens: 35 }) },
      { model: 'claude-opus-4-7', usage: usageOf({ inputTokens: 2728, outputTokens: 874 }) },
      { model: 'claude-sonnet-4-6', usage: usageOf({ inputTokens: 1363, outputTokens: 3165 }) },
    ]
    const cost = book.costOf(call('anthropic', 'claude-sonnet-4-6', {}, { parts }))
    // 2,414 x 3 + 3,200 x 15 + 2,728 x 5 + 874 x 25 micro-USD.
    expect(cost.costNanoUsd).toBe(90_732_000)
    expect(cost).toMatchObject({
      price: { parts: [{ model: 'claude-sonnet-4-6' }, { model: 'claude-opus-4-7' }, { model: 'claude-sonnet-4-6' }] },
    })
  })

  it('prices the long prompt of one part as long, not the sum of all parts', () => {
    const parts = [150_000, 150_000].map((inputTokens) => ({ model: 'claude-sonnet-4-5', usage: usageOf({ inputTokens }) }))
    expect(nanoUsd('anthropic', 'claude-sonnet-4-5', {}, { parts })).toBe(900_000_000)
    expect(nanoUsd('anthropic', 'claude-sonnet-4-5', { inputTokens: 300_000 })).toBe(1_800_000_000)
  })
})

describe('prices by time and size', () => {
  it('prices a call by the day it was made, not by today', () => {
    expect(nanoUsd('openai', 'o3', { inputTokens: 1_000_000 }, { at: Date.parse('2025-06-09T23:59:59.999Z') })).toBe(10_000_000_000)
    expect(nanoUsd('openai', 'o3', { inputTokens: 1_000_000 }, { at: Date.parse('2025-06-10T00:00:00Z') })).toBe(2_000_000_000)
  })

  it('prices by the hour where the list does, and not before the day the hours came with', () => {
    const instants = ['2026-08-16T02:00:00Z', '2026-08-18T00:59:59Z', '2026-08-18T01:00:00Z', '2026-08-18T04:00:00Z']
    expect(
      instants.map((instant) => nanoUsd('deepseek', 'deepseek-v4-flash', { inputTokens: 1_000_000 }, { at: Date.parse(instant) })),
    ).toEqual([140_000_000, 220_000_000, 440_000_000, 220_000_000])
  })

  it('takes the band of a long prompt by the whole input, cached tokens included', () => {
    expect(nanoUsd('gcp.gemini', 'gemini-2.5-pro', { inputTokens: 100_000, cacheReadTokens: 100_000 })).toBe(137_500_000)
    expect(nanoUsd('gcp.gemini', 'gemini-2.5-pro', { inputTokens: 100_000, cacheReadTokens: 100_001 })).toBe(275_000_250)
  })

  it('prices audio, images, searches and requests apart', () => {
    expect(nanoUsd('openai', 'gpt-realtime', { audioInputTokens: 1000, audioCacheReadTokens: 1000, audioOutputTokens: 1000 })).toBe(
      96_400_000,
    )
    expect(nanoUsd('gcp.gemini', 'gemini-2.5-flash-image', { inputTokens: 10, imageOutputTokens: 1290 })).toBe(38_703_000)
    expect(nanoUsd('anthropic', 'claude-opus-4-8', { webSearches: 3 })).toBe(30_000_000)
    expect(nanoUsd('perplexity', 'sonar', { inputTokens: 10, outputTokens: 251 })).toBe(12_261_000)
    expect(nanoUsd('perplexity', 'sonar-deep-research', { reasoningTokens: 1_000_000 })).toBe(3_000_000_000)
  })

  it('costs nothing when nothing was used', () => {
    expect(nanoUsd('openai', 'gpt-5', {})).toBe(0)
  })
})

describe('service tiers', () => {
  it.each(['default', 'standard', 'auto', 'on_demand', 'standard_only', 'STANDARD', undefined])(
    'takes %s for the standard tier',
    (serviceTier) => {
      expect(nanoUsd('openai', 'gpt-5', { inputTokens: 1_000_000 }, { serviceTier })).toBe(1_250_000_000)
    },
  )

  it.each([
    ['openai', 'gpt-5', 'flex', 625_000_000],
    ['openai', 'gpt-5-2025-08-07', 'priority', 2_500_000_000],
    ['openai', 'gpt-4o-mini', 'priority', 250_000_000],
    ['openai', 'gpt-4o', 'priority', 4_250_000_000],
    ['anthropic', 'claude-opus-4-8', 'fast', 10_000_000_000],
    ['anthropic', 'claude-sonnet-5', 'standard/us', 2_200_000_000],
    ['gcp.gemini', 'gemini-3.7-flash', 'priority', 1_350_000_000],
    ['gcp.vertex_ai', 'gemini-3.7-flash', 'batch', 375_000_000],
  ])('prices %s %s in tier %s', (provider, model, serviceTier, nano) => {
    expect(nanoUsd(provider, model, { inputTokens: 1_000_000 }, { serviceTier })).toBe(nano)
  })

  it('leaves a tier without a known price unpriced, rather than standard', () => {
    expect(book.costOf(call('openai', 'gpt-5', { inputTokens: 1 }, { serviceTier: 'scale' }))).toEqual({
      costNanoUsd: undefined,
      reason: 'unknown_service_tier',
      detail: 'No price for service tier "scale" of openai gpt-5. Add one to the price overrides.',
    })
    expect(nanoUsd('anthropic', 'claude-haiku-4-5', { inputTokens: 1 }, { serviceTier: 'standard/us' })).toBe('unknown_service_tier')
  })

  it('leaves a tier unpriced for prompts longer than its price covers', () => {
    expect(nanoUsd('openai', 'gpt-5.4', { inputTokens: 271_999 }, { serviceTier: 'priority' })).toBe(1_359_995_000)
    expect(nanoUsd('openai', 'gpt-5.4', { inputTokens: 272_000 }, { serviceTier: 'priority' })).toBe('unknown_service_tier')
  })
})

describe('finding a model', () => {
  it.each([
    ['openai', 'gpt-4o-2027-01-01', 'gpt-4o'],
    ['openai', 'openai/gpt-4o', 'gpt-4o'],
    ['azure.ai.openai', 'gpt-4o-2024-08-06', 'gpt-4o'],
    ['azure.ai.inference', 'Phi-4', 'phi-4'],
    ['anthropic', 'claude-opus-4.8', 'claude-opus-4-8'],
    ['anthropic', 'claude-sonnet-4-5-latest', 'claude-sonnet-4-5'],
    ['gcp.gemini', 'models/gemini-2.5-flash', 'gemini-2.5-flash'],
    ['gcp.vertex_ai', 'publishers/google/models/gemini-2.5-flash', 'gemini-2.5-flash'],
    ['gcp.gen_ai', 'claude-sonnet-4-5@20250929', 'claude-sonnet-4-5'],
    ['litellm', 'anthropic/claude-sonnet-4.5', 'claude-sonnet-4-5'],
    ['aws.bedrock', 'us.anthropic.claude-opus-4-8', 'regional.anthropic.claude-opus-4-8-v1:0'],
    [
      'aws.bedrock',
      'arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-opus-4-8',
      'regional.anthropic.claude-opus-4-8-v1:0',
    ],
    ['x_ai', 'grok-4-latest', 'grok-4-0709'],
    ['moonshot_ai', 'kimi-k2-thinking', 'kimi-k2-thinking'],
    ['voyage', 'voyage-3.5', 'voyage-3.5'],
  ])('finds %s %s as %s', (provider, model, id) => {
    expect(book.costOf(call(provider, model, { inputTokens: 1 }))).toMatchObject({ costNanoUsd: expect.any(Number), price: { model: id } })
  })

  it.each([
    ['openai', 'gpt-5-turbo-future', 'unknown_model'],
    ['anthropic', 'claude-opus-9', 'unknown_model'],
    ['gcp.gemini', 'gemini-9-pro', 'unknown_model'],
    ['azure.ai.openai', 'our-chat-deployment', 'unknown_model'],
    ['openrouter', 'x-ai/grok-77', 'unknown_model'],
    ['nobody', 'gpt-4o', 'unknown_provider'],
    ['unknown', 'gpt-4o', 'unknown_provider'],
    ['__proto__', 'constructor', 'unknown_provider'],
    ['openai', '', 'unknown_model'],
    ['openai', '\u0000\ud800', 'unknown_model'],
    ['openai', '/'.repeat(256), 'unknown_model'],
  ])('never guesses a price for %s %s', (provider, model, reason) => {
    expect(nanoUsd(provider, model, { inputTokens: 1 })).toBe(reason)
  })

  it('does not price an answer by the model that was asked for', () => {
    expect(nanoUsd('openai', 'gpt-77', { inputTokens: 1 }, { requestedModel: 'gpt-4o' })).toBe('unknown_model')
  })

  it('explains every step it took', () => {
    expect(book.explain('claude-opus-4.77-20260101', { provider: 'anthropic', at: 0 })).toEqual({
      provider: 'anthropic',
      model: 'claude-opus-4.77-20260101',
      serviceTier: 'standard',
      steps: [
        { step: 'override', tried: 'claude-opus-4.77-20260101', found: false },
        { step: 'exact', tried: 'anthropic claude-opus-4.77-20260101', found: false },
        { step: 'stripped', tried: 'anthropic claude-opus-4.77', found: false },
        { step: 'dotted/dashed', tried: 'anthropic claude-opus-4-77-20260101', found: false },
        { step: 'dotted/dashed', tried: 'anthropic claude-opus-4-77', found: false },
      ],
      prices: [],
      unpriced: {
        costNanoUsd: undefined,
        reason: 'unknown_model',
        detail: 'No price for model "claude-opus-4.77-20260101" of anthropic. Add one, or "sameAs" a known model, to the price overrides.',
      },
    })
    const { steps, prices, unpriced } = book.explain('gpt-5.4', { provider: 'openai', serviceTier: 'flex', at: 0 })
    expect(unpriced).toBeUndefined()
    expect(steps.map(({ step, found }) => [step, found])).toEqual([
      ['override', false],
      ['exact', true],
      ['service tier', true],
    ])
    expect(prices).toEqual([expect.objectContaining({ serviceTier: 'flex', source: 'overlay 2026-08-20' })])
  })
})

describe('unpriced calls', () => {
  it('keeps unknown usage apart from no usage', () => {
    expect(book.costOf(call('openai', 'gpt-5', {}, { usage: undefined }))).toEqual({
      costNanoUsd: undefined,
      reason: 'no_usage',
      detail: 'The call reported no usage.',
    })
  })

  it('names the bucket that has no price', () => {
    expect(book.costOf(call('openai', 'gpt-4.1', { inputTokens: 5, audioOutputTokens: 7 }))).toEqual({
      costNanoUsd: undefined,
      reason: 'no_price_for_bucket',
      detail: '"gpt-4.1" has no price for audioOutputTokens (7 used).',
    })
  })

  it('leaves a call unpriced where one of its parts is', () => {
    const parts = [
      { model: 'claude-opus-4-8', usage: usageOf({ inputTokens: 5 }) },
      { model: 'claude-opus-9', usage: usageOf({ inputTokens: 5 }) },
    ]
    expect(nanoUsd('anthropic', 'claude-opus-4-8', {}, { parts })).toBe('unknown_model')
  })

  it.each([-1, 1.5, Number.NaN, Infinity, 2 ** 53])('refuses %s tokens', (inputTokens) => {
    expect(nanoUsd('openai', 'gpt-5', { inputTokens })).toBe('invalid_usage')
  })

  it('refuses a cost that the ledger could not hold exactly', () => {
    expect(nanoUsd('openai', 'gpt-5-pro', { outputTokens: 1_000_000_000_000 })).toBe('cost_over_limit')
  })
})

describe('any call at all', () => {
  it('is priced or refused, and never throws', () => {
    const name = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.constantFrom('openai', 'gpt-5', 'anthropic', 'claude-opus-4-8', 'arn:aws/', 'a/b/'),
    )
    const count = fc.oneof(fc.double(), fc.integer(), fc.nat(), fc.constant(0))
    fc.assert(
      fc.property(name, name, name, name, count, fc.double(), (provider, model, requestedModel, serviceTier, inputTokens, at) => {
        const priced = call(provider, model, { inputTokens }, { requestedModel, serviceTier, at })
        const { costNanoUsd } = book.costOf(priced)
        expect(costNanoUsd === undefined || (Number.isSafeInteger(costNanoUsd) && costNanoUsd >= 0)).toBe(true)
        expect(book.explain(model, { provider, serviceTier, at }).steps.length).toBeGreaterThan(0)
      }),
      { numRuns: 3000 },
    )
    expect(nanoUsd('openai', 'gpt-5', { inputTokens: 1 }, { at: Number.NaN })).toBe('no_price_yet')
  })
})

describe('prices used', () => {
  it('are one object for equal prices', () => {
    const gpt4o = priceUsed(call('openai', 'gpt-4o', { outputTokens: 9 }))
    expect(gpt4o).toBeDefined()
    expect(priceUsed(call('openai', 'gpt-4o-2024-08-06', { inputTokens: 1 }))).toBe(gpt4o)
    const parts = ['claude-opus-4-8', 'claude-haiku-4-5'].map((model) => ({ model, usage: usageOf({ inputTokens: 1 }) }))
    const mixed = priceUsed(call('anthropic', 'claude-opus-4-8', {}, { parts }))
    expect(mixed).toBeDefined()
    expect(priceUsed(call('anthropic', 'claude-opus-4-8', {}, { parts }))).toBe(mixed)
  })

  it('survive JSON', () => {
    const price = priceUsed(call('openai', 'gpt-5.4', { inputTokens: 300_000 }))
    expect(price).toMatchObject({ inputTokensAbove: 271_999 })
    expect(JSON.parse(JSON.stringify(price))).toEqual(price)
  })

  it('are the same from the book and from costOf alone', () => {
    const one = call('mistral_ai', 'mistral-large-latest', { inputTokens: 1_000_000 })
    expect(costOf(one)).toEqual(book.costOf(one))
    expect(costOf(one)).toMatchObject({ costNanoUsd: 500_000_000, price: { source: 'overlay 2026-07-01', startDate: '2025-12-02' } })
  })
})
