import { SessionFold, type SessionFacts } from '@spanledger/store'

import { countUp, noCounts, UserDays, waitsOf, type CallCounts } from '../../src/behavior/call-counts.ts'
import { longWaits } from '../../src/behavior/friction.ts'
import { addReturn, addSession, noSessions, type Ending, type Returning, type SessionTotals } from '../../src/behavior/session-totals.ts'
import type { SaidOfSession } from '../../src/behavior/outcomes.ts'
import { isChat, type UserCall } from '../../src/behavior/user-call.ts'
import { inOrder } from '../../src/read/asked-call.ts'
import type { CallKind } from '../../src/read/read-kinds.ts'

/** What calls come to, from the parts that the reports are made of. */
export interface Facts {
  readonly sessions: readonly SessionFacts[]
  readonly totals: SessionTotals
  readonly returning: Returning
  readonly counts: CallCounts
  readonly kinds: ReadonlyMap<number, CallKind>
  /** What ids stand for. */
  readonly features: ReadonlyMap<number, string>
}

export function factsOf(
  calls: readonly UserCall[],
  {
    asOfMs,
    retries,
    saidOf,
  }: { asOfMs: number; retries: ReadonlyMap<string, unknown>; saidOf?: (name: string) => SaidOfSession | undefined },
): Facts {
  const users = names()
  const sessionNames = names()
  const features = names()
  const kindNames = names()
  const kinds = new Map<number, CallKind>()
  const fold = new SessionFold()
  const sessions = new Set<SessionFacts>()
  const repeated = new Set<SessionFacts>()
  const counts = noCounts()
  const days = new UserDays()
  for (const call of inOrder(calls)) {
    const { operation, status, errorClass } = call
    const kindId = kindNames.id(JSON.stringify([operation, status, errorClass]))
    kinds.set(kindId, { operation, status, errorClass })
    const userId = users.id(call.user)
    const featureId = call.feature === undefined ? 0 : features.id(call.feature)
    const waitMs = call.timeToFirstTokenMs ?? call.endMs - call.startMs
    const session = fold.add({
      userId,
      sessionId: call.session === undefined ? 0 : sessionNames.id(call.session),
      startMs: call.startMs,
      endMs: call.endMs,
      kindId,
      featureId,
      waitMs,
      isMessage: isChat(call) && !retries.has(call.id),
    })
    sessions.add(session)
    if (retries.has(call.id)) repeated.add(session)
    else repeated.delete(session)
    countUp(counts.quarters, Math.floor(call.startMs / 900_000))
    countUp(counts.features, featureId)
    countUp(counts.kinds, kindId)
    waitsOf(counts, featureId).add(waitMs)
    days.add(userId, Math.floor(call.startMs / 86_400_000))
  }
  counts.userDays = days.count
  const totals = noSessions()
  const isLong = longWaits(counts.waits)
  const view = { asOfMs, isLong, saidOf: ({ sessionId }: SessionFacts) => saidOf?.(sessionNames.of.get(sessionId) ?? '') }
  const onEnding = (ending: Ending, session: SessionFacts): void => {
    if (repeated.has(session)) ending.repeated++
  }
  const returning: Returning = { known: new Set(), returned: new Set() }
  for (const session of sessions) if (addSession(totals, session, { ...view, onEnding })) addReturn(returning, session, asOfMs)
  return { sessions: [...sessions], totals, returning, counts, kinds, features: features.of }
}

/** Ids for names, from 1. */
function names(): { id: (name: string) => number; of: Map<number, string> } {
  const ids = new Map<string, number>()
  const of = new Map<number, string>()
  return {
    of,
    id: (name) => {
      const id = ids.get(name) ?? ids.size + 1
      ids.set(name, id)
      of.set(id, name)
      return id
    },
  }
}
