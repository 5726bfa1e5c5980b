import type { Identity } from './identity.ts'
import type { CallOrigin } from './llm-call.ts'
import type { ReadingFault } from './reading-fault.ts'

/**
 * The events that stand beside calls, each a span of this name and of no length.
 *
 * Of those with one kind, name, source, target and user the latest counts, or, where `counts` is `first`, the first of
 * each outcome. `about` is what is meant where the event names no target: the first of these that is known, else nothing
 * but the event itself, so that each one counts.
 */
export const eventKinds = {
  feedback: { spanName: 'spanledger.feedback', counts: 'latest', about: ['session', 'user'] },
  nps: { spanName: 'spanledger.nps', counts: 'latest', about: ['user'] },
  goal: { spanName: 'spanledger.goal', counts: 'latest', about: ['session'] },
  task: { spanName: 'spanledger.task', counts: 'latest', about: [] },
  milestone: { spanName: 'spanledger.milestone', counts: 'first', about: ['user'] },
  exposed: { spanName: 'spanledger.exposed', counts: 'first', about: ['user'] },
  revenue: { spanName: 'spanledger.revenue', counts: 'latest', about: [] },
  plan_change: { spanName: 'spanledger.plan_change', counts: 'latest', about: [] },
  session_end: { spanName: 'spanledger.session_end', counts: 'latest', about: ['session'] },
  consent: { spanName: 'spanledger.consent', counts: 'latest', about: ['user'] },
} as const satisfies Record<string, EventRule>

interface EventRule {
  readonly spanName: string
  readonly counts: 'latest' | 'first'
  readonly about: readonly ('session' | 'user')[]
}

export type EventKind = keyof typeof eventKinds

/**
 * Something that happened beside the calls of a user: a rating, a goal that was reached, a payment. What its fields hold,
 * by kind (the others are undefined):
 *
 * | kind | name | outcome | numbers |
 * |---|---|---|---|
 * | feedback | of the score | its label | value, min, max |
 * | nps | of the survey | | value 0..10, min 0, max 10 |
 * | goal | of the goal | `success` or `failure` | value; task, step |
 * | task | of the kind of task | `started`, `completed` or `failed` | task, step |
 * | milestone | of the milestone | | |
 * | exposed | of the feature or experiment | the variant, for an experiment | value: the share of users meant for the variant |
 * | revenue | of the product | | amountNanoUsd; period |
 * | plan_change | `plan` | the new plan; the old one in `previous` | |
 * | session_end | `session` | `completed` or `abandoned` | |
 * | consent | of the purpose | `granted` or `denied` | |
 */
export interface LedgerEvent extends Identity {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  /** Whole milliseconds since 1970 UTC, rounded down; together with trace and span id the key of the event. */
  readonly startMs: number
  /** Where in its millisecond, in 1/1024: what comes later within one millisecond is the later one still. */
  readonly startFraction: number
  readonly kind: EventKind
  readonly name: string
  /** Who gave a score; scores of different sources are never mixed. `human` for all that is no score. */
  readonly source: EventSource
  /** Undefined where the event names none: see `eventKinds`. */
  readonly target: NamedTarget | undefined
  readonly outcome: string | undefined
  readonly previous: string | undefined
  /** Undefined where none was given, or what was given was refused: unknown, not 0. */
  readonly value: number | undefined
  readonly min: number | undefined
  readonly max: number | undefined
  readonly amountNanoUsd: number | undefined
  readonly task: string | undefined
  readonly step: string | undefined
  readonly period: RevenuePeriod | undefined
  /** What the resource says, for where neither the event nor any ancestor says anything. */
  readonly resourceIdentity: Identity | undefined
  readonly origin: CallOrigin
  readonly faults: readonly ReadingFault[]
}

export const eventSources = ['human', 'heuristic', 'judge'] as const
export type EventSource = (typeof eventSources)[number]

export const revenuePeriods = ['once', 'week', 'month', 'quarter', 'year'] as const
export type RevenuePeriod = (typeof revenuePeriods)[number]

export const taskStates = ['started', 'completed', 'failed'] as const
export type TaskState = (typeof taskStates)[number]

/** What an event names as what it is about. `call`: the id is `<trace id>-<span id>`; `response`: the provider's; the others are the app's. */
export interface NamedTarget {
  readonly kind: 'call' | 'response' | 'task' | 'entry'
  readonly id: string
}

/** What an event is about; for its session, its user and itself the id is empty: they stand in the event. */
export type EventTarget = NamedTarget | { readonly kind: 'session' | 'user' | 'itself'; readonly id: '' }

/** What an event is about, once it is known whose it is. */
export function targetOf({ kind, target }: Pick<LedgerEvent, 'kind' | 'target'>, { user, session }: Identity): EventTarget {
  if (target !== undefined) return target
  const known = { session, user }
  return { kind: eventKinds[kind].about.find((one: 'session' | 'user') => known[one] !== undefined) ?? 'itself', id: '' }
}
