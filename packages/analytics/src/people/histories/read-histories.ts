import type { Period } from '../../query/period.ts'
import { compileUserDays } from '../../plan/compile-users.ts'
import { scopeOf, type Frame } from '../../read/frame.ts'
import { readGroups } from '../../read/read-groups.ts'
import type { Scope } from '../../plan/scope.ts'
import { readColumns } from '../../ledger/snapshot.ts'
import { readFirstSeen, readFirstStart } from '../../ledger/seen-users.ts'
import { lastIdOf, readUserDays } from '../../segments/user-days.ts'
import { timeKeyOfDay } from '../../query/time-bucket.ts'
import type { ActiveDay, UserHistory } from '../../behavior/user-history.ts'

/** The local days of everybody's calls up to `as_of`, as far as the filter lets them through; users by id, without the anonymous. */
export interface Histories {
  readonly histories: readonly UserHistory[]
  readonly scope: Scope
  /** The local day of an instant, numbered as in the histories. */
  readonly dayOf: (ms: number) => number
  /** The first day that is not over at `as_of`. */
  readonly asOfDay: number
  /** The first day of which nothing is known: the day after, once that day has begun. */
  readonly knownTo: number
}

/**
 * Reads the days of all history, because who is new and who came back cannot be told from a part. A user's first day is that
 * of the first call ever, whatever the filter lets through.
 */
export async function readHistories(frame: Frame, { features = false } = {}): Promise<Histories> {
  const { store, clock, zone } = frame
  const dayOf = (ms: number): number => timeKeyOfDay('day', zone.day(ms))
  const fromMs = Math.min((await readFirstStart(store)) ?? clock.asOfMs, clock.asOfMs)
  const scope = await scopeOf(frame, { fromMs: zone.startOfDay(zone.day(fromMs)), toMs: clock.asOfMs })
  const known = { scope, dayOf, asOfDay: dayOf(clock.asOfMs), knownTo: dayOf(clock.asOfMs - 1) + 1 }
  // All calls of whole days of the store's zone: who called on them is kept, and who is seen first is seen for the first time.
  if (!features && frame.where === undefined && zone.name === store.timeZone)
    return { histories: await readAllDays(frame, scope.period), ...known }
  const daysOfUser = await readDays(frame, scope, features)
  const firstSeen = await readFirstSeen(store)
  const histories = [...daysOfUser].map(([userId, days]): UserHistory => {
    const sorted = days.sort((a, b) => a.day - b.day)
    const firstMs = firstSeen.get(userId)
    return { user: String(userId), firstDay: firstMs === undefined ? (sorted[0]?.day ?? 0) : dayOf(firstMs), days: sorted }
  })
  return { histories, ...known }
}

/** The users who came in the period of a question; without a begin of it all up to its end. */
export function cameIn(
  { period }: Frame,
  { histories, dayOf }: Pick<Histories, 'histories' | 'dayOf'>,
  { isBegun }: { readonly isBegun: boolean },
): UserHistory[] {
  const from = isBegun ? dayOf(period.fromMs) : Number.NEGATIVE_INFINITY
  const to = dayOf(Math.max(period.fromMs, period.toMs - 1)) + 1
  return histories.filter(({ firstDay }) => firstDay >= from && firstDay < to)
}

async function readAllDays({ store }: Frame, period: Period): Promise<UserHistory[]> {
  const userDays = (await readUserDays(store, period)).sort((a, b) => a.day - b.day)
  // Where the days of each user stand in one list, from which they are cut: lists that grow are copied, and these are as many as users.
  const ends = new Int32Array(lastIdOf(userDays) + 1)
  for (const { userIds } of userDays) for (let n = 0; n < userIds.length; n++) addTo(ends, userIds[n] ?? 0, 1)
  for (let userId = 1; userId < ends.length; userId++) addTo(ends, userId, ends[userId - 1] ?? 0)
  const nextAt = new Int32Array(ends.length)
  nextAt.set(ends.subarray(0, -1), 1)
  const all = Array<ActiveDay | undefined>(ends.at(-1) ?? 0).fill(undefined)
  for (const { day, userIds, requests } of userDays) {
    const key = timeKeyOfDay('day', day)
    // Users who called equally often on a day share what is said of it: else there were millions of them.
    const dayOf: ActiveDay[] = []
    for (let n = 0; n < userIds.length; n++) {
      const [userId, count] = [userIds[n] ?? 0, requests[n] ?? 0]
      all[nextAt[userId] ?? 0] = dayOf[count] ??= { day: key, requests: count, features: none }
      addTo(nextAt, userId, 1)
    }
  }
  const histories: UserHistory[] = []
  for (let userId = 1; userId < ends.length; userId++) {
    // Every place has its day by now.
    const days = all.slice(ends[userId - 1], ends[userId]) as ActiveDay[]
    const [first] = days
    if (first !== undefined) histories.push({ user: String(userId), firstDay: first.day, days })
  }
  return histories
}

function addTo(counts: Int32Array, at: number, count: number): void {
  counts[at] = (counts[at] ?? 0) + count
}

async function readDays(frame: Frame, scope: Scope, features: boolean): Promise<Map<number, ActiveDay[]>> {
  const daysOfUser = new Map<number, ActiveDay[]>()
  const add = (userId: number, day: ActiveDay): void => {
    const days = daysOfUser.get(userId)
    if (days === undefined) daysOfUser.set(userId, [day])
    else days.push(day)
  }
  if (!features) {
    const [userIds = [], days = [], requests = []] = await readColumns(frame.store, compileUserDays(scope))
    for (const [n, userId] of userIds.entries()) {
      if (userId !== 0) add(userId, { day: days[n] ?? 0, requests: requests[n] ?? 0, features: none })
    }
    return daysOfUser
  }
  const found = await readGroups(frame.store, scope, {
    dimensions: [
      { kind: 'column', name: 'user' },
      { kind: 'time', step: 'day' },
      { kind: 'property', key: 'feature' },
    ],
    metrics: ['requests'],
  })
  const byUserDay = new Map<string, { day: number; requests: number; features: Map<string, number> }>()
  for (const { keys, labels, group } of found) {
    const [userId, day] = [Number(keys[0]), Number(keys[1])]
    if (userId === 0) continue
    const key = `${userId} ${day}`
    let own = byUserDay.get(key)
    if (own === undefined) {
      own = { day, requests: 0, features: new Map() }
      byUserDay.set(key, own)
      add(userId, own)
    }
    const requests = group.sums.get('requests') ?? 0
    own.requests += requests
    const feature = labels[2]
    if (typeof feature === 'string') own.features.set(feature, requests)
  }
  return daysOfUser
}

const none: ReadonlyMap<string, number> = new Map()
