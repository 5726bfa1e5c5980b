import type { Outcome } from '../../src/behavior/outcomes.ts'
import type { SaidOfSession } from '../../src/behavior/outcomes.ts'
import type { Session } from './naive-sessions.ts'

/**
 * What the app said decides. Else a session is taken to be abandoned where its last call failed, was cancelled or cut off, or
 * its answer was disliked, and to be completed otherwise; `strict` leaves those unknown.
 */
export function outcomeOf(session: Session, said: SaidOfSession | undefined, mode: 'inferred' | 'strict' = 'inferred'): Outcome {
  if (said?.outcome !== undefined) return { outcome: said.outcome, basis: 'explicit' }
  if (mode === 'strict') return { outcome: 'unknown', basis: 'inferred' }
  const last = session.calls.at(-1)
  const wentWrong = last !== undefined && (last.status !== 'ok' || last.errorClass === 'truncated')
  return { outcome: wentWrong || said?.lastAnswerDisliked === true ? 'abandoned' : 'completed', basis: 'inferred' }
}
