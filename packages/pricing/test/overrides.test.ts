import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { usageOf, type Usage } from '@spanledger/conventions'
import { openPriceBook, PriceBookError, type PricedCall, type PriceOverride } from '@spanledger/pricing'
import { afterAll, describe, expect, it } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'price-overrides-'))
afterAll(() => rmSync(folder, { recursive: true }))

const million: Partial<Usage> = { inputTokens: 1_000_000 }
const october = Date.parse('2026-10-01T00:00:00Z')

function nanoUsd(overrides: readonly PriceOverride[], call: Partial<PricedCall>, usage: Partial<Usage> = million): number | string {
  const cost = openPriceBook({ overrides }).costOf({ provider: 'openai', model: 'gpt-5', usage: usageOf(usage), at: october, ...call })
  return cost.costNanoUsd ?? cost.reason
}

function inputAt(inputTokens: number): Pick<PriceOverride, 'usdPerMillion'> {
  return { usdPerMillion: { inputTokens } }
}

describe('overrides', () => {
  it('stand above the bundled prices, with fallbacks for every kind of token', () => {
    const overrides = [{ provider: 'openai', model: 'GPT-5', usdPerMillion: { inputTokens: '1.00', outputTokens: 8 } }]
    expect(nanoUsd(overrides, {})).toBe(1_000_000_000)
    expect(nanoUsd(overrides, { provider: 'azure.ai.openai' })).toBe(1_250_000_000)
    expect(nanoUsd(overrides, {}, { audioInputTokens: 1000, imageOutputTokens: 1000, cacheWrite1hTokens: 1000 })).toBe(10_000_000)
    expect(nanoUsd(overrides, {}, { webSearches: 1 })).toBe('no_price_for_bucket')
  })

  it('price a self-hosted model at 0, which is not unpriced', () => {
    const overrides = [{ provider: 'ollama', pattern: '.*', usdPerMillion: { inputTokens: 0, outputTokens: 0 } }]
    expect(nanoUsd(overrides, { provider: 'ollama', model: 'llama3.3:70b' }, { inputTokens: 5, outputTokens: 5 })).toBe(0)
    expect(nanoUsd([], { provider: 'ollama', model: 'llama3.3:70b' })).toBe('unknown_provider')
  })

  it('are one price for all models that a pattern fits, however many names there are', () => {
    const book = openPriceBook({ overrides: [{ pattern: '.*', usdPerMillion: { inputTokens: 1 } }] })
    const [one, other] = ['llama-1', 'llama-2'].map((model) =>
      book.costOf({ provider: `local-${model}`, model, usage: usageOf(million), at: october }),
    )
    expect(one).toMatchObject({ costNanoUsd: 1_000_000_000, price: { provider: '*', model: '.*', source: 'override' } })
    expect(one).toEqual(other)
  })

  it('let a deployment be the same as a model, by the name that was asked for too', () => {
    const overrides = [{ provider: 'azure', model: 'our-chat', sameAs: { model: 'gpt-4o' } }]
    expect(nanoUsd(overrides, { provider: 'azure.ai.openai', model: 'our-chat' })).toBe(2_500_000_000)
    expect(nanoUsd(overrides, { provider: 'azure.ai.openai', model: 'x-internal', requestedModel: 'our-chat' })).toBe(2_500_000_000)
  })

  it('follow one sameAs to another row, and stop in a circle', () => {
    const price = { provider: 'openai', model: 'b', usdPerMillion: { inputTokens: 7 } }
    expect(nanoUsd([{ model: 'a', sameAs: { provider: 'openai', model: 'b' } }, price], { provider: 'x', model: 'a' })).toBe(7_000_000_000)
    const circle = [
      { model: 'a', sameAs: { model: 'b' } },
      { model: 'b', sameAs: { model: 'a' } },
    ]
    expect(nanoUsd(circle, { model: 'a' })).toBe('unknown_model')
  })

  it('multiply what the list says, for a discount or for a tier without a price', () => {
    const overrides = [
      { provider: 'openai', pattern: '.*', serviceTier: '*', factor: '0.85' },
      { provider: 'openai', pattern: '^gpt-5', serviceTier: 'batch', factor: 0.5 },
    ]
    expect(nanoUsd(overrides, {})).toBe(1_062_500_000)
    expect(nanoUsd(overrides, { serviceTier: 'flex' })).toBe(531_250_000)
    expect(nanoUsd(overrides.slice(1), { serviceTier: 'batch' })).toBe(625_000_000)
    expect(nanoUsd(overrides, { model: 'gpt-77' })).toBe('unknown_model')
  })

  it('prefer an exact name to a pattern, this provider to any, this tier to any, the later day, the later row', () => {
    const rows: PriceOverride[] = [
      { provider: 'openai', model: 'gpt-5', serviceTier: 'standard', from: '2026-09-02', ...inputAt(7) },
      { provider: 'openai', model: 'gpt-5', serviceTier: 'standard', from: '2026-09-01', ...inputAt(6) },
      { provider: 'openai', model: 'gpt-5', serviceTier: '*', ...inputAt(5) },
      { model: 'gpt-5', ...inputAt(4) },
      { provider: 'openai', pattern: 'gpt', ...inputAt(3) },
      { pattern: 'gpt', ...inputAt(1) },
      { pattern: 'gpt', ...inputAt(2) },
    ]
    expect(rows.map((_, n) => nanoUsd(rows.slice(n), {}))).toEqual([7, 6, 5, 4, 3, 2, 2].map((usd) => usd * 1_000_000_000))
  })

  it('hold from their first day, and the bundled price before it', () => {
    const overrides = [{ model: 'gpt-5', from: '2026-09-15', usdPerMillion: { inputTokens: 1 } }]
    expect(nanoUsd(overrides, { at: Date.parse('2026-09-14T23:59:59.999Z') })).toBe(1_250_000_000)
    expect(nanoUsd(overrides, { at: Date.parse('2026-09-15T00:00:00Z') })).toBe(1_000_000_000)
    expect(nanoUsd([{ ...overrides[0], model: 'ours', usdPerMillion: { inputTokens: 1 } }], { model: 'ours', at: 0 })).toBe('no_price_yet')
  })

  it('are listed first, and explained', () => {
    const overrides = [
      { model: 'ours', usdPerMillion: { inputTokens: 1 } },
      { provider: 'azure', model: 'our-chat', sameAs: { model: 'gpt-4o' } },
    ]
    const book = openPriceBook({ overrides })
    expect(book.list(october).slice(0, 2)).toMatchObject([
      { provider: '*', model: 'ours', source: 'override', usdPerMillion: { inputTokens: '1', cacheReadTokens: '1' } },
      { provider: 'azure', model: 'gpt-4o', source: 'genai-prices 0.1.8' },
    ])
    expect(book.list(october).length).toBeGreaterThan(1500)
    expect(book.list(october)).toContainEqual(expect.objectContaining({ model: 'deepseek-chat', source: 'overlay 2026-07-01' }))
    expect(book.explain('ours', { provider: 'openai', at: october }).steps[0]).toEqual({
      step: 'override',
      tried: 'prices[0] in overrides',
      found: true,
    })
  })

  it('are read from a file, below those from code', () => {
    const path = join(folder, 'good.json')
    writeFileSync(path, JSON.stringify({ prices: [{ model: 'gpt-5', usdPerMillion: { inputTokens: 3 }, note: 'contract 4711' }] }))
    const call = { provider: 'openai', model: 'gpt-5', usage: usageOf(million), at: october }
    expect(openPriceBook({ overridesPath: path }).costOf(call).costNanoUsd).toBe(3_000_000_000)
    const overrides = [{ model: 'gpt-5', usdPerMillion: { inputTokens: 4 } }]
    expect(openPriceBook({ overridesPath: path, overrides }).costOf(call).costNanoUsd).toBe(4_000_000_000)
    writeFileSync(path, `\uFEFF${readFileSync(path, 'utf8')}`)
    expect(openPriceBook({ overridesPath: path }).costOf(call).costNanoUsd).toBe(3_000_000_000)
  })
})

