import type { CacheVerdict } from './disjoint-usage.ts'
import type { ErrorClass } from './error-class.ts'
import type { Identity } from './identity.ts'
import type { ReadingFault } from './reading-fault.ts'
import type { Usage, UsagePart } from './usage.ts'

/** One request to a model and its answer; also when it failed, also embeddings. What one line of the ledger records. */
export interface LlmCall extends Identity {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  /** An aggregate (an agent's run) repeats the usage of the calls below it; it counts only where there are none. */
  readonly role: 'call' | 'aggregate'
  /** Whole milliseconds since 1970 UTC, rounded down; together with trace and span id the key of the call. */
  readonly startMs: number
  readonly durationMs: number
  readonly timeToFirstTokenMs: number | undefined
  /** `chat`, `embeddings`, `text_completion`, … (`gen_ai.operation.name`). */
  readonly operation: string
  /** Canonical provider id (`openai`, `anthropic`, `gcp.vertex_ai`, …), or `unknown`. */
  readonly provider: string
  /** What the app asked for. */
  readonly requestedModel: string
  /** What answered; the requested model where the answer did not say. */
  readonly model: string
  readonly responseId: string | undefined
  /** `default`, `flex`, `priority`, `batch`, …; undefined where nothing said. */
  readonly serviceTier: string | undefined
  readonly streamed: boolean
  readonly status: CallStatus
  readonly errorClass: ErrorClass | undefined
  /** The emitter's own word for the error (`error.type`). */
  readonly errorType: string | undefined
  readonly finishReason: string | undefined
  /** Undefined where nothing was reported: unknown, not 0. */
  readonly usage: Usage | undefined
  readonly usageQuality: UsageQuality
  /** Whether the emitter's input was taken to hold its cached tokens, and why; undefined where nothing was cached. */
  readonly cacheVerdict?: CacheVerdict | undefined
  /** Present where more than one model served the call; the parts add up to `usage`. */
  readonly parts: readonly UsagePart[] | undefined
  /** What the provider said it cost, kept beside the computed cost. */
  readonly reportedCostNanoUsd: number | undefined
  /**
   * True where a cache in front of the provider answered: no tokens were used, and `usage` is what the answer would have
   * used. Not to be taken for the provider's own prompt cache, whose tokens are buckets of a usage.
   */
  readonly cacheHit?: boolean
  /** 48 bits of a keyed hash of what was asked; undefined where the app takes no fingerprints. */
  readonly fingerprint?: number | undefined
  /** The call that the app says this one asks once more, as `<trace id>-<span id>`. */
  readonly retryOf?: string | undefined
  /** Whether a program, not the user, tried again: inside of this call, or with it. */
  readonly autoRetry?: AutoRetry | undefined
  /** What the resource says, for where neither the span nor any ancestor says anything. */
  readonly resourceIdentity: Identity | undefined
  readonly origin: CallOrigin
  readonly faults: readonly ReadingFault[]
}

export type CallStatus = 'ok' | 'error' | 'cancelled'

/** `reported` by the provider; `partial`: a stream that ended early; `estimated` by a tokenizer; `missing`: nothing said. */
export type UsageQuality = 'reported' | 'partial' | 'estimated' | 'missing'

export type CallOrigin = 'app' | 'otlp' | 'import' | 'sample'

export type AutoRetry = 'inside' | 'itself'
