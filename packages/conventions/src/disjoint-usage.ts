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
 * Makes an emitter's counts disjoint. Whether `input` holds the cached tokens, and `output` the reasoning, is decided in
 * this order: arithmetic that leaves no choice, then what is known of the emitter, then the conventions' rule (they do).
 * @returns undefined when no count was given: nothing reported is not 0, and a total alone cannot be told apart
 */
export function disjointUsage(counts: TokenCounts, counting: Counting = {}): Usage | undefined {
  if (!says(counts)) return undefined
  const cacheWrite1h = counts.cacheWrite1h ?? 0
  const cacheWrite = cacheWriteTokens(counts)
  const audioCacheRead = counts.audioCacheRead ?? 0
  const cacheRead = Math.max(counts.cacheRead ?? 0, audioCacheRead)
  const audioInput = Math.max((counts.audioInput ?? 0) - audioCacheRead, 0)
  const imageInput = counts.imageInput ?? 0
  const input = counts.input ?? 0
  const uncached = inputIncludesCache(counts, cacheRead + cacheWrite, counting) ? input - cacheRead - cacheWrite : input
  const [audioIn, imageIn, textIn] = shareOut(Math.max(uncached, 0), audioInput, imageInput)

  const output = counts.output ?? 0
  const outputHasReasoning = outputIncludesReasoning(counts, cacheRead + cacheWrite, counting)
  // What claims to be part of the output cannot be more than it: OpenRouter was seen to send 11 of 10.
  const reasoning = outputHasReasoning ? Math.min(counts.reasoning ?? 0, output) : (counts.reasoning ?? 0)
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

/**
 * Whether an emitter's input was taken to hold its cached tokens, and what said so: `arithmetic` that leaves no choice, what
 * is known of the `emitter`, or the `conventions`, by which it does.
 */
export interface CacheVerdict {
  readonly inputIncludesCache: boolean
  readonly by: 'arithmetic' | 'emitter' | 'conventions'
}

// What most calls are told, shared by all of them.
const leftOut: CacheVerdict = { inputIncludesCache: false, by: 'arithmetic' }
const byConventions: CacheVerdict = { inputIncludesCache: true, by: 'conventions' }

/** The verdict on which `disjointUsage` acts; undefined where nothing was cached, so that there is nothing to decide. */
export function cacheVerdict(counts: TokenCounts, counting: Counting = {}): CacheVerdict | undefined {
  const cached = Math.max(counts.cacheRead ?? 0, counts.audioCacheRead ?? 0) + cacheWriteTokens(counts)
  if (cached === 0) return undefined
  if (leavesCacheOut(counts, cached)) return leftOut
  const known = counting.inputIncludesCache
  return known === undefined ? byConventions : { inputIncludesCache: known, by: 'emitter' }
}

/** Where total and split disagree the total is right: Anthropic's stream updates the total, not the split (seen 3,337 and 3,068). */
function cacheWriteTokens({ cacheWrite, cacheWrite5m = 0, cacheWrite1h = 0 }: TokenCounts): number {
  return Math.max(cacheWrite ?? 0, cacheWrite1h + (cacheWrite === undefined ? cacheWrite5m : 0))
}

/** Whether any count but the total was given; nearly always the first two tell. */
function says(counts: TokenCounts): boolean {
  if (counts.input !== undefined || counts.output !== undefined) return true
  for (const name in counts) if (name !== 'total' && counts[name as keyof TokenCounts] !== undefined) return true
  return false
}

function inputIncludesCache(counts: TokenCounts, cached: number, counting: Counting): boolean {
  return !leavesCacheOut(counts, cached) && (counting.inputIncludesCache ?? true)
}

/** Whether the numbers leave no choice: more cached than input, or a total that adds the cached up. */
function leavesCacheOut(counts: TokenCounts, cached: number): boolean {
  if ((counts.input ?? 0) < cached) return true
  if (cached === 0) return false
  const unsaid = beyondInputAndOutput(counts)
  const reasoning = counts.reasoning ?? 0
  return (unsaid === cached && unsaid !== reasoning) || (reasoning > 0 && unsaid === cached + reasoning)
}

function outputIncludesReasoning(counts: TokenCounts, cached: number, counting: Counting): boolean {
  const reasoning = counts.reasoning ?? 0
  const unsaid = beyondInputAndOutput(counts)
  if (unsaid === 0) return true
  if (reasoning > (counts.output ?? 0)) return false
  // xAI's total is input + output + reasoning, though it speaks OpenAI's format, where output holds the reasoning.
  if (reasoning > 0 && unsaid === reasoning && (unsaid !== cached || counting.inputIncludesCache === true)) return false
  if (reasoning > 0 && cached > 0 && unsaid === cached + reasoning) return false
  return counting.outputIncludesReasoning ?? true
}

/** What the emitter's total counts beside its input and output; undefined where it says no total. */
function beyondInputAndOutput({ input = 0, output = 0, total }: TokenCounts): number | undefined {
  return total === undefined ? undefined : total - input - output
}

/** Splits `whole` into the two named parts and the rest; parts that claim more than there is get what there is, in order. */
function shareOut(whole: number, first: number, second: number): [first: number, second: number, rest: number] {
  const one = Math.min(first, whole)
  const two = Math.min(second, whole - one)
  return [one, two, whole - one - two]
}
