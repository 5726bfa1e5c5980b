import type { Sqlite } from '../sqlite/sqlite.ts'
import { SLOTS } from './properties.ts'

/** Property sets, and values of their own, that calls and events stand under. */
export interface UsedValues {
  readonly segmentIds: readonly number[]
  readonly valueIds: readonly number[]
}

const slots = Array.from({ length: SLOTS }, (_, n) => `p${n + 1}`)
const tables = ['llm_calls', 'events'] as const

/** What the calls and events of users (ids as JSON) stand under. */
export async function readUsedValues(db: Sqlite, userIds: string): Promise<UsedValues> {
  const theirs = `SELECT * FROM (${tables
    .map(
      (table) => `SELECT segment_id, ${slots.join(', ')} FROM ${table} WHERE user_id IN (SELECT value FROM json_each(?1)) AND user_id <> 0`,
    )
    .join(' UNION ALL ')})`
  const [row] = await db.all<{ segments: string; own: string }>(
    `WITH theirs AS MATERIALIZED (${theirs})
     SELECT (SELECT json_group_array(DISTINCT segment_id) FROM theirs WHERE segment_id <> 0) AS segments,
       (SELECT json_group_array(DISTINCT id) FROM (${slots.map((slot) => `SELECT ${slot} AS id FROM theirs`).join(' UNION ALL ')}) WHERE id IS NOT NULL) AS own`,
    userIds,
  )
  return {
    segmentIds: JSON.parse(row?.segments ?? '[]') as number[],
    valueIds: JSON.parse(row?.own ?? '[]') as number[],
  }
}

/** Forgets those of property sets and values that no call or event stands under any more. Inside a transaction; reads every call. */
export async function forgetUnusedValues(db: Sqlite, { segmentIds, valueIds }: UsedValues): Promise<void> {
  const list = JSON.stringify(segmentIds)
  const isUsed = tables.map((table) => `SELECT segment_id FROM ${table} WHERE segment_id IN (SELECT value FROM json_each(?1))`)
  const unused = `SELECT value FROM json_each(?1) WHERE value NOT IN (${isUsed.join(' UNION ')})`
  const members = await db.all<{ segment_id: number; value_id: number }>(
    `SELECT segment_id, value_id FROM segment_values WHERE segment_id IN (${unused})`,
    list,
  )
  const gone = JSON.stringify([...new Set(members.map(({ segment_id }) => segment_id))])
  await db.run('DELETE FROM segment_values WHERE segment_id IN (SELECT value FROM json_each(?))', gone)
  await db.run('DELETE FROM segments WHERE segment_id IN (SELECT value FROM json_each(?))', gone)
  await forgetValues(db, [...new Set([...valueIds, ...members.map(({ value_id }) => value_id)])])
}

/** Of some values those that stand in no set and in no slot. A key has one slot, if any. */
async function forgetValues(db: Sqlite, valueIds: readonly number[]): Promise<void> {
  if (valueIds.length === 0) return
  const inSlots = await db.all<{ slot: number; ids: string }>(
    `SELECT k.slot, json_group_array(v.value_id) AS ids FROM property_values AS v JOIN property_keys AS k ON k.key_id = v.key_id
     WHERE v.value_id IN (SELECT value FROM json_each(?)) AND k.slot IS NOT NULL GROUP BY k.slot`,
    JSON.stringify(valueIds),
  )
  const used = new Set<number>()
  for (const { slot, ids } of inSlots) {
    for (const table of tables) {
      const found = await db.all<{ id: number }>(
        `SELECT DISTINCT p${slot} AS id FROM ${table} WHERE p${slot} IN (SELECT value FROM json_each(?))`,
        ids,
      )
      for (const { id } of found) used.add(id)
    }
  }
  const unused = JSON.stringify(valueIds.filter((id) => !used.has(id)))
  await db.run(
    `UPDATE property_keys SET value_count = value_count - gone.count FROM (
       SELECT key_id, count(*) AS count FROM property_values AS v WHERE v.value_id IN (SELECT value FROM json_each(?1))
         AND NOT EXISTS (SELECT 1 FROM segment_values AS s WHERE s.value_id = v.value_id AND s.key_id = v.key_id) GROUP BY key_id) AS gone
     WHERE property_keys.key_id = gone.key_id`,
    unused,
  )
  await db.run(
    `DELETE FROM property_values AS v WHERE v.value_id IN (SELECT value FROM json_each(?1))
       AND NOT EXISTS (SELECT 1 FROM segment_values AS s WHERE s.value_id = v.value_id AND s.key_id = v.key_id)`,
    unused,
  )
}
