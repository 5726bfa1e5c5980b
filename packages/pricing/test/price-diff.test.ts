import { usageOf } from '@spanledger/conventions'
import { diffPriceBooks, importPrices, openPriceBook, PriceBookError, type PriceImport, type PriceOverride } from '@spanledger/pricing'
import { describe, expect, it } from 'vitest'

const october = Date.parse('2026-10-01T00:00:00Z')
const bundled = openPriceBook()
const book = (...overrides: PriceOverride[]): typeof bundled => openPriceBook({ overrides })

describe('the difference between two price books', () => {
  it('is nothing between a book and itself', () => {
    expect(diffPriceBooks(bundled, openPriceBook(), october)).toEqual([])
  })

  it('names each unit price that changes, with what it was and what it will be', () => {
    const after = book({ provider: 'openai', model: 'gpt-4.1-nano', factor: '0.5' })
    expect(diffPriceBooks(bundled, after, october)).toEqual(
      [
        ['inputTokens', '0.1', '0.05'],
        ['cacheReadTokens', '0.025', '0.0125'],
        ['cacheWrite5mTokens', '0.1', '0.05'],
        ['cacheWrite1hTokens', '0.1', '0.05'],
        ['outputTokens', '0.4', '0.2'],
        ['reasoningTokens', '0.4', '0.2'],
        ['imageInputTokens', '0.1', '0.05'],
      ].map(([unit, before, now]) => ({
        provider: 'openai',
        model: 'gpt-4.1-nano',
        serviceTier: 'standard',
        inputTokensAbove: undefined,
        unit,
        before,
        after: now,
      })),
    )
  })

  it('works out a pattern for every model, whatever the list calls the provider', () => {
    const after = book({ provider: 'google', pattern: '^gemini-2\\.5-pro$', factor: 2 })
    const found = diffPriceBooks(bundled, after, october).filter(({ unit }) => unit === 'outputTokens')
    expect(found.map(({ provider, inputTokensAbove, before, after: now }) => [provider, inputTokensAbove, before, now])).toEqual([
      ['gcp.gemini', undefined, '10', '20'],
      ['gcp.gemini', 200_000, '15', '30'],
    ])
  })

  it('shows a model that only one of them knows, and the price that is gone', () => {
    const own = book({ provider: 'azure', model: 'our-chat', usdPerMillion: { requests: 1 } })
    const row = { provider: 'azure.ai.openai', model: 'our-chat', serviceTier: 'standard', inputTokensAbove: undefined, unit: 'requests' }
    expect(diffPriceBooks(bundled, own, october)).toEqual([{ ...row, before: undefined, after: '1' }])
    expect(diffPriceBooks(own, bundled, october)).toEqual([{ ...row, before: '1', after: undefined }])
  })

  it('is that of its day', () => {
    const after = book({ provider: 'openai', model: 'gpt-5', from: '2026-10-02', factor: 2 })
    expect(diffPriceBooks(bundled, after, october)).toEqual([])
    expect(diffPriceBooks(bundled, after, october + 86_400_000)).not.toEqual([])
  })
})

function imported(list: unknown, more: { provider?: string; book?: typeof bundled } = {}): PriceImport {
  return importPrices(JSON.stringify(list), { book: bundled, from: '2026-10-01', origin: 'list.json', ...more })
}

