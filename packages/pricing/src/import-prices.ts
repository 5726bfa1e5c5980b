import { canonicalProvider } from '@spanledger/conventions'

import { formatDecimal, parseDecimal } from './decimal.ts'
import { canonicalTier } from './overlay.ts'
import { readOverrides, type PriceOverride } from './overrides.ts'
import type { PriceBook } from './price-book.ts'
import { PriceBookError } from './price-book-error.ts'
import { startOfDay } from './schedule.ts'
import type { PricedUnit } from './unit-prices.ts'

export interface ImportOptions {
  /** What is in force now: only prices that differ from it are taken. */
  readonly book: PriceBook
  /** First day, UTC, for prices that name none: earlier calls keep theirs. */
  readonly from: string
  /** Only of this provider. */
  readonly provider?: string | undefined
  /** Where the rows came from, noted with each. */
  readonly origin: string
}

/** What of a price list is worth having. */
export interface PriceImport {
  readonly rows: readonly PriceOverride[]
  /** Rows whose price is in force already. */
  readonly known: number
  /** Models that a price file cannot say: their price depends on the length of the prompt, or has no unit known here. */
  readonly skipped: readonly string[]
}

/**
 * Reads a price list: a file of overrides (`{ "prices": [ … ] }`), or LiteLLM's `model_prices_and_context_window.json`.
 * @throws PriceBookError for what is neither, or holds a row that says something impossible
 */
export function importPrices(text: string, options: ImportOptions): PriceImport {
  const json = parseJson(text, options.origin)
  const listed = Array.isArray(json['prices']) ? ownRows(json['prices'], options) : litellmRows(json, options)
  const wanted = options.provider === undefined ? undefined : canonicalProvider(options.provider)
  const rows = listed.rows.filter(({ provider }) => wanted === undefined || canonicalProvider(provider) === wanted)
  const fresh = rows.filter((row) => !isInForce(row, options.book))
  return { rows: fresh, known: rows.length - fresh.length, skipped: listed.skipped }
}

function parseJson(text: string, origin: string): Record<string, unknown> {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw new PriceBookError(`${origin} is no JSON: ${(cause as Error).message}`, { cause })
  }
  if (isObject(json)) return json
  throw new PriceBookError(`${origin} must hold { "prices": [ … ] }, or models by name as LiteLLM lists them.`)
}

interface Listed {
  readonly rows: readonly PriceOverride[]
  readonly skipped: readonly string[]
}

function ownRows(rows: readonly unknown[], { from, origin }: ImportOptions): Listed {
  readOverrides(rows, origin)
  const dated = (row: PriceOverride): PriceOverride => ({ ...row, from: row.from ?? from, note: row.note ?? `from ${origin}` })
  return { rows: (rows as PriceOverride[]).map(dated), skipped: [] }
}

/** LiteLLM's field names, USD a token (https://github.com/BerriAI/litellm model_prices_and_context_window.json, read 2026-11-20). */
const litellmUnits: Readonly<Record<string, PricedUnit>> = {
  input_cost_per_token: 'inputTokens',
  output_cost_per_token: 'outputTokens',
  cache_read_input_token_cost: 'cacheReadTokens',
  cache_creation_input_token_cost: 'cacheWrite5mTokens',
  cache_creation_input_token_cost_above_1hr: 'cacheWrite1hTokens',
  output_cost_per_reasoning_token: 'reasoningTokens',
  input_cost_per_audio_token: 'audioInputTokens',
  output_cost_per_audio_token: 'audioOutputTokens',
  cache_read_input_audio_token_cost: 'audioCacheReadTokens',
}
const litellmTiers: Readonly<Record<string, string>> = { _flex: 'flex', _priority: 'priority', _batches: 'batch' }

function litellmRows(models: Record<string, unknown>, { from, origin }: ImportOptions): Listed {
  const rows: PriceOverride[] = []
  const skipped: string[] = []
  let recognised = 0
  for (const [name, listed] of Object.entries(models)) {
    if (name === 'sample_spec' || !isObject(listed) || typeof listed['litellm_provider'] !== 'string') continue
    recognised++
    const tiers = litellmPrices(listed)
    if (tiers === undefined) skipped.push(name)
    else {
      const provider = canonicalProvider(listed['litellm_provider'].replace(/^vertex_ai-.*/, 'vertex_ai'))
      const model = name.startsWith(`${listed['litellm_provider']}/`) ? name.slice(listed['litellm_provider'].length + 1) : name
      for (const [tier, usdPerMillion] of tiers) {
        rows.push({ provider, model, ...(tier === 'standard' ? {} : { serviceTier: tier }), from, usdPerMillion, note: `from ${origin}` })
      }
    }
  }
  if (recognised === 0) throw new PriceBookError(`${origin} holds neither { "prices": [ … ] } nor models with a "litellm_provider".`)
  return { rows, skipped }
}

/** Prices by tier; undefined for a model that a row cannot say. A price without both directions prices no chat, so it is left out. */
function litellmPrices(listed: Record<string, unknown>): Map<string, Partial<Record<PricedUnit, string>>> | undefined {
  const tiers = new Map<string, Partial<Record<PricedUnit, string>>>()
  for (const [field, value] of Object.entries(listed)) {
    if (!field.includes('cost') || field === 'search_context_cost_per_query' || value === null) continue
    if (/_above_\d+k_tokens/.test(field)) return undefined
    const suffix = Object.keys(litellmTiers).find((end) => field.endsWith(end)) ?? ''
    const unit = litellmUnits[field.slice(0, field.length - suffix.length)]
    const perToken = parseDecimal(value)
    if (unit === undefined) continue
    if (perToken === undefined) return undefined
    const tier = litellmTiers[suffix] ?? 'standard'
    tiers.set(tier, { ...tiers.get(tier), [unit]: formatDecimal(perToken * 1_000_000n) })
  }
  for (const [tier, { inputTokens }] of tiers) if (inputTokens === undefined) tiers.delete(tier)
  return tiers.size === 0 ? undefined : tiers
}

/** Whether the book says the same already. Patterns, factors and references are taken as they stand: what they say depends on the book. */
function isInForce({ provider, model, serviceTier, from, usdPerMillion }: PriceOverride, book: PriceBook): boolean {
  if (provider === undefined || model === undefined || usdPerMillion === undefined || from === undefined || serviceTier === '*')
    return false
  const tier = canonicalTier(serviceTier)
  const { prices } = book.explain(model, { provider: canonicalProvider(provider), serviceTier: tier, at: startOfDay(from) })
  const [only] = prices
  if (only === undefined || prices.length > 1) return false
  return Object.entries(usdPerMillion).every(([unit, usd]) => {
    const known = only.usdPerMillion[unit as PricedUnit]
    return known !== undefined && parseDecimal(known) === parseDecimal(usd)
  })
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
