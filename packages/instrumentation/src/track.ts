import { context, trace, type Attributes, type AttributeValue, type HrTime } from '@opentelemetry/api'
import {
  attributes as names,
  eventAttributes as ours,
  eventKinds,
  mergeIdentities,
  PROPERTY_PREFIX,
  type EventKind,
  type Identity,
} from '@spanledger/conventions'

import { currentIdentity, saidIn } from './context.ts'
import { counted, guarded } from './instrumentation-state.ts'
import { readIdentity } from './read-identity.ts'
import type {
  AboutCall,
  ConsentEvent,
  EventOptions,
  ExposedEvent,
  FeedbackEvent,
  GoalEvent,
  MilestoneEvent,
  NpsEvent,
  PlanChangeEvent,
  RevenueEvent,
  SessionEndEvent,
  TaskEvent,
} from './track-options.ts'
import { INSTRUMENTATION_NAME, INSTRUMENTATION_VERSION } from './version.ts'

/**
 * Says what happened beside the calls of a user. Each writes a span of no length (`spanledger.feedback`, …) under the
 * user, session and properties in scope, which goes wherever the app's spans go. None of them ever throws; a value that
 * cannot be meant is counted where it is read. Without an SDK that records, nothing is kept.
 */
export interface Track {
  feedback(event: FeedbackEvent): void
  nps(event: NpsEvent): void
  goal(event: GoalEvent): void
  task(event: TaskEvent): void
  milestone(event: MilestoneEvent): void
  exposed(event: ExposedEvent): void
  revenue(event: RevenueEvent): void
  planChange(event: PlanChangeEvent): void
  sessionEnd(event: SessionEndEvent): void
  consent(event: ConsentEvent): void
}

export const track: Track = {
  feedback: (event) => emit('feedback', event, () => ({ ...scoreOf(event), ...aboutOf(event) })),
  nps: (event) => emit('nps', event, () => ({ [ours.npsScore]: event.score, [ours.name]: event.survey })),
  goal: (event) =>
    emit('goal', event, () => ({
      [ours.name]: event.name,
      [ours.goalSuccess]: event.success,
      [ours.goalValue]: event.value,
      [ours.taskId]: event.task,
      [ours.taskStep]: event.step,
      ...aboutOf(event),
    })),
  task: (event) =>
    emit('task', event, () => ({
      [ours.name]: event.name,
      [ours.taskId]: event.task,
      [ours.taskStep]: event.step,
      [ours.taskState]: event.state,
    })),
  milestone: (event) => emit('milestone', event, () => ({ [ours.name]: event.name })),
  exposed: (event) =>
    emit('exposed', event, () =>
      'experiment' in event
        ? { [ours.experimentKey]: event.experiment, [ours.experimentVariant]: event.variant, [ours.experimentShare]: event.share }
        : { [ours.featureName]: event.feature },
    ),
  revenue: (event) =>
    emit('revenue', event, () => ({
      [ours.revenueAmount]: event.amount,
      [ours.revenueCurrency]: event.currency,
      [ours.revenuePeriod]: event.period,
      [ours.revenueId]: event.id,
      [ours.name]: event.product,
    })),
  planChange: (event) => emit('plan_change', event, () => ({ [ours.planFrom]: event.from, [ours.planTo]: event.to })),
  sessionEnd: (event) => emit('session_end', event, () => ({ [ours.sessionOutcome]: event.outcome })),
  consent: (event) => emit('consent', event, () => ({ [ours.consentState]: event.state, [ours.consentPurpose]: event.purpose })),
}

/** Stars go from 1 to 5. */
const STARS = { min: 1, max: 5 }

function scoreOf({ name, thumbs, rating, score, min, max, label, source }: FeedbackEvent): Attributes {
  const said =
    thumbs !== undefined
      ? {
          name: 'thumbs',
          value: thumbs === true || thumbs === 'up' ? 1 : thumbs === false || thumbs === 'down' ? 0 : thumbs,
          min: 0,
          max: 1,
        }
      : rating !== undefined
        ? { name: 'rating', value: rating, ...STARS }
        : { name: 'score', value: score, min, max }
  return {
    [names.evaluationName]: name ?? said.name,
    [names.evaluationScoreValue]: said.value,
    [names.evaluationScoreLabel]: label,
    [ours.scoreMin]: said.min,
    [ours.scoreMax]: said.max,
    [ours.scoreSource]: source,
  }
}

function aboutOf({ responseId, span }: AboutCall): Attributes {
  return { [names.responseId]: responseId, [ours.targetTraceId]: span?.traceId, [ours.targetSpanId]: span?.spanId }
}

/** Never throws: what reading the options throws is counted, and the event is then left out. */
function emit(kind: EventKind, event: EventOptions, facts: () => Attributes): void {
  guarded('event', () => {
    const scope = context.active()
    const said = readIdentity({ user: event.userId, ...saidIn(event) })
    const at = timeOf(event.at)
    const tracer = trace.getTracer(INSTRUMENTATION_NAME, INSTRUMENTATION_VERSION)
    // Identity first: SDKs keep the first 128 attributes.
    const attributes = { ...identityAttributes(mergeIdentities([said, currentIdentity(scope)])), ...present(facts()) }
    const span = tracer.startSpan(eventKinds[kind].spanName, { attributes, startTime: at }, scope)
    if (!span.isRecording()) counted.unrecordedEvents++
    span.end(at)
  })
}

function identityAttributes({ user, session, properties }: Identity): Attributes {
  const attributes: Attributes = {}
  if (user !== undefined) attributes[names.userId] = user
  if (session !== undefined) attributes[names.sessionId] = session
  for (const { name, value } of properties.values()) attributes[PROPERTY_PREFIX + name] = value
  return attributes
}

/** What an attribute cannot hold goes as text, so that the reader sees, refuses and counts it. */
function present(facts: Attributes): Attributes {
  const attributes: Attributes = {}
  for (const [name, value] of Object.entries(facts)) if (value !== undefined && value !== null) attributes[name] = toAttribute(value)
  return attributes
}

function toAttribute(value: AttributeValue): AttributeValue {
  return typeof value === 'object' || typeof value === 'bigint' || typeof value === 'symbol' ? String(value) : value
}

let lastMicros = 0

/** No two events of a process have one time, so that of two the later is the latest. */
function timeOf(at: Date | number | undefined): HrTime {
  const givenMs = at === undefined ? Number.NaN : Number(at)
  if (Number.isFinite(givenMs) && givenMs >= 0) return [Math.floor(givenMs / 1000), Math.round((givenMs % 1000) * 1e6)]
  lastMicros = Math.max(Date.now() * 1000, lastMicros + 1)
  return [Math.floor(lastMicros / 1e6), (lastMicros % 1e6) * 1000]
}
