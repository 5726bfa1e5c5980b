import { usageBuckets, type CallOrigin, type CallStatus, type UsageQuality } from '@spanledger/conventions'

import { decodeCounts, durationBucket, encodeCounts } from './counts.ts'
import { measureColumns, usageColumns } from './measures.ts'
import type { Sqlite } from './sqlite.ts'
import { monthOf, type Zone } from './zone.ts'

/** What a counted call adds to the rollups. */
export interface Contribution {
  readonly startMs: number
  readonly userId: number
  readonly modelId: number
  readonly segmentId: number
  /** value_id of property "feature", 0 for none. */
  readonly featureId: number
  readonly status: CallStatus
  readonly quality: UsageQuality
  readonly origin: CallOrigin
  readonly latencyMs: number
  readonly ttftMs: number | null
  readonly costNanoUsd: number | null
  /** In the order of `usageBuckets`. */
  readonly tokens: readonly number[]
}

/** What a set of calls adds to (or takes from) the rollups, summed up row by row. */
export interface RollupDelta {
  readonly users: Map<string, RowDelta>
  readonly segments: Map<string, RowDelta>
}

interface RowDelta {
  /** The row's key, as stored: bucket first. */
  readonly key: readonly number[]
  /** In the order of `measureColumns`; the cost apart, because a batch may cost more than a double holds exactly. */
  readonly measures: number[]
  costNanoUsd: bigint
  /** Counts by blob column, in the order of the table's. */
  readonly counts: readonly Map<number, number>[]
}

/** The two rollup tables: their keys and their packed columns. */
const tables = {
  users: { table: 'rollup_users', key: ['bucket', 'user_id'], packed: ['latency', 'ttft', 'models', 'features'] },
  segments: { table: 'rollup_segments', key: ['bucket', 'segment_id', 'model_id'], packed: ['latency', 'ttft'] },
} as const

/** Where rollups are kept: in the file, or in a temporary schema to compare with. */
export type RollupSchema = 'main' | 'temp'

export function emptyDelta(): RollupDelta {
  return { users: new Map(), segments: new Map() }
}

/** Adds what a call contributes; `sign` -1 takes it away again. */
export function addContribution(delta: RollupDelta, call: Contribution, zone: Zone, sign: 1 | -1): void {
  const day = zone.day(call.startMs)
  for (const bucket of [day, monthOf(day)]) {
    const user = rowOf(delta.users, [bucket, call.userId], tables.users.packed.length)
    addCall(user, call, sign)
    addCount(user.counts[2], call.modelId, sign)
    if (call.featureId !== 0) addCount(user.counts[3], call.featureId, sign)
    addCall(rowOf(delta.segments, [bucket, call.segmentId, call.modelId], tables.segments.packed.length), call, sign)
  }
}

function rowOf(rows: Map<string, RowDelta>, key: readonly number[], packed: number): RowDelta {
  const name = key.join()
  let row = rows.get(name)
  if (row === undefined) {
    row = {
      key,
      measures: Array.from({ length: measureColumns.length }, () => 0),
      costNanoUsd: 0n,
      counts: Array.from({ length: packed }, () => new Map<number, number>()),
    }
    rows.set(name, row)
  }
  return row
}

const FIRST_TOKEN_MEASURE = measureColumns.indexOf(usageColumns[usageBuckets[0]])
const LATENCY_MEASURE = measureColumns.indexOf('latency_ms_sum')
const COST_MEASURE = measureColumns.indexOf('cost_nano_usd')

/** The leading measures, in the order of `measureColumns`. */
const countsOf = (call: Contribution): readonly boolean[] => [
  true,
  call.status === 'error',
  call.status === 'cancelled',
  call.costNanoUsd === null,
  call.quality === 'estimated' || call.quality === 'partial',
  call.quality === 'missing',
  call.origin === 'sample',
]

function addCall(row: RowDelta, call: Contribution, sign: 1 | -1): void {
  const { measures } = row
  const flags = countsOf(call)
  for (let n = 0; n < flags.length; n++) if (flags[n] === true) measures[n] = (measures[n] ?? 0) + sign
  if (call.costNanoUsd !== null && call.costNanoUsd !== 0) row.costNanoUsd += BigInt(sign * call.costNanoUsd)
  for (let n = 0; n < call.tokens.length; n++) {
    const tokens = call.tokens[n] ?? 0
    if (tokens !== 0) measures[FIRST_TOKEN_MEASURE + n] = (measures[FIRST_TOKEN_MEASURE + n] ?? 0) + sign * tokens
  }
  measures[LATENCY_MEASURE] = (measures[LATENCY_MEASURE] ?? 0) + sign * call.latencyMs
  addCount(row.counts[0], durationBucket(call.latencyMs), sign)
  if (call.ttftMs !== null) addCount(row.counts[1], durationBucket(call.ttftMs), sign)
}

