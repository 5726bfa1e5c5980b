import type { CallCounts } from '../../behavior/call-counts.ts'
import { ratio } from '../../behavior/session-metrics.ts'
import { equals, type UsageCounts } from '../../behavior/usage-patterns.ts'
import type { Dimension } from '../../query/dimensions.ts'
import { readFirstStart } from '../../ledger/seen-users.ts'
import { both } from '../../query/filter.ts'
import { calendarDaysFrom, calendarDaysOf } from '../../read/calendar-days.ts'
import { scopeOf, type Frame } from '../../read/frame.ts'
import { readUserSums } from '../../read/population.ts'
import type { Scope } from '../../plan/scope.ts'
import { readGroups } from '../../read/read-groups.ts'
import { lastIdOf } from '../../segments/user-days.ts'
import { isModelChosen } from './chosen-models.ts'
import { readBehavior } from './read-behavior.ts'

const QUARTER_MS = 900_000
const USER: Dimension = { kind: 'column', name: 'user' }

export interface UsageWanted {
  /** `user`: told elsewhere; `normalized`: how many requests there were in each such hour that there was. */
  readonly hours: 'report' | 'user' | 'normalized'
  /** What makes a feature a favourite: its requests, or its users. */
  readonly rankBy: 'requests' | 'users'
}

/** What usage patterns are told from. */
export async function readUsage(frame: Frame, { hours, rankBy }: UsageWanted): Promise<UsageCounts> {
  const { totals, counts, words } = await readBehavior(frame, { counts: 'all' })
  const features = byName(counts.features, await words.features(counts.features.keys()))
  const chosen = await readChosenModels(frame)
  const models = chosen.size > 0 ? chosen : byName(counts.models, await words.models())
  const users = await readUsers(frame)
  const isOneUser = counts.users === 1
  const sessionLengthAvgMs = ratio(totals.durationMs, totals.closed)
  return {
    requests: requestsOf(counts),
    userDays: counts.userDays,
    calendarDays: users.calendarDays,
    hours: hours === 'normalized' ? perHour(byHour(counts, frame.zone.name), frame) : byHour(counts, frame.zone.name),
    features,
    models,
    featureUsers: new Map(
      await usersOf(frame, 'feature', rankBy === 'users' ? [...features.keys()] : isOneUser ? [] : equals(features, 'features')),
    ),
    reach: rankBy === 'users' ? users.count : undefined,
    modelUsers: new Map(await usersOf(frame, 'model', isOneUser ? [] : equals(models, 'models'))),
    sessionLengthAvgS: sessionLengthAvgMs === null ? null : sessionLengthAvgMs / 1000,
  }
}

/** Requests by `model/provider`, of those whose model the user chose, where the ledger knows. */
async function readChosenModels(frame: Frame): Promise<ReadonlyMap<string, number>> {
  const isChosen = isModelChosen(frame)
  if (isChosen === undefined) return new Map()
  const where = both(frame.where, isChosen)
  const found = await readGroups(frame.store, await scopeOf({ ...frame, where }, frame.period), {
    dimensions: [USER, { kind: 'column', name: 'model' }],
    metrics: ['requests'],
  })
  const counts = new Map<string, number>()
  for (const { keys, labels, group } of found)
    if (Number(keys[0]) !== 0) counts.set(String(labels[1]), (counts.get(String(labels[1])) ?? 0) + (group.sums.get('requests') ?? 0))
  return counts
}

interface UsersAndDays {
  readonly count: number
  /** Added up over users. */
  readonly calendarDays: number
}

/** How many users called, and on how many days each of them could. */
async function readUsers(frame: Frame): Promise<UsersAndDays> {
  const scope = await scopeOf(frame, frame.period)
  const ofDays = await countByDays(frame, scope)
  if (ofDays !== undefined) return ofDays
  const firstSeen = await frame.firstSeen()
  const userIds = everybody(scope, firstSeen) ?? new Set((await readUserSums(frame.store, scope, { sums: [], activeDays: false })).ids)
  const daysOf = calendarDaysOf(frame.zone, scope.period)
  const sum = { count: 0, calendarDays: 0 }
  for (const userId of userIds) {
    if (userId === 0) continue
    sum.count++
    sum.calendarDays += daysOf(firstSeen.get(userId))
  }
  return sum
}

