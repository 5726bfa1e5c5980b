import { counted, guarded } from './instrumentation-state.ts'

/** A call that is not over. */
export interface OpenCall {
  /** Whether it is the app that the call waits for: to parse an answer, or to read on in a stream. */
  readonly waitsForApp: boolean
  /** Grows with everything that happens to the call; two sweeps that see the same number saw no life. */
  readonly progress: number
  /** Ends the span with what is known. */
  abandon(): void
}

/** By call, the progress at the last sweep; -1 before the first. */
const open = new Map<OpenCall, number>()
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
export function watchOpenCall(call: OpenCall): void {
  open.set(call, -1)
  if (!watchesExit) {
    watchesExit = true
    // Nothing is left that could read on; processors that flush on beforeExit too still get the spans.
    process.prependListener('beforeExit', () => abandonWhere(() => true))
  }
  timer ??= setInterval(sweep, sweepMs).unref()
}

export function forgetOpenCall(call: OpenCall): void {
  open.delete(call)
}

function sweep(): void {
  abandonWhere((call, before) => call.waitsForApp && call.progress === before)
  for (const call of open.keys()) open.set(call, call.progress)
  if (open.size > 0) return
  clearInterval(timer)
  timer = undefined
}

function abandonWhere(isOver: (call: OpenCall, before: number) => boolean): void {
  for (const [call, before] of open) {
    if (!isOver(call, before)) continue
    open.delete(call)
    counted.abandonedCalls++
    guarded('sweep', () => call.abandon())
  }
}
