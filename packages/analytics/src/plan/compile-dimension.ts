import { matchProperty, propertySql } from './compile-property.ts'
import type { DimensionSql, TextTest } from './dimension-sql.ts'
import { NONE, type ColumnDimension, type Dimension } from '../query/dimensions.ts'
import { QueryError } from '../query/query-error.ts'
import { raw, sql, type Fragment } from '../ledger/fragment.ts'
import { personsSql } from '../ledger/persons.ts'
import { hasRows, type Scope, type Source } from './scope.ts'
import { traitValue } from '../query/traits.ts'
import { isShort, type TimeStep, type ZoneOffset } from '../query/time-bucket.ts'

/** A dictionary table, and the column of each source that points into it. */
interface Dictionary {
  readonly table: string
  readonly id: string
  readonly pointers: Partial<Record<Source, string>>
}

const users: Dictionary = {
  table: 'users',
  id: 'user_id',
  pointers: { calls: 'c.user_id', feedback: 'c.user_id', nps: 'c.user_id', goals: 'c.user_id', revenue: 'c.user_id', users: 'r.user_id' },
}
const sessions: Dictionary = {
  table: 'sessions',
  id: 'session_id',
  pointers: { calls: 'c.session_id', feedback: 'c.session_id', nps: 'c.session_id', goals: 'c.session_id', revenue: 'c.session_id' },
}
const models: Dictionary = { table: 'models', id: 'model_id', pointers: { calls: 'c.model_id', models: 'r.model_id', days: 'r.id' } }
const kinds: Dictionary = { table: 'kinds', id: 'kind_id', pointers: { calls: 'c.kind_id', days: 'r.id' } }

/** `text` yields the dimension's value from a row `t` of the dictionary, NULL for none. */
const columns: Readonly<Record<ColumnDimension, { dictionary: Dictionary; text: string; alsoIs?: string }>> = {
  user: { dictionary: users, text: 'iif(t.user_id = 0, NULL, t.name)' },
  session: { dictionary: sessions, text: 'iif(t.session_id = 0, NULL, t.name)' },
  provider: { dictionary: models, text: 't.provider' },
  model: { dictionary: models, text: "t.requested_model || '/' || t.provider", alsoIs: 't.requested_model' },
  requested_model: { dictionary: models, text: 't.requested_model' },
  response_model: { dictionary: models, text: 't.model' },
  operation: { dictionary: kinds, text: "nullif(t.operation, '')" },
  status: { dictionary: kinds, text: 't.status' },
  error: { dictionary: kinds, text: "nullif(t.error_class, '')" },
  error_type: { dictionary: kinds, text: "nullif(t.error_type, '')" },
  finish_reason: { dictionary: kinds, text: "nullif(t.finish_reason, '')" },
  service_tier: { dictionary: kinds, text: "nullif(t.service_tier, '')" },
  usage_quality: { dictionary: kinds, text: 't.usage_quality' },
  origin: { dictionary: kinds, text: 't.origin' },
}

/** The table that a dimension is read from. */
export function columnDictionary(name: ColumnDimension): string {
  return columns[name].dictionary.table
}

/** Users and sessions are many, so calls are grouped by their ids; other values are grouped as text. */
const groupedById = new Set<Dictionary>([users, sessions])

/** @returns undefined where the source does not know the dimension */
export function dimensionSql(dimension: Dimension, source: Source, scope: Scope): DimensionSql | undefined {
  switch (dimension.kind) {
    case 'column':
      return columnSql(dimension.name, source)
    case 'property':
      return propertySql(dimension.key, source, scope)
    case 'latest':
      return latestSql(dimension.key, source, scope)
    case 'trait':
      return traitSql(dimension.key, source, scope)
    case 'experiment':
      return experimentSql(dimension.key, source)
    case 'segment':
      return segmentSql(source, scope)
    case 'time':
      return timeSql(dimension.step, source, scope.offsets)
  }
}

