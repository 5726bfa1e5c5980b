import {
  attributes as names,
  eventAttributes,
  PROPERTY_PREFIX,
  spanledgerAttributes as ours,
  type SpanRecord,
} from '@spanledger/conventions'
import type { SeededRandom } from '@spanledger/stand-in'

import { logNormal, pick, type Weighted } from './distributions.ts'
import { identityAttributes, sampleResource, type CallPlan, type NewIds } from './sample-call.ts'
import type { Plan, SampleUser } from './sample-user.ts'

/** Who says something, and when in the history. */
type Speaker = Pick<CallPlan, 'user' | 'plan' | 'sessionId' | 'daysAgo'> & { readonly random: SeededRandom; readonly newIds: NewIds }

/** A thumb up or down, some seconds after the answer it is about. */
export function feedbackSpan(speaker: Speaker, about: SpanRecord): SpanRecord {
  const { random, user } = speaker
  const atMs = about.endMs + logNormal(random, 12_000, 0.8)
  const feature = `${PROPERTY_PREFIX}feature`
  return eventSpan(speaker.newIds, {
    name: 'spanledger.feedback',
    atMs,
    attributes: {
      [names.evaluationName]: 'thumbs',
      [names.evaluationScoreValue]: random() < (isUnhappy(user) ? 0.55 : 0.85) ? 1 : 0,
      [eventAttributes.scoreMin]: 0,
      [eventAttributes.scoreMax]: 1,
      [names.responseId]: about.attributes[names.responseId],
      ...identityAttributes(speaker),
      [feature]: about.attributes[feature],
    },
  })
}

/** How likely the user would recommend the app. */
export function npsSpan(speaker: Speaker, atMs: number): SpanRecord {
  return eventSpan(speaker.newIds, {
    name: 'spanledger.nps',
    atMs,
    attributes: {
      [eventAttributes.npsScore]: pick(speaker.random, isUnhappy(speaker.user) ? unhappyAnswers : answers),
      ...identityAttributes(speaker),
    },
  })
}

function isUnhappy({ life }: SampleUser): boolean {
  return life === 'at_risk' || life === 'churned'
}

const answers: Weighted<number> = [0, 0, 1, 1, 1, 4, 6, 14, 24, 26, 23].map((weight, score) => [score, weight] as const)
const unhappyAnswers: Weighted<number> = [5, 4, 6, 8, 10, 16, 16, 15, 11, 6, 3].map((weight, score) => [score, weight] as const)

/** USD a month. */
const planPrices: Readonly<Record<Plan, string | undefined>> = { free: undefined, pro: '20.00', team: '60.00', enterprise: '300.00' }

/** What the app books of a user on a day: the change of plan, and what a plan costs, every thirty days from then on. */
export function accountSpans({ user, plan, daysAgo, atMs, newIds }: Account): SpanRecord[] {
  const who = { ...(user.id === undefined ? {} : { [names.userId]: user.id }), [`${PROPERTY_PREFIX}plan`]: plan }
  const spans: SpanRecord[] = []
  if (user.upgrade?.daysAgo === daysAgo) {
    const attributes = { [eventAttributes.planFrom]: user.plan, [eventAttributes.planTo]: user.upgrade.plan, ...who }
    spans.push(eventSpan(newIds, { name: 'spanledger.plan_change', atMs, attributes }))
  }
  const price = planPrices[plan]
  const paysSince = user.plan === 'free' ? user.upgrade?.daysAgo : user.signedUpDaysAgo
  if (price === undefined || paysSince === undefined || daysAgo > paysSince || (paysSince - daysAgo) % 30 !== 0) return spans
  const attributes = {
    [eventAttributes.revenueAmount]: price,
    [eventAttributes.revenueCurrency]: 'USD',
    [eventAttributes.revenuePeriod]: 'month',
    [eventAttributes.revenueId]: `in_${newIds().responseId.slice(0, 16)}`,
    [eventAttributes.name]: plan,
    ...who,
  }
  return [...spans, eventSpan(newIds, { name: 'spanledger.revenue', atMs: atMs + 1, attributes })]
}

interface Account {
  readonly user: SampleUser
  readonly plan: Plan
  readonly daysAgo: number
  readonly atMs: number
  readonly newIds: NewIds
}

/** A span of no length, marked as a sample. */
export function eventSpan(
  newIds: NewIds,
  { name, atMs, attributes }: { name: string; atMs: number; attributes: SpanRecord['attributes'] },
): SpanRecord {
  const { traceId, spanId } = newIds()
  return {
    traceId,
    spanId,
    parentSpanId: undefined,
    name,
    startMs: atMs,
    endMs: atMs,
    statusCode: 0,
    statusMessage: undefined,
    scopeName: '@spanledger/instrumentation',
    scopeVersion: '0.1.0',
    attributes: { ...attributes, [ours.sample]: true },
    resourceAttributes: sampleResource,
    droppedAttributes: 0,
  }
}
