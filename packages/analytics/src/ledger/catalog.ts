import type { Store } from '@spanledger/store'

/** What a ledger knows of property keys: how they are spelled, and where their values stand. */
export interface PropertyKey {
  readonly keyId: number
  readonly key: string
  /** As the app spelled it first. */
  readonly name: string
  readonly place: 'segment' | 'slot' | 'overflow'
  readonly slot: number | null
}

/** What holds for users: how it is spelled, and under which id. */
export interface TraitKey {
  readonly keyId: number
  readonly key: string
  readonly name: string
}

export interface Catalog {
  readonly keys: ReadonlyMap<string, PropertyKey>
  readonly traits: ReadonlyMap<string, TraitKey>
  /** True when calls may carry keys that have no row of their own, because there are too many. */
  readonly keysLeftOut: boolean
}

/** Keys beyond this many have no row of their own (the store's limit). */
const MAX_KEYS = 1000

export async function readCatalog(store: Store): Promise<Catalog> {
  const keys = await store.all<PropertyKey>('SELECT key_id AS keyId, key, name, place, slot FROM property_keys ORDER BY key')
  const traits = await store.all<TraitKey>('SELECT key_id AS keyId, key, name FROM trait_keys ORDER BY key')
  return {
    keys: new Map(keys.map((key) => [key.key, key])),
    traits: new Map(traits.map((trait) => [trait.key, trait])),
    keysLeftOut: keys.length >= MAX_KEYS,
  }
}
