import { usageOf, type Usage } from './usage.ts'

/** Token counts as an emitter wrote them, each undefined where it wrote none. */
export interface TokenCounts {
  readonly input?: number | undefined
  readonly output?: number | undefined
  readonly total?: number | undefined
  readonly cacheRead?: number | undefined
  readonly cacheWrite?: number | undefined
  readonly cacheWrite5m?: number | undefined
  readonly cacheWrite1h?: number | undefined
  readonly reasoning?: number | undefined
  readonly audioInput?: number | undefined
  readonly audioCacheRead?: number | undefined
  readonly audioOutput?: number | undefined
  readonly imageInput?: number | undefined
  readonly imageOutput?: number | undefined
  readonly webSearches?: number | undefined
}

/** What is known of how an emitter counts; undefined leaves it to the arithmetic. */
export interface Counting {
  readonly inputIncludesCache?: boolean | undefined
  readonly outputIncludesReasoning?: boolean | undefined
}

/**
 * Makes an emitter's counts disjoint. Whether `input` holds the cached tokens is decided in this order: arithmetic that
 * leaves no choice, then what is known of the emitter, then the conventions' rule (it does).
 * @returns undefined when no count was given: nothing reported is not 0
 */
export function disjointUsage(counts: TokenCounts, counting: Counting = {}): Usage | undefined {
  if (!Object.values(counts).some((count) => count !== undefined)) return undefined
  const cacheWrite1h = counts.cacheWrite1h ?? 0
  // Where total and split disagree the total is right: Anthropic's stream updates the total, not the split (seen 3,337 and 3,068).
  const cacheWrite = Math.max(counts.cacheWrite ?? 0, cacheWrite1h + (counts.cacheWrite === undefined ? (counts.cacheWrite5m ?? 0) : 0))
  const audioCacheRead = counts.audioCacheRead ?? 0
  const cacheRead = Math.max(counts.cacheRead ?? 0, audioCacheRead)
  const audioInput = Math.max((counts.audioInput ?? 0) - audioCacheRead, 0)
  const imageInput = counts.imageInput ?? 0
  const input = counts.input ?? 0
  const uncached = inputIncludesCache(counts, cacheRead + cacheWrite, counting) ? input - cacheRead - cacheWrite : input
  const [audioIn, imageIn, textIn] = shareOut(Math.max(uncached, 0), audioInput, imageInput)

  const output = counts.output ?? 0
  const reasoning = counts.reasoning ?? 0
  const outputHasReasoning = reasoning <= output && counting.outputIncludesReasoning !== false
  const [audioOut, imageOut, textOut] = shareOut(
    outputHasReasoning ? output - reasoning : output,
    counts.audioOutput ?? 0,
    counts.imageOutput ?? 0,
  )
  return usageOf({
    inputTokens: textIn,
    cacheReadTokens: cacheRead - audioCacheRead,
    cacheWrite5mTokens: cacheWrite - cacheWrite1h,
    cacheWrite1hTokens: cacheWrite1h,
    outputTokens: textOut,
    reasoningTokens: reasoning,
    audioInputTokens: audioIn,
    audioCacheReadTokens: audioCacheRead,
    audioOutputTokens: audioOut,
    imageInputTokens: imageIn,
    imageOutputTokens: imageOut,
    webSearches: counts.webSearches ?? 0,
  })
}

function inputIncludesCache(counts: TokenCounts, cached: number, counting: Counting): boolean {
  const input = counts.input ?? 0
  if (input < cached) return false
  if (cached > 0 && counts.total !== undefined && counts.total === input + (counts.output ?? 0) + cached) return false
  return counting.inputIncludesCache ?? true
}

/** Splits `whole` into the two named parts and the rest; parts that claim more than there is get what there is, in order. */
function shareOut(whole: number, first: number, second: number): [first: number, second: number, rest: number] {
  const one = Math.min(first, whole)
  const two = Math.min(second, whole - one)
  return [one, two, whole - one - two]
}
