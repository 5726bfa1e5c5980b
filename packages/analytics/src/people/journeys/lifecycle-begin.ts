import { milestones } from '../../journey/milestones.ts'
import { onboarding } from '../../journey/onboarding.ts'
import { isWatched, secondsSince, type JourneyTime } from '../../journey/person.ts'
import { firstGoalMs, milestoneSteps, valueMs, reachedWithin, watchedWays, type Way } from '../../journey/way.ts'
import { mean, median } from '../../statistics/quantiles.ts'
import type { StageAsked, StageMetric } from './lifecycle-rows.ts'
import { readTried } from './read-features.ts'
import type { Member } from './read-lifecycle.ts'
import { journeyTime } from '../histories/read-persons.ts'
import { readUserValues } from '../../read/read-user-values.ts'
import { readSessionOutcomes } from '../histories/read-session-outcomes.ts'

const WITHIN_DAYS = 14
const ONBOARDING_DAYS = 7

/** Under which names apps keep where a user came from, canonical. */
const sourceKeys = ['source', 'utm_source', 'utmsource']

/** What is told of newcomers is told as of the end of the period. */
function timeAtEnd({ frame, asked: { endMs } }: StageAsked, withinDays: number): JourneyTime {
  const time = journeyTime(frame, withinDays)
  return { ...time, asOfMs: endMs, asOfDay: time.dayOf(endMs) }
}

/** Who came in the period. */
function newcomers({ asked: { startMs, endMs }, lifecycle }: StageAsked): Member[] {
  return lifecycle.members.filter(({ way }) => way.person.beginMs >= startMs && way.person.beginMs < endMs)
}

/** How users who came in the period found the app, how it began for them, and who was onboarded. */
export async function tellAcquisition(asked: StageAsked): Promise<StageMetric[]> {
  const { frame, lifecycle } = asked
  const came = newcomers(asked)
  const sources = await readUserValues(frame, sourceKeys, { which: 'first', beforeMs: frame.clock.asOfMs })
  const bySource = new Map<string, number>()
  for (const { userId } of came) {
    const source = sources.get(userId) ?? '(none)'
    bySource.set(source, (bySource.get(source) ?? 0) + 1)
  }
  const outcomes = await readSessionOutcomes(frame)
  const first = onboarding(
    came.map(({ way }) => way),
    {
      time: timeAtEnd(asked, ONBOARDING_DAYS),
      saidOf: (session) => outcomes.get(session),
      mode: 'inferred',
      featureName: lifecycle.featureName,
    },
  )
  const time = timeAtEnd(asked, ONBOARDING_DAYS)
  const watched = came.filter(({ way }) => isWatched(way.person, time))
  return [
    ...[...bySource]
      .sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
      .map(([name, users]): StageMetric => ({ metric: 'source', name, users, of: came.length, basis: 'explicit' })),
    ...first
      .filter(({ step }) => step === 'first_request_ok' || step === 'first_session_success')
      .map(({ step, users, of, explicit }): StageMetric => ({
        metric: 'first_interaction',
        name: step,
        users,
        of,
        basis: explicit === 0 ? 'inferred' : explicit === users ? 'explicit' : 'mixed',
      })),
    {
      metric: 'onboarding_completion',
      users: watched.filter(({ now }) => now.isOnboarded).length,
      of: watched.length,
      basis: asked.asked.onboarding.some(({ basis }) => basis === 'explicit') ? 'mixed' : 'inferred',
      ...(watched.length === 0 && came.length > 0 ? { reason: 'censored' } : {}),
    },
  ]
}

/** What users discover, and which steps those who came in the period reached. */
export async function tellActivation(asked: StageAsked): Promise<StageMetric[]> {
  const { frame, lifecycle } = asked
  const { startMs, endMs, advancedFeatures } = asked.asked
  const tried = await readTried(frame)
  const countBy = (userId: number, atMs: number): number => tried.get(userId)?.filter((ms) => ms < atMs).length ?? 0
  const countsAt = (atMs: number): number[] => lifecycle.members.map(({ userId }) => countBy(userId, atMs)).filter((count) => count > 0)
  const [before, now] = [countsAt(startMs), countsAt(endMs)]
  const ways = newcomers(asked).map(({ way }) => way)
  const time = timeAtEnd(asked, WITHIN_DAYS)
  const ordered = milestoneSteps.filter(({ name }) => advancedFeatures !== undefined || name !== 'first_advanced_feature')
  const isEarly = ways.length > 0 && watchedWays(ways, time).length === 0
  return [
    {
      metric: 'feature_discovery',
      users: now.filter((count) => count >= 2).length,
      of: now.length,
      value: mean(now),
      previous: mean(before),
      unit: 'features',
      basis: 'inferred',
    },
    ...milestones(ways, { ordered, others: [], time }).map(({ step, users, of, secondsP50 }): StageMetric => ({
      metric: 'usage_milestones',
      name: step.name,
      users,
      of,
      value: secondsP50,
      unit: 's',
      basis: 'inferred',
      reason: isEarly ? 'censored' : undefined,
    })),
    ...(advancedFeatures === undefined ? [notConfigured] : []),
    { ...valueRealization(ways, asked), ...(isEarly ? { reason: 'censored' } : {}) },
  ]
}

const notConfigured: StageMetric = {
  metric: 'usage_milestones',
  name: 'first_advanced_feature',
  users: null,
  of: null,
  basis: 'inferred',
  reason: 'not_configured',
}

/** The first goal, else the first success, on the first days. */
function valueRealization(ways: readonly Way[], asked: StageAsked): StageMetric {
  const time = timeAtEnd(asked, WITHIN_DAYS)
  const watched = watchedWays(ways, time)
  const reached = watched.filter((way) => reachedWithin(way, { at: valueMs }, time) !== undefined)
  const explicit = reached.filter((way) => firstGoalMs(way) !== undefined).length
  return {
    metric: 'value_realization',
    users: reached.length,
    of: watched.length,
    value: median(reached.map((way) => secondsSince(way.person, valueMs(way) ?? 0, time))),
    unit: 's',
    basis: explicit === 0 ? 'inferred' : explicit === reached.length ? 'explicit' : 'mixed',
  }
}
