import { usageBuckets } from '@spanledger/conventions'

import { readContributions, type Contribution } from './contributions.ts'
import { durationBucket, mergeCounts } from './counts.ts'
import { measureColumns, usageColumns } from './measures.ts'
import type { Sqlite } from './sqlite.ts'
import { addDays, monthOf, type Zone } from './zone.ts'

/** What a set of calls adds to (or takes from) the rollups: by day, then by id. Months follow from days. */
export interface RollupDelta {
  readonly users: Map<number, Map<number, RowDelta>>
  readonly models: Map<number, Map<number, RowDelta>>
}

interface RowDelta {
  /** In the order of `measureColumns`, but for the cost. */
  readonly measures: number[]
  /** Apart, because a batch may cost more than a double holds exactly. */
  costNanoUsd: bigint
  firstMs: number
  lastMs: number
  /** By packed column: what is counted, once for each time it stands here. */
  readonly added: readonly number[][]
  /** What is counted once less; undefined where nothing was taken away. */
  removed: readonly number[][] | undefined
}

/**
 * The two rollup tables: the id in their key, and their packed columns. A user's months hold sums only: merging packed counts
 * is most of what a rollup row costs, and reports want them for the few users they list, whose days are quickly read.
 */
const tables = {
  users: { table: 'rollup_users', id: 'user_id', packed: ['latency', 'ttft', 'models', 'features'], bounds: true, packsMonths: false },
  models: { table: 'rollup_models', id: 'model_id', packed: ['latency', 'ttft'], bounds: false, packsMonths: true },
} as const

type TableName = keyof typeof tables

/** Where rollups are kept: in the file, or in a temporary schema to compare with. */
export type RollupSchema = 'main' | 'temp'

export function emptyDelta(): RollupDelta {
  return { users: new Map(), models: new Map() }
}

/** Adds what a call contributes; with sign -1 takes it away again. */
export function addContribution(delta: RollupDelta, call: Contribution, zone: Zone, sign: 1 | -1 = 1): void {
  const day = zone.day(call.startMs)
  const bucket = durationBucket(call.latencyMs)
  const ttftBucket = call.ttftMs === null ? undefined : durationBucket(call.ttftMs)
  const user = rowOf(delta.users, day, call.userId, 4)
  const model = rowOf(delta.models, day, call.modelId, 2)
  for (const row of [user, model]) {
    addMeasures(row, call, sign)
    if (call.costNanoUsd !== null) row.costNanoUsd += BigInt(sign * call.costNanoUsd)
    const counts = countsOf(row, sign)
    counts[0]?.push(bucket)
    if (ttftBucket !== undefined) counts[1]?.push(ttftBucket)
  }
  const counts = countsOf(user, sign)
  counts[2]?.push(call.modelId)
  if (call.featureId !== 0) counts[3]?.push(call.featureId)
  if (sign === -1) return
  user.firstMs = Math.min(user.firstMs, call.startMs)
  user.lastMs = Math.max(user.lastMs, call.startMs)
}

function rowOf(rows: Map<number, Map<number, RowDelta>>, day: number, id: number, packed: 2 | 4): RowDelta {
  let byId = rows.get(day)
  if (byId === undefined) rows.set(day, (byId = new Map()))
  let row = byId.get(id)
  if (row === undefined) byId.set(id, (row = emptyRow(packed)))
  return row
}

function emptyRow(packed: 2 | 4): RowDelta {
  return {
    measures: noMeasures.slice(),
    costNanoUsd: 0n,
    firstMs: Number.MAX_SAFE_INTEGER,
    lastMs: -1,
    added: packed === 2 ? [[], []] : [[], [], [], []],
    removed: undefined,
  }
}

function countsOf(row: RowDelta, sign: 1 | -1): readonly number[][] {
  if (sign === 1) return row.added
  row.removed ??= row.added.map(() => [])
  return row.removed
}

