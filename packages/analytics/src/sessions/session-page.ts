import type { FoundGroup } from '../read/found-groups.ts'
import type { Frame } from '../read/frame.ts'
import type { Group } from '../sums/group.ts'
import type { Order, ParsedQuery } from '../query/query.ts'
import { countKept, rankChanged, rankKept, readKeptExtent, type ChangedSession, type Extent, type RankedSession } from './rank-sessions.ts'
import { readSessionGroups } from './session-groups.ts'
import type { SessionKey } from './session-cut.ts'
import { sessionRanking, type SessionRanking } from './session-ranking.ts'
import { readRows } from '../ledger/snapshot.ts'
import { withoutGroups } from '../sums/without-groups.ts'

/** The first sessions of a list, and what is to be known of the others. */
export interface SessionPage {
  /** The sessions that may be listed: all that are not behind the last of those by the column that they are ranked by. */
  readonly groups: readonly FoundGroup[]
  /** How many sessions there are. */
  readonly sessions: number
  readonly extent: Extent | undefined
  /** What is left of all calls without some of the sessions. */
  readonly without: (total: Group, listed: readonly FoundGroup[]) => Promise<Group>
}

/** More that rank equally are not told apart here. */
const MAX_RANKED = 4096

/**
 * The sessions of a list from what is kept of them and their calls since, as far as they are listed.
 * @returns undefined where the question asks for more than that, or too many are equal
 */
export async function readSessionPage(frame: Frame, query: ParsedQuery, order: readonly Order[]): Promise<SessionPage | undefined> {
  const { limit } = query
  const ranking = await sessionRanking(frame, query, order)
  if (ranking === undefined || limit === undefined) return undefined
  const changed = await rankChanged(frame, ranking)
  const near = await rankNear(frame, ranking, { changed: changed.sessions, limit })
  if (near === undefined) return undefined
  return {
    groups: await readSessionGroups(frame, ranking, { keys: near, metrics: query.metrics }),
    sessions: (await countKept(frame, ranking)) + changed.sessions.length - changed.kept,
    extent: await extentOf(frame, ranking, changed.sessions),
    without: (total, listed) => without(frame, ranking, { total, listed, changed: changed.sessions }),
  }
}

/** When all calls began and ended. Kept sessions ended a day before those that may go on: mostly these tell the end of all. */
async function extentOf(frame: Frame, ranking: SessionRanking, changed: readonly ChangedSession[]): Promise<Extent | undefined> {
  const late = widest(changed)
  if (late === undefined || late.lastStartMs < ranking.endedMs) {
    const kept = await readKeptExtent(frame, ranking, [])
    return widest([...(kept === undefined ? [] : [kept]), ...changed])
  }
  const [first] = await frame.store.all<{ ms: number }>(
    'SELECT start_ms AS ms FROM llm_calls WHERE counted = 1 AND start_ms >= ? ORDER BY start_ms LIMIT 1',
    frame.period.fromMs,
  )
  return { ...late, firstStartMs: first?.ms ?? late.firstStartMs }
}

/** Those that may be among the first so many, with one more, which tells that there is a next page. */
async function rankNear(
  frame: Frame,
  ranking: SessionRanking,
  { changed, limit }: { changed: readonly RankedSession[]; limit: number },
): Promise<RankedSession[] | undefined> {
  const sign = ranking.rank.direction === 'asc' ? 1 : -1
  const isChanged = new Set(changed.map(nameOfKey))
  for (let count = limit + 64; count <= MAX_RANKED * 4; count *= 4) {
    const kept = await rankKept(frame, ranking, count)
    const all = [...kept.filter((one) => !isChanged.has(nameOfKey(one))), ...changed].sort((a, b) => sign * (a.rank - b.rank))
    const last = all[limit]?.rank
    const near = last === undefined ? all : all.filter(({ rank }) => sign * rank <= sign * last)
    if (near.length > MAX_RANKED) return undefined
    // All that are kept were looked at, or at least all that rank as high as the last.
    if (kept.length < count || (last !== undefined && sign * (kept.at(-1)?.rank ?? 0) > sign * last)) return near
  }
  return undefined
}

function nameOfKey({ userId, sessionId }: SessionKey): string {
  return `${userId} ${sessionId}`
}

function widest(extents: readonly Extent[]): Extent | undefined {
  const [first, ...rest] = extents
  return first === undefined
    ? undefined
    : rest.reduce<Extent>(
        (all, one) => ({
          firstStartMs: Math.min(all.firstStartMs, one.firstStartMs),
          lastStartMs: Math.max(all.lastStartMs, one.lastStartMs),
          lastEndMs: Math.max(all.lastEndMs, one.lastEndMs),
        }),
        first,
      )
}

interface Listed {
  readonly total: Group
  readonly listed: readonly FoundGroup[]
  readonly changed: readonly ChangedSession[]
}

async function without(frame: Frame, ranking: SessionRanking, { total, listed, changed }: Listed): Promise<Group> {
  const users = frame.dimensions.findIndex((dimension) => dimension.kind === 'column' && dimension.name === 'user')
  const keys = listed.map((found): SessionKey => ({ userId: Number(found.keys[users]), sessionId: Number(found.keys[1 - users]) }))
  const isListed = new Set(keys.map(nameOfKey))
  const userIds = new Set(keys.map(({ userId }) => userId).filter((userId) => userId !== 0))
  const elsewhere = new Set(changed.filter((one) => userIds.has(one.userId) && !isListed.has(nameOfKey(one))).map(({ userId }) => userId))
  const rows = await readRows<[number, number]>(frame.store, {
    text: `SELECT json_group_array(json_array(u, s)) AS rows FROM (SELECT DISTINCT k.user_id AS u, k.session_id AS s
      FROM json_each(?) AS j CROSS JOIN kept_sessions AS k ON k.user_id = j.value WHERE ${ranking.holds.text})`,
    values: [JSON.stringify([...userIds]), ...ranking.holds.values],
  })
  for (const [userId, sessionId] of rows) if (!isListed.has(nameOfKey({ userId, sessionId }))) elsewhere.add(userId)
  const left = withoutGroups(
    total,
    listed.map(({ group }) => group),
  )
  // Users of listed sessions are among the others where they have another session.
  const extent = reachesBounds(total, listed) ? await extentWithout(frame, ranking, { keys, changed }) : extentOfGroup(total)
  return { ...left, users: (total.users ?? 0) - (userIds.size - elsewhere.size), ...extent }
}

/** Whether one of some sessions begins first of all or ends last: the others then begin later, or end before. */
function reachesBounds(total: Group, listed: readonly FoundGroup[]): boolean {
  return listed.some(
    ({ group }) =>
      group.firstStartMs === total.firstStartMs || group.lastStartMs === total.lastStartMs || group.lastEndMs === total.lastEndMs,
  )
}

function extentOfGroup({ firstStartMs, lastStartMs, lastEndMs }: Group): Partial<Group> {
  return firstStartMs === undefined || lastStartMs === undefined || lastEndMs === undefined ? {} : { firstStartMs, lastStartMs, lastEndMs }
}

async function extentWithout(
  frame: Frame,
  ranking: SessionRanking,
  { keys, changed }: { keys: readonly SessionKey[]; changed: readonly ChangedSession[] },
): Promise<Extent | undefined> {
  const isListed = new Set(keys.map(nameOfKey))
  const kept = await readKeptExtent(frame, ranking, keys)
  return widest([...(kept === undefined ? [] : [kept]), ...changed.filter((one) => !isListed.has(nameOfKey(one)))])
}