describe('imported prices', () => {
  const litellm = {
    sample_spec: { litellm_provider: 'one of …', input_cost_per_token: 0 },
    'gpt-4o': {
      litellm_provider: 'openai',
      input_cost_per_token: 2.5e-6,
      output_cost_per_token: 1e-5,
      cache_read_input_token_cost: 1.25e-6,
      input_cost_per_token_batches: 1.25e-6,
      output_cost_per_token_batches: 5e-6,
      max_tokens: 16_384,
    },
    'azure/gpt-77': {
      litellm_provider: 'azure',
      input_cost_per_token: 3e-8,
      output_cost_per_token: 1.2e-5,
      cache_creation_input_token_cost_above_1hr: 6e-8,
    },
    'gemini/gemini-2.5-pro': { litellm_provider: 'gemini', input_cost_per_token: 1.25e-6, input_cost_per_token_above_200k_tokens: 2.5e-6 },
    'per-image': { litellm_provider: 'openai', output_cost_per_image: 0.04 },
  }

  it('of LiteLLM are exact, dated, and without those in force already', () => {
    expect(imported(litellm)).toEqual({
      known: 1,
      rows: [
        {
          provider: 'openai',
          model: 'gpt-4o',
          serviceTier: 'batch',
          from: '2026-10-01',
          usdPerMillion: { inputTokens: '1.25', outputTokens: '5' },
          note: 'from list.json',
        },
        {
          provider: 'azure.ai.openai',
          model: 'gpt-77',
          from: '2026-10-01',
          usdPerMillion: { inputTokens: '0.03', outputTokens: '12', cacheWrite1hTokens: '0.06' },
          note: 'from list.json',
        },
      ],
      skipped: ['gemini/gemini-2.5-pro', 'per-image'],
    })
    expect(imported(litellm, { provider: 'azure' }).rows.map(({ model }) => model)).toEqual(['gpt-77'])
  })

  it('of one’s own rows keep their day, and get one where they have none', () => {
    const rows = [
      { pattern: '^gpt-', factor: '0.9', from: '2026-11-01', note: 'contract' },
      { provider: 'openai', model: 'gpt-5', usdPerMillion: { inputTokens: 1 } },
      { provider: 'openai', model: 'gpt-5', usdPerMillion: { inputTokens: '1.250' } },
    ]
    expect(imported({ prices: rows })).toEqual({
      rows: [rows[0], { ...rows[1], from: '2026-10-01', note: 'from list.json' }],
      known: 1,
      skipped: [],
    })
  })

  it('leave the calls of earlier days at their price', () => {
    const after = openPriceBook({
      overrides: imported({ prices: [{ provider: 'openai', model: 'gpt-5', usdPerMillion: { inputTokens: 1 } }] }).rows,
    })
    const cost = (at: string): number | undefined =>
      after.costOf({ provider: 'openai', model: 'gpt-5', usage: usageOf({ inputTokens: 1_000_000 }), at: Date.parse(at) }).costNanoUsd
    expect(['2026-09-30T23:59:59.999Z', '2026-10-01T00:00:00Z'].map(cost)).toEqual([1_250_000_000, 1_000_000_000])
  })

  it.each([
    ['{', 'list.json is no JSON'],
    ['[]', 'list.json must hold { "prices": [ … ] }'],
    ['{"a":{"b":1}}', 'list.json holds neither'],
    ['{"prices":[{"model":"a","factor":-1}]}', 'prices[0] in list.json: "factor" must be a decimal of at least 0'],
  ])('%s is refused with what is wrong', (text, message) => {
    const read = (): unknown => importPrices(text, { book: bundled, from: '2026-10-01', origin: 'list.json' })
    expect(read).toThrow(PriceBookError)
    expect(read).toThrow(message)
  })
})

describe('which of several prices wins', () => {
  const october2 = october + 86_400_000
  const input = (model: string, provider = 'openai', overrides: PriceOverride[] = []): unknown => {
    const { prices, steps } = openPriceBook({ overrides }).explain(model, { provider, at: october2 })
    return [prices[0]?.usdPerMillion.inputTokens, steps.filter(({ found }) => found).map(({ step }) => step)]
  }

  it('is the user’s exact row, his pattern, the exact name, the name without its provider, without its day, respelled', () => {
    const exact = { provider: 'openai', model: 'gpt-4o-2024-05-13', usdPerMillion: { inputTokens: 1 } }
    const pattern = { provider: 'openai', pattern: '^gpt-4o', usdPerMillion: { inputTokens: 2 } }
    expect(input('gpt-4o-2024-05-13', 'openai', [exact, pattern])).toEqual(['1', ['override', 'override', 'exact']])
    expect(input('gpt-4o-2024-05-13', 'openai', [pattern])).toEqual(['2', ['override', 'exact']])
    expect(input('gpt-4o-2024-05-13')).toEqual(['5', ['exact']])
    expect(input('openai/gpt-4o-2024-05-13')).toEqual(['5', ['provider-prefixed']])
    expect(input('gpt-4o-2027-01-01')).toEqual(['2.5', ['stripped']])
    expect(input('gpt-4-1-nano')).toEqual(['0.1', ['dotted/dashed']])
  })

  it('of a long prompt is its own for output and cached tokens too', () => {
    const cost = (usage: Parameters<typeof usageOf>[0]): number | undefined =>
      bundled.costOf({ provider: 'gcp.gemini', model: 'gemini-2.5-pro', usage: usageOf(usage), at: october }).costNanoUsd
    expect(cost({ cacheReadTokens: 200_000, outputTokens: 1000 })).toBe(200_000 * 125 + 1000 * 10_000)
    expect(cost({ cacheReadTokens: 200_001, outputTokens: 1000 })).toBe(200_001 * 250 + 1000 * 15_000)
  })
})
