import type { Identity } from '@spanledger/conventions'

import { openDictionary, type Dictionary, type Entry } from './dictionary.ts'
import type { Sqlite } from './sqlite.ts'

/** Where the properties of one call stand in its row. */
export interface PlacedProperties {
  readonly segmentId: number
  /** value_id by slot 1..8, at index slot - 1; all null where undefined. */
  readonly slots: readonly (number | null)[] | undefined
  /** JSON object by canonical key, or null. */
  readonly overflow: string | null
  /** value_id of property "feature", 0 where there is none or it is not interned. */
  readonly featureId: number
}

export interface Properties {
  /** Interns and places what calls carry, in order. Inside a transaction. */
  place(identities: readonly Identity[]): Promise<PlacedProperties[]>
  forget(): void
}

/** More distinct values than this, and a key leaves the interned sets: they would multiply with it. */
export const MAX_SEGMENT_VALUES = 200
/** More distinct values than this, and the values of a key are no longer interned. */
export const MAX_SLOT_VALUES = 50_000
/** Keys beyond this many have no row of their own; their values stand in the overflow of the calls. */
export const MAX_KEYS = 1000
/** Whenever there are this many more sets, the key with the most values leaves them. */
export const MAX_SEGMENTS_PER_STEP = 20_000
export const SLOTS = 8

interface PropertyKey {
  readonly keyId: number
  readonly place: 'segment' | 'slot' | 'overflow'
  readonly slot: number | null
}

/** A call's property that is interned, by the position of its call. */
interface InternedProperty {
  readonly position: number
  readonly key: string
  readonly value: string
  readonly keyId: number
}

export function openProperties(db: Sqlite): Properties {
  const values = openDictionary<InternedProperty>(
    db,
    { table: 'property_values', id: 'value_id', columns: ['key_id', 'value'] },
    { key: ({ keyId, value }) => `${keyId}\u0000${value}`, entry: ({ keyId, value }) => [keyId, value] },
  )
  const segments = openDictionary<string>(
    db,
    { table: 'segments', id: 'segment_id', columns: ['value_ids'] },
    { key: (set) => set, entry: (set) => [set] },
  )
  let keys = new Map<string, PropertyKey>()
  let dataVersion = -1

  /** Another process may have moved a key; SQLite counts commits of others in data_version. */
  const refreshKeys = async (force: boolean): Promise<void> => {
    const [version] = await db.all<{ data_version: number }>('PRAGMA data_version')
    if (!force && version?.data_version === dataVersion) return
    dataVersion = version?.data_version ?? -1
    const rows = await db.all<PropertyKey & { key: string }>('SELECT key, key_id AS keyId, place, slot FROM property_keys')
    keys = new Map(rows.map((row) => [row.key, row]))
  }

  return {
    place: async (identities) => {
      await refreshKeys(dataVersion === -1)
      if (await addKeys(db, keys, identities)) await refreshKeys(true)
      const interned = internedProperties(identities, keys)
      const { ids, added } = await values.intern(interned)
      if (added.length > 0) {
        await countValues(db, added)
        if (await moveKeys(db)) await refreshKeys(true)
      }
      return placeAll(db, { identities, interned, valueIds: ids, keys, segments })
    },
    forget: () => {
      values.forget()
      segments.forget()
      dataVersion = -1
    },
  }
}

async function addKeys(db: Sqlite, keys: ReadonlyMap<string, PropertyKey>, identities: readonly Identity[]): Promise<boolean> {
  const missing = new Map<string, string>()
  for (const { properties } of identities) {
    for (const [key, { name }] of properties) if (!keys.has(key) && !missing.has(key)) missing.set(key, name)
  }
  if (missing.size === 0 || keys.size >= MAX_KEYS) return false
  const room = [...missing].sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, MAX_KEYS - keys.size)
  await db.run('INSERT OR IGNORE INTO property_keys (key, name) SELECT value->>0, value->>1 FROM jsonb_each(?)', JSON.stringify(room))
  return true
}

function internedProperties(identities: readonly Identity[], keys: ReadonlyMap<string, PropertyKey>): InternedProperty[] {
  const interned: InternedProperty[] = []
  for (let position = 0; position < identities.length; position++) {
    for (const [key, { value }] of identities[position]?.properties ?? []) {
      const known = keys.get(key)
      if (known !== undefined && known.place !== 'overflow') interned.push({ position, key, value, keyId: known.keyId })
    }
  }
  return interned
}

