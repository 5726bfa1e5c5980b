import { addDays, findRefold, readKeptState, type Refold, type SessionFacts } from '@spanledger/store'

import { countUp, waitsOf } from '../../behavior/call-counts.ts'
import { addEnding, addSession, endingOf } from '../../behavior/session-totals.ts'
import type { SaidOfSession } from '../../behavior/outcomes.ts'
import { raw, sql } from '../../ledger/fragment.ts'
import { NONE } from '../../query/dimensions.ts'
import { scopeOf, type Frame } from '../../read/frame.ts'
import { eachCount } from '../../sums/packed-counts.ts'
import { readColumns, readRows } from '../../ledger/snapshot.ts'
import { saidOfSession, type BehaviorReading, type BehaviorWanted } from './behavior-reading.ts'
import { disliked } from './read-dislikes.ts'
import { eachCall } from '../histories/user-calls.ts'

/** How a question is answered from what is kept. */
export interface KeptPlan {
  /** Whether the calls are counted too, beside the sessions. */
  readonly counts: boolean
  /** The sessions that may go on at `untilMs`, those of stale users left out. */
  readonly open: readonly SessionFacts[]
  /** All before this instant is kept. */
  readonly untilMs: number
  /** Users of whom it is not. */
  readonly staleUsers: ReadonlySet<number>
  /** What is to be read of their calls, and what stands in its place; undefined where nobody is stale. */
  readonly refold: Refold | undefined
  /** The local days of the period. */
  readonly first: number
  readonly end: number
  /** Whether the calls of the day of an instant are counted in what is kept. */
  readonly isClosed: (ms: number) => boolean
  /** The feature that the value of a kept row is: a text that says "none" is no feature. */
  readonly featureId: (valueId: number) => number
}

/** @returns undefined where a question asks for what is not kept: some calls only, another zone, parts of days, the past */
export async function keptPlan(frame: Frame, wanted: BehaviorWanted): Promise<KeptPlan | undefined> {
  const { store, clock, period, zone, where, lists, catalog } = frame
  if (where !== undefined || lists.size > 0 || zone.name !== store.timeZone) return undefined
  const feature = catalog.keys.get('feature')
  const isInterned = feature === undefined ? !catalog.keysLeftOut : feature.place !== 'overflow'
  if (!isInterned) return undefined
  const state = await readKeptState(store)
  if (state.untilDay === undefined) return undefined
  const untilMs = zone.startOfDay(state.untilDay)
  const scope = await scopeOf(frame, period)
  if (clock.asOfMs < untilMs || scope.buckets === undefined) return undefined
  const closed = new Set(await readRows<number>(store, { text: 'SELECT json_group_array(day) AS rows FROM closed_days', values: [] }))
  const { staleUsers } = state
  const [none] = await store.all<{ id: number }>(
    'SELECT value_id AS id FROM property_values WHERE key_id = ? AND value = ?',
    feature?.keyId ?? -1,
    NONE,
  )
  return {
    featureId: (valueId) => (valueId === none?.id ? 0 : valueId),
    counts: wanted.counts !== undefined,
    open: state.open.filter(({ facts }) => facts.userId !== 0 && !staleUsers.has(facts.userId)).map(({ facts }) => facts),
    untilMs,
    staleUsers,
    refold: state.marks === 0 ? undefined : await findRefold({ all: (text, ...values) => store.all(text, ...values) }, state, zone),
    first: zone.day(scope.period.fromMs),
    end: addDays(zone.day(scope.period.toMs - 1), 1),
    isClosed: (ms) => closed.has(zone.day(ms)),
  }
}

/** Counts the calls of days that are not closed, before the calls that are read anyway. */
export async function addOpenDays(frame: Frame, plan: KeptPlan, { words, count }: BehaviorReading): Promise<void> {
  const { zone, period } = frame
  for (let day = plan.first; day < plan.end;) {
    const fromMs = zone.startOfDay(day)
    if (fromMs >= plan.untilMs) return
    let next = addDays(day, 1)
    if (!plan.isClosed(fromMs)) {
      while (next < plan.end && zone.startOfDay(next) < plan.untilMs && !plan.isClosed(zone.startOfDay(next))) next = addDays(next, 1)
      await eachCall(frame, words, {
        period: { fromMs: Math.max(fromMs, period.fromMs), toMs: Math.min(zone.startOfDay(next), period.toMs) },
        take: count,
      })
    }
    day = next
  }
}

