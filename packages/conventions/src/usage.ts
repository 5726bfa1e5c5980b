/** The tokens of a call, in buckets that do not overlap: each token stands in exactly one, so the buckets add up. */
export interface Usage {
  /** Text (and any kind without a bucket of its own) that was neither read from nor written to a cache. */
  readonly inputTokens: number
  readonly cacheReadTokens: number
  /** Written to a cache that lives 5 minutes, or to one whose life the provider did not name. */
  readonly cacheWrite5mTokens: number
  readonly cacheWrite1hTokens: number
  /** Visible text; reasoning and audio are not in here. */
  readonly outputTokens: number
  readonly reasoningTokens: number
  readonly audioInputTokens: number
  readonly audioCacheReadTokens: number
  readonly audioOutputTokens: number
  readonly imageInputTokens: number
  readonly imageOutputTokens: number
  /** Fees per use, not tokens: searches that the provider ran for this call. */
  readonly webSearches: number
}

/** The part of a call's usage that one model served. */
export interface UsagePart {
  readonly model: string
  readonly usage: Usage
}

/** Every bucket's name, in the order in which they are stored and shown. */
export const usageBuckets = [
  'inputTokens',
  'cacheReadTokens',
  'cacheWrite5mTokens',
  'cacheWrite1hTokens',
  'outputTokens',
  'reasoningTokens',
  'audioInputTokens',
  'audioCacheReadTokens',
  'audioOutputTokens',
  'imageInputTokens',
  'imageOutputTokens',
  'webSearches',
] as const satisfies readonly (keyof Usage)[]

/** A usage with the given buckets and 0 in the others. Written out: two spreads took a microsecond, several times a call. */
export function usageOf(buckets: Partial<Usage>): Usage {
  return {
    inputTokens: buckets.inputTokens ?? 0,
    cacheReadTokens: buckets.cacheReadTokens ?? 0,
    cacheWrite5mTokens: buckets.cacheWrite5mTokens ?? 0,
    cacheWrite1hTokens: buckets.cacheWrite1hTokens ?? 0,
    outputTokens: buckets.outputTokens ?? 0,
    reasoningTokens: buckets.reasoningTokens ?? 0,
    audioInputTokens: buckets.audioInputTokens ?? 0,
    audioCacheReadTokens: buckets.audioCacheReadTokens ?? 0,
    audioOutputTokens: buckets.audioOutputTokens ?? 0,
    imageInputTokens: buckets.imageInputTokens ?? 0,
    imageOutputTokens: buckets.imageOutputTokens ?? 0,
    webSearches: buckets.webSearches ?? 0,
  }
}

/** All that went in, cached or not: what a provider that counts inclusively calls input tokens. */
export function totalInputTokens(usage: Usage): number {
  return (
    usage.inputTokens +
    usage.cacheReadTokens +
    usage.cacheWrite5mTokens +
    usage.cacheWrite1hTokens +
    usage.audioInputTokens +
    usage.audioCacheReadTokens +
    usage.imageInputTokens
  )
}

/** All that came out, reasoning included. */
export function totalOutputTokens(usage: Usage): number {
  return usage.outputTokens + usage.reasoningTokens + usage.audioOutputTokens + usage.imageOutputTokens
}

export function totalTokens(usage: Usage): number {
  return totalInputTokens(usage) + totalOutputTokens(usage)
}

/** The sum of several usages, bucket by bucket. */
export function addUsage(...usages: readonly Usage[]): Usage {
  const sum: Record<keyof Usage, number> = { ...usageOf({}) }
  for (const usage of usages) for (const bucket of usageBuckets) sum[bucket] += usage[bucket]
  return sum
}
