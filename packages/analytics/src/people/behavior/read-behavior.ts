import { SESSION_DAY_MS, SESSION_IDLE_MS } from '@spanledger/store'

import type { CallCounts } from '../../behavior/call-counts.ts'
import { longWaits } from '../../behavior/friction.ts'
import type { Returning, SessionTotals } from '../../behavior/session-totals.ts'
import { scopeOf, type Frame } from '../../read/frame.ts'
import { openReading, type BehaviorReading, type BehaviorWanted } from './behavior-reading.ts'
import { addKeptCounts, addKeptSessions, addOpenDays, keptPlan, type KeptPlan } from './kept-behavior.ts'
import { disliked, readDislikes } from './read-dislikes.ts'
import { readLongestLatency } from './read-longest-latency.ts'
import { readRetries } from '../../read/read-retries.ts'
import { readSessionOutcomes } from '../histories/read-session-outcomes.ts'
import { eachCall, openCallWords, type BehaviorCall, type CallWords } from '../histories/user-calls.ts'

/** How the users of a question behaved in its period. */
export interface Behavior {
  readonly totals: SessionTotals
  /** Filled where it is wanted. */
  readonly returning: Returning
  readonly counts: CallCounts
  readonly words: CallWords
  /** Users whom a rate limit refused a call; undefined where the rollups of users tell. */
  readonly rateLimited: ReadonlySet<number> | undefined
}

/**
 * What is kept of days that are over and the calls since, or, where a filter or another zone asks for what is not kept, the
 * calls alone: the same answer. The sessions are those that began in the period.
 */
export async function readBehavior(frame: Frame, wanted: BehaviorWanted = {}): Promise<Behavior> {
  const untilNow = await scopeOf(frame, { fromMs: frame.period.fromMs, toMs: frame.clock.asOfMs })
  const retries = wanted.messages === true ? await readRetries(frame.store, untilNow) : undefined
  const dislikes = await readDislikes(frame)
  const words = await openCallWords(frame, { retries, dislikes })
  const outcomes = await readSessionOutcomes(frame)
  // What is kept of sessions knows no retries, and so other messages.
  const plan = retries === undefined ? await keptPlan(frame, wanted) : undefined
  const openDisliked = await disliked(frame, plan?.open ?? [], dislikes)
  const open = (): BehaviorReading => openReading(frame, { words, wanted, open: plan?.open ?? [], openDisliked, outcomes })
  const reading = plan === undefined ? await readAll(frame, open) : await readSince(frame, plan, open())
  if (plan?.counts === true) await addKeptCounts(frame, plan, reading)
  const isLong = wanted.waits === true ? isLongIn(reading.counts.waits, plan) : undefined
  reading.settleWaits(isLong)
  if (plan !== undefined) await addKeptSessions(frame, plan, { ...reading, isLong, outcomes, eachClosed: wanted.eachClosed })
  const { totals, returning, counts, rateLimited } = reading
  return { totals, returning, counts, words, rateLimited: plan === undefined ? rateLimited : undefined }
}

function isLongIn(waits: CallCounts['waits'], plan: KeptPlan | undefined): (featureId: number, waitMs: number) => boolean {
  const isLong = longWaits(waits)
  return plan === undefined ? isLong : (valueId, waitMs) => isLong(plan.featureId(valueId), waitMs)
}

/** Sessions that are over are let go of so often: looking at all that are not costs as much as some thousand calls. */
const LET_GO_EVERY_MS = 12 * 3_600_000

/**
 * Reads the calls of the period, those before it that its sessions may have begun with, and those after it that they went on
 * with. Begins farther back where somebody's calls, without a session of the app, followed closely on each other all that time:
 * then the day after which such a session ends is told by the first of them.
 */
async function readAll(frame: Frame, open: () => BehaviorReading): Promise<BehaviorReading> {
  const { store, period, clock, zone } = frame
  const [first] = await store.all<{ ms: number }>('SELECT start_ms AS ms FROM llm_calls ORDER BY start_ms LIMIT 1')
  const longestMs = period.fromMs > (first?.ms ?? 0) ? await readLongestLatency(store, zone.day(period.fromMs)) : 0
  for (let paddingMs = SESSION_DAY_MS + longestMs; ; paddingMs *= 4) {
    const reading = open()
    const fromMs = period.fromMs - paddingMs
    const chains = new Chains()
    let isKnown = fromMs <= (first?.ms ?? 0)
    let letGoMs = 0
    await eachCall(frame, reading.words, {
      period: { fromMs, toMs: clock.asOfMs },
      take: (call) => {
        reading.sit(call)
        if (call.startMs < period.fromMs) chains.add(call)
        else if (call.startMs < period.toMs) reading.count(call)
      },
      goOn: (atMs) => {
        if (atMs - letGoMs > LET_GO_EVERY_MS) {
          reading.addSessions(atMs)
          letGoMs = atMs
        }
        if (atMs >= period.fromMs && !isKnown) {
          if (chains.reachFrom(fromMs + longestMs, period.fromMs)) return false
          isKnown = true
        }
        return atMs < period.toMs || reading.isWaiting(atMs)
      },
    })
    if (!isKnown && chains.reachFrom(fromMs + longestMs, period.fromMs)) continue
    reading.addSessions()
    return reading
  }
}

/** The calls of users without a session of the app that followed closely on each other, however long. */
class Chains {
  readonly #last = new Map<number, { startMs: number; endMs: number }>()

  add({ userId, sessionId, startMs, endMs }: BehaviorCall): void {
    if (sessionId !== 0) return
    const last = this.#last.get(userId)
    if (last === undefined || startMs - last.endMs >= SESSION_IDLE_MS) this.#last.set(userId, { startMs, endMs })
    else last.endMs = Math.max(last.endMs, endMs)
  }

  /** Whether one may have begun before an instant and go on at another. */
  reachFrom(fromMs: number, toMs: number): boolean {
    return [...this.#last.values()].some(({ startMs, endMs }) => startMs < fromMs + SESSION_IDLE_MS && endMs + SESSION_IDLE_MS > toMs)
  }
}

/** What is not kept: the calls of stale users from where their sessions may be others, and those since. */
async function readSince(frame: Frame, plan: KeptPlan, reading: BehaviorReading): Promise<BehaviorReading> {
  const { period, clock } = frame
  const { untilMs, refold, staleUsers } = plan
  if (refold !== undefined) {
    await eachCall(frame, reading.words, {
      period: { fromMs: refold.fromMs, toMs: untilMs },
      userIds: [...staleUsers],
      take: reading.sit,
    })
  }
  if (plan.counts) await addOpenDays(frame, plan, reading)
  await eachCall(frame, reading.words, {
    period: { fromMs: untilMs, toMs: clock.asOfMs },
    take: (call) => {
      reading.sit(call)
      if (plan.counts && call.startMs >= period.fromMs && call.startMs < period.toMs && !plan.isClosed(call.startMs)) reading.count(call)
    },
    goOn: (fromMs) => fromMs < period.toMs || reading.isWaiting(fromMs),
  })
  reading.addSessions()
  return reading
}
