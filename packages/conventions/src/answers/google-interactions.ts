import { disjointUsage } from '../disjoint-usage.ts'
import { readTokenCount } from '../token-count.ts'
import { emptyAnswer, object, text, type AnswerStream, type ProviderAnswer } from './answer.ts'
import { modality } from './google-generate-content.ts'

/** Reads an interaction of Google's Interactions API. Never throws. */
export function readGoogleInteraction(body: unknown): ProviderAnswer {
  const interaction = object(body)
  const usage = object(interaction.usage)
  const prompt = readTokenCount(usage.total_input_tokens)
  const toolPrompt = readTokenCount(usage.total_tool_use_tokens)
  const input = [usage.input_tokens_by_modality, usage.tool_use_tokens_by_modality]
  const output = [usage.output_tokens_by_modality]
  const cached = [usage.cached_tokens_by_modality]
  const images = modality(input, 'image')
  return {
    ...emptyAnswer,
    model: text(interaction.model),
    responseId: text(interaction.id),
    serviceTier: text(interaction.service_tier),
    finishReason: text(interaction.status),
    usage: disjointUsage(
      {
        input: prompt === undefined && toolPrompt === undefined ? undefined : (prompt ?? 0) + (toolPrompt ?? 0),
        output: readTokenCount(usage.total_output_tokens),
        total: readTokenCount(usage.total_tokens),
        cacheRead: readTokenCount(usage.total_cached_tokens),
        reasoning: readTokenCount(usage.total_thought_tokens),
        audioInput: modality(input, 'audio'),
        audioCacheRead: modality(cached, 'audio'),
        imageInput: images === undefined ? undefined : Math.max(images - (modality(cached, 'image') ?? 0), 0),
        audioOutput: modality(output, 'audio'),
        imageOutput: modality(output, 'image'),
      },
      { inputIncludesCache: true, outputIncludesReasoning: false },
    ),
  }
}

/** Reads the events of a streamed interaction: the last that carries an `interaction` is the most complete. */
export function googleInteractionStream(): AnswerStream {
  let last: unknown
  return {
    event(json) {
      const { interaction } = object(json)
      if (typeof interaction === 'object' && interaction !== null) last = interaction
    },
    result() {
      return readGoogleInteraction(last)
    },
  }
}
