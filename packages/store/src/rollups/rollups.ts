import { compareTables, type Compared } from '../sqlite/compare-tables.ts'
import { readContributions } from './contributions.ts'
import { mergeCounts } from './counts.ts'
import { inTurns } from '../sqlite/in-turns.ts'
import { markStale } from './mark-stale.ts'
import { measureColumns } from './measures.ts'
import { plainMeasures, rareOf, rareSql } from './rare-measures.ts'
import { addContribution, costOf, emptyDelta, withMonths, type KeyedDelta, type KeyedDeltas, type RollupDelta } from './rollup-delta.ts'
import { rollupUsersTable } from './rollup-users-schema.ts'
import { columnsUsed, insertSparse, noBytes, nothing, readList, sparseText, zero, type SparseColumn } from '../sqlite/sparse-rows.ts'
import { sideBySide } from '../sqlite/side-by-side.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'
import { addDays, monthOf, type Zone } from '../zone.ts'

/**
 * The two rollup tables: the id in their key, and their packed columns. A user's months hold sums only: merging packed counts
 * is most of what a rollup row costs, and reports want them for the few users they list, whose days are quickly read. Of users there
 * are very many rows, which are slim: rare measures stand in one column. And they have bounds.
 */
const tables = {
  users: { table: 'rollup_users', id: 'user_id', packed: ['latency', 'ttft', 'models', 'features'], isSlim: true, packsMonths: false },
  models: { table: 'rollup_models', id: 'model_id', packed: ['latency', 'ttft'], isSlim: false, packsMonths: true },
} as const

type TableName = keyof typeof tables

/** Where rollups are kept: in the file, or in a temporary schema to compare with. */
export type RollupSchema = 'main' | 'temp'

/** Adds a delta to the tables. Inside a transaction. */
export async function applyDelta(db: Sqlite, delta: RollupDelta, schema: RollupSchema = 'main'): Promise<void> {
  // Side by side: one is made ready while SQLite runs the other.
  await sideBySide([
    ...(schema === 'main' ? [markStale(db, delta)] : []),
    applyRows(db, withMonths(delta.users, 4), { name: 'users', schema }),
    applyRows(db, withMonths(delta.models, 2), { name: 'models', schema }),
  ])
}

/** Rows are read and written this many at a time, so that some are made ready while SQLite works on others. */
const PART = 1024

async function applyRows(db: Sqlite, { days, months }: KeyedDeltas, target: Target): Promise<void> {
  const { packsMonths } = tables[target.name]
  const parts = inParts(packsMonths ? [...days, ...months] : days)
  const filled = parts.map((part) => fillIn(db, part, target))
  const written = parts.map(async (part, n) => {
    await filled[n]
    await upsertRows(db, part, target)
  })
  // A month's active days are known when all of its days are.
  const sumsOnly = packsMonths ? [] : inParts(months).map(async (part) => sideBySide(filled).then(() => upsertRows(db, part, target)))
  await sideBySide([...written, ...sumsOnly])
}

interface Target {
  readonly name: TableName
  readonly schema: RollupSchema
}

function inParts<Item>(items: readonly Item[]): Item[][] {
  return Array.from({ length: Math.ceil(items.length / PART) }, (_, n) => items.slice(n * PART, (n + 1) * PART))
}

/** Compares rows with what the table has: merges packed counts with its counts, and sees which days are new. */
async function fillIn(db: Sqlite, part: readonly KeyedDelta[], { name, schema }: Target): Promise<void> {
  const { table, id, packed } = tables[name]
  // One JSON text out and one in: npm sqlite3 pays per value that crosses into JavaScript (about half a microsecond).
  const [found] = await db.all<{ rows: string }>(
    `SELECT json_group_array(json_array(j.key, r.requests, ${packed.map((column) => `hex(r.${column})`).join(', ')})) AS rows
     FROM jsonb_each(?) AS j JOIN ${schema}.${table} AS r ON r.bucket = j.value->>0 AND r.${id} = j.value->>1`,
    JSON.stringify(part.map(({ bucket, id: rowId }) => [bucket, rowId])),
  )
  for (const [n, requests, ...counts] of JSON.parse(found?.rows ?? '[]') as [number, number, ...string[]][]) {
    const delta = part[n]
    if (delta === undefined) continue
    delta.requestsBefore = requests
    delta.packed = counts
  }
  await inTurns(part, (run) => {
    for (const delta of run) {
      const { row, month, requestsBefore, packed: before } = delta
      delta.packed = row.added.map((added, n) => mergeCounts(before[n] ?? '', added, row.removed?.[n]))
      if (month === undefined) continue
      delta.activeDays = Number(requestsBefore + (row.measures[0] ?? 0) > 0) - Number(requestsBefore > 0)
      month.activeDays += delta.activeDays
    }
  })
}

