import { callSum, needsKinds, needSql, type GroupNeed, type Share } from './call-columns.ts'
import type { Dimension } from './dimensions.ts'
import { dimensionSql, localDaySql, type DimensionSql } from './compile-dimension.ts'
import { filterSql } from './compile-filter.ts'
import { join, raw, sql, type Fragment } from './fragment.ts'
import type { SumName } from './group.ts'
import { latestEvents } from './latest-events.ts'
import { hasRows, type Scope, type Source } from './scope.ts'
import { isShort, type TimeStep } from './time-bucket.ts'

/** One reading of one source: which groups, and what of each. */
export interface Reading {
  readonly source: Source
  readonly dimensions: readonly Dimension[]
  readonly sums: readonly SumName[]
  /** What is read of each group beside its sums; only from sources that have it. */
  readonly needs: readonly GroupNeed[]
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
      const sum = source === 'calls' ? callSum(name, base.share) : raw(`sum(r.${name})`)
      return name === 'cost_nano_usd' ? sql`CAST(coalesce(${sum}, 0) AS TEXT)` : sql`coalesce(${sum}, 0)`
    }),
    ...needs.flatMap((need) => needSql(need, source, scope, base.share)),
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
    ${join(
      sums.map((name, n) => sql`, coalesce(${callSum(name)}, 0) AS ${raw(`s${n}`)}`),
      '',
    )} ${base.from} GROUP BY c.user_id`
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
  /** What a group has of an amount of a call that stands in several of them. */
  readonly share: Share
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
  // With full attribution a call is in the chosen groups or not, however many of its values are; so is a user in segments.
  const isOnce = scope.attribution !== 'split' && chosen.some(({ list, repeats }) => list !== undefined || repeats === true)
  const rowKey = raw(
    hasRows(source) ? 'c.start_ms, c.span_id, c.trace_id' : source === 'users' ? 'r.bucket, r.user_id' : 'r.bucket, r.model_id',
  )
  const joins = joinsOf(isOnce ? compiled : [...compiled, ...chosen])
  const inGroups = isOnce
    ? sql`(${rowKey}) IN (SELECT ${rowKey} ${from.tables}
        ${join([...joinsOf(chosen).values()], ' ')} WHERE ${from.period} AND ${groupsSql(chosen, scope)})`
    : groupsSql(chosen, scope)
  if (source === 'calls' && sums.some(needsKinds)) {
    const kinds = raw('JOIN kinds ON kinds.kind_id = c.kind_id')
    joins.set(kinds.text, kinds)
  }
  const only = scope.userIds === undefined ? raw('1') : usersSql(source, scope.userIds)
  if (only === undefined) return undefined
  return {
    dimensions: compiled,
    keys: compiled.map(({ key }, n) => sql`${key} AS ${raw(`k${n}`)}`),
    from: sql`${from.tables} ${join([...joins.values()], ' ')} WHERE ${from.period} AND ${only} AND ${where} AND ${inGroups}`,
    groupBy: (columns) => (columns.length === 0 ? raw('') : raw(`GROUP BY ${columns.join(', ')}`)),
    share: shareOf(scope.attribution === 'split' ? [...compiled, ...chosen].flatMap(({ list }) => list ?? []) : []),
  }
}

/** The tables that dimensions need, each once. */
function joinsOf(compiled: readonly DimensionSql[]): Map<string, Fragment> {
  return new Map(compiled.flatMap(({ joins }) => joins).map((one) => [one.text, one]))
}

/**
 * Equal shares of whole amounts: what cannot be divided goes to the first values, a unit each, so that the shares of a call
 * are the call. Values of several lists are combined, each combination a share.
 */
function shareOf(lists: readonly string[]): Share {
  const aliases = [...new Set(lists)]
  if (aliases.length === 0) return (amount) => amount
  const shares = aliases.map((list) => `ifnull(${list}.k, 1)`).join(' * ')
  const place = aliases.reduce((before, list) => `(${before}) * ifnull(${list}.k, 1) + ifnull(${list}.n, 0)`, '0')
  return (amount) => `(${amount} / (${shares}) + (${place} < ${amount} % (${shares})))`
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
  if (source === 'feedback' || source === 'nps' || source === 'goal')
    return { tables: sql`FROM ${latestEvents(source, scope)} AS c`, period: raw('1') }
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
