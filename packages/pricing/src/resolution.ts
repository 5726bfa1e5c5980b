import { catalogueModel, catalogueProvider, catalogueSchedule, type CatalogueModel } from './catalogue.ts'
import { parseDecimal } from './decimal.ts'
import { nameCandidates } from './model-names.ts'
import { listFixes, tierPrices, type ListFix, type TierPrice } from './overlay.ts'
import type { Override } from './overrides.ts'
import { repriced, startOfDay, type Schedule, type ScheduleEntry } from './schedule.ts'
import { multiplyTokenPrices, withFallbacks, type PricedUnit, type UnitPrices } from './unit-prices.ts'

/** Why a call has no cost. `detail` says it in words. */
export type UnpricedReason =
  | 'no_usage'
  | 'invalid_usage'
  | 'unknown_provider'
  | 'unknown_model'
  | 'unknown_service_tier'
  | 'no_price_yet'
  | 'no_price_for_bucket'
  | 'cost_over_limit'

export interface Unpriced {
  readonly costNanoUsd: undefined
  readonly reason: UnpricedReason
  readonly detail: string
}

/** What a price is looked up by. */
export interface PriceQuery {
  readonly provider: string
  readonly model: string
  readonly requestedModel: string | undefined
  /** Canonical (overlay.ts). */
  readonly tier: string
}

/** One step of a resolution, for `explain`. */
export interface ResolutionStep {
  readonly step: 'override' | 'exact' | 'provider-prefixed' | 'stripped' | 'dotted/dashed' | 'service tier'
  readonly tried: string
  readonly found: boolean
  readonly detail?: string
}

export interface TieredEntry extends ScheduleEntry {
  /** The price says nothing of longer prompts. */
  readonly upToInputTokens: number | undefined
}

export type Resolution = { readonly entries: readonly TieredEntry[] } | Unpriced

/** A `sameAs` may lead to a row with another one, but not for ever. */
const MAX_ALIASES = 4

/** Finds the prices of a model: the bundled ones, and above them the user's own, pattern before exact name. */
export function resolvePrices(query: PriceQuery, overrides: readonly Override[], steps: ResolutionStep[] = [], aliases = 0): Resolution {
  const own = matchingOverrides(query, overrides)
  for (const override of own) steps.push({ step: 'override', tried: override.name, found: true })
  if (own.length === 0) steps.push({ step: 'override', tried: query.model, found: false })
  const bundled = bundledPrices(query, steps)
  const entries: TieredEntry[] = 'entries' in bundled ? [...bundled.entries] : []
  for (const override of own) {
    const overriding = applyOverride(override, query, bundled, overrides, aliases)
    if (!('entries' in overriding)) return overriding
    entries.push(...overriding.entries)
  }
  return entries.length > 0 ? { entries } : bundled
}

/** In rising precedence: pattern, exact; any provider, this one; any tier, this one; by day; by place in the file. */
function matchingOverrides({ provider, model, requestedModel, tier }: PriceQuery, overrides: readonly Override[]): Override[] {
  return overrides
    .filter(
      (row) =>
        (row.provider === undefined || row.provider === provider) &&
        (row.tier === '*' || row.tier === tier) &&
        (row.matches(model) || (requestedModel !== undefined && row.matches(requestedModel))),
    )
    .sort((a, b) => precedence(a) - precedence(b) || (a.startMs === b.startMs ? 0 : a.startMs - b.startMs))
}

function precedence({ exact, provider, tier }: Override): number {
  return (exact ? 4 : 0) + (provider === undefined ? 0 : 2) + (tier === '*' ? 0 : 1)
}

function applyOverride(
  override: Override,
  query: PriceQuery,
  bundled: Resolution,
  overrides: readonly Override[],
  aliases: number,
): Resolution {
  const { price, startDate, startMs } = override
  const own = { startDate, startMs, daily: undefined, source: 'override', upToInputTokens: undefined } as const
  if ('sameAs' in price) {
    if (aliases === MAX_ALIASES)
      return unpriced('unknown_model', `${override.name}: "sameAs" leads on more than ${MAX_ALIASES} times, perhaps in a circle.`)
    const target = {
      provider: price.sameAs.provider ?? query.provider,
      model: price.sameAs.model,
      requestedModel: undefined,
      tier: query.tier,
    }
    const same = resolvePrices(target, overrides, [], aliases + 1)
    if (!('entries' in same)) return unpriced(same.reason, `${override.name}: ${same.detail}`)
    return { entries: same.entries.map((entry) => startingAt(entry, override)) }
  }
  if ('factor' in price) {
    const base = 'entries' in bundled || override.tier === '*' ? bundled : bundledPrices({ ...query, tier: 'standard' }, [])
    if (!('entries' in base))
      return unpriced(base.reason, `${override.name} has a "factor", but there is nothing to multiply: ${base.detail}`)
    const { factor } = price
    return { entries: base.entries.map((entry) => startingAt(negotiated(entry, factor), override)) }
  }
  // As the row names them: one price for all models that a pattern fits, however many there are.
  const named = { provider: override.provider ?? '*', model: override.label }
  return { entries: [{ ...own, bands: [{ inputTokensAbove: undefined, prices: price }], ...named }] }
}

