import type { Person } from './person.ts'

/** What of a call says how far its user has come. Ids are those of the ledger; session 0 is none. */
export interface JourneyCall {
  readonly session: number
  readonly startMs: number
  readonly endMs: number
  readonly kind: JourneyKind
  /** A message of the user stands behind it: none that asks something once more, nor an agent's own call. */
  readonly isMessage: boolean
  /** Equal for calls of one feature; 0 where none was named. */
  readonly feature: number
  readonly isAdvanced: boolean
}

/** What became of a call; many share one. */
export interface JourneyKind {
  readonly isOk: boolean
  /** A session that ends with it has ended badly, as far as the call says. */
  readonly isBadEnd: boolean
}

/** How far a user has come, told from its calls; undefined where it has not. Instants in ms. */
export interface Journey {
  readonly first: { readonly ms: number; readonly isOk: boolean }
  successMs: number | undefined
  /** The second message of a session. */
  multiTurnMs: number | undefined
  advancedMs: number | undefined
  /** The first call on the user's own days 7 to 13. */
  secondWeekMs: number | undefined
  readonly firstSession: FirstSession
}

export interface FirstSession {
  /** The app's; 0 is none. */
  readonly session: number
  readonly startMs: number
  endMs: number
  messages: number
  readonly features: Set<number>
  /** What the last call says. */
  isBadEnd: boolean
  /** Calls that came after belong to later sessions. */
  isOver: boolean
}

/** A sitting that a second message may still come to. */
interface OpenSession {
  startMs: number
  endMs: number
  messages: number
}

const HOUR_MS = 3_600_000
/** As in sessions.ts: after this long without a call a sitting is over, or, with an id of the app, after a day; no longer than a day without one. */
const IDLE_MS = HOUR_MS / 2
const DAY_MS = 24 * HOUR_MS
/** Sessions in which one message stands alone are forgotten from so many on, once nothing can come to them. */
const MANY_SESSIONS = 32

/**
 * Reads calls in the order of their start, one at a time, and keeps of each user only how far it has come: a million calls
 * are a million numbers in passing.
 */
export class Journeys {
  readonly #people: ReadonlyMap<number, Person>
  readonly #journeys = new Map<number, Journey>()
  readonly #open = new Map<number, Map<number, OpenSession>>()

  constructor(people: ReadonlyMap<number, Person>) {
    this.#people = people
  }

  /** Takes a call of a user; of users who are not among the people nothing is kept. */
  add(userId: number, call: JourneyCall): void {
    const person = this.#people.get(userId)
    if (person === undefined) return
    let journey = this.#journeys.get(userId)
    if (journey === undefined) this.#journeys.set(userId, (journey = begun(call)))
    const { startMs, kind, isAdvanced } = call
    if (kind.isOk) journey.successMs ??= startMs
    if (isAdvanced) journey.advancedMs ??= startMs
    const [fromMs, toMs] = person.secondWeek
    if (startMs >= fromMs && startMs < toMs) journey.secondWeekMs ??= startMs
    addToFirst(journey.firstSession, call)
    if (journey.multiTurnMs === undefined) this.#addMessage(userId, journey, call)
  }

  /** How far each user with a call has come, by id. */
  finish(): ReadonlyMap<number, Journey> {
    this.#open.clear()
    return this.#journeys
  }

  #addMessage(userId: number, journey: Journey, { session, startMs, endMs, isMessage }: JourneyCall): void {
    let sessions = this.#open.get(userId)
    if (sessions === undefined) this.#open.set(userId, (sessions = new Map<number, OpenSession>()))
    const known = sessions.get(session)
    const open = known === undefined || endsBefore(known, session, startMs) ? { startMs, endMs, messages: 0 } : known
    open.endMs = Math.max(open.endMs, endMs)
    if (isMessage) open.messages++
    if (open.messages >= 2) {
      journey.multiTurnMs = startMs
      this.#open.delete(userId)
      return
    }
    sessions.set(session, open)
    if (sessions.size > MANY_SESSIONS) {
      for (const [id, one] of sessions) if (endsBefore(one, id, startMs)) sessions.delete(id)
    }
  }
}

function begun({ session, startMs, endMs, kind }: JourneyCall): Journey {
  return {
    first: { ms: startMs, isOk: kind.isOk },
    successMs: undefined,
    multiTurnMs: undefined,
    advancedMs: undefined,
    secondWeekMs: undefined,
    firstSession: { session, startMs, endMs, messages: 0, features: new Set(), isBadEnd: false, isOver: false },
  }
}

/** Whether a sitting is over before a call of the same session that starts at `startMs`. */
function endsBefore(sitting: { readonly startMs: number; readonly endMs: number }, session: number, startMs: number): boolean {
  const gapMs = startMs - sitting.endMs
  return session === 0 ? gapMs >= IDLE_MS || startMs - sitting.startMs >= DAY_MS : gapMs >= DAY_MS
}

function addToFirst(first: FirstSession, { session, startMs, endMs, kind, isMessage, feature }: JourneyCall): void {
  if (first.isOver || session !== first.session) return
  if (endsBefore(first, session, startMs)) {
    first.isOver = true
    return
  }
  first.endMs = Math.max(first.endMs, endMs)
  if (isMessage) first.messages++
  if (feature !== 0) first.features.add(feature)
  first.isBadEnd = kind.isBadEnd
}

/** Whether a first session may still go on. */
export function isOpen({ endMs }: FirstSession, asOfMs: number): boolean {
  return endMs + IDLE_MS > asOfMs
}
