import type { Identity } from '@spanledger/conventions'

import { openDictionary } from './dictionary.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'

/** Where the properties of one call stand in its row. */
export interface PlacedProperties {
  /** 0 until it is found. */
  segmentId: number
  /** value_id by slot 1..8, at index slot - 1; all null where undefined. */
  readonly slots: readonly (number | null)[] | undefined
  /** JSON object by canonical key, or null. */
  readonly overflow: string | null
  /** value_id of property "feature", 0 where there is none or it is not interned. */
  readonly featureId: number
}

/** What is placed: the properties of an identity. */
export interface PlacedIdentity {
  readonly identity: Identity
  placed: PlacedProperties
}

/** No properties, none placed. */
export const nowhere: PlacedProperties = { segmentId: 0, slots: undefined, overflow: null, featureId: 0 }

export interface Properties {
  /** Sees what other processes have done. At the start of each transaction. */
  begin(dataVersion: number): Promise<void>
  /** Places the properties of a row whose keys and values are remembered. @returns whether they are */
  find(row: PlacedIdentity): boolean
  /** Places those of rows whose keys or values may be new, and interns these. Inside a transaction that was begun. */
  learn(rows: readonly PlacedIdentity[]): Promise<void>
  /** Forgets some, where too much is remembered. */
  trim(): void
  forget(): void
}

/** More distinct values than this, and a key leaves the interned sets: they would multiply with it. */
const MAX_SEGMENT_VALUES = 200
/** More distinct values than this, and the values of a key are no longer interned. */
const MAX_SLOT_VALUES = 50_000
/** Keys beyond this many have no row of their own; their values stand in the overflow of the calls. */
const MAX_KEYS = 1000
/** Whenever there are this many more sets, the key with the most values leaves them. */
const MAX_SEGMENTS_PER_STEP = 20_000
export const SLOTS = 8

interface PropertyKey {
  readonly keyId: number
  readonly place: 'segment' | 'slot' | 'overflow'
  readonly slot: number | null
}

/** A key and the ids of those of its values that are remembered. */
interface KnownKey extends PropertyKey {
  readonly values: Map<string, number>
}

type Keys = ReadonlyMap<string, KnownKey>

/** Remembered values of one key beyond this are forgotten before the next batch. */
const MAX_REMEMBERED_VALUES = 10_000
const MAX_PLACES = 100

export function openProperties(db: Sqlite): Properties {
  const segments = openDictionary<SegmentRow>(db, {
    table: 'segments',
    id: 'segment_id',
    columns: { value_ids: ({ set }) => set },
    set: ({ placed }, id) => void (placed.segmentId = id),
  })
  let keys = new Map<string, KnownKey>()
  let dataVersion = -1
  /** Readers hand out one object for equal sets of properties that an app says again and again: of a transaction, where each stands. */
  const places = new Map<Identity['properties'], SegmentRow>()

  const readKeys = async (): Promise<void> => {
    const rows = await db.all<PropertyKey & { key: string }>('SELECT key, key_id AS keyId, place, slot FROM property_keys')
    keys = new Map(rows.map((row) => [row.key, { ...row, values: keys.get(row.key)?.values ?? new Map<string, number>() }]))
  }

  return {
    begin: async (version) => {
      places.clear()
      // Another process may have moved a key.
      if (version === dataVersion) return
      await readKeys()
      dataVersion = version
    },
    find: (row) => {
      const { properties } = row.identity
      const known = places.get(properties)
      if (known !== undefined) {
        row.placed = known.placed
        return true
      }
      const found = placeOf(row.identity, keys)
      if (found === undefined) return false
      row.placed = found.placed
      if (!segments.find(found)) return false
      if (places.size < MAX_PLACES) places.set(properties, found)
      return true
    },
    learn: async (rows) => {
      if (rows.length === 0) return
      places.clear() // A key may move.
      const identities = rows.map(({ identity }) => identity)
      if (await addKeys(db, keys, identities)) await readKeys()
      const missing = missingValues(identities, keys)
      if (missing.length > 0 && (await internValues(db, missing))) await readKeys()
      const found = rows.map((row) => {
        const place = placeOf(row.identity, keys)
        if (place === undefined) throw new Error('a property has no id')
        row.placed = place.placed
        return place
      })
      const added = found.filter((place) => !segments.find(place))
      await segments.learn(added)
      if (added.length > 0) await insertSegmentValues(db, added)
    },
    trim: () => {
      segments.trim()
      for (const { values } of keys.values()) if (values.size > MAX_REMEMBERED_VALUES) values.clear()
    },
    forget: () => {
      places.clear()
      keys = new Map()
      segments.forget()
      dataVersion = -1
    },
  }
}

async function addKeys(db: Sqlite, keys: Keys, identities: readonly Identity[]): Promise<boolean> {
  const missing = new Map<string, string>()
  for (const { properties } of identities) {
    for (const [key, { name }] of properties) if (!keys.has(key) && !missing.has(key)) missing.set(key, name)
  }
  if (missing.size === 0 || keys.size >= MAX_KEYS) return false
  const room = [...missing].sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, MAX_KEYS - keys.size)
  await db.run('INSERT OR IGNORE INTO property_keys (key, name) SELECT value->>0, value->>1 FROM jsonb_each(?)', JSON.stringify(room))
  return true
}

