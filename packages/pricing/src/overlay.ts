import type { PricedUnit } from './unit-prices.ts'

/** A price that the catalogue has wrong or lacks, with the day from which ours holds. */
export interface ListFix {
  readonly provider: string
  readonly model: string
  readonly startDate: string
  readonly usdPerMillion: Readonly<Partial<Record<PricedUnit, string>>>
  readonly readOn: string
  readonly source: string
  readonly fixes: string
}

/** What a service tier (or a region that is billed apart) costs: the standard price times a factor, or prices of its own. */
export interface TierPrice {
  readonly provider: string
  /** Ids of the catalogue, so that dated names of a model share its row. */
  readonly models: readonly string[]
  readonly tiers: readonly string[]
  readonly price: { readonly factor: string } | { readonly usdPerMillion: ListFix['usdPerMillion'] }
  /** The row says nothing of prompts longer than this. */
  readonly upToInputTokens?: number
  readonly readOn: string
  readonly source: string
}

const LANGFUSE = 'https://github.com/langfuse/langfuse default-model-prices.json @62751446'
const GENAI_PRICES = 'https://github.com/pydantic/genai-prices prices/data v2 @47df840a, price_comments'
const MODELS_DEV = 'https://github.com/anomalyco/models.dev @f3fc6922'
const LITELLM = 'https://github.com/BerriAI/litellm model_prices_and_context_window.json'

export const listFixes: readonly ListFix[] = [
  {
    provider: 'deepseek',
    model: 'deepseek-chat',
    startDate: '2026-07-01',
    usdPerMillion: { inputTokens: '0.14', cacheReadTokens: '0.0028', outputTokens: '0.28' },
    readOn: '2026-07-01',
    source: MODELS_DEV,
    fixes: 'the catalogue still has the price of 2025 with its off-peak hours (0.27 / 0.07 / 1.10)',
  },
  {
    provider: 'mistral',
    model: 'mistral-large-latest',
    startDate: '2025-12-02',
    usdPerMillion: { inputTokens: '0.5', cacheReadTokens: '0.05', outputTokens: '1.5' },
    readOn: '2026-07-01',
    source: `${MODELS_DEV}; cached input as mistral-large-2512 in genai-prices 0.1.8`,
    fixes: 'the alias means Large 3 (2512) since then; the catalogue has Large 2 (2 / 6)',
  },
]

const openaiTier = { provider: 'openai', readOn: '2026-08-20', source: LANGFUSE } as const
const geminiTier = { provider: 'google', readOn: '2026-09-23', source: GENAI_PRICES } as const

