import { addDays, type Store } from '@spanledger/store'

import { filterSql } from '../plan/compile-filter.ts'
import type { Dimension } from '../query/dimensions.ts'
import { raw, sql, type Fragment } from '../ledger/fragment.ts'
import { scopeOf, type Frame } from '../read/frame.ts'
import type { Group } from '../sums/group.ts'
import { segmentText } from '../segments/memberships.ts'
import type { Amount, ColumnType } from '../query/metric.ts'
import { metricTable, type MetricName } from '../query/metrics.ts'
import { groupBy } from '../sums/group-by.ts'
import { readAlarms } from '../people/activity/read-alarms.ts'
import { readPackedCounts } from '../sums/packed-counts.ts'
import { calendarDaysOf } from '../read/calendar-days.ts'
import type { FoundGroup } from '../read/found-groups.ts'
import { readGroups } from '../read/read-groups.ts'
import type { Scope } from '../plan/scope.ts'
import { readFirstSeen } from '../ledger/seen-users.ts'
import { readColumns, readRows } from '../ledger/snapshot.ts'
import { timeKeyOfDay } from '../query/time-bucket.ts'

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
  sparkline: {
    label: 'Last 14 days',
    type: 'counts',
    says: 'requests on each of the 14 local days up to the end of the period, or as_of, the oldest first, in the period or before',
  },
  anomalies: {
    label: 'Anomalies',
    type: 'int',
    says: 'rules that days of the period broke, each once a day: the rows of `report anomalies`',
  },
  cost_share: { label: 'Cost %', type: 'rate', says: 'cost_usd / cost of all' },
  cost_percentile: { label: 'Cost percentile', type: 'number', says: 'midrank percentile of cost_usd among users, 0 to 100' },
  segment: {
    label: 'Segment',
    type: 'string',
    says: "power, casual, new, at_risk or churned at as_of, or one of the app's own (--segments FILE); several where these do not exclude each other",
  },
} as const satisfies Record<string, { label: string; type: ColumnType; says: string }>

export type UserColumn = keyof typeof userColumns

const USER: Dimension = { kind: 'column', name: 'user' }
const MODEL: Dimension = { kind: 'column', name: 'model' }
const DAY: Dimension = { kind: 'time', step: 'day' }
const FEATURE: Dimension = { kind: 'property', key: 'feature' }

/** Reads metrics and columns of some users, each from the smallest source that has it. */
export async function fillUsers(
  frame: Frame,
  whole: Scope,
  { userIds, metrics, columns }: { userIds: readonly number[]; metrics: readonly MetricName[]; columns: readonly UserColumn[] },
): Promise<ReadonlyMap<number, { cells: ReadonlyMap<string, Amount | string>; group: Group }>> {
  const scope = { ...whole, userIds }
  const wanted = new Set<string>([...metrics, ...columns])
  const fromRollups = isFromRollups(scope)
  const read = new Set<MetricName>(metrics)
  if (wanted.has('requests_per_active_day')) read.add('active_days')
  if (wanted.has('last_seen') && !fromRollups) read.add('last_call_at')
  const sessions = isOfWholeUsers(scope) && read.delete('sessions') ? await readSessionCounts(frame, scope) : undefined
  const groups = await readGroups(frame.store, scope, { dimensions: [USER], metrics: [...read] })
  const firsts = columns.some((column) => needFirst.has(column)) ? await readFirstSeen(frame.store, userIds) : new Map<number, number>()
  const lasts = wanted.has('last_seen') && fromRollups ? await readLastSeen(frame, scope) : undefined
  const tops = await readTops(frame, scope, columns)
  const alarms = wanted.has('anomalies') ? groupBy(await readAlarms(frame), ({ user }) => Number(user)) : undefined
  const sparklines = wanted.has('sparkline') ? await readSparklines(frame, scope) : undefined
  const calendarDays = calendarDaysOf(frame.zone, scope.period)
  const segmentFor = wanted.has('segment') ? await segmentReader(frame) : undefined

  return new Map(
    groups.map((found) => {
      const userId = Number(found.keys[0] ?? 0)
      const group: Group = sessions === undefined ? found.group : { ...found.group, sessions: sessions.get(userId) ?? 0 }
      const cells = new Map<string, Amount | string>(metrics.map((name) => [name, metricTable[name].of(group)]))
      const firstMs = firsts.get(userId)
      const facts: Partial<Record<UserColumn, Amount | string>> = {
        first_seen: firstMs ?? null,
        last_seen: (lasts === undefined ? group.lastStartMs : lasts.get(userId)) ?? null,
        requests_per_active_day: perDay(group, group.activeDays ?? 0, userId),
        requests_per_calendar_day: perDay(group, calendarDays(firstMs), userId),
        models: tops.models.get(userId)?.size ?? 0,
        top_model: topOf(tops.models.get(userId)),
        top_feature: topOf(tops.features.get(userId)),
        anomalies: userId === 0 ? null : (alarms?.get(userId)?.length ?? 0),
        sparkline: sparklines === undefined ? null : JSON.stringify(sparklines.get(userId) ?? noDays()),
        segment: userId === 0 || firstMs === undefined ? null : (segmentFor?.(userId, firstMs) ?? null),
      }
      for (const column of columns) cells.set(column, facts[column] ?? null)
      return [userId, { cells, group }]
    }),
  )
}

