import type { CallKind } from '../read/read-kinds.ts'

/** How a session ended, and how that is known. */
export interface Outcome {
  readonly outcome: 'completed' | 'abandoned' | 'unknown'
  readonly basis: 'explicit' | 'inferred'
}

/** What the app or the user said of a session beyond its calls. */
export interface SaidOfSession {
  /** From `track.sessionEnd`, or a goal that was reached or missed in it. */
  readonly outcome?: 'completed' | 'abandoned' | undefined
  /** Its last answer was rated badly, and no call came after. */
  readonly lastAnswerDisliked?: boolean | undefined
}

/**
 * What the app said decides. Else a session is taken to be abandoned where its last call failed, was cancelled or cut off, or
 * its answer was disliked, and to be completed otherwise; `strict` leaves those unknown.
 */
export function outcomeOf(last: CallKind | undefined, said: SaidOfSession | undefined, mode?: OutcomeMode): Outcome {
  return outcomeOfEnd(last !== undefined && (last.status !== 'ok' || last.errorClass === 'truncated'), said, mode)
}

export type OutcomeMode = 'inferred' | 'strict'

/** The same of a session of which only the end is known: whether its last call went wrong. */
export function outcomeOfEnd(wentWrong: boolean, said: SaidOfSession | undefined, mode: OutcomeMode = 'inferred'): Outcome {
  if (said?.outcome !== undefined) return { outcome: said.outcome, basis: 'explicit' }
  if (mode === 'strict') return { outcome: 'unknown', basis: 'inferred' }
  return { outcome: wentWrong || said?.lastAnswerDisliked === true ? 'abandoned' : 'completed', basis: 'inferred' }
}
