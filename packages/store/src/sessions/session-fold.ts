/** What of a call matters for the sessions of its user. Ids are those of the ledger; 0 is none. */
export interface SessionCall {
  readonly userId: number
  /** The session that the app named. */
  readonly sessionId: number
  readonly startMs: number
  readonly endMs: number
  readonly kindId: number
  readonly featureId: number
  /** To the first token where it is known, else to the end. */
  readonly waitMs: number
  /** A user's message stands behind it: a chat call that is no retry, and no agent's own. */
  readonly isMessage: boolean
}

/** A sitting of a user: calls that the app put together, or that follow each other closely. */
export interface SessionFacts {
  readonly userId: number
  readonly sessionId: number
  readonly startMs: number
  /** The start of its last call. */
  lastMs: number
  /** The latest end of its calls. */
  endMs: number
  /** When the user began another, at most a day after the end; undefined where none is known. */
  nextMs: number | undefined
  requests: number
  messages: number
  /** Messages that follow closely on the end of what came before them. */
  followUps: number
  /** Time in which calls ran, and of each pause between them at most five minutes. */
  activeMs: number
  lastKindId: number
  lastWaitMs: number
  lastFeatureId: number
}

const MINUTE_MS = 60_000
/** Without an id of the app a session ends after this long without a call. */
export const SESSION_IDLE_MS = 30 * MINUTE_MS
/** With one: after this long. Without one it lasts no longer. And whoever comes back within it has returned. */
export const SESSION_DAY_MS = 24 * 60 * MINUTE_MS
/** A pause longer than this is no longer time spent. */
const LONGEST_PAUSE_MS = 5 * MINUTE_MS
/** A message follows up when it comes at most this long after an answer. */
const FOLLOW_UP_WITHIN_MS = 10 * MINUTE_MS

/**
 * Puts calls into sessions as they come: each must start at or after the one before. The gap is measured from the latest end
 * so far to the next start, because LLM calls take long; a gap of exactly the idle time ends a session. What it holds after
 * any calls is all that is needed to go on from there.
 */
export class SessionFold {
  /** The session that the next call of a user may belong to, by session id, of calls without one by the user's, negative. */
  readonly #current = new Map<number, SessionFacts>()
  /** The sessions of each user that another may be the next after. */
  readonly #recent = new Map<number, SessionFacts[]>()

  /** @param open the sessions that may go on, as another fold left them */
  constructor(open: readonly SessionFacts[] = []) {
    for (const session of open.toSorted((a, b) => a.startMs - b.startMs)) {
      this.#current.set(keyOf(session), session)
      this.#remember(session)
    }
  }

  /** @returns the session that the call is in */
  add(call: SessionCall): SessionFacts {
    const key = keyOf(call)
    const current = this.#current.get(key)
    if (current !== undefined && goesOn(current, call)) {
      addTo(current, call)
      return current
    }
    const session = begun(call)
    this.#noteNext(session)
    this.#current.set(key, session)
    this.#remember(session)
    return session
  }

  /** Lets go of the sessions that are over at an instant, after which every further call starts: there may be very many. */
  forget(atMs: number): void {
    for (const [key, session] of this.#current) if (isOver(session, atMs)) this.#current.delete(key)
    for (const [userId, recent] of this.#recent) if (recent.every((session) => isOver(session, atMs))) this.#recent.delete(userId)
  }

  #remember(session: SessionFacts): void {
    const recent = this.#recent.get(session.userId)
    if (recent === undefined) this.#recent.set(session.userId, [session])
    else recent.push(session)
  }

  #noteNext({ userId, startMs }: SessionFacts): void {
    const recent = this.#recent.get(userId)
    if (recent === undefined) return
    let kept = 0
    for (const before of recent) {
      if (isOver(before, startMs)) continue
      if (before.nextMs === undefined && before.endMs < startMs) before.nextMs = startMs
      recent[kept++] = before
    }
    recent.length = kept
  }
}

/** Whether no call that starts at an instant or later can change anything about a session. */
export function isOver({ endMs }: SessionFacts, atMs: number): boolean {
  return endMs + SESSION_DAY_MS < atMs
}

function keyOf({ userId, sessionId }: { readonly userId: number; readonly sessionId: number }): number {
  return sessionId === 0 ? -userId : sessionId
}

function goesOn({ sessionId, startMs, endMs }: SessionFacts, call: SessionCall): boolean {
  const gapMs = call.startMs - endMs
  return sessionId === 0 ? gapMs < SESSION_IDLE_MS && call.startMs - startMs < SESSION_DAY_MS : gapMs < SESSION_DAY_MS
}

function begun({ userId, sessionId, startMs, endMs, isMessage, kindId, waitMs, featureId }: SessionCall): SessionFacts {
  return {
    userId,
    sessionId,
    startMs,
    lastMs: startMs,
    endMs,
    nextMs: undefined,
    requests: 1,
    messages: isMessage ? 1 : 0,
    followUps: 0,
    activeMs: endMs - startMs,
    lastKindId: kindId,
    lastWaitMs: waitMs,
    lastFeatureId: featureId,
  }
}

function addTo(session: SessionFacts, { startMs, endMs, isMessage, kindId, waitMs, featureId }: SessionCall): void {
  const gapMs = startMs - session.endMs
  if (gapMs > 0) session.activeMs += Math.min(gapMs, LONGEST_PAUSE_MS)
  session.activeMs += Math.max(0, endMs - Math.max(startMs, session.endMs))
  if (isMessage) {
    session.messages++
    if (gapMs >= 0 && gapMs <= FOLLOW_UP_WITHIN_MS) session.followUps++
  }
  session.requests++
  session.lastMs = startMs
  session.endMs = Math.max(session.endMs, endMs)
  // Whatever else began since then began before this call did.
  session.nextMs = undefined
  session.lastKindId = kindId
  session.lastWaitMs = waitMs
  session.lastFeatureId = featureId
}