/** Sums are added, bounds widened, packed columns replaced. */
async function upsertRows(db: Sqlite, part: readonly KeyedDelta[], { name, schema }: Target): Promise<void> {
  const { table, id, packed } = tables[name]
  const isTaken = part.some(({ row }) => row.removed !== undefined)
  // Packed counts that were taken away to the last are empty, and have to be written.
  const columns = isTaken ? { used: columnsOf[name], unused: [] } : columnsUsed(columnsOf[name], part)
  const changes = columns.used.slice(2).map(({ name: column }) => {
    const change = changeOf[column]
    if (change !== undefined) return change
    return (packed as readonly string[]).includes(column) ? `${column} = excluded.${column}` : `${column} = ${column} + excluded.${column}`
  })
  await db.run(
    `${insertSparse(`${schema}.${table}`, columns)} WHERE true ON CONFLICT (bucket, ${id}) DO UPDATE SET ${changes.join(', ')}`,
    await sparseText(columns, part),
  )
  if (!isTaken) return
  const shrunk = part.filter(({ row }) => (row.measures[0] ?? 0) <= 0).map(({ bucket, id: rowId }) => [bucket, rowId])
  await db.run(
    `DELETE FROM ${schema}.${table} WHERE requests = 0 AND (bucket, ${id}) IN (SELECT value->>0, value->>1 FROM jsonb_each(?))`,
    JSON.stringify(shrunk),
  )
}

/** What columns are set to that are neither added to nor replaced. */
const changeOf: Readonly<Record<string, string>> = {
  first_ms: 'first_ms = min(first_ms, excluded.first_ms)',
  to_last_ms: `to_last_ms = max(first_ms + to_last_ms, excluded.first_ms + excluded.to_last_ms) - min(first_ms, excluded.first_ms)`,
  rare: `rare = iif(excluded.rare IS NULL, rare, ${rareSql((name, n) => `${name} + (excluded.rare ->> ${n})`)})`,
}

const rareColumn: SparseColumn<KeyedDelta> = { name: 'rare', of: ({ row }) => rareOf(row.measures), empty: nothing, read: readList }

const boundColumns: readonly SparseColumn<KeyedDelta>[] = [
  { name: 'active_days', of: ({ activeDays }) => activeDays, empty: zero },
  { name: 'first_ms', of: ({ row }) => row.firstMs },
  { name: 'to_last_ms', of: ({ row }) => row.lastMs - row.firstMs },
]

/** The columns of each table, its key first. */
const columnsOf: Readonly<Record<TableName, readonly SparseColumn<KeyedDelta>[]>> = {
  users: rollupColumns('users'),
  models: rollupColumns('models'),
}

function rollupColumns(name: TableName): SparseColumn<KeyedDelta>[] {
  const { id, packed, isSlim } = tables[name]
  return [
    { name: 'bucket', of: ({ bucket }) => bucket },
    { name: id, of: (delta) => delta.id },
    ...(isSlim ? plainMeasures : measureColumns).map((column): SparseColumn<KeyedDelta> => {
      const n = measureColumns.indexOf(column)
      return column === 'cost_nano_usd'
        ? { name: column, of: ({ row }) => costOf(row), empty: zero, read: (json) => `CAST(${json} AS INTEGER)` }
        : { name: column, of: ({ row }) => row.measures[n] ?? 0, empty: zero }
    }),
    ...(isSlim ? [rareColumn, ...boundColumns] : []),
    ...packed.map((column, n) => ({
      name: column,
      of: (delta: KeyedDelta) => delta.packed[n] ?? '',
      empty: noBytes,
      read: (json: string) => `unhex(${json})`,
    })),
  ]
}

/**
 * Computes first_ms and last_ms of the users' rows anew where calls were taken away: bounds cannot be subtracted.
 * Inside a transaction, after `applyDelta`.
 */
export async function rereadBounds(db: Sqlite, delta: RollupDelta, zone: Zone): Promise<void> {
  const { days, months } = withMonths(delta.users, 4)
  const rows = [...days, ...months]
    .filter(({ row }) => row.removed !== undefined)
    .map(({ bucket, id }) => {
      const first = bucket === monthOf(bucket) ? bucket + 1 : bucket
      const next = bucket === monthOf(bucket) ? monthOf(addDays(bucket + 1, 31)) + 1 : addDays(bucket, 1)
      return [bucket, id, zone.startOfDay(first), zone.startOfDay(next)]
    })
  if (rows.length === 0) return
  await db.run(
    `UPDATE rollup_users SET first_ms = seen.first_ms, to_last_ms = seen.last_ms - seen.first_ms
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
  await db.exec(`DROP TABLE IF EXISTS temp.rollup_users; ${rollupUsersTable.replace('CREATE TABLE', 'CREATE TEMP TABLE')}
    DROP TABLE IF EXISTS temp.rollup_models; CREATE TEMP TABLE rollup_models AS SELECT * FROM main.rollup_models WHERE false;
    CREATE UNIQUE INDEX temp.rollup_models_key ON rollup_models (bucket, model_id)`)
}

/** Rows that differ between the file's rollups and the temporary ones, by table. */
export async function compareRollups(db: Sqlite): Promise<ReadonlyMap<string, Compared>> {
  return compareTables(
    db,
    Object.values(tables).map(({ table }) => table),
  )
}