interface MissingValue {
  readonly key: KnownKey
  readonly value: string
}

function missingValues(identities: readonly Identity[], keys: Keys): MissingValue[] {
  const missing: MissingValue[] = []
  for (const { properties } of identities) {
    for (const [name, { value }] of properties) {
      const key = keys.get(name)
      if (key !== undefined && key.place !== 'overflow' && !key.values.has(value)) missing.push({ key, value })
    }
  }
  return missing
}

/** Gives ids to values, old ones or new ones, and remembers them. @returns whether that moved a key */
async function internValues(db: Sqlite, missing: readonly MissingValue[]): Promise<boolean> {
  const keys = new Map(missing.map(({ key }) => [key.keyId, key]))
  const remember = (keyId: number, value: string, valueId: number): void => void keys.get(keyId)?.values.set(value, valueId)
  const [row] = await db.all<{ found: string }>(
    `SELECT json_group_array(json_array(v.key_id, v.value, v.value_id)) AS found
     FROM jsonb_each(?) AS wanted JOIN property_values AS v ON v.key_id = wanted.value->>0 AND v.value = wanted.value->>1`,
    JSON.stringify(missing.map(({ key, value }) => [key.keyId, value])),
  )
  for (const found of JSON.parse(row?.found ?? '[]') as [number, string, number][]) remember(...found)
  const unknown = missing.filter(({ key, value }) => !key.values.has(value))
  if (unknown.length === 0) return false
  const added = await db.all<{ key_id: number; value: string; value_id: number }>(
    `INSERT OR IGNORE INTO property_values (key_id, value) SELECT value->>0, value->>1 FROM jsonb_each(?) RETURNING key_id, value, value_id`,
    JSON.stringify(unknown.map(({ key, value }) => [key.keyId, value])),
  )
  const counts = new Map<number, number>()
  for (const { key_id, value, value_id } of added) {
    remember(key_id, value, value_id)
    counts.set(key_id, (counts.get(key_id) ?? 0) + 1)
  }
  await db.run(
    `UPDATE property_keys SET value_count = value_count + added.count
     FROM (SELECT value->>0 AS key_id, value->>1 AS count FROM jsonb_each(?)) AS added WHERE property_keys.key_id = added.key_id`,
    JSON.stringify([...counts]),
  )
  return moveKeys(db)
}

/** Moves keys that have grown too many values. Calls written before keep theirs where they are; readers look in all places. */
async function moveKeys(db: Sqlite): Promise<boolean> {
  const overflowed = await db.run(`UPDATE property_keys SET place = 'overflow' WHERE place = 'slot' AND value_count > ${MAX_SLOT_VALUES}`)
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

/** A call's interned set, as its table names it, and where the call's properties stand. */
interface SegmentRow {
  readonly set: string
  readonly placed: PlacedProperties
}

const noSlots: readonly (number | null)[] = Array.from({ length: SLOTS }, () => null)

/** @returns undefined where a key or a value is not remembered */
function placeOf({ properties }: Identity, keys: Keys): SegmentRow | undefined {
  const members: number[] = []
  let slots: (number | null)[] | undefined
  let overflow: [string, string][] | undefined
  let featureId = 0
  for (const [name, { value }] of properties) {
    const key = keys.get(name)
    if (key === undefined && keys.size < MAX_KEYS) return undefined
    if (key === undefined || key.place === 'overflow') {
      ;(overflow ??= []).push([name, value])
      continue
    }
    const valueId = key.values.get(value)
    if (valueId === undefined) return undefined
    if (name === 'feature') featureId = valueId
    if (key.slot === null) insertAscending(members, valueId)
    else (slots ??= noSlots.slice())[key.slot - 1] = valueId
  }
  return {
    set: members.join(','),
    placed: {
      segmentId: 0,
      slots,
      overflow: overflow === undefined ? null : JSON.stringify(Object.fromEntries(overflow.sort(([a], [b]) => (a < b ? -1 : 1)))),
      featureId,
    },
  }
}

/** Into a list of a few: `sort` would cost more than the rest. */
function insertAscending(list: number[], value: number): void {
  let at = list.length
  for (; at > 0 && (list[at - 1] ?? 0) > value; at--) list[at] = list[at - 1] ?? 0
  list[at] = value
}

/** What new sets hold, one row a value, so that it can be joined. */
async function insertSegmentValues(db: Sqlite, added: readonly SegmentRow[]): Promise<void> {
  const sets = new Map(added.map(({ set, placed }) => [placed.segmentId, set]))
  await db.run(
    `INSERT OR IGNORE INTO segment_values (segment_id, key_id, value_id)
     SELECT j.value->>0, v.key_id, v.value_id FROM jsonb_each(?) AS j, json_each('[' || (j.value->>1) || ']') AS m
       JOIN property_values AS v ON v.value_id = m.value`,
    JSON.stringify([...sets]),
  )
}