const dayColumns = ['quarters', 'features', 'models', 'kinds'] as const
type DayColumn = (typeof dayColumns)[number]

/** Adds what is kept of the calls of closed days. */
export async function addKeptCounts(frame: Frame, plan: KeptPlan, { counts, wanted }: BehaviorReading): Promise<void> {
  const { store } = frame
  const days = [plan.first, plan.end] as const
  const calls = await store.all<Record<DayColumn, Uint8Array>>(
    `SELECT ${dayColumns.join(', ')} FROM day_usage WHERE day >= ? AND day < ?`,
    ...days,
  )
  for (const day of calls) for (const name of dayColumns) eachCount(day[name], (key, times) => countUp(counts[name], key, times))
  if (wanted.waits === true) {
    const waits = await store.all<{ feature_id: number; waits: Uint8Array }>(
      'SELECT feature_id, waits FROM day_waits WHERE day >= ? AND day < ?',
      ...days,
    )
    for (const { feature_id: featureId, waits: packed } of waits) {
      const own = waitsOf(counts, plan.featureId(featureId))
      eachCount(packed, (ms, times) => own.add(ms, times))
    }
  }
  // Those that were counted are users of days that are not closed.
  delete counts.users
  if (wanted.counts !== 'all') return
  const userDays = await frame.userDays((await scopeOf(frame, frame.period)).period)
  counts.userDays = userDays.reduce((sum, { userIds }) => sum + countUsers(userIds), 0)
}

/** How many of a day's users have a name. */
function countUsers(userIds: ArrayLike<number>): number {
  for (let at = 0; at < userIds.length; at++) if (userIds[at] === 0) return userIds.length - 1
  return userIds.length
}

interface Kept extends BehaviorReading {
  readonly isLong: ((featureId: number, waitMs: number) => boolean) | undefined
  readonly outcomes: ReadonlyMap<number, SaidOfSession>
  readonly eachClosed: BehaviorWanted['eachClosed']
}

/** Adds what is kept of the sessions that are over, but for those of stale users that are others now. */
export async function addKeptSessions(frame: Frame, plan: KeptPlan, kept: Kept): Promise<void> {
  const { totals, isLong, isWithin } = kept
  await addSums(frame, plan, kept)
  const asOf = { asOfMs: frame.clock.asOfMs, isLong }
  for (const { facts } of plan.refold?.over ?? []) if (isWithin(facts)) addSession(totals, facts, asOf, -1)
  await tellOutcomesApart(frame, plan, kept)
  if (kept.eachClosed !== undefined) await handOver(frame, plan, kept.eachClosed)
  if (kept.wanted.returns === true) await addReturns(frame, plan, kept)
}

async function addReturns({ store, period }: Frame, { refold, staleUsers }: KeptPlan, { returning }: Kept): Promise<void> {
  const isKept =
    refold === undefined
      ? raw('true')
      : sql`NOT (start_ms >= ${refold.fromMs} AND user_id IN (SELECT value FROM json_each(${JSON.stringify([...staleUsers])})))`
  const [userIds = [], returned = []] = await readColumns(
    store,
    sql`SELECT json_group_array(user_id) AS users, json_group_array(returned) AS returned FROM (
      SELECT user_id, count(to_next_ms) AS returned FROM kept_sessions
      WHERE user_id <> 0 AND start_ms >= ${period.fromMs} AND start_ms < ${period.toMs} AND ${isKept}
      GROUP BY user_id)`,
  )
  for (const [n, userId] of userIds.entries()) {
    returning.known.add(userId)
    if ((returned[n] ?? 0) > 0) returning.returned.add(userId)
  }
}

async function addSums({ store }: Frame, { first, end }: KeptPlan, { totals, isLong }: Kept): Promise<void> {
  const days = await store.all<SessionDay>(
    `SELECT sessions, requests, messages, follow_ups AS followUps, active_ms AS activeMs, returned, durations FROM session_days WHERE day >= ? AND day < ?`,
    first,
    end,
  )
  for (const { sessions, requests, messages, followUps, activeMs, returned, durations } of days) {
    totals.sessions += sessions
    totals.messages += messages
    totals.followUps += followUps
    totals.closed += sessions
    totals.requests += requests
    totals.closedMessages += messages
    totals.closedFollowUps += followUps
    totals.activeMs += activeMs
    totals.known += sessions
    totals.returned += returned
    eachCount(durations, (ms, times) => {
      totals.durations.add(ms, times)
      totals.durationMs += ms * times
    })
  }
  const endings = await store.all<SessionEnding>(
    `SELECT kind_id AS kindId, feature_id AS featureId, sessions, messages, ${isLong === undefined ? "x''" : 'waits'} AS waits
     FROM session_endings WHERE day >= ? AND day < ?`,
    first,
    end,
  )
  for (const { kindId, featureId, sessions, messages, waits } of endings) {
    const ending = endingOf(totals, kindId, undefined)
    ending.sessions += sessions
    eachCount(messages, (count, times) => countUp(ending.messages, count, times))
    eachCount(waits, (ms, times) => {
      if (isLong?.(featureId, ms) === true) ending.longWaits += times
    })
  }
}

