import type { Identity } from '@spanledger/conventions'

import { openDictionary, type Dictionary, type Entry } from './dictionary.ts'
import type { Sqlite } from './sqlite.ts'

/** Where the properties of one call stand in its row. */
export interface PlacedProperties {
  readonly segmentId: number
  /** value_id by slot 1..8, at index slot - 1. */
  readonly slots: readonly (number | null)[]
  /** JSON object by canonical key, or null. */
  readonly overflow: string | null
  /** value_id of property "feature", 0 where there is none or it is not interned. */
  readonly featureId: number
}

export interface Properties {
  /** Interns what the calls of a batch carry. @returns a function that places the properties of any of them */
  intern(identities: readonly Identity[]): Promise<(identity: Identity) => PlacedProperties>
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
const SLOTS = 8

interface PropertyKey {
  readonly keyId: number
  readonly place: 'segment' | 'slot' | 'overflow'
  readonly slot: number | null
  readonly valueCount: number
}

export function openProperties(db: Sqlite): Properties {
  const values = openDictionary(db, { table: 'property_values', id: 'value_id', columns: ['key_id', 'value'] })
  const segments = openDictionary(db, { table: 'segments', id: 'segment_id', columns: ['value_ids'] })
  let keys = new Map<string, PropertyKey>()
  let dataVersion = -1

  /** Another process may have moved a key; SQLite counts commits of others in data_version. */
  const refreshKeys = async (force: boolean): Promise<void> => {
    const [version] = await db.all<{ data_version: number }>('PRAGMA data_version')
    if (!force && version?.data_version === dataVersion) return
    dataVersion = version?.data_version ?? -1
    const rows = await db.all<PropertyKey & { key: string }>(
      'SELECT key, key_id AS keyId, place, slot, value_count AS valueCount FROM property_keys',
    )
    keys = new Map(rows.map((row) => [row.key, row]))
  }

  return {
    intern: async (identities) => {
      await refreshKeys(dataVersion === -1)
      if (await addKeys(db, keys, identities)) await refreshKeys(true)
      const added = await values.intern(interned(identities, keys))
      if (added.length > 0) {
        await countValues(db, added)
        await movePlaces(db)
        await refreshKeys(true)
      }
      const sets = await internSegments(db, segments, new Map(identities.map((identity) => [identity, segmentOf(identity, keys, values)])))
      return (identity) => place(identity, sets.get(identity) ?? '', { keys, values, segments })
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

function* interned(identities: readonly Identity[], keys: ReadonlyMap<string, PropertyKey>): Generator<Entry> {
  for (const { properties } of identities) {
    for (const [key, { value }] of properties) {
      const known = keys.get(key)
      if (known !== undefined && known.place !== 'overflow') yield [known.keyId, value]
    }
  }
}

async function countValues(db: Sqlite, added: readonly Entry[]): Promise<void> {
  const counts = new Map<number, number>()
  for (const [keyId] of added) counts.set(Number(keyId), (counts.get(Number(keyId)) ?? 0) + 1)
  await db.run(
    `UPDATE property_keys SET value_count = value_count + added.count
     FROM (SELECT value->>0 AS key_id, value->>1 AS count FROM jsonb_each(?)) AS added WHERE property_keys.key_id = added.key_id`,
    JSON.stringify([...counts]),
  )
}

/** Moves keys that have grown too many values. Calls written before keep theirs where they are; readers look in all places. */
async function movePlaces(db: Sqlite): Promise<void> {
  await db.run(`UPDATE property_keys SET place = 'overflow' WHERE place = 'slot' AND value_count > ${MAX_SLOT_VALUES}`)
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
}

/** The value_ids of the keys that are kept in sets, ascending. */
function segmentOf(identity: Identity, keys: ReadonlyMap<string, PropertyKey>, values: Dictionary): { keyId: number; valueId: number }[] {
  const members: { keyId: number; valueId: number }[] = []
  for (const [key, { value }] of identity.properties) {
    const known = keys.get(key)
    if (known?.place === 'segment') members.push({ keyId: known.keyId, valueId: values.id([known.keyId, value]) })
  }
  return members.sort((a, b) => a.valueId - b.valueId)
}

/** @returns the set of each identity, as the table names it */
async function internSegments(
  db: Sqlite,
  segments: Dictionary,
  membersByIdentity: ReadonlyMap<Identity, readonly { keyId: number; valueId: number }[]>,
): Promise<ReadonlyMap<Identity, string>> {
  const sets = new Map<Identity, string>()
  const membersBySet = new Map<string, readonly { keyId: number; valueId: number }[]>()
  for (const [identity, members] of membersByIdentity) {
    const set = members.map(({ valueId }) => valueId).join(',')
    sets.set(identity, set)
    membersBySet.set(set, members)
  }
  const added = await segments.intern([...membersBySet.keys()].map((set) => [set]))
  if (added.length > 0) {
    const rows = added.flatMap(([set]) =>
      (membersBySet.get(String(set)) ?? []).map(({ keyId, valueId }) => [segments.id([String(set)]), keyId, valueId]),
    )
    await db.run(
      'INSERT INTO segment_values (segment_id, key_id, value_id) SELECT value->>0, value->>1, value->>2 FROM jsonb_each(?)',
      JSON.stringify(rows),
    )
  }
  return sets
}

interface Interned {
  readonly keys: ReadonlyMap<string, PropertyKey>
  readonly values: Dictionary
  readonly segments: Dictionary
}

function place(identity: Identity, set: string, { keys, values, segments }: Interned): PlacedProperties {
  const slots: (number | null)[] = Array.from({ length: SLOTS }, () => null)
  const overflow: [string, string][] = []
  let featureId = 0
  for (const [key, { value }] of identity.properties) {
    const known = keys.get(key)
    if (known === undefined || known.place === 'overflow') {
      overflow.push([key, value])
      continue
    }
    const valueId = values.id([known.keyId, value])
    if (key === 'feature') featureId = valueId
    if (known.place === 'slot' && known.slot !== null) slots[known.slot - 1] = valueId
  }
  return {
    segmentId: set === '' ? 0 : segments.id([set]),
    slots,
    overflow: overflow.length === 0 ? null : JSON.stringify(Object.fromEntries(overflow.sort(([a], [b]) => (a < b ? -1 : 1)))),
    featureId,
  }
}
