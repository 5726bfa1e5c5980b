import { addDays } from '@spanledger/store'

import { filterSql } from './compile-filter.ts'
import type { Dimension } from './dimensions.ts'
import type { Frame } from './frame.ts'
import { metricTable, type Amount, type ColumnType, type Group, type MetricName } from './metrics.ts'
import { daysBetween } from './period.ts'
import { addCounts, readGroups, type FoundGroup } from './read-groups.ts'
import type { Scope } from './scope.ts'
import { readRows } from './snapshot.ts'

/** Columns of the users report that are no metrics of calls. */
export const userColumns = {
  first_seen: { label: 'First seen', type: 'time', says: 'start of the first call ever, in the period or before' },
  last_seen: { label: 'Last seen', type: 'time', says: 'start of the last call of the period' },
  requests_per_active_day: { label: 'Req/active day', type: 'number', says: 'requests / active_days' },
  requests_per_calendar_day: {
    label: 'Req/day',
    type: 'number',
    says: 'requests / local days from the first seen, or the begin of the period, to its end or as_of',
  },
  models: { label: 'Models', type: 'int', says: 'different models asked for' },
  top_model: { label: 'Top model', type: 'string', says: 'the model with most requests, as model/provider; of equals the first by name' },
  top_feature: {
    label: 'Top feature',
    type: 'string',
    says: 'the value of property "feature" with most requests; of equals the first by name',
  },
  cost_share: { label: 'Cost %', type: 'rate', says: 'cost_usd / cost of all' },
  cost_percentile: { label: 'Cost percentile', type: 'number', says: 'midrank percentile of cost_usd among users, 0 to 100' },
  segment: { label: 'Segment', type: 'string', says: 'power, casual, new, at_risk or churned, at as_of' },
} as const satisfies Record<string, { label: string; type: ColumnType; says: string }>

export type UserColumn = keyof typeof userColumns

const USER: Dimension = { kind: 'column', name: 'user' }
const MODEL: Dimension = { kind: 'column', name: 'model' }
const FEATURE: Dimension = { kind: 'property', key: 'feature' }

/** Reads metrics and columns of some users, each from the smallest source that has it. */
export async function fillUsers(
  frame: Frame,
  whole: Scope,
  { userIds, metrics, columns }: { userIds: readonly number[]; metrics: readonly MetricName[]; columns: readonly UserColumn[] },
): Promise<ReadonlyMap<number, Map<string, Amount | string>>> {
  const scope = { ...whole, userIds }
  // A filter that only chooses users leaves all calls of a listed user in.
  const wholeUsers = scope.where === undefined || filterSql(scope.where, 'users', scope) !== undefined
  const wanted = new Set<string>([...metrics, ...columns])
  const read = new Set<MetricName>(metrics)
  if (wanted.has('requests_per_active_day')) read.add('active_days')
  if (wanted.has('last_seen') && !wholeUsers) read.add('last_call_at')
  const fromSessions = wholeUsers && read.delete('sessions')
  const groups = await readGroups(frame.store, scope, { dimensions: [USER], metrics: [...read] })

  const seen = wanted.has('first_seen') || wanted.has('last_seen') || wanted.has('segment') || wanted.has('requests_per_calendar_day')
  const sightings = seen ? await readSightings(frame, scope, wholeUsers && wanted.has('last_seen')) : new Map<number, Sighting>()
  const sessions = fromSessions ? await readSessionCounts(frame, scope) : undefined
  const tops = await readTops(frame, scope, { wholeUsers, columns })
  const segments = wanted.has('segment') ? await frame.segments() : undefined

  return new Map(
    groups.map((found) => {
      const userId = Number(found.keys[0] ?? 0)
      const group: Group = sessions === undefined ? found.group : { ...found.group, sessions: sessions.get(userId) ?? 0 }
      const cells = new Map<string, Amount | string>(metrics.map((name) => [name, metricTable[name].of(group)]))
      const sighting = sightings.get(userId)
      const facts: Partial<Record<UserColumn, Amount | string>> = {
        first_seen: sighting?.firstMs ?? null,
        last_seen: wholeUsers ? (sighting?.lastMs ?? null) : (group.lastStartMs ?? null),
        requests_per_active_day: perDay(group, group.activeDays ?? 0, userId),
        requests_per_calendar_day: perDay(group, calendarDays(frame, scope, sighting?.firstMs), userId),
        models: tops.models.get(userId)?.size ?? 0,
        top_model: topOf(tops.models.get(userId)),
        top_feature: topOf(tops.features.get(userId)),
        segment: userId === 0 || sighting === undefined ? null : (segments?.of(userId, sighting.firstMs) ?? null),
      }
      for (const column of columns) cells.set(column, facts[column] ?? null)
      return [userId, cells]
    }),
  )
}

