import { mean, quantile } from '../statistics/quantiles.ts'
import { outcomeOf, type OutcomeMode, type SaidOfSession } from './outcomes.ts'
import { activeDurationMs, durationMs, followUps, returns, type Session } from './sessions.ts'

/** Sessions in numbers; null where there is nothing to say. Durations in seconds. Open sessions are counted, not measured. */
export interface SessionMetrics {
  readonly sessions: number
  readonly open_sessions: number
  readonly duration_avg_s: number | null
  readonly duration_p50_s: number | null
  readonly duration_p90_s: number | null
  readonly active_duration_avg_s: number | null
  readonly requests_per_session: number | null
  readonly messages_per_session: number | null
  readonly follow_up_rate: number | null
  readonly return_24h_rate: number | null
  /** Sessions long enough ago to tell whether the user came back. */
  readonly return_24h_known: number
  readonly completion_rate: number | null
  readonly completed: number
  readonly abandoned: number
  /** How many of the completed and abandoned the app itself said so of. */
  readonly explicit_outcomes: number
  readonly abandonment_messages_avg: number | null
  readonly abandonment_messages_p50: number | null
}

export interface SessionMetricsOptions {
  readonly asOfMs: number
  readonly saidOf?: (session: Session) => SaidOfSession | undefined
  readonly mode?: OutcomeMode
}

export function sessionMetrics(sessions: readonly Session[], { asOfMs, saidOf, mode }: SessionMetricsOptions): SessionMetrics {
  const closed = sessions.filter(({ isOpen }) => !isOpen)
  const seconds = closed.map((session) => durationMs(session) / 1000)
  const outcomes = closed.map((session) => ({ session, ...outcomeOf(session, saidOf?.(session), mode) }))
  const completed = outcomes.filter(({ outcome }) => outcome === 'completed').length
  const abandonedAt = outcomes.filter(({ outcome }) => outcome === 'abandoned').map(({ session }) => session.messages.length)
  const { returned, known } = returns(sessions, asOfMs)
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
    return_24h_rate: ratio(returned, known),
    return_24h_known: known,
    completion_rate: ratio(completed, completed + abandonedAt.length),
    completed,
    abandoned: abandonedAt.length,
    explicit_outcomes: outcomes.filter(({ basis, outcome }) => basis === 'explicit' && outcome !== 'unknown').length,
    abandonment_messages_avg: mean(abandonedAt),
    abandonment_messages_p50: quantile(abandonedAt, 0.5),
  }
}

export function ratio(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole
}
