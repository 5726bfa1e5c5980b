/** Sessions from all calls at once, over plain arrays: what the reports are compared with. */
import { isChat, type UserCall } from '../../src/behavior/user-call.ts'
import { inOrder } from '../../src/read/asked-call.ts'
import { groupBy } from '../../src/sums/group-by.ts'

/** A sitting of a user: calls that the app put together, or that follow each other closely. */
export interface Session {
  readonly user: string
  /** The app's own id, with `#2` behind it where a day lay between; undefined where the app named none. */
  readonly name: string | undefined
  readonly calls: readonly UserCall[]
  readonly startMs: number
  readonly endMs: number
  /** Whether it may still go on: less than the idle time has passed since its end. */
  readonly isOpen: boolean
  /** Messages of the user: chat calls that are neither retries nor an agent's own. */
  readonly messages: readonly UserCall[]
}

/** When a session ends, in ms. */
export interface SessionRules {
  /** Without an id of the app: after this long without a call. */
  readonly idleMs: number
  /** With one: after this long. */
  readonly explicitSplitMs: number
  /** Without one: no longer than this. */
  readonly longestMs: number
}

const HOUR_MS = 3_600_000
const sessionRules: SessionRules = { idleMs: HOUR_MS / 2, explicitSplitMs: 24 * HOUR_MS, longestMs: 24 * HOUR_MS }

interface Sessionizing {
  readonly asOfMs: number
  /** What `findRetries` found. */
  readonly retries: ReadonlyMap<string, unknown>
  readonly rules?: SessionRules
}

/**
 * Puts calls into sessions, in the order of their start. The gap is measured from the latest end so far to the next start:
 * LLM calls take long. A gap of exactly the idle time ends a session.
 */
export function sessionize(calls: readonly UserCall[], { asOfMs, retries, rules = sessionRules }: Sessionizing): Session[] {
  const sessions: Session[] = []
  for (const own of groupBy(calls, ({ user, session }) => JSON.stringify([user, session])).values()) {
    for (const [n, part] of split(inOrder(own), rules).entries()) {
      const { user = '', session } = part[0] ?? {}
      const endMs = latestEnd(part)
      sessions.push({
        user,
        name: session === undefined || n === 0 ? session : `${session}#${n + 1}`,
        calls: part,
        startMs: part[0]?.startMs ?? 0,
        endMs,
        isOpen: endMs + rules.idleMs > asOfMs,
        messages: part.filter((call) => isChat(call) && !retries.has(call.id)),
      })
    }
  }
  return sessions.sort((a, b) => a.startMs - b.startMs || (a.user < b.user ? -1 : a.user > b.user ? 1 : 0))
}

function split(calls: readonly UserCall[], { idleMs, explicitSplitMs, longestMs }: SessionRules): UserCall[][] {
  const parts: UserCall[][] = []
  let part: UserCall[] = []
  let endMs = 0
  for (const call of calls) {
    const first = part[0]
    const gapMs = call.startMs - endMs
    const ends =
      first !== undefined &&
      (call.session === undefined ? gapMs >= idleMs || call.startMs - first.startMs >= longestMs : gapMs >= explicitSplitMs)
    if (first === undefined || ends) {
      part = []
      parts.push(part)
      endMs = call.endMs
    }
    part.push(call)
    endMs = Math.max(endMs, call.endMs)
  }
  return parts
}

function latestEnd(calls: readonly UserCall[]): number {
  return calls.reduce((latest, { endMs }) => Math.max(latest, endMs), 0)
}

/** A pause longer than this is no longer time spent. */
const LONGEST_PAUSE_MS = 300_000

/** From the first start to the last end, in ms. */
export function durationMs({ startMs, endMs }: Session): number {
  return endMs - startMs
}

/** Time in which calls ran, and of each pause between them at most five minutes, in ms. */
export function activeDurationMs({ calls }: Session): number {
  let active = 0
  let endMs: number | undefined
  for (const call of calls) {
    if (endMs !== undefined && call.startMs > endMs) active += Math.min(call.startMs - endMs, LONGEST_PAUSE_MS)
    active += Math.max(0, call.endMs - Math.max(call.startMs, endMs ?? call.startMs))
    endMs = Math.max(endMs ?? 0, call.endMs)
  }
  return active
}

/** A message follows up when it comes at most this long after an answer. */
const FOLLOW_UP_WITHIN_MS = 600_000

/** Messages that follow closely on the end of what came before them in their session. */
export function followUps({ calls, messages }: Session): UserCall[] {
  const isMessage = new Set(messages.map(({ id }) => id))
  const found: UserCall[] = []
  let endMs: number | undefined
  for (const call of calls) {
    const gapMs = endMs === undefined ? -1 : call.startMs - endMs
    if (isMessage.has(call.id) && gapMs >= 0 && gapMs <= FOLLOW_UP_WITHIN_MS) found.push(call)
    endMs = Math.max(endMs ?? 0, call.endMs)
  }
  return found
}

/** How long after a session a user counts as having come back. */
const RETURN_WITHIN_MS = 24 * HOUR_MS

/**
 * How many closed sessions were long enough ago to tell, and after how many of them the user began another within a day; `all` has
 * those that began elsewhere too.
 */
export function returns(
  sessions: readonly Session[],
  asOfMs: number,
  all: readonly Session[] = sessions,
): { readonly returned: number; readonly known: number; readonly returnedUsers: number; readonly knownUsers: number } {
  const closed = sessions.filter(({ endMs, isOpen }) => !isOpen && endMs + RETURN_WITHIN_MS <= asOfMs)
  const returned = closed.filter(({ user, endMs }) =>
    all.some((other) => other.user === user && other.startMs > endMs && other.startMs <= endMs + RETURN_WITHIN_MS),
  )
  const usersOf = (some: readonly Session[]): number => new Set(some.map(({ user }) => user)).size
  return { returned: returned.length, known: closed.length, returnedUsers: usersOf(returned), knownUsers: usersOf(closed) }
}