function negotiated(entry: TieredEntry, factor: bigint): TieredEntry {
  return { ...multiplied(entry, factor), source: `override of ${entry.source}` }
}

function startingAt(entry: TieredEntry, { startDate, startMs }: Override): TieredEntry {
  return entry.startMs >= startMs ? entry : { ...entry, startDate, startMs }
}

/** The prices of the catalogue with our overlay, for the tier asked for. */
function bundledPrices(query: PriceQuery, steps: ResolutionStep[]): Resolution {
  const found = findModel(query, steps)
  if ('reason' in found) return found
  const fixes = listFixes.filter((fix) => fix.provider === found.providerId && fix.model === found.name)
  const standard: Schedule = [...catalogueSchedule(found), ...fixes.map((fix) => fixedEntry(fix))]
  if (query.tier === 'standard') return { entries: standard.map(untiered) }
  const row = tierPrices.find(
    ({ provider, models, tiers }) => provider === found.providerId && models.includes(found.info.id) && tiers.includes(query.tier),
  )
  steps.push({ step: 'service tier', tried: query.tier, found: row !== undefined, ...(row === undefined ? {} : { detail: row.source }) })
  if (row === undefined) {
    return unpriced(
      'unknown_service_tier',
      `No price for service tier "${query.tier}" of ${found.providerId} ${found.info.id}. Add one to the price overrides.`,
    )
  }
  return { entries: standard.map((entry) => tieredEntry(entry, row)) }
}

function findModel({ provider, model }: PriceQuery, steps: ResolutionStep[]): (CatalogueModel & { name: string }) | Unpriced {
  const asked = catalogueProvider(provider)
  for (const candidate of nameCandidates(model)) {
    const prefix = candidate.prefixProvider === undefined ? undefined : catalogueProvider(candidate.prefixProvider)
    // A gateway that the catalogue knows has prices of its own; the prefix decides only where it repeats the provider or is all there is.
    if (candidate.prefixProvider !== undefined && (prefix === undefined || (asked !== undefined && asked.id !== prefix.id))) continue
    const inProvider = prefix ?? asked
    if (inProvider === undefined) continue
    const found = catalogueModel(inProvider, candidate.model)
    steps.push({
      step: candidate.step,
      tried: `${inProvider.id} ${candidate.model}`,
      found: found !== undefined,
      ...(found === undefined ? {} : { detail: found.info.id }),
    })
    if (found !== undefined) return { ...found, name: candidate.model }
  }
  return asked === undefined
    ? unpriced('unknown_provider', `No price list for provider "${provider}" (model "${model}"). Add a price to the price overrides.`)
    : unpriced('unknown_model', `No price for model "${model}" of ${asked.id}. Add one, or "sameAs" a known model, to the price overrides.`)
}

function fixedEntry(fix: ListFix): ScheduleEntry {
  const prices = withFallbacks(parsePrices(fix.usdPerMillion), {
    hourWritesAtTwiceInput: false,
    audioInputAsInput: false,
    audioOutputAsOutput: false,
    imageOutputAsOutput: false,
  })
  return {
    startDate: fix.startDate,
    startMs: startOfDay(fix.startDate),
    daily: undefined,
    bands: [{ inputTokensAbove: undefined, prices }],
    source: `overlay ${fix.readOn}`,
    provider: fix.provider,
    model: fix.model,
  }
}

function untiered(entry: ScheduleEntry): TieredEntry {
  return { ...entry, upToInputTokens: undefined }
}

function tieredEntry(entry: ScheduleEntry, row: TierPrice): TieredEntry {
  const tiered: TieredEntry = { ...entry, source: `overlay ${row.readOn}`, upToInputTokens: row.upToInputTokens }
  if ('factor' in row.price) return multiplied(tiered, parseDecimal(row.price.factor) ?? 0n)
  const { webSearches, requests } = entry.bands[0]?.prices ?? {}
  const fees: Partial<Record<PricedUnit, bigint>> = {
    ...(webSearches === undefined ? {} : { webSearches }),
    ...(requests === undefined ? {} : { requests }),
  }
  const prices = withFallbacks(
    { ...fees, ...parsePrices(row.price.usdPerMillion) },
    {
      hourWritesAtTwiceInput: false,
      audioInputAsInput: row.provider === 'google',
      audioOutputAsOutput: false,
      imageOutputAsOutput: false,
    },
  )
  return { ...tiered, bands: [{ inputTokensAbove: undefined, prices }] }
}

function multiplied(entry: TieredEntry, factor: bigint): TieredEntry {
  return { ...entry, bands: entry.bands.map((band) => repriced(band, multiplyTokenPrices(band.prices, factor))) }
}

function parsePrices(usdPerMillion: ListFix['usdPerMillion']): UnitPrices {
  const prices: Partial<Record<PricedUnit, bigint>> = {}
  for (const [unit, usd] of Object.entries(usdPerMillion)) {
    const scaled = parseDecimal(usd)
    if (scaled !== undefined) prices[unit as PricedUnit] = scaled
  }
  return prices
}

export function unpriced(reason: UnpricedReason, detail: string): Unpriced {
  return { costNanoUsd: undefined, reason, detail }
}
