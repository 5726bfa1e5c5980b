/** Ends the calls that are not over, of those whose span `isMeant` says yes to. Never throws. */
export type EndOpenCalls = (isMeant: (span: object) => boolean) => void

/** On `globalThis`, because instrumentation and processor of one app may come from two copies of our packages, or more. */
const SLOT = Symbol.for('spanledger.open-calls')
const slots = globalThis as { [SLOT]?: Set<EndOpenCalls> }

/** Called by an instrumentation when its first call begins. */
export function tellOpenCalls(end: EndOpenCalls): void {
  slots[SLOT] ??= new Set()
  slots[SLOT].add(end)
}

/**
 * Ends the spans of calls that are not over, with what is known of them: what a stream brought so far, or that usage is
 * missing. For whoever takes no span any more, before it stops: a span that never ends is a call that no ledger has. What the
 * app reads of such a call later is its own affair; the call stays as it is.
 */
export function endOpenCalls(isMeant: (span: object) => boolean = everyCall): void {
  for (const end of slots[SLOT] ?? []) end(isMeant)
}

function everyCall(): boolean {
  return true
}
