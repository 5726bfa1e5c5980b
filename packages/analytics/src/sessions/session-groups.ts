import { measureColumns, type KeptSession } from '@spanledger/store'

import type { Dimension } from '../query/dimensions.ts'
import { Durations } from '../sums/durations.ts'
import { nameOf, type FoundGroup, type Mutable } from '../read/found-groups.ts'
import { raw, sql } from '../ledger/fragment.ts'
import { scopeOf, type Frame } from '../read/frame.ts'
import type { Group, SumName } from '../sums/group.ts'
import type { MetricName } from '../query/metrics.ts'
import { readGroups } from '../read/read-groups.ts'
import type { Key } from '../plan/scope.ts'
import type { SessionKey } from './session-cut.ts'
import type { SessionRanking } from './session-ranking.ts'
import { readRows } from '../ledger/snapshot.ts'

const keptSums = measureColumns.filter((name) => name !== 'cost_nano_usd') as SumName[]

type KeptRow = [
  userId: number,
  sessionId: number,
  firstMs: number,
  lastMs: number,
  endMs: number,
  cost: string,
  latency: string,
  ...sums: number[],
]

/** Some sessions with all that their columns need: what is kept of them, of those that may go on, and of their calls since. */
export async function readSessionGroups(
  frame: Frame,
  ranking: SessionRanking,
  { keys, metrics }: { keys: readonly SessionKey[]; metrics: readonly MetricName[] },
): Promise<FoundGroup[]> {
  const found = new Map<string, FoundGroup>()
  const labels = await readLabels(frame, keys)
  const groupOf = (key: SessionKey): Mutable<Group> => {
    const ids = keysOf(frame.dimensions, key)
    let one = found.get(nameOf(ids))
    if (one === undefined) found.set(nameOf(ids), (one = { keys: ids, labels: labels(key), group: emptyGroup(key) }))
    return one.group
  }
  for (const [userId, sessionId, firstMs, lastMs, endMs, cost, latency, ...sums] of await readKeptRows(frame, ranking, keys)) {
    const group = groupOf({ userId, sessionId })
    addSums(group, new Map(keptSums.map((name, n) => [name, sums[n] ?? 0])), BigInt(cost))
    widen(group, { firstStartMs: firstMs, lastStartMs: lastMs, lastEndMs: endMs })
    for (const packed of JSON.parse(latency) as string[]) (group.latency ??= new Durations()).addPacked(packed)
  }
  const names = new Set(keys.map((key) => nameOf(keysOf(frame.dimensions, key))))
  for (const session of ranking.open)
    if (names.has(nameOf(keysOf(frame.dimensions, session.facts)))) addOpen(groupOf(session.facts), session)
  for (const { period, userIds, keys: some } of ranking.since) {
    const among = some === undefined ? undefined : new Set(some.map((key) => nameOf(keysOf(frame.dimensions, key))))
    const asked = keys.map((key) => keysOf(frame.dimensions, key)).filter((ids) => among?.has(nameOf(ids)) !== false)
    if (asked.length === 0) continue
    const scope = await scopeOf(frame, period, userIds === undefined ? {} : { userIds })
    const groups = { dimensions: frame.dimensions, keys: asked, are: 'in' } as const
    const more = await readGroups(frame.store, { ...scope, groups }, { dimensions: frame.dimensions, metrics })
    for (const { keys: ids, group } of more) addGroup(groupOf(sessionOf(frame.dimensions, ids)), group)
  }
  return [...found.values()]
}

/** The ids in the order of the dimensions, as groups have them. */
function keysOf(dimensions: readonly Dimension[], { userId, sessionId }: SessionKey): Key[] {
  return dimensions.map((dimension) => (dimension.kind === 'column' && dimension.name === 'user' ? userId : sessionId))
}

function sessionOf(dimensions: readonly Dimension[], keys: readonly Key[]): SessionKey {
  const at = dimensions.findIndex((dimension) => dimension.kind === 'column' && dimension.name === 'user')
  return { userId: Number(keys[at]), sessionId: Number(keys[1 - at]) }
}

