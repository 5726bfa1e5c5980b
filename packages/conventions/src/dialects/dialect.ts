import type { Counting, TokenCounts } from '../disjoint-usage.ts'
import type { CallStatus, UsageQuality } from '../llm-call.ts'
import type { SpanRecord } from '../span.ts'
import type { Usage, UsagePart } from '../usage.ts'

/** One way in which libraries write an LLM call into a span. */
export interface Dialect {
  readonly name: string
  /** What the span says, or undefined when it is no LLM call in this dialect. Never throws. */
  read(span: SpanRecord): DialectCall | undefined
}

/** A call as its dialect says it, before ids are checked and counts made disjoint. Unknown stays undefined. */
export interface DialectCall {
  readonly role: 'call' | 'aggregate'
  readonly operation: string
  readonly provider: unknown
  readonly requestedModel: unknown
  readonly responseModel: unknown
  readonly responseId: unknown
  readonly serviceTier: unknown
  readonly streamed: boolean
  readonly timeToFirstTokenMs: number | undefined
  readonly finishReason: unknown
  readonly status: CallStatus
  readonly errorType: unknown
  readonly httpStatus: number | undefined
  /** Raw values; those that are no token count are refused and counted. */
  readonly counts: Readonly<Record<keyof TokenCounts, unknown>>
  readonly counting: Counting
  /** What the provider's own answer says, where the emitter kept it: disjoint already, so it is taken instead of the counts. */
  readonly usage?: Usage | undefined
  readonly parts: readonly UsagePart[] | undefined
  readonly quality: UsageQuality | undefined
  readonly reportedCostUsd: unknown
  readonly user: unknown
  readonly session: unknown
  readonly properties: Iterable<readonly [name: string, value: unknown]>
}
