import { disjointUsage } from '../disjoint-usage.ts'
import { largestCount, emptyAnswer, object, text, type ProviderAnswer } from './answer.ts'

/**
 * Reads an answer of reranking (Voyage, Jina, Cohere). Cohere bills by search, not by token; where an answer says
 * nothing but `search_units` its usage is unknown. Never throws.
 */
export function readRerank(body: unknown): ProviderAnswer {
  const answer = object(body)
  const usage = object(answer.usage)
  const billed = object(object(answer.meta).billed_units)
  return {
    ...emptyAnswer,
    model: text(answer.model),
    responseId: text(answer.id),
    usage: disjointUsage({ input: largestCount(usage.total_tokens, usage.prompt_tokens, billed.input_tokens) }),
  }
}