function emptyGroup({ userId, sessionId }: SessionKey): Mutable<Group> {
  return { sums: new Map(), costNanoUsd: 0n, users: userId === 0 ? 0 : 1, sessions: sessionId === 0 ? 0 : 1 }
}

async function readKeptRows({ store }: Frame, { holds }: SessionRanking, keys: readonly SessionKey[]): Promise<KeptRow[]> {
  const ids = JSON.stringify(keys.map(({ userId, sessionId }) => [userId, sessionId]))
  return readRows<KeptRow>(
    store,
    sql`SELECT json_group_array(json_array(u, s, a, b, c, cost, latency, ${raw(keptSums.map((_, n) => `s${n}`).join(', '))})) AS rows FROM (
      SELECT k.user_id AS u, k.session_id AS s, min(k.start_ms) AS a, max(k.last_ms) AS b, max(k.end_ms) AS c,
        CAST(sum(k.cost_nano_usd) AS TEXT) AS cost, json_group_array(hex(k.latency)) || '' AS latency,
        ${raw(keptSums.map((name, n) => `sum(k.${name}) AS s${n}`).join(', '))}
      FROM json_each(${ids}) AS j CROSS JOIN kept_sessions AS k ON k.user_id = j.value->>0 AND k.session_id = j.value->>1
      WHERE ${holds} GROUP BY k.user_id, k.session_id)`,
  )
}

function addOpen(group: Mutable<Group>, { facts, sums }: KeptSession): void {
  addSums(group, new Map(keptSums.map((name) => [name, sums.measures[measureColumns.indexOf(name)] ?? 0])), sums.costNanoUsd)
  widen(group, { firstStartMs: facts.startMs, lastStartMs: facts.lastMs, lastEndMs: facts.endMs })
  ;(group.latency ??= new Durations()).addPacked(sums.latency)
}

function addGroup(group: Mutable<Group>, { sums, costNanoUsd, latency, firstStartMs, lastStartMs, lastEndMs }: Group): void {
  addSums(group, sums, costNanoUsd)
  if (firstStartMs !== undefined && lastStartMs !== undefined && lastEndMs !== undefined)
    widen(group, { firstStartMs, lastStartMs, lastEndMs })
  if (latency !== undefined) (group.latency ??= new Durations()).merge(latency, 1)
}

function addSums(group: Mutable<Group>, more: ReadonlyMap<SumName, number>, costNanoUsd: bigint): void {
  const sums = new Map(group.sums)
  for (const [name, amount] of more) sums.set(name, (sums.get(name) ?? 0) + amount)
  group.sums = sums
  group.costNanoUsd += costNanoUsd
}

function widen(group: Mutable<Group>, extent: Required<Pick<Group, 'firstStartMs' | 'lastStartMs' | 'lastEndMs'>>): void {
  group.firstStartMs = Math.min(group.firstStartMs ?? extent.firstStartMs, extent.firstStartMs)
  group.lastStartMs = Math.max(group.lastStartMs ?? extent.lastStartMs, extent.lastStartMs)
  group.lastEndMs = Math.max(group.lastEndMs ?? extent.lastEndMs, extent.lastEndMs)
}

/** What users and sessions are called; null for none. */
async function readLabels({ store, dimensions }: Frame, keys: readonly SessionKey[]): Promise<(key: SessionKey) => (string | null)[]> {
  const read = async (table: 'users' | 'sessions', id: 'user_id' | 'session_id', ids: readonly number[]): Promise<Map<number, string>> =>
    new Map(
      await readRows<[number, string]>(
        store,
        sql`SELECT json_group_array(json_array(${raw(id)}, name)) AS rows FROM ${raw(table)} WHERE ${raw(id)} <> 0 AND ${raw(id)} IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`,
      ),
    )
  const users = await read(
    'users',
    'user_id',
    keys.map(({ userId }) => userId),
  )
  const sessions = await read(
    'sessions',
    'session_id',
    keys.map(({ sessionId }) => sessionId),
  )
  return ({ userId, sessionId }) =>
    dimensions.map((dimension) =>
      dimension.kind === 'column' && dimension.name === 'user' ? (users.get(userId) ?? null) : (sessions.get(sessionId) ?? null),
    )
}