export const tierPrices: readonly TierPrice[] = [
  {
    ...openaiTier,
    models: ['o3', 'gpt-5', 'gpt-5-mini', 'gpt-5-nano', 'gpt-5.1', 'gpt-5.2', 'gpt-5.4-mini', 'gpt-5.4-nano', 'gpt-5.4-pro'],
    tiers: ['flex'],
    price: { factor: '0.5' },
  },
  {
    ...openaiTier,
    models: ['gpt-5.5', 'gpt-5.5-pro', 'gpt-5.6-sol', 'gpt-5.6-terra', 'gpt-5.6-luna'],
    tiers: ['flex'],
    price: { factor: '0.5' },
  },
  {
    ...openaiTier,
    models: ['o4-mini'],
    tiers: ['flex'],
    price: { usdPerMillion: { inputTokens: '0.55', cacheReadTokens: '0.138', outputTokens: '2.2' } },
  },
  {
    ...openaiTier,
    models: ['gpt-5.4'],
    tiers: ['flex'],
    price: { usdPerMillion: { inputTokens: '1.25', cacheReadTokens: '0.13', outputTokens: '7.5' } },
    upToInputTokens: 271_999,
  },
  {
    ...openaiTier,
    models: ['gpt-5', 'gpt-5.1', 'gpt-5.2', 'gpt-5.4-mini', 'gpt-4.1-nano', 'gpt-5.6-sol', 'gpt-5.6-terra', 'gpt-5.6-luna'],
    tiers: ['priority', 'fast'],
    price: { factor: '2' },
  },
  { ...openaiTier, models: ['gpt-5.4'], tiers: ['priority', 'fast'], price: { factor: '2' }, upToInputTokens: 271_999 },
  { ...openaiTier, models: ['gpt-5.5'], tiers: ['priority', 'fast'], price: { factor: '2.5' }, upToInputTokens: 271_999 },
  { ...openaiTier, models: ['gpt-5-mini'], tiers: ['priority', 'fast'], price: { factor: '1.8' } },
  { ...openaiTier, models: ['gpt-4.1', 'gpt-4.1-mini', 'o3', 'gpt-4o-2024-05-13'], tiers: ['priority', 'fast'], price: { factor: '1.75' } },
  { ...openaiTier, models: ['gpt-4o'], tiers: ['priority', 'fast'], price: { factor: '1.7' } },
  {
    ...openaiTier,
    models: ['gpt-4o-mini'],
    tiers: ['priority', 'fast'],
    price: { usdPerMillion: { inputTokens: '0.25', cacheReadTokens: '0.125', outputTokens: '1' } },
  },
  {
    ...openaiTier,
    models: ['o4-mini'],
    tiers: ['priority', 'fast'],
    price: { usdPerMillion: { inputTokens: '2', cacheReadTokens: '0.5', outputTokens: '8' } },
  },
  {
    provider: 'openai',
    models: ['gpt-6-luna', 'gpt-6-sol'],
    tiers: ['batch'],
    price: { factor: '0.5' },
    readOn: '2026-09-23',
    source: 'genai-prices 0.1.8, openrouter openai/gpt-6-luna:batch and openai/gpt-6-sol:batch',
  },
  {
    provider: 'anthropic',
    models: ['claude-opus-4-8', 'claude-opus-5'],
    tiers: ['fast'],
    price: { factor: '2' },
    readOn: '2026-08-20',
    source: LANGFUSE,
  },
  {
    provider: 'anthropic',
    models: ['claude-sonnet-5'],
    tiers: ['standard/us'],
    price: { factor: '1.1' },
    readOn: '2026-08-20',
    source: LITELLM,
  },
  {
    ...geminiTier,
    models: ['gemini-3-flash-preview'],
    tiers: ['batch'],
    // "50 % on input/output": nothing is said of cached input, so it keeps its price.
    price: {
      usdPerMillion: {
        inputTokens: '0.25',
        audioInputTokens: '0.5',
        cacheReadTokens: '0.05',
        audioCacheReadTokens: '0.1',
        outputTokens: '1.5',
      },
    },
  },
  {
    ...geminiTier,
    models: ['gemini-3.5-flash'],
    tiers: ['batch', 'flex'],
    price: { usdPerMillion: { inputTokens: '0.75', cacheReadTokens: '0.15', outputTokens: '4.5' } },
  },
  {
    ...geminiTier,
    models: ['gemini-3.5-flash-lite', 'gemini-3.6-flash', 'gemini-3.7-flash'],
    tiers: ['batch', 'flex'],
    price: { factor: '0.5' },
  },
  { ...geminiTier, models: ['gemini-3.7-flash'], tiers: ['priority'], price: { factor: '1.8' } },
  {
    provider: 'google',
    models: ['gemini-3.1-pro-preview'],
    tiers: ['priority'],
    price: { usdPerMillion: { inputTokens: '3.6', outputTokens: '21.6' } },
    upToInputTokens: 200_000,
    readOn: '2026-08-20',
    source: LITELLM,
  },
]

/** What providers call the tier that everyone gets. `auto` in an answer means that nothing else was granted. */
const standardTiers = new Set(['', 'default', 'standard', 'auto', 'on_demand', 'on-demand', 'standard_only', 'traffic_type_unspecified'])

/** A service tier under one name: `standard` for all words that mean it, `standard/us` for a region billed apart. */
export function canonicalTier(serviceTier: string | undefined): string {
  if (serviceTier === undefined) return 'standard'
  const lower = serviceTier.trim().toLowerCase()
  const [tier = '', region] = lower.split('/', 2)
  const canonical = standardTiers.has(tier) ? 'standard' : tier
  return region === undefined || region === '' ? canonical : `${canonical}/${region}`
}
