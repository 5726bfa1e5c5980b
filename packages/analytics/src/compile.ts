import type { Dimension } from './dimensions.ts'
import { dimensionSql, localDaySql, type DimensionSql } from './compile-dimension.ts'
import { filterSql } from './compile-filter.ts'
import { join, raw, sql, type Fragment } from './fragment.ts'
import { sumNames, type Need, type SumName } from './metrics.ts'
import { latestOpinions } from './latest-opinions.ts'
import { hasRows, type Opinion, type Scope, type Source } from './scope.ts'
import { isShort, type TimeStep } from './time-bucket.ts'

/** One reading of one source: which groups, and what of each. */
export interface Reading {
  readonly source: Source
  readonly dimensions: readonly Dimension[]
  readonly sums: readonly SumName[]
  /** What is read of each group beside its sums; only from sources that have it. */
  readonly needs: readonly Exclude<Need, 'latency' | 'ttft' | Opinion>[]
}

/** How the calls of `source` name each sum. */
const callSums: Readonly<Record<SumName, string>> = {
  requests: 'count(*)',
  errors: "sum(kinds.status = 'error')",
  cancelled: "sum(kinds.status = 'cancelled')",
  unpriced_requests: 'sum(c.cost_nano_usd IS NULL)',
  estimated_requests: "sum(kinds.usage_quality IN ('estimated', 'partial'))",
  missing_usage_requests: "sum(kinds.usage_quality = 'missing')",
  samples: "sum(kinds.origin = 'sample')",
  cost_nano_usd: 'sum(c.cost_nano_usd)',
  ...(Object.fromEntries(
    sumNames.filter((name) => name.endsWith('_tokens') || name === 'web_searches').map((name) => [name, `sum(c.${name})`]),
  ) as Record<Extract<SumName, `${string}_tokens`> | 'web_searches', string>),
  latency_ms_sum: 'sum(c.latency_ms)',
}

const hasBothCosts = 'c.reported_cost_nano_usd IS NOT NULL AND c.cost_nano_usd IS NOT NULL'

/** The columns each need adds, in order. */
const needColumns: Readonly<Record<Reading['needs'][number], Partial<Record<Source, (scope: Scope) => Fragment[]>>>> = {
  users: {
    calls: () => [raw('count(DISTINCT nullif(c.user_id, 0))')],
    users: () => [raw('count(DISTINCT nullif(r.user_id, 0))')],
  },
  sessions: { calls: () => [raw('count(DISTINCT nullif(c.session_id, 0))')] },
  active_days: {
    calls: (scope) => [sql`count(DISTINCT iif(c.user_id = 0, NULL, c.user_id || ' ' || ${localDaySql(scope)}))`],
    users: () => [raw('sum(iif(r.user_id = 0, 0, r.active_days))')],
  },
  // Read by itself, from the hits to their calls: few calls are hits.
  saved: {
    calls: () => [
      raw('count(*)'),
      raw('coalesce(sum(sv.saved_tokens), 0)'),
      raw('CAST(coalesce(sum(sv.saved_cost_nano_usd), 0) AS TEXT)'),
      raw('coalesce(sum(sv.saved_cost_nano_usd IS NULL), 0)'),
    ],
  },
  reported: {
    calls: () => [
      raw('count(c.reported_cost_nano_usd)'),
      raw('CAST(coalesce(sum(c.reported_cost_nano_usd), 0) AS TEXT)'),
      raw(`coalesce(sum(${hasBothCosts}), 0)`),
      raw(`CAST(coalesce(sum(iif(${hasBothCosts}, c.reported_cost_nano_usd, 0)), 0) AS TEXT)`),
      raw(`CAST(coalesce(sum(iif(${hasBothCosts}, c.cost_nano_usd, 0)), 0) AS TEXT)`),
    ],
  },
  rate_limited: { calls: () => [raw("coalesce(sum(c.kind_id IN (SELECT kind_id FROM kinds WHERE error_class = 'rate_limit')), 0)")] },
  extent: { calls: () => [raw('min(c.start_ms)'), raw('max(c.start_ms)'), raw('max(c.start_ms + c.latency_ms)')] },
}

/** How many columns each need adds. */
export const needWidth: Readonly<Record<Reading['needs'][number], number>> = {
  users: 1,
  sessions: 1,
  active_days: 1,
  extent: 3,
  saved: 4,
  reported: 5,
  rate_limited: 1,
}

