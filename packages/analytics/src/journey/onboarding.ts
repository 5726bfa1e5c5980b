import { outcomeOfEnd, type OutcomeMode, type SaidOfSession } from '../behavior/outcomes.ts'
import { ratio } from '../behavior/session-metrics.ts'
import type { Share } from '../statistics/proportions.ts'
import { mean, quantile } from '../statistics/quantiles.ts'
import { isOpen, type FirstSession } from './journeys.ts'
import { secondsSince, type JourneyTime } from './person.ts'
import { firstGoalMs, reachedWithin, valueMs, watchedWays, type Way } from './way.ts'

/** How many came so far on their first days. */
export interface OnboardingStep {
  readonly step: string
  readonly of: number
  readonly users: number
  readonly rate: number | null
  /** Who came as far as the step before on the way from the first request to value, and who of them got no further; null off that way. */
  readonly drop: Share | null
  /** Of those who came as far as the step before on the way from the first request to value; null off that way. */
  readonly dropOff: number | null
  /** Seconds: since the sign-up, or how long a session took. Null where nobody's is known. */
  readonly seconds: Spread
  /** Of how many users the seconds are. */
  readonly timed: number
  readonly featuresAvg: number | null
  readonly messagesAvg: number | null
  /** The features that most first sessions have, the commonest first. */
  readonly features: readonly string[]
  /** Of the users, of how many the app itself said so. */
  readonly explicit: number
}

export interface Spread {
  readonly avg: number | null
  readonly p50: number | null
  readonly p90: number | null
}

export interface OnboardingOptions {
  readonly time: JourneyTime
  /** What the app said of a session, by its id in the ledger. */
  readonly saidOf: (session: number) => SaidOfSession | undefined
  readonly mode: OutcomeMode
  readonly featureName: (id: number) => string
}

/** The first days of those who came: what they reached within the days looked at, and how their first session went. */
export function onboarding(ways: readonly Way[], options: OnboardingOptions): OnboardingStep[] {
  const { time } = options
  const watched = watchedWays(ways, time)
  const called = ways.flatMap(({ journey }) => journey ?? [])
  const sessions = called.map(({ firstSession }) => firstSession).filter((session) => !isOpen(session, time.asOfMs))
  const signedUp = ways.filter(({ person }) => person.signUp !== undefined).length
  const [request, success, value] = wayToValue(watched, time)
  return [
    { ...plain('signed_up', { users: signedUp, of: ways.length }), explicit: signedUp },
    request,
    plain('first_request_ok', { users: called.filter(({ first }) => first.isOk).length, of: called.length }),
    success,
    firstSessions(sessions, called.length, options),
    sessionSuccess(sessions, options),
    value,
  ]
}

const noTimes: Spread = { avg: null, p50: null, p90: null }

function plain(step: string, { users, of }: { users: number; of: number }): OnboardingStep {
  const nothing = { drop: null, dropOff: null, seconds: noTimes, timed: 0, featuresAvg: null, messagesAvg: null, features: [], explicit: 0 }
  return { step, users, of, rate: ratio(users, of), ...nothing }
}

function spread(values: readonly number[]): Spread {
  return { avg: mean(values), p50: quantile(values, 0.5), p90: quantile(values, 0.9) }
}

/** First request, first success, first goal (else first success): each of those who took the ones before. */
function wayToValue(watched: readonly Way[], time: JourneyTime): [OnboardingStep, OnboardingStep, OnboardingStep] {
  let following = watched
  const count = (step: string, at: (way: Way) => number | undefined, isExplicit: (way: Way) => boolean): OnboardingStep => {
    const before = following
    const reached = watched.filter((way) => reachedWithin(way, { at }, time) !== undefined)
    following = following.filter((way) => reachedWithin(way, { at }, time) !== undefined)
    // Only from a sign-up it is known how long somebody took to begin.
    const timed = reached.filter(({ person }) => person.signUp !== undefined)
    return {
      ...plain(step, { users: reached.length, of: watched.length }),
      drop: { successes: before.length - following.length, n: before.length },
      dropOff: ratio(before.length - following.length, before.length),
      seconds: spread(timed.map((way) => secondsSince(way.person, at(way) ?? 0, time))),
      timed: timed.length,
      explicit: reached.filter(isExplicit).length,
    }
  }
  return [
    count(
      'first_request',
      ({ journey }) => journey?.first.ms,
      () => false,
    ),
    count(
      'first_success',
      ({ journey }) => journey?.successMs,
      () => false,
    ),
    count('value', valueMs, (way) => firstGoalMs(way) !== undefined),
  ]
}

function firstSessions(sessions: readonly FirstSession[], of: number, { featureName }: OnboardingOptions): OnboardingStep {
  const users = new Map<string, number>()
  for (const { features } of sessions) {
    for (const name of new Set([...features].map(featureName))) users.set(name, (users.get(name) ?? 0) + 1)
  }
  return {
    ...plain('first_session', { users: sessions.length, of }),
    seconds: spread(sessions.map(({ startMs, endMs }) => (endMs - startMs) / 1000)),
    timed: sessions.length,
    featuresAvg: mean(sessions.map(({ features }) => features.size)),
    messagesAvg: mean(sessions.map(({ messages }) => messages)),
    features: [...users].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).map(([name]) => name),
  }
}

function sessionSuccess(sessions: readonly FirstSession[], { saidOf, mode }: OnboardingOptions): OnboardingStep {
  const outcomes = sessions
    .map(({ session, isBadEnd }) => outcomeOfEnd(isBadEnd, session === 0 ? undefined : saidOf(session), mode))
    .filter(({ outcome }) => outcome !== 'unknown')
  const completed = outcomes.filter(({ outcome }) => outcome === 'completed')
  return {
    ...plain('first_session_success', { users: completed.length, of: outcomes.length }),
    explicit: completed.filter(({ basis }) => basis === 'explicit').length,
  }
}