async function countValues(db: Sqlite, added: readonly { readonly entry: Entry }[]): Promise<void> {
  const counts = new Map<number, number>()
  for (const { entry } of added) counts.set(Number(entry[0]), (counts.get(Number(entry[0])) ?? 0) + 1)
  await db.run(
    `UPDATE property_keys SET value_count = value_count + added.count
     FROM (SELECT value->>0 AS key_id, value->>1 AS count FROM jsonb_each(?)) AS added WHERE property_keys.key_id = added.key_id`,
    JSON.stringify([...counts]),
  )
}

/** Moves keys that have grown too many values. Calls written before keep theirs where they are; readers look in all places. */
async function moveKeys(db: Sqlite): Promise<boolean> {
  const overflowed = await db.run(
    `UPDATE property_keys SET place = 'overflow' WHERE place = 'slot' AND value_count > ${MAX_SLOT_VALUES}`,
  )
  const grown = await db.all<{ key_id: number }>(
    `SELECT key_id FROM property_keys WHERE place = 'segment' AND (value_count > ${MAX_SEGMENT_VALUES} OR key_id = (
       SELECT key_id FROM property_keys WHERE place = 'segment' AND (SELECT count(*) FROM segments) >
         ${MAX_SEGMENTS_PER_STEP} * (1 + (SELECT count(*) FROM property_keys WHERE place <> 'segment'))
       ORDER BY value_count DESC, key_id LIMIT 1)) ORDER BY key_id`,
  )
  for (const { key_id } of grown) {
    await db.run(
      `UPDATE property_keys SET (place, slot) = (
         SELECT iif(min(n) IS NULL, 'overflow', 'slot'), min(n) FROM (
           SELECT value AS n FROM json_each(?) WHERE value NOT IN (SELECT slot FROM property_keys WHERE slot IS NOT NULL)))
       WHERE key_id = ?`,
      JSON.stringify(Array.from({ length: SLOTS }, (_, n) => n + 1)),
      key_id,
    )
  }
  return overflowed > 0 || grown.length > 0
}

interface Placing {
  readonly identities: readonly Identity[]
  readonly interned: readonly InternedProperty[]
  readonly valueIds: readonly number[]
  readonly keys: ReadonlyMap<string, PropertyKey>
  readonly segments: Dictionary<string>
}

async function placeAll(db: Sqlite, { identities, interned, valueIds, keys, segments }: Placing): Promise<PlacedProperties[]> {
  const members: { keyId: number; valueId: number }[][] = identities.map(() => [])
  const slots: ((number | null)[] | undefined)[] = identities.map(() => undefined)
  const features: number[] = identities.map(() => 0)
  for (let n = 0; n < interned.length; n++) {
    const { position, key, keyId } = interned[n] ?? { position: -1, key: '', keyId: 0 }
    const valueId = valueIds[n] ?? 0
    const known = keys.get(key)
    // A key that this very batch has pushed into the overflow is found there, see overflowOf.
    if (known === undefined || known.place === 'overflow') continue
    if (key === 'feature') features[position] = valueId
    if (known.place === 'segment') members[position]?.push({ keyId, valueId })
    else if (known.slot !== null) (slots[position] ??= Array.from({ length: SLOTS }, () => null))[known.slot - 1] = valueId
  }
  const sets = members.map((set) => (set.length < 2 ? set : set.sort((a, b) => a.valueId - b.valueId)).map(({ valueId }) => valueId).join(','))
  const { ids, added } = await segments.intern(sets)
  if (added.length > 0) await insertSegmentValues(db, added, new Map(sets.map((set, n) => [set, members[n] ?? []])))
  return identities.map((identity, n) => ({
    segmentId: ids[n] ?? 0,
    slots: slots[n],
    overflow: overflowOf(identity, keys),
    featureId: features[n] ?? 0,
  }))
}

async function insertSegmentValues(
  db: Sqlite,
  added: readonly { readonly entry: Entry; readonly id: number }[],
  members: ReadonlyMap<string, readonly { keyId: number; valueId: number }[]>,
): Promise<void> {
  const rows = added.flatMap(({ entry, id }) => (members.get(String(entry[0])) ?? []).map(({ keyId, valueId }) => [id, keyId, valueId]))
  await db.run(
    'INSERT INTO segment_values (segment_id, key_id, value_id) SELECT value->>0, value->>1, value->>2 FROM jsonb_each(?)',
    JSON.stringify(rows),
  )
}

function overflowOf({ properties }: Identity, keys: ReadonlyMap<string, PropertyKey>): string | null {
  let overflow: [string, string][] | undefined
  for (const [key, { value }] of properties) {
    const place = keys.get(key)?.place
    if (place === undefined || place === 'overflow') (overflow ??= []).push([key, value])
  }
  return overflow === undefined ? null : JSON.stringify(Object.fromEntries(overflow.sort(([a], [b]) => (a < b ? -1 : 1))))
}