/** Whether a need is read from tables of its own, and so not together with others. */
export function isReadApart(need: Need): boolean {
  return need === 'saved'
}

/** Whether a source can give a need. */
export function gives(source: Source, need: Need): boolean {
  if (need === 'latency' || need === 'ttft' || need === 'feedback' || need === 'nps') return true
  return needColumns[need][source] !== undefined
}

/**
 * One JSON text of rows `[key, label, …, sum, …, need, …]`; the cost as text, because it may pass 2^53.
 * @returns undefined where the source cannot answer
 */
export function compileGroups(reading: Reading, scope: Scope): Fragment | undefined {
  const base = compileBase(reading, scope)
  if (base === undefined) return undefined
  const { source, sums, needs } = reading
  const columns = [
    ...sums.map((name) => {
      const sum = raw(source === 'calls' ? callSums[name] : `sum(r.${name})`)
      return name === 'cost_nano_usd' ? sql`CAST(coalesce(${sum}, 0) AS TEXT)` : sql`coalesce(${sum}, 0)`
    }),
    ...needs.flatMap((need) => needColumns[need][source]?.(scope) ?? []),
  ]
  const named = [...base.keys, ...columns.map((column, n) => sql`${column} AS ${raw(`s${n}`)}`)]
  const outer = [...base.dimensions.flatMap(({ label }, n) => [raw(`k${n}`), label(`k${n}`)]), ...columns.map((_, n) => raw(`s${n}`))]
  return sql`SELECT json_group_array(json_array(${join(outer, ', ')})) AS rows FROM (
    SELECT ${join(named, ', ')} ${base.from} ${base.groupBy(base.dimensions.map((_, n) => `k${n}`))})`
}

/** What is read of every user of a scope. */
export interface UserSumsReading {
  readonly sums: readonly SumName[]
  readonly activeDays: boolean
}

/**
 * One row: the active days of all users together, then JSON lists of user ids, costs (null where no call has a price), the
 * sums, active days. From rollups a user stands there once a bucket: adding up is cheaper for the reader than for SQLite.
 */
export function compileUserSums({ sums, activeDays }: UserSumsReading, scope: Scope): Fragment {
  const rollup = compileBase({ source: 'users', dimensions: [], sums: [], needs: [] }, scope)
  const columns = [...sums.map((_, n) => `s${n}`), ...(activeDays ? ['days'] : [])]
  const rows =
    rollup === undefined
      ? userSumsOfCalls(sums, scope)
      : sql`SELECT r.user_id, iif(r.unpriced_requests = r.requests, NULL, r.cost_nano_usd) AS cost,
          iif(r.user_id = 0, 0, r.active_days) AS days ${raw(sums.map((name, n) => `, r.${name} AS s${n}`).join(''))} ${rollup.from}`
  return sql`SELECT coalesce(sum(days), 0) AS all_days, json_group_array(user_id) AS ids, json_group_array(cost) AS cost
    ${raw(columns.map((column) => `, json_group_array(${column}) AS ${column}`).join(''))} FROM (${rows})`
}

function userSumsOfCalls(sums: readonly SumName[], scope: Scope): Fragment {
  const base = compileBase({ source: 'calls', dimensions: [], sums, needs: [] }, scope)
  // The calls know every dimension and filter.
  if (base === undefined) throw new Error('The calls cannot answer this reading.')
  return sql`SELECT c.user_id, sum(c.cost_nano_usd) AS cost, iif(c.user_id = 0, 0, count(DISTINCT ${localDaySql(scope)})) AS days
    ${raw(sums.map((name, n) => `, coalesce(${callSums[name]}, 0) AS s${n}`).join(''))} ${base.from} GROUP BY c.user_id`
}

/**
 * One row of JSON lists: user ids, local days (numbered from 1970), requests; a user stands there once for each day with a call.
 */
export function compileUserDays(scope: Scope): Fragment {
  const day: Dimension = { kind: 'time', step: 'day' }
  const reading = { dimensions: [day], sums: [], needs: [] }
  const rollup = compileBase({ ...reading, source: 'users' }, scope)
  const base = rollup ?? compileBase({ ...reading, source: 'calls' }, scope)
  // The calls know every dimension and filter.
  if (base === undefined) throw new Error('The calls cannot answer this reading.')
  const rows =
    rollup === undefined
      ? sql`SELECT c.user_id, ${join(base.keys, ', ')}, count(*) AS n ${base.from} GROUP BY c.user_id, k0`
      : sql`SELECT r.user_id, ${join(base.keys, ', ')}, r.requests AS n ${base.from}`
  return sql`SELECT json_group_array(user_id) AS user_ids, json_group_array(k0) AS days, json_group_array(n) AS n FROM (${rows})`
}

