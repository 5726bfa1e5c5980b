import { emptyAnswer, object, text, type ProviderAnswer } from './answer.ts'
import { openaiResponsesUsage } from './openai-usage.ts'

/** Reads an answer of image generation or editing. What comes out is images unless the answer splits it. Never throws. */
export function readOpenaiImage(body: unknown): ProviderAnswer {
  const answer = object(body)
  const usage = object(answer.usage)
  const split = usage.output_tokens_details ?? { image_tokens: usage.output_tokens }
  return { ...emptyAnswer, model: text(answer.model), usage: openaiResponsesUsage({ ...usage, output_tokens_details: split }) }
}

/**
 * Reads an answer of transcription or translation. Models billed by the minute report `{ type: 'duration', seconds }`,
 * for which there is no token bucket: their usage is unknown. Never throws.
 */
export function readOpenaiTranscription(body: unknown): ProviderAnswer {
  const answer = object(body)
  return { ...emptyAnswer, model: text(answer.model), usage: openaiResponsesUsage(object(answer.usage)) }
}