/** The calls without a user are nobody's, so nobody's days divide them. */
function perDay({ sums }: Group, days: number, userId: number): number | null {
  return days === 0 || userId === 0 ? null : (sums.get('requests') ?? 0) / days
}

function calendarDays({ zone }: Frame, { period }: Scope, firstMs: number | undefined): number {
  const first = zone.day(Math.max(period.fromMs, firstMs ?? period.fromMs))
  const end = addDays(zone.day(Math.max(period.toMs - 1, period.fromMs)), 1)
  return Math.max(daysBetween(first, end), 1)
}

interface Sighting {
  readonly firstMs: number
  readonly lastMs: number | null
}

async function readSightings({ store }: Frame, { period, userIds = [] }: Scope, withLast: boolean): Promise<ReadonlyMap<number, Sighting>> {
  const last = withLast
    ? `(SELECT c.start_ms FROM llm_calls AS c WHERE c.user_id = u.user_id AND c.counted = 1 AND c.start_ms >= ? AND c.start_ms < ?
        ORDER BY c.start_ms DESC LIMIT 1)`
    : 'NULL'
  const rows = await readRows<[number, number | null, number | null]>(store, {
    text: `SELECT json_group_array(json_array(u.user_id,
        (SELECT c.start_ms FROM llm_calls AS c WHERE c.user_id = u.user_id AND c.counted = 1 ORDER BY c.start_ms LIMIT 1), ${last})) AS rows
      FROM users AS u
      WHERE u.user_id IN (SELECT value FROM json_each(?))`,
    values: [...(withLast ? [period.fromMs, period.toMs] : []), JSON.stringify(userIds)],
  })
  return new Map(rows.flatMap(([userId, firstMs, lastMs]) => (firstMs === null ? [] : [[userId, { firstMs, lastMs }] as const])))
}

/** Sessions with a call in the period. Only one that reaches over both ends of it needs its calls looked at. */
async function readSessionCounts({ store }: Frame, { period, userIds = [] }: Scope): Promise<ReadonlyMap<number, number>> {
  const { fromMs, toMs } = period
  const rows = await readRows<[number, number]>(store, {
    text: `SELECT json_group_array(json_array(user_id, n)) AS rows FROM (
      SELECT s.user_id, count(*) AS n FROM sessions AS s
      WHERE s.user_id IN (SELECT value FROM json_each(?)) AND s.session_id <> 0 AND s.first_ms < ? AND s.last_ms >= ?
        AND (s.first_ms >= ? OR s.last_ms < ? OR EXISTS (SELECT 1 FROM llm_calls AS c
          WHERE c.user_id = s.user_id AND c.session_id = s.session_id AND c.counted = 1 AND c.start_ms >= ? AND c.start_ms < ?))
      GROUP BY s.user_id)`,
    values: [JSON.stringify(userIds), toMs, fromMs, fromMs, toMs, fromMs, toMs],
  })
  return new Map(rows)
}

/** Requests by name, of each user. */
type CountsOfUsers = Map<number, Map<string, number>>

interface Tops {
  readonly models: CountsOfUsers
  readonly features: CountsOfUsers
}

