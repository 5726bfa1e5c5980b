import { SESSION_DAY_MS, SESSION_IDLE_MS } from '@spanledger/store'

/** That a user disliked an answer, or what a session came to. */
export interface Dislike {
  readonly userId: number
  readonly sessionId: number
  readonly atMs: number
  /** The id of a call; the hash of an answer's id; undefined of a session. */
  readonly call?: string | undefined
  readonly answer?: number | undefined
}

/** A call that may be the one whose answer was disliked. */
export interface DislikedCall {
  readonly userId: number
  readonly sessionId: number
  readonly startMs: number
  readonly endMs: number
  readonly id: string
  /** Null where the ledger knows no id of the answer. */
  readonly answer: number | null
}

/** How long before a dislike the call that it names may have started. */
const DISLIKED_WITHIN_MS = 7 * 86_400_000
/** Clocks of two machines: it may seem to start later. */
export const DISLIKED_SKEW_MS = 60_000

/** What users disliked, to be asked for the last call of a session: what came after it was no dislike of that one. */
export class Dislikes {
  readonly #ofUser = new Map<number, Dislike[]>()

  constructor(dislikes: readonly Dislike[]) {
    for (const dislike of dislikes) {
      const own = this.#ofUser.get(dislike.userId)
      if (own === undefined) this.#ofUser.set(dislike.userId, [dislike])
      else own.push(dislike)
    }
  }

  /** Of each user when the calls began that may be meant. */
  get windows(): [userId: number, fromMs: number, toMs: number][] {
    return [...this.#ofUser].map(([userId, own]) => {
      const times = own.map(({ atMs }) => atMs)
      const earliest = times.reduce((least, atMs) => Math.min(least, atMs))
      const latest = times.reduce((most, atMs) => Math.max(most, atMs))
      return [userId, earliest - DISLIKED_WITHIN_MS, latest + DISLIKED_SKEW_MS]
    })
  }

  /** Whether a call is near enough in time to any. */
  mayHave({ userId, startMs }: Pick<DislikedCall, 'userId' | 'startMs'>): boolean {
    return this.#ofUser.get(userId)?.some(({ atMs }) => isNear(atMs, startMs)) === true
  }

  /** Whether a call, if nothing came after it in its session, is what a user disliked. */
  has(call: DislikedCall): boolean {
    return this.#ofUser.get(call.userId)?.some((dislike) => isAbout(dislike, call)) === true
  }
}

/**
 * A dislike that names a call is about that one. One that names a session, or an answer that the ledger knows no call of, is about
 * the call that was the last in the session then, as long as the session could go on.
 */
function isAbout({ sessionId, atMs, call, answer }: Dislike, last: DislikedCall): boolean {
  if (!isNear(atMs, last.startMs)) return false
  if (call !== undefined) return call === last.id
  if (answer !== undefined && last.answer !== null) return answer === last.answer
  const goesOnMs = sessionId === 0 ? SESSION_IDLE_MS : SESSION_DAY_MS
  return sessionId === last.sessionId && last.startMs <= atMs && atMs < last.endMs + goesOnMs
}

function isNear(atMs: number, startMs: number): boolean {
  return startMs <= atMs + DISLIKED_SKEW_MS && startMs >= atMs - DISLIKED_WITHIN_MS
}