function columnSql(name: ColumnDimension, source: Source): DimensionSql | undefined {
  const { dictionary, text } = columns[name]
  const pointer = dictionary.pointers[source]
  if (pointer === undefined) return undefined
  if (groupedById.has(dictionary)) {
    return {
      key: raw(pointer),
      label: (key) => raw(`(SELECT ${text} FROM ${dictionary.table} AS t WHERE t.${dictionary.id} = ${key})`),
      joins: [],
    }
  }
  const alias = dictionary.table
  return {
    key: raw(text.replaceAll(/\bt\./g, `${alias}.`)),
    label: raw,
    joins: [raw(`JOIN ${alias} ON ${alias}.${dictionary.id} = ${pointer}`)],
  }
}

function traitSql(name: string, source: Source, scope: Scope): DimensionSql | undefined {
  const value = traitOf(name, source, scope)
  return value === undefined ? undefined : { key: sql`nullif(${value}, ${NONE})`, label: raw, joins: [] }
}

/** The value of the trait of the user of a row; undefined where the source does not know the user, or not when. */
function traitOf(name: string, source: Source, { catalog, traitTimes }: Scope): Fragment | undefined {
  const user = users.pointers[source]
  const key = catalog.traits.get(name)
  const time = traitTimes.get(name)
  if (user === undefined) return undefined
  if (key === undefined || time === undefined) return raw('NULL')
  return time === 'start' && !hasRows(source) ? undefined : traitValue(key, time, { user, start: 'c.start_ms' })
}

function latestSql(name: string, source: Source, scope: Scope): DimensionSql | undefined {
  const pointer = users.pointers[source]
  if (pointer === undefined) return undefined
  const alias = `latest_${Buffer.from(name).toString('hex')}`
  return { key: raw(`${alias}.text`), label: raw, joins: [joinTexts(latestPairs(name, scope), { alias, pointer })] }
}

/**
 * A join of texts of users, given as JSON of pairs. With a limit SQLite writes them down once, and as whole numbers it gives them an index:
 * else each row would be compared with every user.
 */
function joinTexts(pairs: string, { alias, pointer }: { alias: string; pointer: string }): Fragment {
  return sql`LEFT JOIN (SELECT CAST(value->>0 AS INTEGER) AS user_id, value->>1 AS text FROM json_each(${pairs}) LIMIT -1) AS ${raw(alias)}
    ON ${raw(alias)}.user_id = ${raw(pointer)}`
}

/** Users and their values, as JSON. @throws QueryError where a segment asks, whose tests are of latest values anyway */
function latestPairs(name: string, { latest }: Scope): string {
  const values = latest.get(name)
  if (values === undefined)
    throw new QueryError(`In a segment of your own write the property itself: its latest value is what is tested there.`, {
      given: `latest:${name}`,
    })
  return JSON.stringify([...values])
}

/** The variant that the user of a row was exposed to first, from then on; rollups do not know when. */
function experimentSql(name: string, source: Source): DimensionSql | undefined {
  if (!hasRows(source)) return undefined
  const alias = `exposed_${Buffer.from(name).toString('hex')}`
  return {
    key: raw(`${alias}.variant`),
    label: raw,
    joins: [
      sql`LEFT JOIN (${firstExposures(name)}) AS ${raw(alias)} ON ${raw(alias)}.user_id = c.user_id AND ${raw(alias)}.since_ms <= c.start_ms`,
    ],
  }
}

function firstExposures(name: string): Fragment {
  return sql`SELECT e.user_id, e.outcome AS variant, min(e.start_ms) AS since_ms FROM event_subjects AS es JOIN events AS e ON e.subject_id = es.subject_id
    WHERE es.kind = 'exposed' AND es.name = ${name} AND e.outcome IS NOT NULL AND e.user_id <> 0 GROUP BY e.user_id`
}

