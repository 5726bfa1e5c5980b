import { isOver, SessionFold, type SessionFacts } from '@spanledger/store'

import { countUp, noCounts, UserDays, waitsOf, type CallCounts } from '../../behavior/call-counts.ts'
import { addReturn, addSession, noSessions, type Ending, type Returning, type SessionTotals } from '../../behavior/session-totals.ts'
import type { SaidOfSession } from '../../behavior/outcomes.ts'
import type { Frame } from '../../read/frame.ts'
import type { BehaviorCall, CallWords } from '../histories/user-calls.ts'

/** What is asked of how users behaved, beside their sessions. */
export interface BehaviorWanted {
  /** What is counted over calls: their kinds, or the days of their users and what is counted by hour, feature and model too. */
  readonly counts?: 'kinds' | 'all'
  /** How many messages sessions have: then retries are told apart, where the ledger knows any. */
  readonly messages?: boolean
  /** Which users came back within a day. */
  readonly returns?: boolean
  /** How long users waited, and how many sessions ended with a long wait. */
  readonly waits?: boolean
  /** Is handed every session that began in the period and is over. */
  readonly eachClosed?: (session: Pick<SessionFacts, 'userId' | 'startMs' | 'endMs' | 'messages'>) => void
}

/** What is gathered while calls are read. */
export interface BehaviorReading {
  readonly wanted: BehaviorWanted
  readonly words: CallWords
  readonly fold: SessionFold
  readonly totals: SessionTotals
  readonly returning: Returning
  readonly counts: CallCounts
  readonly rateLimited: Set<number>
  /** Puts a call into its session. */
  readonly sit: (call: BehaviorCall) => void
  /** Counts a call. */
  readonly count: (call: BehaviorCall) => void
  /** Adds the sessions that are over at an instant up to which all calls were read, or all. */
  readonly addSessions: (overAtMs?: number) => void
  /** Whether a session of the period may still go on at an instant. */
  readonly isWaiting: (atMs: number) => boolean
  /** Whether a session began in the period. */
  readonly isWithin: (session: Pick<SessionFacts, 'userId' | 'startMs'>) => boolean
  readonly settleWaits: (isLong: ((featureId: number, waitMs: number) => boolean) | undefined) => void
}

interface ReadingParts {
  readonly words: CallWords
  readonly wanted: BehaviorWanted
  /** Sessions that may go on, as what is kept left them. */
  readonly open: readonly SessionFacts[]
  /** Those of them whose last call so far was disliked. */
  readonly openDisliked: ReadonlySet<SessionFacts>
  readonly outcomes: ReadonlyMap<number, SaidOfSession>
}

/** @returns a reading of nothing yet */
export function openReading(frame: Frame, { words, wanted, open, openDisliked, outcomes }: ReadingParts): BehaviorReading {
  const { clock, period, zone } = frame
  const fold = new SessionFold(open)
  let sessions: SessionFacts[] = [...open]
  const totals = noSessions()
  const returning: Returning = { known: new Set(), returned: new Set() }
  const counts = noCounts()
  const userDays = new UserDays()
  const rateLimited = new Set<number>()
  /** Sessions whose last call so far asks something once more. */
  const repeated = new Set<SessionFacts>()
  /** Sessions whose last call so far was disliked. */
  const disliked = new Set(openDisliked)
  const saidOf = (session: SessionFacts): SaidOfSession | undefined =>
    saidOfSession(session, { outcomes, isDisliked: disliked.has(session) })
  const ended: { ending: Ending; featureId: number; waitMs: number }[] = []
  const isWithin: BehaviorReading['isWithin'] = ({ userId, startMs }) => userId !== 0 && startMs >= period.fromMs && startMs < period.toMs
  const onEnding = (ending: Ending, session: SessionFacts): void => {
    const { lastFeatureId, lastWaitMs } = session
    if (repeated.delete(session)) ending.repeated++
    if (wanted.waits === true) ended.push({ ending, featureId: lastFeatureId, waitMs: lastWaitMs })
  }
  const add = (session: SessionFacts): void => {
    if (!isWithin(session)) return
    const isOverNow = addSession(totals, session, { asOfMs: clock.asOfMs, saidOf, onEnding })
    disliked.delete(session)
    if (isOverNow) wanted.eachClosed?.(session)
    if (isOverNow && wanted.returns === true) addReturn(returning, session, clock.asOfMs)
  }
  return {
    wanted,
    words,
    fold,
    totals,
    returning,
    counts,
    rateLimited,
    isWithin,
    sit: (call) => {
      const session = fold.add(call)
      if (call.isRetry) repeated.add(session)
      else repeated.delete(session)
      if (call.isDisliked) disliked.add(session)
      else disliked.delete(session)
      if (session.requests === 1) sessions.push(session)
    },
    count: (call) => {
      countUp(counts.kinds, call.kindId)
      if (wanted.counts === 'all') {
        countUp(counts.quarters, Math.floor(call.startMs / 900_000))
        countUp(counts.features, call.featureId)
        countUp(counts.models, call.modelId)
        userDays.add(call.userId, zone.day(call.startMs))
        counts.userDays = userDays.count
        counts.users = userDays.users
      }
      if (wanted.waits === true) waitsOf(counts, call.featureId).add(call.waitMs)
      if (words.kinds.get(call.kindId)?.errorClass === 'rate_limit') rateLimited.add(call.userId)
    },
    addSessions: (overAtMs) => {
      for (const session of sessions) if (overAtMs === undefined || isOver(session, overAtMs)) add(session)
      sessions = overAtMs === undefined ? [] : sessions.filter((session) => !isOver(session, overAtMs))
      if (overAtMs !== undefined) fold.forget(overAtMs)
    },
    isWaiting: (atMs) => sessions.some((session) => isWithin(session) && !isOver(session, atMs)),
    settleWaits: (isLong) => {
      for (const { ending, featureId, waitMs } of ended) if (isLong?.(featureId, waitMs) === true) ending.longWaits++
      ended.length = 0
    },
  }
}

/** What is known of how a session ended, beside its calls; sessions without an id of the app are named by nothing the app said. */
export function saidOfSession(
  { sessionId }: Pick<SessionFacts, 'sessionId'>,
  { outcomes, isDisliked }: { outcomes: ReadonlyMap<number, SaidOfSession>; isDisliked: boolean },
): SaidOfSession | undefined {
  const said = sessionId === 0 ? undefined : outcomes.get(sessionId)
  return isDisliked ? { ...said, lastAnswerDisliked: true } : said
}
