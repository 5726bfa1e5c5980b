import { SESSION_DAY_MS, SESSION_IDLE_MS, type SessionFacts } from '@spanledger/store'

import { Numbers } from './numbers.ts'
import type { SaidOfSession } from './outcomes.ts'

/** Closed sessions that ended alike. */
export interface Ending extends SaidOfSession {
  /** Of their last call. */
  readonly kindId: number
  sessions: number
  /** Of these, how many ended with a wait longer than is usual for the feature. */
  longWaits: number
  /** Of these, how many ended with a request that was asked before. */
  repeated: number
  /** How many of them had so many messages. */
  readonly messages: Map<number, number>
}

/** What is added up over sessions; parts that were kept and parts that are computed add up to the whole. */
export interface SessionTotals {
  sessions: number
  messages: number
  followUps: number
  /** Sessions that are over: nothing below is of others. */
  closed: number
  requests: number
  closedMessages: number
  closedFollowUps: number
  activeMs: number
  durationMs: number
  readonly durations: Numbers
  /** Sessions long enough ago to tell whether the user came back, and those of them after which one did. */
  known: number
  returned: number
  readonly endings: Map<string, Ending>
}

export function noSessions(): SessionTotals {
  return {
    sessions: 0,
    messages: 0,
    followUps: 0,
    closed: 0,
    requests: 0,
    closedMessages: 0,
    closedFollowUps: 0,
    activeMs: 0,
    durationMs: 0,
    durations: new Numbers(),
    known: 0,
    returned: 0,
    endings: new Map(),
  }
}

/** The users of sessions long enough ago to tell whether they came back, and those who did after one of them. */
export interface Returning {
  readonly known: Set<number>
  readonly returned: Set<number>
}

/** Notes the user of a session that is over. */
export function addReturn({ known, returned }: Returning, { userId, endMs, nextMs }: SessionFacts, asOfMs: number): void {
  if (endMs + SESSION_DAY_MS > asOfMs) return
  known.add(userId)
  if (nextMs !== undefined) returned.add(userId)
}

/** What sessions are looked at with. */
export interface SessionView {
  readonly asOfMs: number
  readonly saidOf?: ((session: SessionFacts) => SaidOfSession | undefined) | undefined
  /** Whether a wait is longer than usual. */
  readonly isLong?: ((featureId: number, waitMs: number) => boolean) | undefined
  /** Is told of each session that is over what it was counted with, where `isLong` is not known yet. */
  readonly onEnding?: (ending: Ending, session: SessionFacts) => void
}

/** Adds a session; with sign -1 takes it away again. @returns whether it is over */
export function addSession(totals: SessionTotals, session: SessionFacts, view: SessionView, sign: 1 | -1 = 1): boolean {
  totals.sessions += sign
  totals.messages += sign * session.messages
  totals.followUps += sign * session.followUps
  if (session.endMs + SESSION_IDLE_MS > view.asOfMs) return false
  const lengthMs = session.endMs - session.startMs
  totals.closed += sign
  totals.requests += sign * session.requests
  totals.closedMessages += sign * session.messages
  totals.closedFollowUps += sign * session.followUps
  totals.activeMs += sign * session.activeMs
  totals.durationMs += sign * lengthMs
  totals.durations.add(lengthMs, sign)
  if (session.endMs + SESSION_DAY_MS <= view.asOfMs) {
    totals.known += sign
    if (session.nextMs !== undefined) totals.returned += sign
  }
  const ending = addEnding(totals, session, { said: view.saidOf?.(session), isLong: view.isLong }, sign)
  view.onEnding?.(ending, session)
  return true
}

/** Adds how a session ended; with sign -1 takes it away again. */
export function addEnding(
  totals: SessionTotals,
  session: Pick<SessionFacts, 'lastKindId' | 'lastFeatureId' | 'lastWaitMs' | 'messages'>,
  { said, isLong }: { said?: SaidOfSession | undefined; isLong: SessionView['isLong'] },
  sign: 1 | -1 = 1,
): Ending {
  const ending = endingOf(totals, session.lastKindId, said)
  ending.sessions += sign
  if (isLong?.(session.lastFeatureId, session.lastWaitMs) === true) ending.longWaits += sign
  ending.messages.set(session.messages, (ending.messages.get(session.messages) ?? 0) + sign)
  return ending
}

/** The sessions that ended alike, to be added to. */
export function endingOf(totals: SessionTotals, kindId: number, said: SaidOfSession | undefined): Ending {
  const key = `${kindId} ${said?.outcome ?? ''} ${said?.lastAnswerDisliked === true}`
  let ending = totals.endings.get(key)
  if (ending === undefined) {
    const { outcome, lastAnswerDisliked } = said ?? {}
    ending = { kindId, outcome, lastAnswerDisliked, sessions: 0, longWaits: 0, repeated: 0, messages: new Map() }
    totals.endings.set(key, ending)
  }
  return ending
}