/** One row of JSON lists: what of each call of a user says how the user behaves; features by key, see `compileFeatureNames`. */
export function compileUserCalls(scope: Scope): Fragment {
  const feature: Dimension = { kind: 'property', key: 'feature' }
  const base = compileBase({ source: 'calls', dimensions: [feature], sums: [], needs: [] }, scope)
  // The calls know every dimension and filter.
  if (base === undefined) throw new Error('The calls cannot answer this reading.')
  const columns = ['user_id', 'session_id', 'start_ms', 'latency_ms', 'ttft_ms', 'kind_id', 'model_id']
  return sql`SELECT ${raw([...columns, 'k0'].map((name) => `json_group_array(${name}) AS ${name}`).join(', '))}, json_group_array(id) AS ids FROM (
    SELECT ${raw(columns.map((name) => `c.${name}`).join(', '))}, ${join(base.keys, ', ')}, hex(c.trace_id) || hex(c.span_id) AS id
    ${base.from} AND c.user_id <> 0)`
}

/** One JSON text of rows `[key, text]`: the features that keys of `compileUserCalls` stand for. */
export function compileFeatureNames(keys: readonly (string | number)[], scope: Scope): Fragment {
  const [feature] =
    compileBase({ source: 'calls', dimensions: [{ kind: 'property', key: 'feature' }], sums: [], needs: [] }, scope)?.dimensions ?? []
  if (feature === undefined) throw new Error('The calls cannot answer this reading.')
  return sql`SELECT json_group_array(json_array(k0, ${feature.label('k0')})) AS rows
    FROM (SELECT value AS k0 FROM json_each(${JSON.stringify(keys)}))`
}

/** One row of JSON lists: each key, then the packed counts of each column as hex, from rollups. */
export function compilePacked(
  columns: readonly ('latency' | 'ttft')[],
  reading: Omit<Reading, 'sums' | 'needs'>,
  scope: Scope,
): Fragment | undefined {
  const base = compileBase({ ...reading, sums: [], needs: [] }, scope, reading.source === 'users' ? 'packed' : undefined)
  if (base === undefined) return undefined
  const lists = [...base.dimensions.map((_, n) => `k${n}`), ...columns].map((name) => raw(`json_group_array(${name}) AS ${name}`))
  return sql`SELECT ${join(lists, ', ')} FROM (
    SELECT ${join([...base.keys, ...columns.map((column) => raw(`hex(r.${column}) AS ${column}`))], ', ')} ${base.from})`
}

/** One JSON text of rows `[key, …, duration bucket, count]` from the calls. */
export function compileHistogram(column: 'latency' | 'ttft', dimensions: readonly Dimension[], scope: Scope): Fragment | undefined {
  const base = compileBase({ source: 'calls', dimensions, sums: [], needs: [] }, scope)
  if (base === undefined) return undefined
  const aliases = base.dimensions.map((_, n) => `k${n}`)
  const ms = `c.${column}_ms`
  const outer = [...aliases, 'bucket', 'n'].map(raw)
  return sql`SELECT json_group_array(json_array(${join(outer, ', ')})) AS rows FROM (
    SELECT ${join([...base.keys, raw(`${durationBucketSql(ms)} AS bucket`), raw('count(*) AS n')], ', ')}
    ${base.from} AND ${raw(ms)} IS NOT NULL ${base.groupBy([...aliases, 'bucket'])})`
}

/** The bucket of a duration in the rollups' histograms: `durationBucket` of the store, in SQL. */
function durationBucketSql(ms: string): string {
  return `CAST(iif(${ms} <= 0, 0, ceil(log2(max(${ms}, 1)) * 32 - 1e-9) + 1) AS INTEGER)`
}

/** The parts that every statement over a source is made of. */
export interface Base {
  readonly dimensions: readonly DimensionSql[]
  readonly keys: readonly Fragment[]
  /** FROM and WHERE; more conditions may follow with AND. */
  readonly from: Fragment
  readonly groupBy: (columns: readonly string[]) => Fragment
}

