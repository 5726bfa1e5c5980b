import type { Store, Zone } from '@spanledger/store'

import { bucketsOf } from '../query/buckets.ts'
import type { Catalog } from '../ledger/catalog.ts'
import { numberFields } from './compile-filter.ts'
import { resolveDimension, type Dimension } from '../query/dimensions.ts'
import { namesIn, type FilterNode } from '../query/filter.ts'
import type { Attribution } from '../query/list-values.ts'
import type { Memberships } from '../segments/memberships.ts'
import type { Period } from '../query/period.ts'
import type { LatestValues, Scope } from './scope.ts'
import { zoneOffsets } from '../query/time-bucket.ts'
import { traitTime, type TraitMode, type TraitTime } from '../query/traits.ts'

/** What a scope is made from. */
export interface ScopeWords {
  readonly store: Store
  readonly clock: { readonly asOfMs: number }
  readonly zone: Zone
  readonly catalog: Catalog
  readonly dimensions: readonly Dimension[]
  readonly where: FilterNode | undefined
  readonly memberships: Memberships
  readonly latest: LatestValues
  readonly attribution: Attribution | undefined
  readonly traits: TraitMode
  readonly lists: Scope['lists']
}

/** The calls of a period that a question is about; what starts at `as_of` or later is not yet there. */
export async function scopeOf(words: ScopeWords, period: Period, restrict: { userIds?: readonly number[] } = {}): Promise<Scope> {
  const known = { fromMs: period.fromMs, toMs: Math.max(period.fromMs, Math.min(period.toMs, words.clock.asOfMs)) }
  return {
    catalog: words.catalog,
    period: known,
    where: words.where,
    ...restrict,
    offsets: zoneOffsets(words.zone.name, known),
    timeZone: words.zone.name,
    buckets: await bucketsOf(words.store, known, words.zone),
    memberships: words.memberships,
    latest: words.latest,
    traitTimes: await readTraitTimes(words, known),
    attribution: words.attribution,
    lists: words.lists,
  }
}

async function readTraitTimes(
  { store, clock, catalog, dimensions, where, traits: mode }: ScopeWords,
  known: { fromMs: number; toMs: number },
): Promise<Scope['traitTimes']> {
  const times = new Map<string, TraitTime>()
  for (const dimension of [...dimensions, ...namedDimensions(where, catalog)]) {
    const key = dimension.kind === 'trait' ? catalog.traits.get(dimension.key) : undefined
    if (key !== undefined && !times.has(key.key)) times.set(key.key, await traitTime(store, key, { mode, ...known, asOfMs: clock.asOfMs }))
  }
  return times
}

/** The dimensions that a filter names. */
export function namedDimensions(where: FilterNode | undefined, catalog: Catalog): Dimension[] {
  const named = where === undefined ? [] : namesIn(where).filter((name) => !Object.hasOwn(numberFields, name))
  return named.map((name) => resolveDimension(name, catalog))
}
