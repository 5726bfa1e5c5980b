import type { DayContents, Hours } from './day-calls.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'

/** By what the calls of a day are grouped, beside the keys of properties; see the schema of day_groups. */
export const MODEL_PART = -1
export const KIND_PART = -2
export const JOINT_PART = 0
/** Properties that have no key of their own. */
const OTHER_KEYS_PART = -3

/** How the calls of a day are grouped by properties. */
export interface DayParts {
  /** Whether each part is kept: 1, also together with others in the joint part: 2, or not: 0. */
  readonly kept: ReadonlyMap<number, 0 | 1 | 2>
  /** The values of a set of properties, by key. */
  readonly valuesOf: (segmentId: number) => ReadonlyMap<number, number>
  /** The keys of the joint part. */
  readonly joint: readonly number[]
}

/** A day has a group for every so many calls at most, all parts together; with few calls, that many. */
const CALLS_PER_GROUP = 16
const FEW_GROUPS = 64
/** The groups of several properties together are read by every question about two of them. */
const MAX_JOINT_GROUPS = 256

/**
 * Decides what a day is grouped by: parts of few groups first, as many as there is room for. It follows from the calls of the
 * day alone, so that a day closed again has the same parts.
 */
export async function planParts(db: Sqlite, hours: Hours, contents: DayContents): Promise<DayParts> {
  const sets = await readSets(db, hours)
  const kept = new Map<number, 0 | 1 | 2>()
  let room = Math.max(FEW_GROUPS, Math.floor(contents.calls / CALLS_PER_GROUP))
  const keep = (part: number, groups: number): void => {
    const fits = groups <= room
    kept.set(part, fits ? 1 : 0)
    if (fits) room -= groups
  }
  keep(MODEL_PART, contents.models)
  keep(KIND_PART, contents.kinds)
  const inSlots = await keysInSlots(db, contents.slots)
  const keys = keysByValues(sets)
  for (const { keyId, values } of keys) if (!inSlots.has(keyId)) keep(keyId, values + 1)
  for (const keyId of inSlots) kept.set(keyId, 0)
  if (contents.hasOverflow) kept.set(OTHER_KEYS_PART, 0)
  const joint = jointKeys(
    sets,
    keys.filter(({ keyId }) => kept.get(keyId) === 1).map(({ keyId }) => keyId),
    Math.min(room, MAX_JOINT_GROUPS),
  )
  for (const keyId of joint) kept.set(keyId, 2)
  return { kept, valuesOf: (segmentId) => sets.get(segmentId) ?? noValues, joint }
}

type Sets = ReadonlyMap<number, ReadonlyMap<number, number>>

const noValues: ReadonlyMap<number, number> = new Map()

/** The interned sets that calls have, each as value by key. */
async function readSets(db: Sqlite, { fromMs, toMs }: Hours): Promise<Sets> {
  const [row] = await db.all<{ values: string }>(
    `SELECT json_group_array(json_array(v.segment_id, v.key_id, v.value_id)) AS "values"
     FROM (SELECT DISTINCT segment_id FROM llm_calls WHERE start_ms >= ? AND start_ms < ? AND counted = 1) AS s
     CROSS JOIN segment_values AS v ON v.segment_id = s.segment_id`,
    fromMs,
    toMs,
  )
  const sets = new Map<number, Map<number, number>>()
  for (const [segmentId, keyId, valueId] of JSON.parse(row?.values ?? '[]') as [number, number, number][]) {
    const set = sets.get(segmentId)
    if (set === undefined) sets.set(segmentId, new Map([[keyId, valueId]]))
    else set.set(keyId, valueId)
  }
  return sets
}

/** Keys whose values stand in the calls themselves; elsewhere these keys may have others. */
async function keysInSlots(db: Sqlite, slots: readonly number[]): Promise<ReadonlySet<number>> {
  const rows = await db.all<{ key_id: number }>(
    'SELECT key_id FROM property_keys WHERE slot IN (SELECT value FROM json_each(?))',
    JSON.stringify(slots),
  )
  return new Set(rows.map(({ key_id }) => key_id))
}

/** Keys and how many values they have, the fewest first. */
function keysByValues(sets: Sets): { keyId: number; values: number }[] {
  const valuesOf = new Map<number, Set<number>>()
  for (const set of sets.values()) {
    for (const [keyId, valueId] of set) {
      const values = valuesOf.get(keyId)
      if (values === undefined) valuesOf.set(keyId, new Set([valueId]))
      else values.add(valueId)
    }
  }
  return Array.from(valuesOf, ([keyId, { size }]) => ({ keyId, values: size })).sort((a, b) => a.values - b.values || a.keyId - b.keyId)
}

/** The first keys, as many as together have no more sets of values than there is room for; none where it is not several. */
function jointKeys(sets: Sets, keys: readonly number[], room: number): readonly number[] {
  // Each set by which of the sets of values so far it has; 0 where it has none of them, which also calls without a set do.
  let groupOfSet = new Map(Array.from(sets, ([segmentId]) => [segmentId, 0]))
  for (const [n, keyId] of keys.entries()) {
    const groups = new Map<number, number>([[0, 0]])
    const next = new Map<number, number>()
    for (const [segmentId, set] of sets) {
      const together = (groupOfSet.get(segmentId) ?? 0) * 2 ** 32 + (set.get(keyId) ?? 0)
      let group = groups.get(together)
      if (group === undefined) groups.set(together, (group = groups.size))
      next.set(segmentId, group)
    }
    if (groups.size > room) return n < 2 ? [] : keys.slice(0, n)
    groupOfSet = next
  }
  return keys.length < 2 ? [] : keys
}

/** What a set holds of some keys, as the table of sets names it. */
export function setOf(values: ReadonlyMap<number, number>, keys: readonly number[]): string {
  return keys
    .flatMap((keyId) => values.get(keyId) ?? [])
    .sort((a, b) => a - b)
    .join(',')
}