interface SessionDay {
  readonly sessions: number
  readonly requests: number
  readonly messages: number
  readonly followUps: number
  readonly activeMs: number
  readonly returned: number
  readonly durations: Uint8Array
}

interface SessionEnding {
  readonly kindId: number
  readonly featureId: number
  readonly sessions: number
  readonly messages: Uint8Array
  readonly waits: Uint8Array
}

/** The sums do not tell the sessions apart of which the app or their user said how they ended: those are looked up. */
async function tellOutcomesApart(frame: Frame, plan: KeptPlan, { totals, isLong, outcomes, words: { dislikes } }: Kept): Promise<void> {
  if (outcomes.size === 0 && dislikes === undefined) return
  type Row = [
    sessionId: number,
    userId: number,
    startMs: number,
    lastMs: number,
    kindId: number,
    featureId: number,
    waitMs: number,
    messages: number,
  ]
  const { fromMs, toMs } = frame.period
  const columns = 'k.session_id, k.user_id, k.start_ms, k.last_ms, k.last_kind_id, k.last_feature_id, k.last_wait_ms, k.messages'
  const rows = await readRows<Row>(frame.store, {
    text: `SELECT json_group_array(json_array(session_id, user_id, start_ms, last_ms, last_kind_id, last_feature_id, last_wait_ms, messages)) AS rows
      FROM (SELECT ${columns} FROM json_each(?) AS said CROSS JOIN sessions AS s ON s.session_id = said.value
          CROSS JOIN kept_sessions AS k ON k.user_id = s.user_id AND k.session_id = s.session_id
          WHERE k.user_id <> 0 AND k.start_ms >= ? AND k.start_ms < ?
        UNION SELECT ${columns} FROM json_each(?) AS d CROSS JOIN kept_sessions AS k ON k.user_id = d.value->>0
          WHERE k.start_ms >= ? AND k.start_ms < ? AND k.last_ms BETWEEN d.value->>1 AND d.value->>2)`,
    values: [JSON.stringify([...outcomes.keys()]), fromMs, toMs, JSON.stringify(dislikes?.windows ?? []), fromMs, toMs],
  })
  const sessions = rows
    .filter(([, userId, startMs]) => !isReplaced(plan, userId, startMs))
    .map(([sessionId, userId, , lastMs, lastKindId, lastFeatureId, lastWaitMs, messages]) => ({
      sessionId,
      userId,
      lastMs,
      lastKindId,
      lastFeatureId,
      lastWaitMs,
      messages,
    }))
  const areDisliked = await disliked(frame, sessions, dislikes)
  for (const session of sessions) {
    const said = saidOfSession(session, { outcomes, isDisliked: areDisliked.has(session) })
    if (said === undefined) continue
    addEnding(totals, session, { isLong }, -1)
    addEnding(totals, session, { isLong, said })
  }
}

async function handOver({ store, period }: Frame, plan: KeptPlan, take: NonNullable<BehaviorWanted['eachClosed']>): Promise<void> {
  const [userIds = [], starts = [], ends = [], messages = []] = await readColumns(store, {
    text: `SELECT json_group_array(user_id) AS users, json_group_array(start_ms) AS starts, json_group_array(end_ms) AS ends, json_group_array(messages) AS messages
      FROM kept_sessions WHERE user_id <> 0 AND start_ms >= ? AND start_ms < ?`,
    values: [period.fromMs, period.toMs],
  })
  for (const [n, userId] of userIds.entries()) {
    const startMs = starts[n] ?? 0
    if (!isReplaced(plan, userId, startMs)) take({ userId, startMs, endMs: ends[n] ?? 0, messages: messages[n] ?? 0 })
  }
}

function isReplaced({ staleUsers, refold }: KeptPlan, userId: number, startMs: number): boolean {
  return refold !== undefined && startMs >= refold.fromMs && staleUsers.has(userId)
}
