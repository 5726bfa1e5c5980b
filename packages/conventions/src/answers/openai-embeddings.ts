import { disjointUsage } from '../disjoint-usage.ts'
import { largestCount, emptyAnswer, object, text, type ProviderAnswer } from './answer.ts'
import { reportedCost } from './openai-usage.ts'

/**
 * Reads an embeddings answer of OpenAI, or of a provider that speaks the same format (Voyage and Jina say only
 * `total_tokens`; all of it is input). Never throws.
 */
export function readOpenaiEmbeddings(body: unknown): ProviderAnswer {
  const answer = object(body)
  const usage = object(answer.usage)
  return {
    ...emptyAnswer,
    model: text(answer.model),
    responseId: text(answer.id),
    usage: disjointUsage({ input: largestCount(usage.prompt_tokens, usage.total_tokens) }),
    reportedCostUsd: reportedCost(usage),
  }
}