/** @returns undefined where the source does not know a dimension or cannot decide the filter */
export function compileBase({ source, dimensions, sums, needs }: Reading, scope: Scope, packed?: 'packed'): Base | undefined {
  const compiled = dimensions.map((dimension) => dimensionSql(dimension, source, scope))
  const chosen = (scope.groups?.dimensions ?? []).map((dimension) => dimensionSql(dimension, source, scope))
  const where = scope.where === undefined ? raw('1') : filterSql(scope.where, source, scope)
  const from = fromSql({
    source,
    dimensions: [...dimensions, ...(scope.groups?.dimensions ?? [])],
    scope,
    packed,
    isOfHits: needs.includes('saved'),
  })
  if (where === undefined || from === undefined) return undefined
  if (!compiled.every((one) => one !== undefined) || !chosen.every((one) => one !== undefined)) return undefined
  const joins = new Map([...compiled, ...chosen].flatMap(({ joins: all }) => all).map((one) => [one.text, one]))
  if (source === 'calls' && sums.some((name) => callSums[name].includes('kinds.'))) {
    const kinds = raw('JOIN kinds ON kinds.kind_id = c.kind_id')
    joins.set(kinds.text, kinds)
  }
  const only = scope.userIds === undefined ? raw('1') : usersSql(source, scope.userIds)
  if (only === undefined) return undefined
  return {
    dimensions: compiled,
    keys: compiled.map(({ key }, n) => sql`${key} AS ${raw(`k${n}`)}`),
    from: sql`${from.tables} ${join([...joins.values()], ' ')} WHERE ${from.period} AND ${only} AND ${where} AND ${groupsSql(chosen, scope)}`,
    groupBy: (columns) => (columns.length === 0 ? raw('') : raw(`GROUP BY ${columns.join(', ')}`)),
  }
}

/** Both sides are written by SQLite as JSON, so that equal keys are equal texts. */
function groupsSql(compiled: readonly DimensionSql[], { groups }: Scope): Fragment {
  if (groups === undefined) return raw('1')
  const key = join(
    compiled.map(({ key: one }) => one),
    ', ',
  )
  const listed = raw(compiled.map((_, n) => `value->>${n}`).join(', '))
  return sql`json_array(${key}) ${raw(groups.are === 'in' ? 'IN' : 'NOT IN')} (
    SELECT json_array(${listed}) FROM json_each(${JSON.stringify(groups.keys)}))`
}

function usersSql(source: Source, userIds: readonly number[]): Fragment | undefined {
  if (source === 'models') return undefined
  return sql`${raw(hasRows(source) ? 'c' : 'r')}.user_id IN (SELECT value FROM json_each(${JSON.stringify(userIds)}))`
}

interface From {
  readonly source: Source
  readonly dimensions: readonly Dimension[]
  readonly scope: Scope
  readonly packed: 'packed' | undefined
  readonly isOfHits: boolean
}

function fromSql({ source, dimensions, scope, packed, isOfHits }: From): { tables: Fragment; period: Fragment } | undefined {
  if (source === 'calls') {
    const { fromMs, toMs } = scope.period
    if (isOfHits) {
      return {
        tables: raw(
          'FROM saved_calls AS sv CROSS JOIN llm_calls AS c ON c.start_ms = sv.start_ms AND c.span_id = sv.span_id AND c.trace_id = sv.trace_id',
        ),
        period: sql`c.counted = 1 AND sv.start_ms >= ${fromMs} AND sv.start_ms < ${toMs}`,
      }
    }
    return {
      tables: raw('FROM llm_calls AS c'),
      period: sql`c.counted = 1 AND c.start_ms >= ${fromMs} AND c.start_ms < ${toMs}`,
    }
  }
  if (source === 'feedback' || source === 'nps') return { tables: sql`FROM ${latestOpinions(source, scope)} AS c`, period: raw('1') }
  if (scope.buckets === undefined) return undefined
  const steps = dimensions.flatMap((dimension): TimeStep[] => (dimension.kind === 'time' ? [dimension.step] : []))
  if (steps.some(isShort)) return undefined
  const pairs = JSON.stringify(scope.buckets.pairs(steps[0], packed))
  const table = raw(source === 'users' ? 'rollup_users' : 'rollup_models')
  // CROSS JOIN keeps the order: for each bucket a seek into the rollup's key, which begins with it. LIMIT -1 keeps SQLite from
  // reading the JSON again for every row of the rollup.
  return {
    tables: sql`FROM (SELECT value->>0 AS bucket, value->>1 AS time_key FROM json_each(${pairs}) LIMIT -1) AS b CROSS JOIN ${table} AS r`,
    period: raw('r.bucket = b.bucket'),
  }
}