function addCount(counts: Map<number, number> | undefined, key: number, n: number): void {
  counts?.set(key, (counts.get(key) ?? 0) + n)
}

/** Adds a delta to the tables. Inside a transaction. */
export async function applyDelta(db: Sqlite, delta: RollupDelta, schema: RollupSchema = 'main'): Promise<void> {
  await applyRows(db, [...delta.users.values()], 'users', schema)
  await applyRows(db, [...delta.segments.values()], 'segments', schema)
}

async function applyRows(db: Sqlite, deltas: readonly RowDelta[], name: keyof typeof tables, schema: RollupSchema): Promise<void> {
  if (deltas.length === 0) return
  const { key, packed, table } = tables[name]
  const activeDays = name === 'users' ? ['active_days'] : []
  const join = key.map((column, n) => `r.${column} = j.value->>${n}`).join(' AND ')
  // One JSON text out and one in: npm sqlite3 pays per value that crosses into JavaScript (about half a microsecond).
  const [found] = await db.all<{ rows: string }>(
    `SELECT json_group_array(json_array(${key.map((column) => `r.${column}`).join(', ')}, r.requests,
       ${packed.map((column) => `hex(r.${column})`).join(', ')})) AS rows
     FROM jsonb_each(?) AS j JOIN ${schema}.${table} AS r ON ${join}`,
    JSON.stringify(deltas.map((row) => row.key)),
  )
  const known = new Map<string, { requests: number; packed: string[] }>()
  for (const row of JSON.parse(found?.rows ?? '[]') as (number | string)[][]) {
    known.set(row.slice(0, key.length).join(), { requests: Number(row[key.length]), packed: row.slice(key.length + 1).map(String) })
  }
  const days = name === 'users' ? changeOfActiveDays(deltas, known) : undefined
  const rows = deltas.map((row) => [
    ...row.key,
    ...row.measures.map((measure, n) => (n === COST_MEASURE ? String(row.costNanoUsd) : measure)),
    ...(days === undefined ? [] : [days.get(row.key.join()) ?? 0]),
    ...row.counts.map((counts, n) => mergeCounts(known.get(row.key.join())?.packed[n] ?? '', counts)),
  ])
  const sums = [...measureColumns, ...activeDays]
  const values = [
    ...key.map((_, n) => `value->>${n}`),
    ...sums.map((_, n) => `CAST(value->>${key.length + n} AS INTEGER)`),
    ...packed.map((_, n) => `unhex(value->>${key.length + sums.length + n})`),
  ]
  await db.run(
    `INSERT INTO ${schema}.${table} (${[...key, ...sums, ...packed].join(', ')}) SELECT ${values.join(', ')} FROM jsonb_each(?) WHERE true
     ON CONFLICT (${key.join(', ')}) DO UPDATE SET ${[
       ...sums.map((column) => `${column} = ${column} + excluded.${column}`),
       ...packed.map((column) => `${column} = excluded.${column}`),
     ].join(', ')}`,
    JSON.stringify(rows),
  )
  const shrunk = deltas.filter((row) => (row.measures[0] ?? 0) <= 0).map((row) => row.key)
  if (shrunk.length > 0) {
    await db.run(
      `DELETE FROM ${schema}.${table} WHERE requests = 0 AND (${key.join(', ')}) IN (
         SELECT ${key.map((_, n) => `value->>${n}`).join(', ')} FROM jsonb_each(?))`,
      JSON.stringify(shrunk),
    )
  }
}

/** A day row is one active day; a month row gains or loses those whose day rows appear or vanish. */
function changeOfActiveDays(deltas: readonly RowDelta[], known: ReadonlyMap<string, { requests: number }>): Map<string, number> {
  const change = new Map<string, number>()
  for (const { key, measures } of deltas) {
    const [bucket = 0, userId = 0] = key
    if (bucket === monthOf(bucket)) continue
    const before = known.get(key.join())?.requests ?? 0
    const days = Number(before + (measures[0] ?? 0) > 0) - Number(before > 0)
    change.set(key.join(), days)
    const month = [monthOf(bucket), userId].join()
    change.set(month, (change.get(month) ?? 0) + days)
  }
  return change
}