const noMeasures = measureColumns.map(() => 0)
const FIRST_TOKEN = measureColumns.indexOf(usageColumns[usageBuckets[0]])
const COST = measureColumns.indexOf('cost_nano_usd')
const LATENCY = measureColumns.indexOf('latency_ms_sum')

/** Adds a call's measures, in the order of `measureColumns`. */
function addMeasures({ measures }: RowDelta, call: Contribution, sign: 1 | -1): void {
  add(measures, 0, sign)
  if (call.status === 'error') add(measures, 1, sign)
  if (call.status === 'cancelled') add(measures, 2, sign)
  if (call.costNanoUsd === null) add(measures, 3, sign)
  if (call.quality === 'estimated' || call.quality === 'partial') add(measures, 4, sign)
  if (call.quality === 'missing') add(measures, 5, sign)
  if (call.origin === 'sample') add(measures, 6, sign)
  if (call.quality !== 'missing') {
    for (let n = 0; n < usageBuckets.length; n++) add(measures, FIRST_TOKEN + n, sign * call.usage[usageBuckets[n] ?? 'inputTokens'])
  }
  add(measures, LATENCY, sign * call.latencyMs)
}

function add(measures: number[], at: number, n: number): void {
  measures[at] = (measures[at] ?? 0) + n
}

/** Adds a delta to the tables. Inside a transaction. */
export async function applyDelta(db: Sqlite, delta: RollupDelta, schema: RollupSchema = 'main'): Promise<void> {
  // Side by side: one is made ready while SQLite runs the other.
  await Promise.all([
    applyRows(db, withMonths(delta.users, 4), 'users', schema),
    applyRows(db, withMonths(delta.models, 2), 'models', schema),
  ])
}

interface KeyedDelta {
  readonly bucket: number
  readonly id: number
  readonly row: RowDelta
}

function withMonths(days: ReadonlyMap<number, ReadonlyMap<number, RowDelta>>, packed: 2 | 4): KeyedDelta[] {
  const months = new Map<number, Map<number, RowDelta>>()
  const rows: KeyedDelta[] = []
  for (const [day, byId] of days) {
    for (const [id, row] of byId) {
      rows.push({ bucket: day, id, row })
      addToMonth(months, { bucket: monthOf(day), id, row }, packed)
    }
  }
  for (const [bucket, byId] of months) for (const [id, row] of byId) rows.push({ bucket, id, row })
  return rows
}

/** A month of one day is that day; only where a batch spans several are they added up. */
function addToMonth(months: Map<number, Map<number, RowDelta>>, { bucket, id, row }: KeyedDelta, packed: 2 | 4): void {
  let byId = months.get(bucket)
  if (byId === undefined) months.set(bucket, (byId = new Map()))
  const one = byId.get(id)
  if (one === undefined) {
    byId.set(id, row)
    return
  }
  const both = emptyRow(packed)
  for (const part of [one, row]) {
    for (let n = 0; n < part.measures.length; n++) both.measures[n] = (both.measures[n] ?? 0) + (part.measures[n] ?? 0)
    both.costNanoUsd += part.costNanoUsd
    both.firstMs = Math.min(both.firstMs, part.firstMs)
    both.lastMs = Math.max(both.lastMs, part.lastMs)
    for (let n = 0; n < packed; n++) {
      for (const key of part.added[n] ?? []) both.added[n]?.push(key)
      if (part.removed !== undefined) for (const key of part.removed[n] ?? []) countsOf(both, -1)[n]?.push(key)
    }
  }
  byId.set(id, both)
}

interface KnownRow {
  readonly requests: number
  readonly packed: readonly string[]
}