/** Users are in several segments where these do not exclude each other: their calls then have a row for each. */
function segmentSql(source: Source, { memberships }: Scope): DimensionSql | undefined {
  const pointer = users.pointers[source]
  if (pointer === undefined) return undefined
  const pairs = JSON.stringify(Array.from(memberships.of, ([userId, { segments }]) => segments.map((segment) => [userId, segment])).flat())
  return {
    key: raw('in_segment.text'),
    label: raw,
    joins: [joinTexts(pairs, { alias: 'in_segment', pointer })],
    repeats: !memberships.exclusive,
  }
}

/** The same keys as `timeKey` in time-bucket.ts gives. */
function timeSql(step: TimeStep, source: Source, offsets: readonly ZoneOffset[]): DimensionSql | undefined {
  if (!hasRows(source)) return isShort(step) ? undefined : { key: raw('b.time_key'), label: raw, joins: [] }
  const local = sql`(c.start_ms + ${offsetSql(offsets)})`
  const keys: Record<TimeStep, Fragment> = {
    minute: sql`c.start_ms - ${local} % 60000`,
    hour: sql`c.start_ms - ${local} % 3600000`,
    day: sql`${local} / 86400000`,
    week: sql`(${local} / 86400000 + 3) / 7`,
    sunday_week: sql`(${local} / 86400000 + 4) / 7`,
    month: sql`CAST(strftime('%Y%m', ${local} / 1000, 'unixepoch') AS INTEGER)`,
  }
  return { key: keys[step], label: raw, joins: [] }
}

/** The zone's offset at a call's start. */
function offsetSql(offsets: readonly ZoneOffset[]): Fragment {
  const [first, ...later] = offsets
  let offset = sql`${first?.offsetMs ?? 0}`
  for (const { sinceMs, offsetMs } of later) offset = sql`iif(c.start_ms >= ${sinceMs}, ${offsetMs}, ${offset})`
  return offset
}

/** The local day of a call as a number, for counting days. */
export function localDaySql({ offsets }: Scope): Fragment {
  return sql`((c.start_ms + ${offsetSql(offsets)}) / 86400000)`
}

/**
 * SQL that is 1 for calls with a value that passes a test and 0 for all others, those without a value included.
 * `exactly` says that the test compares whole values.
 * @returns undefined where the source does not know the dimension
 */
export function matchSql(
  dimension: Dimension,
  { source, scope, test, exactly = false }: { source: Source; scope: Scope; test: TextTest; exactly?: boolean },
): Fragment | undefined {
  if (dimension.kind === 'property') return matchProperty(dimension.key, { source, scope, test })
  if (dimension.kind === 'trait') {
    const value = traitOf(dimension.key, source, scope)
    return value === undefined
      ? undefined
      : sql`EXISTS (SELECT 1 FROM (SELECT ${value} AS value) AS t WHERE ifnull(t.value, ${NONE}) <> ${NONE} AND ${test(raw('t.value'))})`
  }
  if (dimension.kind === 'latest') {
    const pointer = users.pointers[source]
    return pointer === undefined
      ? undefined
      : sql`${raw(pointer)} IN (SELECT l.value->>0 FROM json_each(${latestPairs(dimension.key, scope)}) AS l WHERE ${test(raw('(l.value->>1)'))})`
  }
  if (dimension.kind === 'experiment') {
    return hasRows(source)
      ? sql`EXISTS (SELECT 1 FROM (${firstExposures(dimension.key)}) AS x
          WHERE x.user_id = c.user_id AND x.since_ms <= c.start_ms AND ${test(raw('x.variant'))})`
      : undefined
  }
  if (dimension.kind !== 'column') return undefined
  const { dictionary, text, alsoIs } = columns[dimension.name]
  const pointer = dictionary.pointers[source]
  if (pointer === undefined) return undefined
  if (dimension.name === 'user') return sql`${raw(pointer)} IN ${personsSql(test(raw('t.name')))}`
  const either = exactly && alsoIs !== undefined ? sql`(${test(raw(text))} OR ${test(raw(alsoIs))})` : test(raw(text))
  return sql`${raw(pointer)} IN (SELECT t.${raw(dictionary.id)} FROM ${raw(dictionary.table)} AS t WHERE ${raw(text)} IS NOT NULL AND ${either})`
}
