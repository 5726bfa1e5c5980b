import { findRefold, readKeptState, SESSION_DAY_MS, type KeptSession } from '@spanledger/store'

import { zoneOf } from '../query/buckets.ts'
import { raw, sql, type Fragment } from '../ledger/fragment.ts'
import type { Frame } from '../read/frame.ts'
import type { Need, SumName } from '../sums/group.ts'
import { metricTable, requirements, type MetricName } from '../query/metrics.ts'
import type { Period } from '../query/period.ts'
import type { Order, ParsedQuery } from '../query/query.ts'
import { cutSessions, isWhole, type SessionCut, type SessionKey } from './session-cut.ts'

/** How a list of sessions is ranked from what is kept of them. */
export interface SessionRanking {
  /** Rows of `kept_sessions` that still hold; of alias `k`. */
  readonly holds: Fragment
  /** Sessions in kept rows ended before. */
  readonly endedMs: number
  /** Those that may go on, without those of stale users. */
  readonly open: readonly KeptSession[]
  /** Parts of the calls that are not in what is kept. */
  readonly since: readonly CallsPart[]
  readonly rank: RankBy
}

/** Calls of a time: of all users or some, of all sessions or some. */
export interface CallsPart {
  readonly period: Period
  readonly userIds?: readonly number[]
  readonly keys?: readonly SessionKey[]
}

/** Columns that a session is ranked by: what is summed, or its bounds. */
interface RankBy {
  readonly sums: readonly SumName[]
  readonly bound: 'started_at' | 'last_call_at' | 'duration_ms' | undefined
  readonly direction: 'asc' | 'desc'
}

/** What kept rows have beside sums. */
const knownNeeds: ReadonlySet<Need> = new Set<Need>(['users', 'sessions', 'extent', 'latency'])
const bounds: readonly MetricName[] = ['started_at', 'last_call_at', 'duration_ms']
/** Sums that say what is unknown of a metric; not what it is. */
const flags: ReadonlySet<SumName> = new Set<SumName>(['unpriced_requests', 'missing_usage_requests'])

/**
 * Whether a question lists the sessions of all history or of a time up to now, by one column that is summed, and nothing else that only calls know.
 * @returns undefined where the calls have to be read
 */
export async function sessionRanking(frame: Frame, query: ParsedQuery, order: readonly Order[]): Promise<SessionRanking | undefined> {
  const { store, clock, period, dimensions } = frame
  const rank = rankBy(order)
  const names = dimensions.map((dimension) => (dimension.kind === 'column' ? dimension.name : ''))
  const isList = names.length === 2 && names.includes('session') && names.includes('user')
  if (rank === undefined || !isList || frame.where !== undefined || query.after !== undefined || query.limit === undefined) return undefined
  if (![...requirements(query.metrics).needs].every((need) => knownNeeds.has(need))) return undefined
  const state = await readKeptState(store)
  if (state.untilDay === undefined) return undefined
  const zone = zoneOf(store.timeZone)
  const untilMs = zone.startOfDay(state.untilDay)
  const [outside] = await store.all<{ found: number }>('SELECT EXISTS (SELECT 1 FROM llm_calls WHERE start_ms < ?) AS found', period.fromMs)
  if (clock.asOfMs < untilMs || period.toMs < clock.asOfMs || period.fromMs >= untilMs) return undefined
  const { staleUsers } = state
  const refold = state.marks === 0 ? undefined : await findRefold({ all: (text, ...values) => store.all(text, ...values) }, state, zone)
  const holds =
    refold === undefined
      ? raw('true')
      : sql`(k.start_ms < ${refold.fromMs} OR k.user_id NOT IN (SELECT value FROM json_each(${JSON.stringify([...staleUsers])})))`
  const open = state.open.filter(({ facts }) => !staleUsers.has(facts.userId))
  const whole: Pick<SessionRanking, 'rank' | 'endedMs' | 'open'> = { rank, endedMs: untilMs - SESSION_DAY_MS, open }
  const since: CallsPart[] = [
    ...(refold === undefined ? [] : [{ period: { fromMs: refold.fromMs, toMs: untilMs }, userIds: [...staleUsers] }]),
    { period: { fromMs: untilMs, toMs: clock.asOfMs } },
  ]
  if (outside?.found === 0) return { ...whole, holds, since }
  const cut = await cutSessions(store, { fromMs: period.fromMs, toMs: clock.asOfMs }, holds)
  // What is computed anew, or may go on, must not be cut too.
  if (cut === undefined || open.some(({ facts }) => facts.startMs < cut.untilMs) || (refold?.fromMs ?? untilMs) < cut.untilMs)
    return undefined
  return { ...whole, holds: sql`${holds} AND ${isWhole(period, cut)}`, since: [cutPart(period, cut), ...since] }
}

function cutPart({ fromMs }: Period, { keys, untilMs }: SessionCut): CallsPart {
  return { period: { fromMs, toMs: untilMs }, keys }
}

function rankBy(order: readonly Order[]): RankBy | undefined {
  const [[column = '', direction = 'desc'] = [], ...more] = order
  if (more.length > 0 || !Object.hasOwn(metricTable, column)) return undefined
  const name = column as MetricName
  const bound = bounds.find((one) => one === name) as RankBy['bound']
  if (bound !== undefined) return { sums: [], bound, direction }
  const { sums = [], needs = [], type } = metricTable[name]
  const own = sums.length === 1 ? sums : sums.filter((sum) => !flags.has(sum))
  // What is divided is no sum; and of sums, what is unknown counts as 0 here, and must come last.
  if (needs.length > 0 || own.length === 0 || (type !== 'int' && type !== 'usd') || name === 'cost_per_request_usd') return undefined
  return direction === 'asc' && name !== 'requests' && name !== 'errors' ? undefined : { sums: own, bound: undefined, direction }
}