async function applyRows(db: Sqlite, deltas: readonly KeyedDelta[], name: TableName, schema: RollupSchema): Promise<void> {
  if (deltas.length === 0) return
  const { packsMonths, bounds, packed } = tables[name]
  const isPacked = (bucket: number): boolean => packsMonths || bucket !== monthOf(bucket)
  const packing = deltas.filter(({ bucket }) => isPacked(bucket))
  const known = await readKnown(db, packing, name, schema)
  const days = bounds ? changeOfActiveDays(packing, known) : undefined
  const rows = deltas.map(({ bucket, id, row }) => {
    const values: (number | string)[] = [bucket, id]
    for (let n = 0; n < row.measures.length; n++) values.push(n === COST ? String(row.costNanoUsd) : (row.measures[n] ?? 0))
    if (days !== undefined) values.push(days.get(keyOf(bucket, id)) ?? 0, row.firstMs, row.lastMs)
    const before = isPacked(bucket) ? known.get(keyOf(bucket, id)) : undefined
    for (let n = 0; n < packed.length; n++) {
      values.push(isPacked(bucket) ? mergeCounts(before?.packed[n] ?? '', row.added[n] ?? [], row.removed?.[n]) : '')
    }
    return values
  })
  await db.run(upserts[name](schema), JSON.stringify(rows))
  const shrunk = deltas.filter(({ row }) => (row.measures[0] ?? 0) <= 0).map(({ bucket, id }) => [bucket, id])
  if (shrunk.length > 0) {
    const { table, id } = tables[name]
    await db.run(
      `DELETE FROM ${schema}.${table} WHERE requests = 0 AND (bucket, ${id}) IN (SELECT value->>0, value->>1 FROM jsonb_each(?))`,
      JSON.stringify(shrunk),
    )
  }
}

async function readKnown(db: Sqlite, deltas: readonly KeyedDelta[], name: TableName, schema: RollupSchema): Promise<Map<number, KnownRow>> {
  const { table, id, packed } = tables[name]
  // One JSON text out and one in: npm sqlite3 pays per value that crosses into JavaScript (about half a microsecond).
  const [found] = await db.all<{ rows: string }>(
    `SELECT json_group_array(json_array(r.bucket, r.${id}, r.requests, ${packed.map((column) => `hex(r.${column})`).join(', ')})) AS rows
     FROM jsonb_each(?) AS j JOIN ${schema}.${table} AS r ON r.bucket = j.value->>0 AND r.${id} = j.value->>1`,
    JSON.stringify(deltas.map(({ bucket, id: rowId }) => [bucket, rowId])),
  )
  const known = new Map<number, KnownRow>()
  for (const [bucket, rowId, requests, ...blobs] of JSON.parse(found?.rows ?? '[]') as [number, number, number, ...string[]][]) {
    known.set(keyOf(bucket, rowId), { requests, packed: blobs })
  }
  return known
}

/** One number for a row's key: buckets have eight digits, and 90 million ids fit beside them into a double. */
function keyOf(bucket: number, id: number): number {
  return id * 100_000_000 + bucket
}

/** Binds a JSON array of rows; sums are added, bounds widened, packed columns replaced. */
const upserts = {
  users: (schema: RollupSchema) => upsert('users', schema),
  models: (schema: RollupSchema) => upsert('models', schema),
}

function upsert(name: TableName, schema: RollupSchema): string {
  const { table, id, packed, bounds } = tables[name]
  const sums = bounds ? [...measureColumns, 'active_days'] : measureColumns
  const columns = ['bucket', id, ...sums, ...(bounds ? ['first_ms', 'last_ms'] : []), ...packed]
  const values = columns.map((column, n) => {
    if (column === 'cost_nano_usd') return `CAST(value->>${n} AS INTEGER)`
    return (packed as readonly string[]).includes(column) ? `unhex(value->>${n})` : `value->>${n}`
  })
  const changes = [
    ...sums.map((column) => `${column} = ${column} + excluded.${column}`),
    ...(bounds ? ['first_ms = min(first_ms, excluded.first_ms)', 'last_ms = max(last_ms, excluded.last_ms)'] : []),
    ...packed.map((column) => `${column} = excluded.${column}`),
  ]
  return `INSERT INTO ${schema}.${table} (${columns.join(', ')}) SELECT ${values.join(', ')} FROM jsonb_each(?) WHERE true
    ON CONFLICT (bucket, ${id}) DO UPDATE SET ${changes.join(', ')}`
}

