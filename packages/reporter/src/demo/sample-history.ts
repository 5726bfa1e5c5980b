import { createHash } from 'node:crypto'

import type { SpanRecord } from '@spanledger/conventions'
import { seededRandom, seedOf, type SeededRandom } from '@spanledger/stand-in'

import { integer, logNormal, pick, poisson, type Weighted } from './distributions.ts'
import { sampleCall, type NewIds, type SampleCall, type SpanIds } from './sample-call.ts'
import { accountSpans, feedbackSpan, npsSpan } from './sample-events.ts'
import { signUpSpan, sittingSpans } from './sample-journey.ts'
import { sampleFeatures, type SampleFeatureName, type SampleModelName } from './sample-models.ts'
import { dayRate, sampleUsers, type Plan, type SampleUser } from './sample-user.ts'

export interface SampleHistoryOptions {
  /** The end, in milliseconds since 1970 UTC: no span ends after it. */
  readonly until: number
  /** A history shorter than the default shows less of each user's life. */
  readonly weeks?: number
  readonly users?: number
  readonly seed?: number
}

/**
 * Made-up calls of a made-up app, for a first look at the reports: users who sign up, stay, leave, come back or abuse
 * it; four plans, five features, three environments, eight models. Every span carries `spanledger.sample: true`.
 *
 * Each batch is a day of finished spans in the order in which they ended. Besides the calls there are events: thumbs
 * about answers, NPS, payments and changes of plan, sign-ups, goals and tasks. Equal options give equal spans. The defaults give about 52,000 calls;
 * token counts follow ServeGen (see `tokenQuantiles`), everything else is invented.
 */
export function* sampleHistory({ until, weeks = 12, users = 300, seed = 1 }: SampleHistoryOptions): Generator<SpanRecord[]> {
  const people = sampleUsers({ count: users, seed })
  const lastDay = Math.floor(until / DAY_MS)
  const fromMs = until - weeks * 7 * DAY_MS
  for (let day = Math.floor(fromMs / DAY_MS); day <= lastDay; day++) {
    const spans = people.flatMap((user) => daySpans({ user, day, daysAgo: lastDay - day, seed }))
    const batch = spans.filter(({ startMs, endMs }) => startMs >= fromMs && endMs <= until)
    if (batch.length > 0) yield batch.sort((a, b) => a.endMs - b.endMs)
  }
}

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000

interface UserDay {
  readonly user: SampleUser
  /** Days since 1970 UTC. */
  readonly day: number
  readonly daysAgo: number
  readonly seed: number
}

function daySpans(userDay: UserDay): SpanRecord[] {
  const { user, day, daysAgo, seed } = userDay
  const random = seededRandom(seedOf(`${seed} ${user.id} ${day}`))
  const { activeChance, sessions, callsPerSession } = dayRate(user, daysAgo)
  const isWeekend = day % 7 === SATURDAY || day % 7 === SUNDAY
  const chance = activeChance < 1 && isWeekend ? activeChance * 0.35 : activeChance
  const plan = user.upgrade !== undefined && daysAgo <= user.upgrade.daysAgo ? user.upgrade.plan : user.plan
  const newIds = idsOf(userDay)
  const account = accountSpans({ user, plan, daysAgo, atMs: day * DAY_MS + 6 * HOUR_MS, newIds })
  const dayMs = day * DAY_MS
  // Dice of their own, so that the calls stay those that they are without.
  const own = { newIds: idsOf(userDay, 'journey'), random: seededRandom(seedOf(`journey ${seed} ${user.id} ${day}`)) }
  const hasSignedUp = user.id !== undefined && daysAgo === user.signedUpDaysAgo
  const signUp = (firstMs: number): SpanRecord[] => (hasSignedUp ? [signUpSpan({ user, plan, dayMs, firstMs, ...own })] : [])
  if (random() >= chance) return [...signUp(dayMs + 12 * HOUR_MS), ...account]
  const count = 1 + poisson(random, Math.max(sessions - 1, 0))
  const sessionsOfDay = Array.from({ length: count }, () =>
    sessionSpans({
      ...userDay,
      plan,
      random,
      newIds,
      startMs: startOfSession(random, userDay),
      calls: 1 + poisson(random, callsPerSession - 1),
    }),
  )
  const firstMs = Math.min(...sessionsOfDay.flat().map(({ startMs }) => startMs))
  return [
    ...signUp(firstMs),
    ...account,
    ...sessionsOfDay.flat(),
    ...sessionsOfDay.flatMap((spans) => sittingSpans(spans, { user, plan, daysAgo, ...own })),
  ]
}