describe('a bad override', () => {
  const usdPerMillion = { inputTokens: 1 }

  it.each([
    ['text', 'prices[0] in overrides must be an object, not "text".'],
    [
      { model: 'a', usdPerMillion, price: 1 },
      'prices[0] in overrides has an unknown field "price". Allowed: provider, model, pattern, serviceTier, from, usdPerMillion, sameAs, factor, note.',
    ],
    [{ usdPerMillion }, 'prices[0] in overrides must have either "model" or "pattern".'],
    [{ model: 'a', pattern: 'b', usdPerMillion }, 'prices[0] in overrides must have either "model" or "pattern".'],
    [{ pattern: '(', usdPerMillion }, 'prices[0] in overrides: "pattern" is no regular expression: "(".'],
    [{ model: ' ', usdPerMillion }, 'prices[0] in overrides: "model" must be a text that is not empty, not " ".'],
    [{ model: 'a', provider: 5, usdPerMillion }, 'prices[0] in overrides: "provider" must be a text that is not empty, not 5.'],
    [{ model: 'a' }, 'prices[0] in overrides must have exactly one of "usdPerMillion", "sameAs" and "factor".'],
    [{ model: 'a', usdPerMillion, factor: 1 }, 'prices[0] in overrides must have exactly one of "usdPerMillion", "sameAs" and "factor".'],
    [{ model: 'a', usdPerMillion: [] }, 'prices[0] in overrides: "usdPerMillion" must be an object, not [].'],
    [{ model: 'a', usdPerMillion: {} }, 'prices[0] in overrides: "usdPerMillion" names no price.'],
    [
      { model: 'a', usdPerMillion: { inputTokens: -1 } },
      'prices[0] in overrides: the price of inputTokens must be a decimal of at least 0 with at most 18 decimals, not -1.',
    ],
    [
      { model: 'a', usdPerMillion: { input: 1 } },
      /unknown unit "input" in "usdPerMillion"\. Allowed: inputTokens, cacheReadTokens, .*requests\./,
    ],
    [{ model: 'a', factor: 'half' }, 'prices[0] in overrides: "factor" must be a decimal of at least 0, not "half".'],
    [{ model: 'a', sameAs: 'b' }, 'prices[0] in overrides: "sameAs" must be { "provider"?, "model" }, not "b".'],
    [{ model: 'a', sameAs: {} }, 'prices[0] in overrides: "sameAs.model" must be a text that is not empty, not undefined.'],
    [
      { model: 'a', usdPerMillion, from: '2026-02-30' },
      'prices[0] in overrides: "from" must be a day like "2026-01-31", not "2026-02-30".',
    ],
  ])('%j is refused with what is wrong', (row, message) => {
    const open = () => openPriceBook({ overrides: [row as PriceOverride] })
    expect(open).toThrow(PriceBookError)
    expect(open).toThrow(message)
  })

  it('in a file names the file', () => {
    const path = join(folder, 'bad.json')
    expect(() => openPriceBook({ overridesPath: path })).toThrow(`Cannot read the price overrides in ${path}: ENOENT`)
    writeFileSync(path, '{ "prices": [')
    expect(() => openPriceBook({ overridesPath: path })).toThrow(`Cannot read the price overrides in ${path}: `)
    writeFileSync(path, '[]')
    expect(() => openPriceBook({ overridesPath: path })).toThrow(`${path} must hold { "prices": [ … ] }; there is no list "prices".`)
    writeFileSync(path, '{ "prices": [{}] }')
    expect(() => openPriceBook({ overridesPath: path })).toThrow(`prices[0] in ${path} must have either "model" or "pattern".`)
  })
})