/** A day row is one active day; a month row gains or loses those whose day rows appear or vanish. */
function changeOfActiveDays(deltas: readonly KeyedDelta[], known: ReadonlyMap<number, KnownRow>): ReadonlyMap<number, number> {
  const change = new Map<number, number>()
  for (const { bucket, id, row } of deltas) {
    if (bucket === monthOf(bucket)) continue
    const before = known.get(keyOf(bucket, id))?.requests ?? 0
    const days = Number(before + (row.measures[0] ?? 0) > 0) - Number(before > 0)
    if (days === 0) continue
    change.set(keyOf(bucket, id), days)
    const month = keyOf(monthOf(bucket), id)
    change.set(month, (change.get(month) ?? 0) + days)
  }
  return change
}

/**
 * Computes first_ms and last_ms of the users' rows anew where calls were taken away: bounds cannot be subtracted.
 * Inside a transaction, after `applyDelta`.
 */
export async function rereadBounds(db: Sqlite, delta: RollupDelta, zone: Zone): Promise<void> {
  const rows = withMonths(delta.users, 4)
    .filter(({ row }) => row.removed !== undefined)
    .map(({ bucket, id }) => {
      const first = bucket === monthOf(bucket) ? bucket + 1 : bucket
      const next = bucket === monthOf(bucket) ? monthOf(addDays(bucket + 1, 31)) + 1 : addDays(bucket, 1)
      return [bucket, id, zone.startOfDay(first), zone.startOfDay(next)]
    })
  if (rows.length === 0) return
  await db.run(
    `UPDATE rollup_users SET first_ms = seen.first_ms, last_ms = seen.last_ms
     FROM (SELECT j.value->>0 AS bucket, j.value->>1 AS user_id, min(c.start_ms) AS first_ms, max(c.start_ms) AS last_ms
           FROM jsonb_each(?) AS j JOIN llm_calls AS c
             ON c.user_id = j.value->>1 AND c.start_ms >= j.value->>2 AND c.start_ms < j.value->>3 AND c.counted = 1
           GROUP BY j.key) AS seen
     WHERE rollup_users.bucket = seen.bucket AND rollup_users.user_id = seen.user_id`,
    JSON.stringify(rows),
  )
}

/** Fills empty rollup tables from the calls. */
export async function fillRollups(db: Sqlite, zone: Zone, schema: RollupSchema): Promise<void> {
  for await (const calls of readContributions(db)) {
    const delta = emptyDelta()
    for (const call of calls) addContribution(delta, call, zone)
    await applyDelta(db, delta, schema)
  }
}

/** Empties the rollup tables of the file. */
export async function clearRollups(db: Sqlite): Promise<void> {
  await db.exec('DELETE FROM rollup_users; DELETE FROM rollup_models')
}

/** Creates empty rollup tables in the temporary schema, to compute into and compare. */
export async function createTemporaryRollups(db: Sqlite): Promise<void> {
  for (const { table, id } of Object.values(tables)) {
    await db.exec(`DROP TABLE IF EXISTS temp.${table}; CREATE TEMP TABLE ${table} AS SELECT * FROM main.${table} WHERE false;
      CREATE UNIQUE INDEX temp.${table}_key ON ${table} (bucket, ${id})`)
  }
}

/** Rows that differ between the file's rollups and the temporary ones, by table. */
export async function compareRollups(db: Sqlite): Promise<ReadonlyMap<string, { rows: number; differing: number }>> {
  const compared = new Map<string, { rows: number; differing: number }>()
  for (const { table } of Object.values(tables)) {
    const [row] = await db.all<{ rows: number; differing: number }>(
      `SELECT (SELECT count(*) FROM main.${table}) AS rows,
        (SELECT count(*) FROM (SELECT * FROM main.${table} EXCEPT SELECT * FROM temp.${table})) +
        (SELECT count(*) FROM (SELECT * FROM temp.${table} EXCEPT SELECT * FROM main.${table})) AS differing`,
    )
    compared.set(table, row ?? { rows: 0, differing: 0 })
  }
  return compared
}