async function segmentReader(frame: Frame): Promise<(userId: number, firstMs: number) => string | null> {
  if (frame.clock.segmentation === undefined) return (await frame.segments()).segmentOf
  const { of } = await frame.readMemberships()
  return (userId) => {
    const found = of.get(userId)
    return found === undefined ? null : segmentText(found)
  }
}

const needFirst = new Set<UserColumn>(['first_seen', 'requests_per_calendar_day', 'segment'])

const SPARKLINE_DAYS = 14

function noDays(): number[] {
  return Array.from({ length: SPARKLINE_DAYS }, () => 0)
}

/** Requests of each user on each of the last days of a scope, also where its period is shorter. */
async function readSparklines(frame: Frame, { period: { toMs }, userIds }: Scope): Promise<ReadonlyMap<number, readonly number[]>> {
  const firstDay = addDays(frame.zone.day(toMs - 1), 1 - SPARKLINE_DAYS)
  const scope = { ...(await scopeOf(frame, { fromMs: frame.zone.startOfDay(firstDay), toMs })), userIds }
  const groups = await readGroups(frame.store, scope, { dimensions: [USER, DAY], metrics: ['requests'] })
  const firstKey = timeKeyOfDay('day', firstDay)
  const counts = new Map<number, number[]>()
  for (const { keys, group } of groups) {
    const userId = Number(keys[0] ?? 0)
    const ofUser = counts.get(userId) ?? noDays()
    ofUser[Number(keys[1]) - firstKey] = group.sums.get('requests') ?? 0
    counts.set(userId, ofUser)
  }
  return counts
}

/** Whether a scope has all calls of each of its users in the period: its filter, if any, only chooses users. */
export function isOfWholeUsers(scope: Scope): boolean {
  return scope.where === undefined || filterSql(scope.where, 'users', scope) !== undefined
}

/** Whether rollups know the calls of a scope by user. */
function isFromRollups(scope: Scope): boolean {
  return isOfWholeUsers(scope) && scope.buckets !== undefined
}

/** The calls without a user are nobody's, so nobody's days divide them. */
function perDay({ sums }: Group, days: number, userId: number): number | null {
  return days === 0 || userId === 0 ? null : (sums.get('requests') ?? 0) / days
}

/** The last call of each user in the period; its buckets hold no call outside of it. */
async function readLastSeen({ store }: Frame, { buckets, userIds = [] }: Scope): Promise<ReadonlyMap<number, number>> {
  const rows = await readRows<[number, number]>(store, {
    text: `SELECT json_group_array(json_array(user_id, last_ms)) AS rows FROM (
      SELECT r.user_id, max(r.last_ms) AS last_ms
      FROM (SELECT value->>0 AS bucket FROM json_each(?) LIMIT -1) AS b CROSS JOIN rollup_users AS r ON r.bucket = b.bucket
      WHERE r.user_id IN (SELECT value FROM json_each(?)) GROUP BY r.user_id)`,
    values: [JSON.stringify(buckets?.pairs(undefined) ?? []), JSON.stringify(userIds)],
  })
  return new Map(rows)
}

/** How many sessions each user of a scope had, where it has all their calls. */
async function readSessionCounts({ store }: Frame, scope: Scope): Promise<ReadonlyMap<number, number>> {
  const counts = new Map<number, number>()
  for (const fragment of await sessionsInPeriod(store, scope)) {
    const rows = await readRows<[number, number]>(store, {
      text: `SELECT json_group_array(json_array(user_id, n)) AS rows FROM (SELECT s.user_id, count(*) AS n ${fragment.text} GROUP BY s.user_id)`,
      values: fragment.values,
    })
    for (const [userId, n] of rows) counts.set(userId, (counts.get(userId) ?? 0) + n)
  }
  return counts
}

/** How many sessions the users of a scope had, where it has all their calls. */
export async function countSessions({ store }: Frame, scope: Scope): Promise<number> {
  let count = 0
  for (const { text, values } of await sessionsInPeriod(store, scope)) {
    const [row] = await store.all<{ n: number }>(`SELECT count(*) AS n ${text}`, ...values)
    count += row?.n ?? 0
  }
  return count
}

