import { canonicalProvider } from '@spanledger/conventions'

import { catalogueProvider, catalogueProviderIds } from './catalogue.ts'
import { listFixes, tierPrices } from './overlay.ts'
import type { Override } from './overrides.ts'
import type { ModelPrice, priceInterning } from './price-used.ts'
import { resolvePrices } from './resolution.ts'
import { entryAt, type ScheduleEntry } from './schedule.ts'

/**
 * Every price in force at an instant: the user's own, ours, the catalogue's. An override that changes the prices of
 * models it names by a pattern is not spelled out; `explain` shows it for a model.
 */
export function listPrices(own: readonly Override[], intern: ReturnType<typeof priceInterning>, at: number): ModelPrice[] {
  const listed = new Set<ModelPrice>()
  const add = (schedule: readonly ScheduleEntry[], tier: string) => {
    const entry = entryAt(schedule, at)
    for (const n of entry?.bands.keys() ?? []) listed.add(intern(entry as ScheduleEntry, tier, n).used)
  }
  for (const row of own) {
    if (row.exact && row.provider !== undefined) addResolved(row.provider, row.label, row.tier === '*' ? 'standard' : row.tier)
    else if (!('sameAs' in row.price) && !('factor' in row.price)) {
      const bands = [{ inputTokensAbove: undefined, prices: row.price }]
      add([{ ...row, daily: undefined, bands, source: 'override', provider: row.provider ?? '*', model: row.label }], row.tier)
    }
  }
  for (const { provider, model } of listFixes) addResolved(provider, model, 'standard')
  for (const { provider, models, tiers } of tierPrices)
    for (const model of models) for (const tier of tiers) addResolved(provider, model, tier)
  for (const id of catalogueProviderIds) for (const { id: model } of catalogueProvider(id)?.models ?? []) addResolved(id, model, 'standard')
  return [...listed]

  function addResolved(provider: string, model: string, tier: string): void {
    const resolution = resolvePrices({ provider, model, requestedModel: undefined, tier }, own)
    if ('entries' in resolution) add(resolution.entries, tier)
  }
}

/** A model as it is asked for. */
export interface PriceName {
  readonly provider: string
  readonly model: string
  readonly serviceTier: string
}

/** Every name that a price book spells out: those of the catalogue, of the overlay and of the user's exact rows. */
export function listNames(own: readonly Override[]): PriceName[] {
  const named: [provider: string, model: string, serviceTier: string][] = []
  for (const { exact, provider, label, tier } of own)
    if (exact && provider !== undefined) named.push([provider, label, tier === '*' ? 'standard' : tier])
  for (const { provider, model } of listFixes) named.push([provider, model, 'standard'])
  for (const { provider, models, tiers } of tierPrices)
    for (const model of models) for (const tier of tiers) named.push([provider, model, tier])
  for (const id of catalogueProviderIds)
    for (const { id: model } of catalogueProvider(id)?.models ?? []) named.push([id, model, 'standard'])
  return named.map(([provider, model, serviceTier]) => ({ provider: canonicalProvider(provider), model, serviceTier }))
}
