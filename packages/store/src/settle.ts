import { mergeIdentities, type Identity } from '@spanledger/conventions'

/** What of a span matters for deciding which spans of its trace count, and for whom. */
export interface TraceSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly startMs: number
  /** `other` spans only pass on identity. */
  readonly role: 'other' | 'call' | 'aggregate'
  readonly hasUsage: boolean
  readonly responseId: string | undefined
  /** What the span itself says. */
  readonly identity: Identity | undefined
  readonly resourceIdentity: Identity | undefined
}

export interface Decision {
  readonly counted: boolean
  readonly identity: Identity
}

const nobody: Identity = { user: undefined, session: undefined, properties: new Map() }

/**
 * Decides every LLM span of one trace. A pure function of the set of spans: their order does not matter.
 *
 * A span with usage counts only if no LLM span below it has usage (the leaf is the real call; agents and wrappers repeat
 * it). One without usage counts only if no LLM span is below it and none above it counts. Of several that count with one
 * provider response id, the earliest does. Each gets user, session and properties from itself, else from the nearest
 * ancestor that has them, else from the resource.
 */
export function settleTrace(spans: readonly TraceSpan[]): ReadonlyMap<TraceSpan, Decision> {
  const byId = new Map<string, TraceSpan>()
  for (const span of spans) {
    const known = byId.get(span.spanId)
    if (known === undefined || span.startMs < known.startMs) byId.set(span.spanId, span)
  }
  const calls = spans.filter((span) => span.role !== 'other')
  const ancestors = new Map(calls.map((call) => [call, ancestorsOf(call, byId)]))

  const hasUsageBelow = new Set<TraceSpan>()
  const hasCallBelow = new Set<TraceSpan>()
  for (const [call, above] of ancestors) {
    for (const ancestor of above) {
      hasCallBelow.add(ancestor)
      if (call.hasUsage) hasUsageBelow.add(ancestor)
    }
  }
  const billed = new Set(calls.filter((call) => call.hasUsage && !hasUsageBelow.has(call)))
  const counted = new Set(
    calls.filter(
      (call) =>
        billed.has(call) ||
        (!call.hasUsage &&
          call.role === 'call' &&
          !hasCallBelow.has(call) &&
          !(ancestors.get(call) ?? []).some((above) => billed.has(above))),
    ),
  )
  for (const copy of copiesOfOneAnswer(counted)) counted.delete(copy)

  return new Map(
    calls.map((call) => {
      const own = [call, ...(ancestors.get(call) ?? [])].flatMap((span) => span.identity ?? [])
      const identity = mergeIdentities([...own, call.resourceIdentity ?? nobody])
      return [call, { counted: counted.has(call), identity }]
    }),
  )
}

function ancestorsOf(span: TraceSpan, byId: ReadonlyMap<string, TraceSpan>): TraceSpan[] {
  const found = new Set<TraceSpan>()
  for (let at: TraceSpan | undefined = span; at?.parentSpanId !== undefined;) {
    at = byId.get(at.parentSpanId)
    // Broken emitters make circles. Who stands in one has no ancestors: else all of its calls would be each other's wrappers.
    if (at === span) return []
    if (at === undefined || found.has(at)) break
    found.add(at)
  }
  return [...found]
}

/** All but the best of each group with one response id: with usage before without, then the earliest. */
function copiesOfOneAnswer(counted: ReadonlySet<TraceSpan>): TraceSpan[] {
  const best = new Map<string, TraceSpan>()
  const copies: TraceSpan[] = []
  for (const call of counted) {
    if (call.responseId === undefined) continue
    const known = best.get(call.responseId)
    if (known === undefined || isBetter(call, known)) best.set(call.responseId, call)
    if (known !== undefined) copies.push(best.get(call.responseId) === call ? known : call)
  }
  return copies
}

function isBetter(a: TraceSpan, b: TraceSpan): boolean {
  if (a.hasUsage !== b.hasUsage) return a.hasUsage
  return a.startMs !== b.startMs ? a.startMs < b.startMs : a.spanId < b.spanId
}