/**
 * Sessions with a call in the period: those that begin or end in it, and, of those that reach over both ends, the ones that
 * have a call between. Only for the latter the calls are looked at, in one go.
 */
async function sessionsInPeriod(store: Store, scope: Scope): Promise<readonly Fragment[]> {
  const { fromMs, toMs } = scope.period
  const users = scope.userIds === undefined ? raw('1') : sql`s.user_id IN (SELECT value FROM json_each(${JSON.stringify(scope.userIds)}))`
  // The filter only chooses users, and names them as the rollup does.
  const where = scope.where === undefined ? undefined : filterSql(scope.where, 'users', scope)
  const chosen = where === undefined ? raw('1') : sql`EXISTS (SELECT 1 FROM (SELECT s.user_id) AS r WHERE ${where})`
  const sessions = sql`FROM sessions AS s WHERE s.session_id <> 0 AND ${users} AND ${chosen}`
  const over = sql`s.first_ms < ${fromMs} AND s.last_ms >= ${toMs}`
  const [outside] = await store.all<{ before: number; after: number }>(
    'SELECT EXISTS (SELECT 1 FROM llm_calls WHERE start_ms < ?) AS before, EXISTS (SELECT 1 FROM llm_calls WHERE start_ms >= ?) AS after',
    fromMs,
    toMs,
  )
  // Sessions are many, and a bound outside of which there are no calls holds for all of them.
  const begun = outside?.after === 0 ? raw('s.first_ms IS NOT NULL') : sql`s.first_ms < ${toMs}`
  const touching = outside?.before === 0 ? sql`${sessions} AND ${begun}` : sql`${sessions} AND ${begun} AND s.last_ms >= ${fromMs}`
  if (outside?.before === 0 || outside?.after === 0) return [touching]
  return [
    sql`${touching} AND NOT (${over})`,
    sql`${sessions} AND ${over} AND s.session_id IN (SELECT c.session_id FROM llm_calls AS c
      WHERE c.start_ms >= ${fromMs} AND c.start_ms < ${toMs} AND c.counted = 1
        AND EXISTS (SELECT 1 FROM sessions AS s WHERE ${over}))`,
  ]
}

/** Requests by name, of each user. */
type CountsOfUsers = Map<number, Map<string, number>>

export interface Tops {
  readonly models: CountsOfUsers
  readonly features: CountsOfUsers
}

/** Requests by model and by feature of each user of a scope, where columns ask for them. */
export async function readTops(frame: Frame, scope: Scope, columns: readonly UserColumn[]): Promise<Tops> {
  const models = columns.includes('top_model') || columns.includes('models')
  const features = columns.includes('top_feature')
  if (!models && !features) return { models: new Map(), features: new Map() }
  const packed = isFromRollups(scope) ? await readPackedTops(frame, scope) : undefined
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
  const [ids = [], models = [], features = []] = await readColumns<number | string>(store, {
    text: `SELECT json_group_array(r.user_id) AS ids, json_group_array(hex(r.models)) AS models, json_group_array(hex(r.features)) AS features
      FROM (SELECT value->>0 AS bucket FROM json_each(?)) AS b CROSS JOIN rollup_users AS r ON r.bucket = b.bucket
      WHERE r.user_id IN (SELECT value FROM json_each(?))`,
    values: [JSON.stringify(buckets?.pairs(undefined, 'packed') ?? []), JSON.stringify(userIds)],
  })
  const byId = { models: new Map<number, Map<number, number>>(), features: new Map<number, Map<number, number>>() }
  for (const [n, id] of ids.entries()) {
    unpack(byId.models, Number(id), String(models[n]))
    unpack(byId.features, Number(id), String(features[n]))
  }
  return {
    models: named(byId.models, new Map(await readRows<[number, string]>(store, modelNames))),
    features: named(byId.features, new Map(await readRows<[number, string]>(store, valueNames(byId.features)))),
  }
}

function unpack(counts: Map<number, Map<number, number>>, userId: number, packedHex: string): void {
  let ofUser = counts.get(userId)
  if (ofUser === undefined) counts.set(userId, (ofUser = new Map()))
  const counted = ofUser
  readPackedCounts(packedHex, (id, count) => counted.set(id, (counted.get(id) ?? 0) + count))
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

/** The name with the greatest count; of equals the first. */
export function topOf(counts: ReadonlyMap<string, number> | undefined): string | null {
  let top: { name: string; count: number } | undefined
  for (const [name, count] of counts ?? []) {
    if (top === undefined || count > top.count || (count === top.count && name < top.name)) top = { name, count }
  }
  return top?.name ?? null
}
