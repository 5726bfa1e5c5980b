import { openCallMeasures, type CallMeasures } from './call-measures.ts'
import { durationBucket } from '../rollups/counts.ts'
import { readDayCalls, readDayContents, type DayCalls } from './day-calls.ts'
import type { DayKeeper } from './day-keeper.ts'
import { JOINT_PART, KIND_PART, MODEL_PART, planParts, setOf, type DayParts } from './day-parts.ts'
import { GroupSum } from './group-sum.ts'
import { measureColumns } from '../rollups/measures.ts'
import type { RollupSchema } from '../rollups/rollups.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'
import { addDays } from '../zone.ts'

/** What calls of a day come to, by model, by kind, by the values of each property, and of several with few values together. */
export const dayGroups: DayKeeper = {
  tables: ['day_groups', 'day_parts'],
  fill: async (db, { day, zone, schema }) => {
    const hours = { fromMs: zone.startOfDay(day), toMs: zone.startOfDay(addDays(day, 1)) }
    const contents = await readDayContents(db, hours)
    const parts = await planParts(db, hours, contents)
    const groups = openGroups(parts, await openCallMeasures(db, contents.usage))
    for await (const calls of readDayCalls(db, hours, contents)) {
      for (let at = 0; at < calls.length; at += RUN) {
        await new Promise<void>((resolve) => void setImmediate(resolve))
        groups.add(calls, at, Math.min(at + RUN, calls.length))
      }
    }
    await insertParts(db, { day, schema, parts })
    await insertGroups(db, { day, schema, rows: await groups.rows(db, schema) })
  },
}

/** So many calls are added between two turns of the event loop: about half a millisecond. */
const RUN = 256

type GroupRow = readonly [part: number, id: number, ...columns: (number | string)[]]

interface Groups {
  /** Adds some of the calls. */
  add(calls: DayCalls, from: number, to: number): void
  rows(db: Sqlite, schema: RollupSchema): Promise<GroupRow[]>
}

function openGroups(parts: DayParts, measures: CallMeasures): Groups {
  const keys = [...parts.kept].filter(([part, kept]) => part > 0 && kept > 0).map(([part]) => part)
  const byModel = new Map<number, GroupSum>()
  const byKind = new Map<number, GroupSum>()
  const byValue = keys.map(() => new Map<number, GroupSum>())
  const bySet = new Map<string, GroupSum>()
  /** The groups of calls with a set of properties, found once for all of them. */
  const ofSegment = new Map<number, readonly GroupSum[]>()
  const groupsOfSegment = (segmentId: number): readonly GroupSum[] => {
    const values = parts.valuesOf(segmentId)
    const groups = keys.map((keyId, n) => groupOf(byValue[n] ?? new Map(), values.get(keyId) ?? 0))
    return parts.joint.length === 0 ? groups : [...groups, groupOf(bySet, setOf(values, parts.joint))]
  }
  const isKept = { models: parts.kept.get(MODEL_PART) === 1, kinds: parts.kept.get(KIND_PART) === 1 }
  const addCall = (calls: DayCalls, n: number): void => {
    const ttftMs = calls.ttftsMs[n] ?? null
    const call = {
      measures: measures.of(calls, n),
      userId: calls.userIds[n] ?? 0,
      latency: durationBucket(calls.latenciesMs[n] ?? 0),
      ttft: ttftMs === null ? undefined : durationBucket(ttftMs),
    }
    if (isKept.models) groupOf(byModel, calls.modelIds[n] ?? 0).add(call, measures.used)
    if (isKept.kinds) groupOf(byKind, calls.kindIds[n] ?? 0).add(call, measures.used)
    const segmentId = calls.segmentIds[n] ?? 0
    let groups = ofSegment.get(segmentId)
    if (groups === undefined) ofSegment.set(segmentId, (groups = groupsOfSegment(segmentId)))
    for (const group of groups) group.add(call, measures.used)
  }
  return {
    add: (calls, from, to) => {
      for (let n = from; n < to; n++) addCall(calls, n)
    },
    rows: async (db, schema) => {
      const setIds = await idsOfSets(db, [...bySet.keys()], schema)
      return [
        ...rowsOf(MODEL_PART, byModel),
        ...rowsOf(KIND_PART, byKind),
        ...keys.flatMap((keyId, n) => rowsOf(keyId, byValue[n] ?? new Map())),
        // A set that verify does not find has an id that no set has.
        ...Array.from(bySet, ([set, group]): GroupRow => [JOINT_PART, setIds.get(set) ?? -1, ...group.row()]),
      ]
    },
  }
}

function rowsOf(part: number, groups: ReadonlyMap<number, GroupSum>): GroupRow[] {
  return Array.from(groups, ([id, group]): GroupRow => [part, id, ...group.row()])
}

function groupOf<Id>(groups: Map<Id, GroupSum>, id: Id): GroupSum {
  let group = groups.get(id)
  if (group === undefined) groups.set(id, (group = new GroupSum()))
  return group
}

/** The ids of sets of values; of the file, new ones are added to it. */
async function idsOfSets(db: Sqlite, sets: readonly string[], schema: RollupSchema): Promise<ReadonlyMap<string, number>> {
  const json = JSON.stringify(sets)
  if (schema === 'main') {
    await db.run('INSERT OR IGNORE INTO segments (value_ids) SELECT value FROM json_each(?)', json)
    await db.run(
      `INSERT OR IGNORE INTO segment_values (segment_id, key_id, value_id)
       SELECT s.segment_id, v.key_id, v.value_id FROM json_each(?) AS j JOIN segments AS s ON s.value_ids = j.value,
         json_each('[' || j.value || ']') AS m JOIN property_values AS v ON v.value_id = m.value`,
      json,
    )
  }
  const rows = await db.all<{ id: number; value_ids: string }>(
    'SELECT segment_id AS id, value_ids FROM segments WHERE value_ids IN (SELECT value FROM json_each(?))',
    json,
  )
  return new Map(rows.map(({ id, value_ids }) => [value_ids, id]))
}

async function insertParts(db: Sqlite, { day, schema, parts }: { day: number; schema: RollupSchema; parts: DayParts }): Promise<void> {
  await db.run(
    `INSERT INTO ${schema}.day_parts (day, part, kept) SELECT ?, value->>0, value->>1 FROM json_each(?)`,
    day,
    JSON.stringify([...parts.kept]),
  )
}

const packed = ['latency', 'ttft', 'users']
const columns = ['part', 'id', ...measureColumns, 'anonymous_requests', ...packed]
const values = columns.map((column, n) => {
  if (packed.includes(column)) return `unhex(value->>${n})`
  return column === 'cost_nano_usd' ? `CAST(value->>${n} AS INTEGER)` : `value->>${n}`
})

async function insertGroups(
  db: Sqlite,
  { day, schema, rows }: { day: number; schema: RollupSchema; rows: readonly GroupRow[] },
): Promise<void> {
  await db.run(
    `INSERT INTO ${schema}.day_groups (day, ${columns.join(', ')}) SELECT CAST(? AS INTEGER), ${values.join(', ')} FROM jsonb_each(?)`,
    day,
    JSON.stringify(rows),
  )
}
