import { callSum, needsKinds, needSql, type GroupNeed, type Share } from './call-columns.ts'
import type { Dimension } from '../query/dimensions.ts'
import { dimensionSql } from './compile-dimension.ts'
import type { DimensionSql } from './dimension-sql.ts'
import { filterSql } from './compile-filter.ts'
import { join, raw, sql, type Fragment } from '../ledger/fragment.ts'
import type { SumName } from '../sums/group.ts'
import { latestEvents } from './latest-events.ts'
import { hasRows, type Scope, type Source } from './scope.ts'
import { isShort, type TimeStep } from '../query/time-bucket.ts'

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
      const sum =
        source === 'calls' ? callSum(name, base.share) : raw(`sum(r.${isOfAnonymous(source, scope) ? `anonymous_${name}` : name})`)
      return name === 'cost_nano_usd' ? sql`CAST(coalesce(${sum}, 0) AS TEXT)` : sql`coalesce(${sum}, 0)`
    }),
    ...needs.flatMap((need) => needSql(need, source, scope, base.share)),
  ]
  const named = [...base.keys, ...columns.map((column, n) => sql`${column} AS ${raw(`s${n}`)}`)]
  const outer = [...base.dimensions.flatMap(({ label }, n) => [raw(`k${n}`), label(`k${n}`)]), ...columns.map((_, n) => raw(`s${n}`))]
  return sql`SELECT json_group_array(json_array(${join(outer, ', ')})) AS rows FROM (
    SELECT ${join(named, ', ')} ${base.from} ${base.groupBy(base.dimensions.map((_, n) => `k${n}`))})`
}

/** Groups of days know of users only how many there were, and what calls without one were made. */
function isOfAnonymous(source: Source, { userIds }: Scope): boolean {
  return source === 'days' && userIds?.length === 1 && userIds[0] === 0
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

/** A row for each group of each closed day: its keys `k0`, …, then the columns that are packed. */
export function compileDayGroups(
  columns: readonly ('latency' | 'ttft' | 'users')[],
  dimensions: readonly Dimension[],
  scope: Scope,
): Fragment | undefined {
  const base = compileBase({ source: 'days', dimensions, sums: [], needs: [] }, scope)
  return base === undefined
    ? undefined
    : sql`SELECT ${join([...base.keys, ...columns.map((column) => raw(`r.${column}`))], ', ')} ${base.from}`
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
export function durationBucketSql(ms: string): string {
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
  const rowKey = raw(rowKeys[source] ?? 'c.latest')
  const joins = joinsOf(isOnce ? compiled : [...compiled, ...chosen])
  const inGroups = isOnce
    ? sql`(${rowKey}) IN (SELECT ${rowKey} ${from.tables}
        ${join([...joinsOf(chosen).values()], ' ')} WHERE ${from.period} AND ${groupsSql(chosen, scope)})`
    : groupsSql(chosen, scope)
  if (source === 'calls' && sums.some(needsKinds)) {
    const kinds = raw('JOIN kinds ON kinds.kind_id = c.kind_id')
    joins.set(kinds.text, kinds)
  }
  const isOfCounts = isOfAnonymous(source, scope) && needs.length === 0 && sums.every((name) => name === 'requests')
  const only = scope.userIds === undefined || isOfCounts ? raw('1') : usersSql(source, scope.userIds)
  if (only === undefined) return undefined
  return {
    dimensions: compiled,
    keys: compiled.map(({ key }, n) => sql`${key} AS ${raw(`k${n}`)}`),
    from: sql`${from.tables} ${join([...joins.values()], ' ')} WHERE ${from.period} AND ${only} AND ${where} AND ${inGroups}`,
    groupBy: (columns) => (columns.length === 0 ? raw('') : raw(`GROUP BY ${columns.join(', ')}`)),
    share: shareOf(scope.attribution === 'split' ? [...compiled, ...chosen].flatMap(({ list }) => list ?? []) : []),
  }
}

/** What tells the rows of a source apart; events have a key of one column. */
const rowKeys: Partial<Readonly<Record<Source, string>>> = {
  calls: 'c.start_ms, c.span_id, c.trace_id',
  users: 'r.bucket, r.user_id',
  models: 'r.bucket, r.model_id',
  days: 'r.bucket, r.model_id',
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
  if (source === 'models' || source === 'days') return undefined
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
  if (source === 'feedback' || source === 'nps' || source === 'goals' || source === 'revenue')
    return { tables: sql`FROM ${latestEvents(source, scope)} AS c`, period: raw('1') }
  if (source === 'days') {
    if (scope.days === undefined) return undefined
    const days = JSON.stringify(scope.days.map(({ day, part, timeKey }) => [day, part, timeKey]))
    return {
      tables: sql`FROM (SELECT value->>0 AS day, value->>1 AS part, value->>2 AS time_key FROM json_each(${days}) LIMIT -1) AS b
        CROSS JOIN day_groups AS r`,
      period: raw('r.day = b.day AND r.part = b.part'),
    }
  }
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
