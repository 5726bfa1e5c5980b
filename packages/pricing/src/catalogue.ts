import { findProvider, type ConditionalPrice, type ModelInfo, type ModelPrice, type Provider } from '@pydantic/genai-prices'

import { parseDecimal } from './decimal.ts'
import { matchModel } from './model-match.ts'
import { repriced, startOfDay, type Band, type Schedule, type ScheduleEntry } from './schedule.ts'
import { withFallbacks, type Fallbacks, type PricedUnit, type UnitPrices } from './unit-prices.ts'

/** The version that package.json pins; it stands beside every call that was priced by it. */
export const CATALOGUE_SOURCE = 'genai-prices 0.1.8'

/** The catalogue's providers; it names them only to those who wait, and a price book opens at once. */
export const catalogueProviderIds = [
  'anthropic',
  'arcee',
  'avian',
  'aws',
  'azure',
  'baseten',
  'cerebras',
  'cloudflare',
  'cohere',
  'cursor',
  'deepseek',
  'doubleword',
  'fireworks',
  'github-copilot',
  'google',
  'groq',
  'huggingface_cerebras',
  'huggingface_fireworks-ai',
  'huggingface_groq',
  'huggingface_hyperbolic',
  'huggingface_nebius',
  'huggingface_novita',
  'huggingface_nscale',
  'huggingface_ovhcloud',
  'huggingface_publicai',
  'huggingface_sambanova',
  'huggingface_together',
  'minimax',
  'mistral',
  'modal',
  'moonshotai',
  'novita',
  'openai',
  'openrouter',
  'ovhcloud',
  'perplexity',
  'quicksilverpro',
  'together',
  'typesafe',
  'voyageai',
  'x-ai',
  'zai',
  'zhipuai',
] as const

/** A model of the catalogue under the provider that was asked for. */
export interface CatalogueModel {
  readonly providerId: string
  readonly info: ModelInfo
}

/** Canonical provider ids (conventions/provider.ts) that the catalogue knows under another id. */
const providerIds: Readonly<Record<string, string>> = {
  'aws.bedrock': 'aws',
  'azure.ai.openai': 'azure',
  'azure.ai.inference': 'azure',
  'gcp.gemini': 'google',
  'gcp.gen_ai': 'google',
  'gcp.vertex_ai': 'google',
  mistral_ai: 'mistral',
  x_ai: 'x-ai',
  moonshot_ai: 'moonshotai',
  voyage: 'voyageai',
}

/** Ids that the catalogue would match by a part of a name are asked for by their whole name only. */
export function catalogueProvider(provider: string): Provider | undefined {
  const id = Object.hasOwn(providerIds, provider) ? providerIds[provider] : provider
  if (id === undefined) return undefined
  const found = findProvider({ providerId: id })
  return found?.id === id ? found : undefined
}

/** The model that a name means there, if any. */
export function catalogueModel(provider: Provider, model: string): CatalogueModel | undefined {
  const info = matchModel(provider, model)
  return info === undefined ? undefined : { providerId: provider.id, info }
}

const units: Readonly<Record<string, { readonly unit: PricedUnit; readonly perMillion: bigint }>> = {
  input_mtok: { unit: 'inputTokens', perMillion: 1n },
  cache_read_mtok: { unit: 'cacheReadTokens', perMillion: 1n },
  cache_write_mtok: { unit: 'cacheWrite5mTokens', perMillion: 1n },
  cache_write_1h_mtok: { unit: 'cacheWrite1hTokens', perMillion: 1n },
  output_mtok: { unit: 'outputTokens', perMillion: 1n },
  output_reasoning_mtok: { unit: 'reasoningTokens', perMillion: 1n },
  input_audio_mtok: { unit: 'audioInputTokens', perMillion: 1n },
  cache_audio_read_mtok: { unit: 'audioCacheReadTokens', perMillion: 1n },
  output_audio_mtok: { unit: 'audioOutputTokens', perMillion: 1n },
  input_image_mtok: { unit: 'imageInputTokens', perMillion: 1n },
  output_image_mtok: { unit: 'imageOutputTokens', perMillion: 1n },
  web_searches_kcount: { unit: 'webSearches', perMillion: 1000n },
  requests_kcount: { unit: 'requests', perMillion: 1000n },
}

/** All prices that the catalogue has for a model, oldest first. */
export function catalogueSchedule({ providerId, info }: CatalogueModel): Schedule {
  const conditional: readonly ConditionalPrice[] = Array.isArray(info.prices) ? info.prices : [{ prices: info.prices }]
  const fallbacks = fallbacksOf(providerId, info.id)
  const schedule: ScheduleEntry[] = []
  let startDate: string | undefined
  for (const { constraint, prices } of conditional) {
    if (constraint?.type === 'start_date') startDate = constraint.start_date
    schedule.push({
      // A price by the hour came with the dated price listed before it: the hours of 2026-08-17 do not hold before that day.
      startDate,
      startMs: startDate === undefined ? Number.NEGATIVE_INFINITY : startOfDay(startDate),
      daily:
        constraint?.type === 'time_of_date'
          ? { fromSeconds: secondsOfDay(constraint.start_time), untilSeconds: secondsOfDay(constraint.end_time) }
          : undefined,
      bands: bandsOf(prices, info.id).map((band) => repriced(band, withFallbacks(band.prices, fallbacks))),
      source: CATALOGUE_SOURCE,
      provider: providerId,
      model: info.id,
    })
  }
  return schedule
}

function fallbacksOf(providerId: string, model: string): Fallbacks {
  return {
    hourWritesAtTwiceInput: providerId === 'anthropic' || model.includes('claude'),
    audioInputAsInput: providerId === 'google',
    audioOutputAsOutput: /\btts\b/.test(model),
    imageOutputAsOutput: model.startsWith('gpt-image'),
  }
}

function bandsOf(prices: ModelPrice, model: string): Band[] {
  // OpenRouter's free models are in the catalogue without any price.
  if (Object.keys(prices).length === 0 && model.endsWith(':free')) {
    return [{ inputTokensAbove: undefined, prices: { inputTokens: 0n, outputTokens: 0n } }]
  }
  const starts = new Set<number>()
  for (const price of Object.values(prices)) if (typeof price === 'object') for (const tier of price.tiers) starts.add(tier.start)
  return [undefined, ...[...starts].sort((a, b) => a - b)].map((above) => ({ inputTokensAbove: above, prices: pricesAbove(prices, above) }))
}

function pricesAbove(prices: ModelPrice, above: number | undefined): UnitPrices {
  const listed: Partial<Record<PricedUnit, bigint>> = {}
  for (const [key, price] of Object.entries(prices)) {
    const known = units[key]
    if (known === undefined || price === undefined) continue
    const usd =
      typeof price === 'number'
        ? price
        : above === undefined
          ? price.base
          : (price.tiers.findLast((tier) => tier.start <= above)?.price ?? price.base)
    const scaled = parseDecimal(usd)
    if (scaled !== undefined) listed[known.unit] = scaled * known.perMillion
  }
  return listed
}

/** `00:30:00Z` and `08:30:00+08:00` as seconds of the UTC day. */
function secondsOfDay(time: string): number {
  return (((Date.parse(`1970-01-01T${time}`) / 1000) % 86_400) + 86_400) % 86_400
}