// The first of January 1970 was a Thursday.
const SATURDAY = 2
const SUNDAY = 3

/** By the user's own clock: most in the morning and the afternoon, a few at night; the abuser runs a script all day. */
function startOfSession(random: SeededRandom, { user, day, daysAgo }: UserDay): number {
  const hour = user.life === 'abuser' && daysAgo <= 6 ? integer(random, 0, 24) : pick(random, hours) - user.hoursAhead
  return day * DAY_MS + ((hour + 48) % 24) * HOUR_MS + random() * HOUR_MS
}

const hours: Weighted<number> = [1, 1, 0, 0, 0, 1, 3, 6, 14, 22, 24, 20, 12, 17, 22, 21, 18, 13, 9, 8, 8, 6, 4, 2].map(
  (weight, hour) => [hour, weight] as const,
)

interface Session extends UserDay {
  readonly plan: Plan
  readonly random: SeededRandom
  readonly newIds: NewIds
  readonly startMs: number
  readonly calls: number
}

function sessionSpans(session: Session): SpanRecord[] {
  const { user, random, newIds } = session
  const feature = user.life === 'abuser' ? 'chat' : pick(random, user.features)
  const modelName = modelFor(session, feature)
  const sessionId = `s-${newIds().responseId.slice(0, 12)}`
  const spans: SpanRecord[] = []
  let startMs = session.startMs
  let historyTokens = 0
  for (let turn = 0; turn < session.calls; turn++) {
    const base = { ...session, feature, sessionId, turn, historyTokens }
    // A search looks for passages before it answers: two calls of one request to the app, whose own span is not kept here.
    const first = newIds()
    if (feature === 'search') {
      const embedding = sampleCall({
        ...base,
        modelName: 'text-embedding-3-small',
        startMs,
        ids: { ...first, ...childOf(first, newIds()) },
      })
      spans.push(embedding.span)
      startMs = embedding.span.endMs + 25
    }
    const ids = feature === 'search' ? { ...newIds(), ...childOf(first, newIds()) } : first
    const call = sampleCall({ ...base, modelName, startMs, ids })
    spans.push(call.span)
    let last: SampleCall = call
    if (call.failure?.isRetried === true && random() < 0.7) {
      last = sampleCall({ ...base, modelName, startMs: call.span.endMs + logNormal(random, 5000, 0.6), ids: newIds() })
      spans.push(last.span)
    }
    if (last.failure === undefined && random() < 0.06) spans.push(feedbackSpan({ ...session, sessionId }, last.span))
    historyTokens += last.addedTokens
    startMs = last.span.endMs + logNormal(random, user.life === 'abuser' ? 4000 : 35_000, 0.7)
  }
  if (user.life !== 'abuser' && user.id !== undefined && random() < 0.02) spans.push(npsSpan({ ...session, sessionId }, startMs))
  return spans
}

/** The dear models are for those who pay. */
function modelFor({ user, plan, random }: Session, feature: SampleFeatureName): SampleModelName {
  const chosen =
    feature === 'chat' && user.favouriteModel !== undefined
      ? user.favouriteModel
      : pick<SampleModelName>(random, sampleFeatures[feature].models)
  return plan === 'free' && (chosen === 'claude-sonnet-4-5' || chosen === 'gpt-4.1') ? 'gpt-4o-mini' : chosen
}

/** Ids that look random and are the same for the same seed, user and day. */
function idsOf({ seed, user, day }: UserDay, of = ''): NewIds {
  let count = 0
  return () => {
    const hex = createHash('sha512').update(`${of}${seed} ${user.id} ${day} ${count++}`).digest('hex')
    return { traceId: hex.slice(0, 32), spanId: hex.slice(32, 48), parentSpanId: undefined, responseId: hex.slice(48, 72) }
  }
}

/** A span of its own below the request that `request` stands for. */
function childOf(request: SpanIds, own: SpanIds): Pick<SpanIds, 'traceId' | 'spanId' | 'parentSpanId'> {
  return { traceId: request.traceId, spanId: own.spanId, parentSpanId: request.spanId }
}