async function readTops(
  frame: Frame,
  scope: Scope,
  { wholeUsers, columns }: { wholeUsers: boolean; columns: readonly UserColumn[] },
): Promise<Tops> {
  const models = columns.includes('top_model') || columns.includes('models')
  const features = columns.includes('top_feature')
  if (!models && !features) return { models: new Map(), features: new Map() }
  const packed = wholeUsers && scope.buckets !== undefined ? await readPackedTops(frame, scope) : undefined
  // Features beyond what the ledger gives numbers to are not counted in its rollups.
  const packedFeatures = frame.catalog.keys.get('feature')?.place === 'overflow' ? undefined : packed?.features
  return {
    models: packed?.models ?? (models ? await readCountsBy(frame, scope, MODEL) : new Map()),
    features: packedFeatures ?? (features ? await readCountsBy(frame, scope, FEATURE) : new Map()),
  }
}

async function readCountsBy({ store }: Frame, scope: Scope, dimension: Dimension): Promise<CountsOfUsers> {
  const counts: CountsOfUsers = new Map()
  const groups: readonly FoundGroup[] = await readGroups(store, scope, { dimensions: [USER, dimension], metrics: ['requests'] })
  for (const { keys, labels, group } of groups) {
    if (labels[1] !== null && labels[1] !== undefined)
      addTo(counts, Number(keys[0] ?? 0), [String(labels[1]), group.sums.get('requests') ?? 0])
  }
  return counts
}

async function readPackedTops({ store }: Frame, { buckets, userIds = [] }: Scope): Promise<Tops> {
  const rows = await readRows<[userId: number, models: string, features: string]>(store, {
    text: `SELECT json_group_array(json_array(r.user_id, hex(r.models), hex(r.features))) AS rows
      FROM (SELECT value->>0 AS bucket FROM json_each(?)) AS b CROSS JOIN rollup_users AS r ON r.bucket = b.bucket
      WHERE r.user_id IN (SELECT value FROM json_each(?))`,
    values: [JSON.stringify(buckets?.pairs(undefined) ?? []), JSON.stringify(userIds)],
  })
  const byId = { models: new Map<number, Map<number, number>>(), features: new Map<number, Map<number, number>>() }
  for (const [userId, models, features] of rows) {
    unpack(byId.models, userId, models)
    unpack(byId.features, userId, features)
  }
  return {
    models: named(byId.models, new Map(await readRows<[number, string]>(store, modelNames))),
    features: named(byId.features, new Map(await readRows<[number, string]>(store, valueNames(byId.features)))),
  }
}

function unpack(counts: Map<number, Map<number, number>>, userId: number, packedHex: string): void {
  let ofUser = counts.get(userId)
  if (ofUser === undefined) counts.set(userId, (ofUser = new Map()))
  addCounts(ofUser, packedHex)
}

const modelNames = {
  text: "SELECT json_group_array(json_array(model_id, requested_model || '/' || provider)) AS rows FROM models",
  values: [],
}

function valueNames(byId: ReadonlyMap<number, ReadonlyMap<number, number>>): { text: string; values: string[] } {
  const ids = new Set<number>()
  for (const counts of byId.values()) for (const id of counts.keys()) ids.add(id)
  return {
    text: `SELECT json_group_array(json_array(value_id, value)) AS rows FROM property_values
      WHERE value_id IN (SELECT value FROM json_each(?)) AND value <> '(none)'`,
    values: [JSON.stringify([...ids])],
  }
}

/** Several ids may share a name: a model that other models answered for. */
function named(byId: ReadonlyMap<number, ReadonlyMap<number, number>>, names: ReadonlyMap<number, string>): CountsOfUsers {
  const counts: CountsOfUsers = new Map()
  for (const [userId, ofUser] of byId) {
    for (const [id, count] of ofUser) {
      const name = names.get(id)
      if (name !== undefined) addTo(counts, userId, [name, count])
    }
  }
  return counts
}

function addTo(counts: CountsOfUsers, userId: number, [name, count]: readonly [string, number]): void {
  let ofUser = counts.get(userId)
  if (ofUser === undefined) counts.set(userId, (ofUser = new Map()))
  ofUser.set(name, (ofUser.get(name) ?? 0) + count)
}

function topOf(counts: ReadonlyMap<string, number> | undefined): string | null {
  let top: { name: string; count: number } | undefined
  for (const [name, count] of counts ?? []) {
    if (top === undefined || count > top.count || (count === top.count && name < top.name)) top = { name, count }
  }
  return top?.name ?? null
}
