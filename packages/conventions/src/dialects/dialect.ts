import type { Counting, TokenCounts } from '../disjoint-usage.ts'
import type { CallStatus, UsageQuality } from '../llm-call.ts'
import type { SpanRecord } from '../span.ts'
import type { Usage, UsagePart } from '../usage.ts'

/** One way in which libraries write an LLM call into a span. */
export interface Dialect {
  readonly name: string
  /**
   * What the span says; `none` where it is written in this dialect and is no LLM call, undefined where it is written in
   * another. Never throws.
   */
  read(span: SpanRecord): DialectCall | 'none' | undefined
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
  /** Where the dialect has a place of its own for it; else the span's status message. */
  readonly errorMessage?: unknown
  readonly httpStatus: number | undefined
  /** Raw values; those that are no token count are refused and counted. */
  readonly counts: RawCounts
  readonly counting: Counting
  /** What the provider's own answer says, where the emitter kept it: disjoint already, so it is taken instead of the counts. */
  readonly usage?: Usage | undefined
  readonly parts: readonly UsagePart[] | undefined
  readonly quality: UsageQuality | undefined
  readonly reportedCostUsd: unknown
  readonly user: unknown
  readonly session: unknown
  readonly properties: readonly (readonly [name: string, value: unknown])[]
}

export type RawCounts = Readonly<Record<keyof TokenCounts, unknown>>
