import { list, object, text, type AnswerOptions, type AnswerStream, type JsonObject, type ProviderAnswer } from './answer.ts'
import { openaiChatUsage, reportedCost } from './openai-usage.ts'

/**
 * Reads a chat completion (or a completion of the old API) of OpenAI, Azure, or a provider that speaks the same format.
 * Never throws.
 */
export function readOpenaiChat(body: unknown, options: AnswerOptions = {}): ProviderAnswer {
  const answer = openaiChatStream(options)
  answer.event(body)
  return answer.result()
}

/**
 * Reads the chunks of a streamed chat completion. The last usage counts: OpenAI sends one at the end, Perplexity a
 * cumulative one in every chunk, Groq one under `x_groq`.
 */
export function openaiChatStream(options: AnswerOptions = {}): AnswerStream {
  let model: string | undefined
  let responseId: string | undefined
  let serviceTier: string | undefined
  let finishReason: string | undefined
  let usage: JsonObject | undefined
  return {
    event(json) {
      const chunk = object(json)
      // Azure's first chunk has an empty model and id; a router names the model that answered only in later ones.
      model = text(chunk.model) ?? model
      responseId ??= text(chunk.id)
      serviceTier = text(chunk.service_tier) ?? serviceTier
      const choice = object(list(chunk.choices)[0])
      finishReason = text(choice.finish_reason) ?? finishReason
      // Moonshot repeats the usage inside the choice.
      const said = chunk.usage ?? (chunk.x_groq === undefined ? choice.usage : object(chunk.x_groq).usage)
      if (typeof said === 'object' && said !== null) usage = said as JsonObject
    },
    result() {
      return {
        model,
        responseId,
        usage: usage === undefined ? undefined : openaiChatUsage(usage, options),
        parts: undefined,
        serviceTier,
        finishReason,
        reportedCostUsd: usage === undefined ? undefined : reportedCost(usage),
      }
    },
  }
}
