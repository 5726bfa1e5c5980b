import { calcPrice, waitForUpdate, type Provider } from '@pydantic/genai-prices'
import { openPriceBook } from '@spanledger/pricing'
import { usageOf } from '@spanledger/conventions'
import { beforeAll, describe, expect, it } from 'vitest'

import { catalogueModel, catalogueProvider, catalogueProviderIds, catalogueSchedule } from '../src/catalogue.ts'
import { listFixes, tierPrices } from '../src/overlay.ts'
import { bodiesPresent, readBodies } from './genai-prices-bodies.ts'

/** Units of the catalogue that no bucket of a usage counts; docs/prices.md lists them as limits. */
const uncounted = new Set([
  'audio_hours',
  'input_audio_hours',
  'cache_image_read_mtok',
  'input_video_mtok',
  'output_video_mtok',
  'output_citation_mtok',
  'storage_searches_kcount',
  'input_document_kpages',
  'input_annotated_document_kpages',
  'input_text_messages_kcount',
])

let providers: readonly Provider[] = []

beforeAll(async () => {
  providers = (await waitForUpdate()) ?? []
})

describe('the catalogue', () => {
  it('has exactly the providers that are listed here, so that a price book needs not wait for it', () => {
    expect(providers.map(({ id }) => id)).toEqual(catalogueProviderIds)
  })

  it('prices every model by units that are counted, or are known not to be', () => {
    const unknown = new Set<string>()
    for (const { models } of providers) {
      for (const { prices } of models) {
        for (const { prices: listed } of Array.isArray(prices) ? prices : [{ prices }])
          for (const unit of Object.keys(listed)) unknown.add(unit)
      }
    }
    const counted = ['input_mtok', 'output_mtok', 'cache_read_mtok', 'cache_write_mtok', 'cache_write_1h_mtok', 'output_reasoning_mtok']
    const more = ['input_audio_mtok', 'cache_audio_read_mtok', 'output_audio_mtok', 'input_image_mtok', 'output_image_mtok']
    expect([...unknown].filter((unit) => ![...counted, ...more, 'web_searches_kcount', 'requests_kcount'].includes(unit)).sort()).toEqual(
      [...uncounted].sort(),
    )
  })

  it('is computed to the nano-USD as it computes itself, for every model, long and short', () => {
    const book = openPriceBook()
    const at = Date.parse('2026-09-23T12:00:00Z')
    const fixed = new Set(listFixes.map(({ provider, model }) => `${provider} ${model}`))
    const differing: unknown[] = []
    let compared = 0
    for (const provider of providers) {
      for (const { id } of provider.models) {
        for (const input of [1000, 1_000_000]) {
          const theirs = calcPrice({ input_tokens: input, cache_read_tokens: 300, output_tokens: 2000 }, id, {
            provider,
            timestamp: new Date(at),
          })
          const usage = usageOf({ inputTokens: input - 300, cacheReadTokens: 300, outputTokens: 2000 })
          const ours = book.costOf({ provider: provider.id, model: id, usage, at })
          if (theirs === null || ours.costNanoUsd === undefined || fixed.has(`${provider.id} ${id}`)) continue
          compared++
          if (Math.abs(ours.costNanoUsd / 1e9 - theirs.total_price) > 1e-9)
            differing.push([provider.id, id, input, ours.costNanoUsd, theirs.total_price])
        }
      }
    }
    expect(differing).toEqual([])
    expect(compared).toBeGreaterThan(2500)
  })

  it('finds the model that its own matching finds, for every name it knows', () => {
    const differing: unknown[] = []
    for (const provider of providers) {
      for (const { id } of provider.models) {
        const theirs = calcPrice({}, id, { provider, timestamp: new Date(0) })?.model.id
        const ours = catalogueModel(provider, id)?.info.id
        if (ours !== theirs) differing.push([provider.id, id, ours, theirs])
      }
    }
    expect(differing).toEqual([])
  })

  it.skipIf(!bodiesPresent)('finds the model that its own matching finds, for every name real answers hold', () => {
    const differing: unknown[] = []
    for (const { model } of bodiesPresent ? readBodies() : []) {
      for (const provider of model === undefined ? [] : providers) {
        const theirs = calcPrice({}, model ?? '', { provider, timestamp: new Date(0) })?.model.id
        const ours = catalogueModel(provider, model ?? '')?.info.id
        if (ours !== theirs) differing.push([provider.id, model, ours, theirs])
      }
    }
    expect(differing).toEqual([])
  })

  it.each([
    ['anthropic', 'claude-opus-4-77'],
    ['anthropic', 'claude-opus-4-7-5'],
    ['anthropic', 'claude-sonnet-4-55-20270101'],
    ['aws.bedrock', 'us.anthropic.claude-opus-4-88-v1:0'],
    ['gcp.vertex_ai', 'claude-opus-4-66@20270101'],
  ])('takes no version of %s for another: %s', (provider, model) => {
    const found = catalogueProvider(provider)
    expect(found).toBeDefined()
    expect(found && catalogueModel(found, model)).toBeUndefined()
  })

  it('is read exactly: every price of every model has a place', () => {
    for (const provider of providers) {
      for (const info of provider.models) {
        const schedule = catalogueSchedule({ providerId: provider.id, info })
        expect(schedule.length).toBe(Array.isArray(info.prices) ? info.prices.length : 1)
        expect(schedule.every(({ startMs, bands }) => !Number.isNaN(startMs) && bands.length > 0)).toBe(true)
      }
    }
  })
})

describe('the overlay', () => {
  it('names only models that the catalogue has under that very id', () => {
    const named = tierPrices.flatMap(({ provider, models }) => models.map((model) => [provider, model] as const))
    const missing = named.filter(([provider, model]) => catalogueProvider(provider)?.models.every(({ id }) => id !== model))
    expect(missing).toEqual([])
  })

  it('prices each row it lists', () => {
    const book = openPriceBook()
    const at = Date.parse('2026-10-01T00:00:00Z')
    const usage = usageOf({ inputTokens: 1000, outputTokens: 1000 })
    for (const { provider, models, tiers } of tierPrices) {
      for (const model of models) {
        for (const serviceTier of tiers) expect(book.costOf({ provider, model, usage, serviceTier, at }).costNanoUsd).toBeGreaterThan(0)
      }
    }
  })

  it('says of each row when and where it was read', () => {
    for (const { readOn, source } of [...listFixes, ...tierPrices]) {
      expect(readOn).toMatch(/^2026-\d\d-\d\d$/)
      expect(source).not.toBe('')
    }
  })
})
