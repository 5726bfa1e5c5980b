import type { EventSource, RevenuePeriod, TaskState } from '@spanledger/conventions'

import type { Properties } from './context.ts'

/** What every event takes. What is left out comes from `withUser` and its like. */
export interface EventOptions {
  readonly userId?: string | undefined
  readonly sessionId?: string | undefined
  readonly properties?: Properties | undefined
  /** When it happened, for what is reported later: a Date, or milliseconds since 1970. Default: now. */
  readonly at?: Date | number | undefined
}

/** The call that is meant. Without one, an event is about the session, else the user. */
export interface AboutCall {
  /** The id in the provider's answer: `completion.id`, `message.id`. */
  readonly responseId?: string | undefined
  /** Or the span of the call. */
  readonly span?: { readonly traceId: string; readonly spanId: string } | undefined
}

/** An opinion of an answer or a session, on one of three scales; also the score of an evaluator. */
export interface FeedbackEvent extends EventOptions, AboutCall {
  /** What is rated. Default: `thumbs`, `rating` or `score`, by the scale. */
  readonly name?: string | undefined
  readonly thumbs?: 'up' | 'down' | boolean | undefined
  /** Stars, 1 to 5. */
  readonly rating?: number | undefined
  /** A number on any scale; with `min` and `max` it counts as satisfaction too. */
  readonly score?: number | undefined
  readonly min?: number | undefined
  readonly max?: number | undefined
  /** A word for the score, one of few. No free text: content is not stored. */
  readonly label?: string | undefined
  /** Who says so. Default: `human`. */
  readonly source?: EventSource | undefined
}

/** How likely the user would recommend the app, 0 to 10. */
export interface NpsEvent extends EventOptions {
  readonly score: number
  /** Default: `nps`. */
  readonly survey?: string | undefined
}

/** A goal that was reached, or missed: of a task, of a call, else of the session. */
export interface GoalEvent extends EventOptions, AboutCall {
  readonly name: string
  /** Default: true. */
  readonly success?: boolean | undefined
  readonly value?: number | undefined
  /** The id of the task it belongs to. */
  readonly task?: string | undefined
  /** The step of the task; a goal of a task without one is the outcome of the whole task. */
  readonly step?: string | undefined
}

/** A task that takes several steps: how far it has come, and how it ended. */
export interface TaskEvent extends EventOptions {
  /** The id of this task; ids count per user. */
  readonly task: string
  /** Which kind of task it is: `import`. Default: `task`. */
  readonly name?: string | undefined
  /** The step that is meant; without one it is the whole task. */
  readonly step?: string | undefined
  /** A task of which nobody says how it ended counts as timed out after a day. */
  readonly state: TaskState
}

/** A step in a user's life with the app; the first time counts. */
export interface MilestoneEvent extends EventOptions {
  readonly name: string
}

/** The user was shown a feature, or takes part in an experiment; the first time counts. */
export type ExposedEvent = EventOptions &
  (
    | { readonly feature: string }
    | {
        readonly experiment: string
        readonly variant: string | number | boolean
        /** Of those who take part, the share that is meant to see this variant, 0 to 1: what the split of users is tested against. */
        readonly share?: number | undefined
      }
  )

/** Money that came in, or (negative) went back. */
export interface RevenueEvent extends EventOptions {
  /** USD: a decimal string (`'19.99'`), or a number; kept to a billionth of a dollar. */
  readonly amount: string | number
  /** Anything but USD is refused and counted; nothing is converted. */
  readonly currency?: 'USD' | undefined
  readonly period?: RevenuePeriod | undefined
  /** The id of the invoice or payment: said again, it replaces instead of adding. */
  readonly id?: string | undefined
  /** What was paid for. Default: `revenue`. */
  readonly product?: string | undefined
}

export interface PlanChangeEvent extends EventOptions {
  readonly from?: string | undefined
  readonly to: string
}

/** How a session ended; without this it is inferred from its calls. */
export interface SessionEndEvent extends EventOptions {
  readonly outcome: 'completed' | 'abandoned'
}

export interface ConsentEvent extends EventOptions {
  readonly state: 'granted' | 'denied'
  /** Default: `analytics`. */
  readonly purpose?: string | undefined
}
