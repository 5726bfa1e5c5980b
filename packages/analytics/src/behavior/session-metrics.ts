import { Numbers } from './numbers.ts'
import { outcomeOf, type OutcomeMode } from './outcomes.ts'
import type { Returning, SessionTotals } from './session-totals.ts'
import type { CallKind } from '../read/read-kinds.ts'

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
  readonly follow_ups_per_session: number | null
  readonly return_24h_rate: number | null
  /** Sessions long enough ago to tell whether the user came back. */
  readonly return_24h_known: number
  /** Users with such a session who came back after one of them. */
  readonly return_24h_user_rate: number | null
  readonly completion_rate: number | null
  readonly completed: number
  readonly abandoned: number
  /** How many of the completed and abandoned the app itself said so of. */
  readonly explicit_outcomes: number
  /** The others of them: read from the last call and feedback. */
  readonly inferred_outcomes: number
  /** Closed sessions of which nothing is known: with strict outcomes those of which the app said nothing. */
  readonly unknown_outcomes: number
  readonly abandonment_messages_avg: number | null
  readonly abandonment_messages_p50: number | null
}

export interface OutcomeOptions {
  /** What kinds of calls are, by id. */
  readonly kinds: ReadonlyMap<number, CallKind>
  readonly mode?: OutcomeMode
}

export function sessionMetrics(totals: SessionTotals, options: OutcomeOptions & { readonly returning: Returning }): SessionMetrics {
  const { sessions, closed, durations, messages, followUps, known, returned } = totals
  const { completed, abandoned, explicit, abandonedAt } = outcomesOf(totals, options)
  return {
    sessions,
    open_sessions: sessions - closed,
    duration_avg_s: inSeconds(ratio(totals.durationMs, closed)),
    duration_p50_s: inSeconds(durations.quantile(0.5)),
    duration_p90_s: inSeconds(durations.quantile(0.9)),
    active_duration_avg_s: inSeconds(ratio(totals.activeMs, closed)),
    requests_per_session: ratio(totals.requests, closed),
    messages_per_session: ratio(totals.closedMessages, closed),
    follow_up_rate: ratio(followUps, messages),
    follow_ups_per_session: ratio(totals.closedFollowUps, closed),
    return_24h_rate: ratio(returned, known),
    return_24h_known: known,
    return_24h_user_rate: ratio(options.returning.returned.size, options.returning.known.size),
    completion_rate: ratio(completed, completed + abandoned),
    completed,
    abandoned,
    explicit_outcomes: explicit,
    inferred_outcomes: completed + abandoned - explicit,
    unknown_outcomes: closed - completed - abandoned,
    abandonment_messages_avg: abandonedAt.avg,
    abandonment_messages_p50: abandonedAt.p50,
  }
}

function inSeconds(ms: number | null): number | null {
  return ms === null ? null : ms / 1000
}

interface Outcomes {
  readonly completed: number
  readonly abandoned: number
  readonly explicit: number
  /** Messages in abandoned sessions. */
  readonly abandonedAt: { readonly avg: number | null; readonly p50: number | null }
}

/** How the closed sessions ended. */
export function outcomesOf({ endings }: SessionTotals, { kinds, mode }: OutcomeOptions): Outcomes {
  let [completed, abandoned, explicit, messages] = [0, 0, 0, 0]
  const abandonedAt = new Numbers()
  for (const ending of endings.values()) {
    const { outcome, basis } = outcomeOf(kinds.get(ending.kindId), ending, mode)
    if (outcome === 'completed') completed += ending.sessions
    if (basis === 'explicit') explicit += ending.sessions
    if (outcome !== 'abandoned') continue
    abandoned += ending.sessions
    for (const [count, times] of ending.messages) {
      abandonedAt.add(count, times)
      messages += count * times
    }
  }
  return { completed, abandoned, explicit, abandonedAt: { avg: ratio(messages, abandoned), p50: abandonedAt.quantile(0.5) } }
}

export function ratio(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole
}