function mergeCounts(packedHex: string, added: Map<number, number>): string {
  if (packedHex !== '') {
    for (const [key, count] of decodeCounts(Buffer.from(packedHex, 'hex'))) added.set(key, (added.get(key) ?? 0) + count)
  }
  return Buffer.from(encodeCounts(added)).toString('hex')
}

/** Rows of calls a rebuild reads at a time. */
const REBUILD_STEP = 20_000

/** The contributions of all counted calls, in steps, in the order of the table. */
export async function* readContributions(db: Sqlite): AsyncGenerator<Contribution[]> {
  let after: readonly [number, string, string] = [-1, '', '']
  for (;;) {
    const [row] = await db.all<{ rows: string }>(contributionsAfter, ...after)
    const rows = JSON.parse(row?.rows ?? '[]') as ContributionRow[]
    const last = rows.at(-1)
    if (last === undefined) return
    after = [last[0], last[1], last[2]]
    yield rows.filter((found) => found[3] === 1).map(toContribution)
  }
}

type ContributionRow = [startMs: number, spanId: string, traceId: string, counted: number, ...rest: (number | string | null)[]]

/** The columns of a contribution, of `llm_calls AS c JOIN kinds AS k`; calls before this file had a feature have none. */
export const contributionColumns = `c.start_ms, hex(c.span_id), hex(c.trace_id), c.counted, c.user_id, c.model_id, c.segment_id,
  coalesce((SELECT v.value_id FROM segment_values AS v WHERE v.segment_id = c.segment_id AND v.key_id =
      (SELECT key_id FROM property_keys WHERE key = 'feature')),
    CASE (SELECT slot FROM property_keys WHERE key = 'feature') WHEN 1 THEN c.p1 WHEN 2 THEN c.p2 WHEN 3 THEN c.p3 WHEN 4 THEN c.p4
      WHEN 5 THEN c.p5 WHEN 6 THEN c.p6 WHEN 7 THEN c.p7 WHEN 8 THEN c.p8 END, 0),
  k.status, k.usage_quality, k.origin, c.latency_ms, c.ttft_ms, c.cost_nano_usd,
  ${usageBuckets.map((bucket) => `c.${usageColumns[bucket]}`).join(', ')}`

const contributionsAfter = `SELECT json_group_array(json_array(${contributionColumns})) AS rows FROM (
    SELECT * FROM llm_calls WHERE (start_ms, span_id, trace_id) > (?, unhex(?), unhex(?))
    ORDER BY start_ms, span_id, trace_id LIMIT ${REBUILD_STEP}) AS c
  JOIN kinds AS k ON k.kind_id = c.kind_id`

/** A row of `contributionColumns`. */
export function toContribution(row: readonly (number | string | null)[]): Contribution {
  const [startMs, , , , userId, modelId, segmentId, featureId, status, quality, origin, latencyMs, ttftMs, costNanoUsd, ...tokens] = row
  return {
    startMs: Number(startMs),
    userId: Number(userId),
    modelId: Number(modelId),
    segmentId: Number(segmentId),
    featureId: Number(featureId),
    status: status as CallStatus,
    quality: quality as UsageQuality,
    origin: origin as CallOrigin,
    latencyMs: Number(latencyMs),
    ttftMs: ttftMs === null || ttftMs === undefined ? null : Number(ttftMs),
    costNanoUsd: costNanoUsd === null || costNanoUsd === undefined ? null : Number(costNanoUsd),
    tokens: tokens.map(Number),
  }
}

/** Fills empty rollup tables from the calls. */
export async function fillRollups(db: Sqlite, zone: Zone, schema: RollupSchema): Promise<void> {
  for await (const calls of readContributions(db)) {
    const delta = emptyDelta()
    for (const call of calls) addContribution(delta, call, zone, 1)
    await applyDelta(db, delta, schema)
  }
}

/** Empties the rollup tables of the file. */
export async function clearRollups(db: Sqlite): Promise<void> {
  await db.exec('DELETE FROM rollup_users; DELETE FROM rollup_segments')
}

/** Creates empty rollup tables in the temporary schema, to compute into and compare. */
export async function createTemporaryRollups(db: Sqlite): Promise<void> {
  for (const { table, key } of Object.values(tables)) {
    await db.exec(`DROP TABLE IF EXISTS temp.${table}; CREATE TEMP TABLE ${table} AS SELECT * FROM main.${table} WHERE false;
      CREATE UNIQUE INDEX temp.${table}_key ON ${table} (${key.join(', ')})`)
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
