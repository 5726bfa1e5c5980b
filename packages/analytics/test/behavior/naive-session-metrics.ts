/** Sessions in numbers, from all of them at once: what the reports are compared with. */
import { mean, quantile } from '../../src/statistics/quantiles.ts'
import { ratio, type SessionMetrics } from '../../src/behavior/session-metrics.ts'
import type { SaidOfSession } from '../../src/behavior/outcomes.ts'
import { outcomeOf } from './naive-outcomes.ts'
import { activeDurationMs, durationMs, followUps, returns, type Session } from './naive-sessions.ts'

export interface SessionMetricsOptions {
  readonly asOfMs: number
  readonly saidOf?: (session: Session) => SaidOfSession | undefined
  readonly mode?: 'inferred' | 'strict'
  /** Those that began in another period too. */
  readonly all?: readonly Session[]
}

export function sessionMetrics(sessions: readonly Session[], { asOfMs, saidOf, mode, all }: SessionMetricsOptions): SessionMetrics {
  const closed = sessions.filter(({ isOpen }) => !isOpen)
  const seconds = closed.map((session) => durationMs(session) / 1000)
  const outcomes = closed.map((session) => ({ session, ...outcomeOf(session, saidOf?.(session), mode) }))
  const completed = outcomes.filter(({ outcome }) => outcome === 'completed').length
  const abandonedAt = outcomes.filter(({ outcome }) => outcome === 'abandoned').map(({ session }) => session.messages.length)
  const { returned, known, returnedUsers, knownUsers } = returns(sessions, asOfMs, all)
  const messages = sessions.reduce((sum, session) => sum + session.messages.length, 0)
  const follows = sessions.reduce((sum, session) => sum + followUps(session).length, 0)
  return {
    sessions: sessions.length,
    open_sessions: sessions.length - closed.length,
    duration_avg_s: mean(seconds),
    duration_p50_s: quantile(seconds, 0.5),
    duration_p90_s: quantile(seconds, 0.9),
    active_duration_avg_s: mean(closed.map((session) => activeDurationMs(session) / 1000)),
    requests_per_session: mean(closed.map(({ calls }) => calls.length)),
    messages_per_session: mean(closed.map((session) => session.messages.length)),
    follow_up_rate: ratio(follows, messages),
    follow_ups_per_session: mean(closed.map((session) => followUps(session).length)),
    return_24h_rate: ratio(returned, known),
    return_24h_known: known,
    return_24h_user_rate: ratio(returnedUsers, knownUsers),
    completion_rate: ratio(completed, completed + abandonedAt.length),
    completed,
    abandoned: abandonedAt.length,
    explicit_outcomes: outcomes.filter(({ basis, outcome }) => basis === 'explicit' && outcome !== 'unknown').length,
    inferred_outcomes: outcomes.filter(({ basis, outcome }) => basis === 'inferred' && outcome !== 'unknown').length,
    unknown_outcomes: outcomes.filter(({ outcome }) => outcome === 'unknown').length,
    abandonment_messages_avg: mean(abandonedAt),
    abandonment_messages_p50: quantile(abandonedAt, 0.5),
  }
}
