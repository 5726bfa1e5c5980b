/** Usage patterns from all calls at once, over plain arrays: what the reports are compared with. */
import { ratio } from '../../src/behavior/session-metrics.ts'
import type { UsagePatterns } from '../../src/behavior/usage-patterns.ts'
import { durationMs, type Session } from './naive-sessions.ts'
import type { UserCall } from '../../src/behavior/user-call.ts'
import { groupBy } from '../../src/sums/group-by.ts'
import { mean } from '../../src/statistics/quantiles.ts'

/** A call and the model that was asked for. */
export interface PatternCall extends UserCall {
  readonly modelLabel: string
}

export interface PatternOptions {
  readonly sessions: readonly Session[]
  /** The local day and hour of an instant. */
  readonly local: (ms: number) => { readonly day: number; readonly hour: number }
  /** From the first call of each user, or the begin of the period, to its end, added up. */
  readonly calendarDays: number
}

const MOST_HOURS = 3
const MOST_FEATURES = 3
const MOST_MODELS = 2
/** Rarer features are no favourites. */
const MIN_FEATURE_SHARE = 0.05

export function usagePatterns(calls: readonly PatternCall[], { sessions, local, calendarDays }: PatternOptions): UsagePatterns {
  const userDays = new Set(calls.map(({ user, startMs }) => JSON.stringify([user, local(startMs).day]))).size
  const closed = sessions.filter(({ isOpen }) => !isOpen)
  return {
    requests: calls.length,
    userDays,
    requestsPerActiveDay: ratio(calls.length, userDays),
    requestsPerCalendarDay: ratio(calls.length, calendarDays),
    peakHours: mostOf(calls, ({ startMs }) => local(startMs).hour)
      .slice(0, MOST_HOURS)
      .map(({ value }) => value)
      .sort((a, b) => a - b),
    sessionLengthAvgS: mean(closed.map((session) => durationMs(session) / 1000)),
    favoriteFeatures: mostOf(calls, ({ feature }) => feature)
      .filter(({ requests }) => requests / calls.length >= MIN_FEATURE_SHARE)
      .slice(0, MOST_FEATURES)
      .map(({ value }) => value),
    preferredModels: mostOf(calls, ({ modelLabel }) => modelLabel)
      .slice(0, MOST_MODELS)
      .map(({ value }) => value),
  }
}

/** The values with the most requests; of equals the one with more users, then the first by order. */
function mostOf<Value extends string | number>(
  calls: readonly PatternCall[],
  valueOf: (call: PatternCall) => Value | undefined,
): { value: Value; requests: number }[] {
  const byValue = groupBy(calls, valueOf)
  return [...byValue]
    .flatMap(([value, own]) =>
      value === undefined
        ? []
        : [{ value, requests: own.length, users: typeof value === 'number' ? 0 : new Set(own.map(({ user }) => user)).size }],
    )
    .sort((a, b) => b.requests - a.requests || b.users - a.users || (a.value < b.value ? -1 : 1))
}
