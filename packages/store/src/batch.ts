import type { Identity, LedgerEvent, LlmCall } from '@spanledger/conventions'

/** A call to be written. */
export interface WrittenCall extends LlmCall {
  /**
   * True when the writer has seen all of the call's trace that could change it: its ancestors up to a local root, and no
   * other call among them or below it. Such a call is written as it stands; any other is decided with its trace.
   */
  readonly settled?: boolean
}

/** A span that is no LLM call but may stand between or above some: it passes on identity and shows who is whose parent. */
export interface SpanLink {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly startMs: number
  /** Undefined where the span carries none. */
  readonly identity: Identity | undefined
  /** Where its resource carries some. */
  readonly resourceIdentity?: Identity | undefined
}

/** An event to be written. */
export interface WrittenEvent extends LedgerEvent {
  /** True when all spans above it are known to the writer, and what they say of its user is in it; any other is decided with its trace. */
  readonly settled?: boolean
}

/** What is written in one transaction. */
export interface Batch {
  readonly calls: readonly WrittenCall[]
  readonly links?: readonly SpanLink[]
  readonly events?: readonly WrittenEvent[]
  /** Notes of the writer, such as how far it has come, kept in the same transaction: they are true whenever they are read. */
  readonly marks?: (outcome: WriteOutcome) => Marks
}

/** Texts by name; null takes one away. */
export type Marks = ReadonlyMap<string, string | null>

/** What became of a batch, once it is committed. */
export interface WriteOutcome {
  /** Calls that were not in the ledger before. */
  readonly inserted: number
  /** Calls that were there already, or twice in the batch; they changed nothing. */
  readonly duplicates: number
  /** Of the inserted, those that repeat what another call of their trace has. */
  readonly uncounted: number
  /** Calls written earlier that this batch changed: now a wrapper, or now with a user. */
  readonly revised: number
  /** Events that were not in the ledger before. */
  readonly insertedEvents: number
  /** Of the inserted that count, those without a known price. */
  readonly unpriced: number
}
