/**
 * What the stand-in charged for: the truth that a meter is compared with. The buckets do not overlap, whatever the wire
 * format makes of them, and carry the names that the ledger gives them.
 */
export interface BilledUsage {
  readonly inputTokens: number
  readonly cacheReadTokens: number
  readonly cacheWrite5mTokens: number
  readonly cacheWrite1hTokens: number
  /** Visible text; reasoning is not in here. */
  readonly outputTokens: number
  readonly reasoningTokens: number
  readonly webSearches: number
}

/** The part of an answer that one model served; most answers have one part. */
export interface BilledPart {
  readonly model: string
  readonly usage: BilledUsage
}

/** A usage with the given buckets and 0 in the others. */
export function billedUsage(buckets: Partial<BilledUsage>): BilledUsage {
  return {
    inputTokens: 0,
    cacheReadTokens: 0,
    cacheWrite5mTokens: 0,
    cacheWrite1hTokens: 0,
    outputTokens: 0,
    reasoningTokens: 0,
    webSearches: 0,
    ...buckets,
  }
}

/**
 * What is charged for an answer of which only `share` (0..1) of the text was made before the stream ended: everything
 * that went in, all the thinking (it comes first), and that share of the last part's text.
 */
export function billedUntil(parts: readonly BilledPart[], share: number): readonly BilledPart[] {
  return parts.map((part, index) =>
    index < parts.length - 1 ? part : { ...part, usage: { ...part.usage, outputTokens: Math.round(part.usage.outputTokens * share) } },
  )
}
