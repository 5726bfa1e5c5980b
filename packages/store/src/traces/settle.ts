import { MAX_PROPERTIES_PER_CALL, mergeIdentities, type Identity } from '@spanledger/conventions'

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
  /** Whose response id it is; one that is not known is nobody else's. */
  readonly provider?: string | undefined
  /** How long the call took; spans that are no calls need not say. */
  readonly durationMs?: number | undefined
  /** What the span itself says. */
  readonly identity: Identity | undefined
  readonly resourceIdentity: Identity | undefined
}

export interface Decision {
  readonly counted: boolean
  readonly identity: Identity
}

const nobody: Identity = { user: undefined, session: undefined, properties: new Map() }

/** Shorter ids (`chatcmpl-123`) are numbers that come again: those of one answer are unique in their trace only. */
const MIN_ANSWER_ID_LENGTH = 16
/** More spans with one id than this are no reports of one answer, but the answers of a stand-in that always says the same. */
export const MAX_REPORTS = 100

/** Whether a response id says of spans of different traces that they report one answer. */
export function namesOneAnswer(responseId: string | undefined): responseId is string {
  return responseId !== undefined && responseId.length >= MIN_ANSWER_ID_LENGTH
}

/**
 * Decides every LLM span of some traces. A pure function of the set of spans: their order does not matter.
 *
 * A span with usage counts only if no LLM span below it has usage (the leaf is the real call; agents and wrappers repeat
 * it). One without usage counts only if no LLM span is below it and none above it counts. Of several that count with one
 * response id in a trace, or with one response id of one provider at the same time in any traces, the earliest does, in other traces one that names a user first. Each gets user, session and properties from itself, else from the nearest
 * ancestor that has them, else from its resource, else from that of the nearest ancestor whose resource has them.
 */
export function settleTraces(spans: readonly TraceSpan[]): ReadonlyMap<TraceSpan, Decision> {
  const byId = indexSpans(spans)
  const calls = spans.filter((span) => span.role !== 'other')
  const ancestors = new Map(calls.map((call) => [call, ancestorsOf(call, byId.get(call.traceId) ?? noSpans)]))

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
  const identities = new Map(
    calls.map((call) => {
      const line = [call, ...(ancestors.get(call) ?? [])]
      const own = line.flatMap((span) => span.identity ?? [])
      return [call, mergeIdentities([...own, ...line.flatMap((span) => span.resourceIdentity ?? [])])]
    }),
  )
  const userOf = (call: TraceSpan): string | undefined => identities.get(call)?.user
  for (const copy of copiesOfOneAnswer({ calls, counted, userOf })) counted.delete(copy)
  return new Map(calls.map((call) => [call, { counted: counted.has(call), identity: identities.get(call) ?? nobody }]))
}

/** What `settleTraces` says of a span alone. */
export function settleAlone({ role, hasUsage, identity, resourceIdentity }: TraceSpan): Decision {
  const counted = hasUsage || role === 'call'
  // As nearly all calls are: what they say is taken as it is, not put together anew.
  if (identity !== undefined && resourceIdentity === undefined && identity.properties.size <= MAX_PROPERTIES_PER_CALL) {
    return { counted, identity: { user: identity.user, session: identity.session, properties: identity.properties } }
  }
  return { counted, identity: mergeIdentities([identity, resourceIdentity].filter((one) => one !== undefined)) }
}

type SpansById = ReadonlyMap<string, TraceSpan>

const noSpans: SpansById = new Map()

/** By trace and id; of several spans with one id the earliest. */
function indexSpans(spans: readonly TraceSpan[]): ReadonlyMap<string, SpansById> {
  const traces = new Map<string, Map<string, TraceSpan>>()
  for (const span of spans) {
    let byId = traces.get(span.traceId)
    if (byId === undefined) traces.set(span.traceId, (byId = new Map()))
    const known = byId.get(span.spanId)
    if (known === undefined || span.startMs < known.startMs) byId.set(span.spanId, span)
  }
  return traces
}

function ancestorsOf(span: TraceSpan, byId: SpansById): TraceSpan[] {
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

interface Counting {
  readonly calls: readonly TraceSpan[]
  readonly counted: ReadonlySet<TraceSpan>
  readonly userOf: (call: TraceSpan) => string | undefined
}

/** All but the best of each trace with their response id, and of those all of which another trace has a better report. */
function copiesOfOneAnswer({ calls, counted, userOf }: Counting): TraceSpan[] {
  const reports = new Map<string, number>()
  for (const { responseId } of calls) if (responseId !== undefined) reports.set(responseId, (reports.get(responseId) ?? 0) + 1)
  const bestOfTrace = new Map<string, TraceSpan>()
  const named = [...counted].filter(({ responseId }) => responseId !== undefined)
  for (const call of named) {
    const best = bestOfTrace.get(inTrace(call))
    if (best === undefined || isBetter(call, best)) bestOfTrace.set(inTrace(call), call)
  }
  const elsewhere = new Map<string, TraceSpan[]>()
  for (const call of bestOfTrace.values()) {
    const { responseId } = call
    if (!namesOneAnswer(responseId) || (reports.get(responseId) ?? 0) > MAX_REPORTS) continue
    const same = elsewhere.get(responseId)
    if (same === undefined) elsewhere.set(responseId, [call])
    else same.push(call)
  }
  return named.filter(
    (call) =>
      bestOfTrace.get(inTrace(call)) !== call ||
      elsewhere.get(call.responseId ?? '')?.some((other) => other !== call && isBetterReport(other, call, userOf)) === true,
  )
}

function inTrace({ traceId, responseId }: TraceSpan): string {
  return `${traceId} ${responseId}`
}

/** Whether the first, of another trace, reports the answer of the second, and better. */
function isBetterReport(a: TraceSpan, b: TraceSpan, userOf: Counting['userOf']): boolean {
  if (!areOneAnswer(a, b)) return false
  const [user, other] = [userOf(a), userOf(b)]
  // What is said of two users is never taken for one: one of them would not be charged.
  if (user !== undefined && other !== undefined && user !== other) return false
  // Nor does a gateway that knows no user, and whose clock is some ms ahead, take the call from the user.
  if (a.hasUsage === b.hasUsage && (user === undefined) !== (other === undefined)) return user !== undefined
  return isBetter(a, b)
}

/**
 * Whether spans of two traces with one response id report one answer: a gateway's call lies within that of the SDK which
 * waits for it. A cache, a replay or a stand-in gives the same answer again later.
 */
function areOneAnswer(a: TraceSpan, b: TraceSpan): boolean {
  if (a.provider === undefined || a.provider !== b.provider) return false
  const start = Math.max(a.startMs, b.startMs)
  const end = Math.min(endOf(a), endOf(b))
  return start < end || (start === end && (a.startMs === endOf(a) || b.startMs === endOf(b)))
}

function endOf({ startMs, durationMs = 0 }: TraceSpan): number {
  return startMs + durationMs
}

function isBetter(a: TraceSpan, b: TraceSpan): boolean {
  if (a.hasUsage !== b.hasUsage) return a.hasUsage
  if (a.startMs !== b.startMs) return a.startMs < b.startMs
  return a.spanId !== b.spanId ? a.spanId < b.spanId : a.traceId < b.traceId
}
