import { billedUsage, type BilledUsage } from './billed.ts'
import type { Directions } from './directions.ts'
import { madeUpText, piecesOf, promptText, tokensOf } from './made-up-text.ts'
import type { SeededRandom } from './seeded-random.ts'

/** What the stand-in has decided to say and to charge, before it is put into a wire format. */
export interface Answer {
  readonly text: string
  /** The text, as a stream sends it. */
  readonly pieces: readonly string[]
  readonly usage: BilledUsage
  /** The answer reached the most tokens that the request allows. */
  readonly truncated: boolean
}

/** What an answer is made from. */
export interface Question {
  /** The parts of the body that hold text for the model. */
  readonly prompt: unknown
  readonly maxTokens: number | undefined
  readonly directions: Directions
  readonly random: SeededRandom
}

/** The same question gives the same answer and the same counts, apart from ids. */
export function makeAnswer({ prompt, maxTokens, directions, random }: Question): Answer {
  const wanted = directions.outputTokens ?? 8 + Math.floor(random() * 56)
  const outputTokens = Math.min(wanted, maxTokens ?? wanted)
  const text = madeUpText(outputTokens, random)
  return {
    text,
    pieces: piecesOf(text, directions.chunks ?? Math.ceil(outputTokens / TOKENS_PER_PIECE)),
    usage: billedUsage({
      inputTokens: directions.inputTokens ?? tokensOf(promptText(prompt)) + (directions.webSearches ?? 0) * TOKENS_PER_SEARCH,
      cacheReadTokens: directions.cacheReadTokens ?? 0,
      cacheWrite5mTokens: directions.cacheWrite5mTokens ?? 0,
      cacheWrite1hTokens: directions.cacheWrite1hTokens ?? 0,
      outputTokens,
      reasoningTokens: directions.reasoningTokens ?? 0,
      webSearches: directions.webSearches ?? 0,
    }),
    truncated: outputTokens < wanted,
  }
}

/** What a search brings into the prompt. */
export const TOKENS_PER_SEARCH = 2000
const TOKENS_PER_PIECE = 4
