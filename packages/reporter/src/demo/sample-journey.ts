import { attributes as names, eventAttributes as ours, PROPERTY_PREFIX, type SpanRecord } from '@spanledger/conventions'
import type { SeededRandom } from '@spanledger/stand-in'

import { logNormal } from './distributions.ts'
import { identityAttributes, type NewIds } from './sample-call.ts'
import { eventSpan } from './sample-events.ts'
import type { Plan, SampleUser } from './sample-user.ts'

const MINUTE_MS = 60_000

/** The sign-up of a user, some minutes before the first call of the day. */
export function signUpSpan({ user, plan, newIds, random, dayMs, firstMs }: SignUp): SpanRecord {
  return eventSpan(newIds, {
    name: 'spanledger.milestone',
    atMs: Math.max(dayMs, firstMs - logNormal(random, 9 * MINUTE_MS, 1.1)),
    attributes: {
      [ours.name]: 'signup',
      ...(user.id === undefined ? {} : { [names.userId]: user.id }),
      [`${PROPERTY_PREFIX}plan`]: plan,
    },
  })
}

interface SignUp {
  readonly user: SampleUser
  readonly plan: Plan
  readonly newIds: NewIds
  readonly random: SeededRandom
  readonly dayMs: number
  /** When the user first called on that day. */
  readonly firstMs: number
}

/** Whose session it was, and the dice of its own. */
interface Speaker {
  readonly user: SampleUser
  readonly plan: Plan
  readonly daysAgo: number
  readonly random: SeededRandom
  readonly newIds: NewIds
}

/** A session that is over. */
interface Sitting extends Speaker {
  readonly sessionId: string
  readonly startMs: number
  readonly endMs: number
  readonly endedWell: boolean
}

/**
 * What a session of some calls was for, in some of them: a question that was resolved or not, a document that was turned into a
 * report, step by step.
 */
export function sittingSpans(spans: readonly SpanRecord[], speaker: Speaker): SpanRecord[] {
  const calls = spans.filter(({ attributes }) => attributes[names.operationName] !== undefined)
  const [first, last] = [calls[0], calls.at(-1)]
  const { user, random } = speaker
  if (first === undefined || last === undefined || user.id === undefined || user.life === 'abuser') return []
  const sitting = {
    ...speaker,
    sessionId: String(first.attributes[names.sessionId]),
    startMs: first.startMs,
    endMs: last.endMs,
    endedWell: last.attributes[names.errorType] === undefined,
  }
  if (first.attributes[`${PROPERTY_PREFIX}feature`] === 'document_analysis') return random() < 0.5 ? taskSpans(sitting) : []
  return random() < 0.2 ? [goalSpan(sitting)] : []
}

function goalSpan(sitting: Sitting): SpanRecord {
  const { random, newIds, endMs, endedWell } = sitting
  return eventSpan(newIds, {
    name: 'spanledger.goal',
    atMs: endMs + logNormal(random, 8000, 0.6),
    attributes: { [ours.name]: 'resolved', [ours.goalSuccess]: random() < (endedWell ? 0.85 : 0.3), ...identityAttributes(sitting) },
  })
}

/** Each step is taken by most who took the one before; some give up without a word. */
const steps = [
  ['upload', 0.95],
  ['review', 0.86],
  ['export', 0.92],
] as const

function taskSpans(sitting: Sitting): SpanRecord[] {
  const { random, newIds, startMs, endMs } = sitting
  const task = `report-${newIds().responseId.slice(0, 8)}`
  const pauseMs = Math.max(endMs - startMs, MINUTE_MS) / (steps.length + 1)
  const spans: SpanRecord[] = []
  const say = (atMs: number, state: string, step?: string): void => {
    const attributes = {
      [ours.name]: 'report',
      [ours.taskId]: task,
      ...(step === undefined ? {} : { [ours.taskStep]: step }),
      [ours.taskState]: state,
      ...identityAttributes(sitting),
    }
    spans.push(eventSpan(newIds, { name: 'spanledger.task', atMs, attributes }))
  }
  say(startMs, 'started')
  let atMs = startMs
  for (const [step, chance] of steps) {
    say(atMs + 1, 'started', step)
    atMs += pauseMs * (0.5 + random())
    if (random() >= chance) {
      if (random() < 0.6) say(atMs, 'failed', step)
      return spans
    }
    say(atMs, 'completed', step)
  }
  say(atMs + 1, 'completed')
  return spans
}