/** Of all calls of all time so far, in days of the store's zone: the days on which users called tell on which they began, and are read anyway. */
async function countByDays({ store, zone, userDays }: Frame, { where, period }: Scope): Promise<UsersAndDays | undefined> {
  if (where !== undefined || zone.name !== store.timeZone) return undefined
  const firstMs = await readFirstStart(store)
  if (firstMs === undefined || firstMs < period.fromMs) return undefined
  const days = await userDays(period)
  const isKnown = new Uint8Array(lastIdOf(days) + 1)
  const daysFrom = calendarDaysFrom(zone, period)
  const sum = { count: 0, calendarDays: 0 }
  for (const { day, userIds } of days.toSorted((a, b) => a.day - b.day)) {
    const left = daysFrom(day)
    for (let n = 0; n < userIds.length; n++) {
      const userId = userIds[n] ?? 0
      if (userId === 0 || isKnown[userId] === 1) continue
      isKnown[userId] = 1
      sum.count++
      sum.calendarDays += left
    }
  }
  return sum
}

/** Of a period that begins before anybody's first call, and of all calls, it is known who called in it; else undefined. */
function everybody({ where, period }: Scope, firstSeen: ReadonlyMap<number, number>): number[] | undefined {
  if (where !== undefined) return undefined
  const seen: number[] = []
  for (const [userId, ms] of firstSeen) {
    if (ms < period.fromMs) return undefined
    if (ms < period.toMs) seen.push(userId)
  }
  return seen
}

/** Requests in each hour of the day by how often that hour came, in quarters of it: a part of a day has some hours, and clocks leave out and repeat others. */
function perHour(hours: ReadonlyMap<number, number>, { period, clock, zone }: Frame): Map<number, number> {
  const quarters = new Map<number, number>()
  const endMs = Math.min(period.toMs, clock.asOfMs)
  for (let quarter = Math.floor(period.fromMs / QUARTER_MS); quarter * QUARTER_MS < endMs; quarter++) quarters.set(quarter, 1)
  const came = byHour({ quarters }, zone.name)
  return new Map([...hours].map(([hour, requests]) => [hour, requests / ((came.get(hour) ?? 1) / 4)]))
}

/** The calls that were counted. */
function requestsOf({ kinds }: CallCounts): number {
  return [...kinds.values()].reduce((sum, count) => sum + count, 0)
}

/** Counts by id as counts by what ids stand for; several may stand for one, those that stand for nothing are left out. */
function byName(counts: ReadonlyMap<number, number>, names: ReadonlyMap<number, string>): Map<string, number> {
  const named = new Map<string, number>()
  for (const [id, count] of counts) {
    const name = names.get(id)
    if (name !== undefined) named.set(name, (named.get(name) ?? 0) + count)
  }
  return named
}

/** An hour that a clock repeats is the same hour of the day twice. */
function byHour({ quarters }: Pick<CallCounts, 'quarters'>, timeZone: string): Map<number, number> {
  const hourOf = new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', hourCycle: 'h23' })
  const hours = new Map<number, number>()
  for (const [quarter, count] of quarters) {
    const hour = timeZone === 'UTC' ? Math.floor(quarter / 4) % 24 : Number(hourOf.format(quarter * 900_000))
    hours.set(hour, (hours.get(hour) ?? 0) + count)
  }
  return hours
}

/** How many users have each of some features or models; read only where their requests do not decide. */
async function usersOf(frame: Frame, name: 'feature' | 'model', values: readonly string[]): Promise<[string, number][]> {
  if (values.length === 0) return []
  const dimension = name === 'model' ? ({ kind: 'column', name } as const) : ({ kind: 'property', key: name } as const)
  const found = await readGroups(frame.store, await scopeOf(frame, frame.period), { dimensions: [dimension], metrics: ['users'] })
  return found.flatMap(({ labels, group }): [string, number][] =>
    typeof labels[0] === 'string' && values.includes(labels[0]) ? [[labels[0], group.users ?? 0]] : [],
  )
}
