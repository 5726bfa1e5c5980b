import { tellOpenCalls } from '@spanledger/conventions'

import { counted, guarded } from './instrumentation-state.ts'

/** A call that is not over. */
export interface OpenCall {
  /** Whether it is the app that the call waits for: to parse an answer, or to read on in a stream. */
  readonly waitsForApp: boolean
  /** Grows with everything that happens to the call; two sweeps that see the same number saw no life. */
  readonly progress: number
  /** What it is recorded in. */
  readonly span: object
  /** Ends the span with what is known, and takes the call off the list. Does nothing to one that is over. */
  abandon(): void
  /** The same, without waiting for an SDK that may end the span a moment later. */
  abandonNow(): void
}

/** A call's place in the list of open calls. */
export interface OpenPlace {
  readonly call: OpenCall | undefined
  /** The call's progress at the last sweep; -1 before the first. */
  before: number
  previous: OpenPlace
  next: OpenPlace
}

/**
 * The ends of a ring of places. Not a Map or a Set of calls: those throw their tables away as they fill, V8 has such tables in its old
 * space, and what a thrown away table still names outlives the call until the next major collection. Measured: 6.6 kB a call, the
 * app's own request and answer among them, and 20 us of collecting.
 */
const ends = emptyRing()
let timer: NodeJS.Timeout | undefined
let sweepMs = 300_000
let watchesExit = false

/** A call is given up when two sweeps in a row find it waiting for the app without progress. */
export function sweepEvery(ms: number): void {
  sweepMs = ms
  if (timer === undefined) return
  clearInterval(timer)
  timer = setInterval(sweep, sweepMs).unref()
}

/** Keeps an eye on a call: an answer that the app never awaits and a stream that it never reads would leak their spans. */
export function watchOpenCall(call: OpenCall): OpenPlace {
  const { previous } = ends
  const place: OpenPlace = { call, before: -1, previous, next: ends }
  previous.next = place
  ends.previous = place
  if (!watchesExit) {
    watchesExit = true
    // Nothing is left that could read on; processors that flush on beforeExit too still get the spans.
    process.prependListener('beforeExit', () => abandonWhere(() => true))
    tellOpenCalls(endWhere)
  }
  timer ??= setInterval(sweep, sweepMs).unref()
  return place
}

/** Takes a call off the list; one that is off it already stays so. */
export function forgetOpenCall(place: OpenPlace): void {
  const { previous, next } = place
  previous.next = next
  next.previous = previous
  // A place that is off the list must lead to no other, for the same reason.
  place.previous = place
  place.next = place
}

function sweep(): void {
  abandonWhere((call, before) => call.waitsForApp && call.progress === before)
  for (let place = ends.next; place.call !== undefined; place = place.next) place.before = place.call.progress
  if (ends.next !== ends) return
  clearInterval(timer)
  timer = undefined
}

function abandonWhere(isOver: (call: OpenCall, before: number) => boolean): void {
  giveUp(openCallsWhere(isOver), (call) => call.abandon())
}

function endWhere(isMeant: (span: object) => boolean): void {
  giveUp(
    openCallsWhere(({ span }) => isMeant(span)),
    (call) => call.abandonNow(),
  )
}

function openCallsWhere(isMeant: (call: OpenCall, before: number) => boolean): OpenCall[] {
  const meant: OpenCall[] = []
  for (let place = ends.next; place.call !== undefined; place = place.next) if (isMeant(place.call, place.before)) meant.push(place.call)
  return meant
}

/** `calls` is a list of its own: ending a call takes it off ours, and runs processors, which may end others. */
function giveUp(calls: readonly OpenCall[], end: (call: OpenCall) => void): void {
  counted.abandonedCalls += calls.length
  for (const call of calls) guarded('sweep', () => end(call))
}

function emptyRing(): OpenPlace {
  const ring = { call: undefined, before: -1 } as unknown as OpenPlace
  ring.previous = ring
  ring.next = ring
  return ring
}
