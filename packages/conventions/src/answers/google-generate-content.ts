import { disjointUsage } from '../disjoint-usage.ts'
import { readTokenCount } from '../token-count.ts'
import type { Usage } from '../usage.ts'
import { emptyAnswer, largestCount, list, object, text, type AnswerStream, type JsonObject, type ProviderAnswer } from './answer.ts'

/** Reads an answer of generateContent, embedContent or predict (Gemini API, Vertex AI). Never throws. */
export function readGoogleGenerateContent(body: unknown): ProviderAnswer {
  const answer = googleGenerateContentStream()
  answer.event(body)
  return answer.result()
}

/** Reads the chunks of streamGenerateContent, or the messages of a live turn. Each repeats the counts so far; the last is complete. */
export function googleGenerateContentStream(): AnswerStream {
  let model: string | undefined
  let responseId: string | undefined
  let serviceTier: string | undefined
  let finishReason: string | undefined
  let usage: Usage | undefined
  let metadata: JsonObject | undefined
  return {
    event(json) {
      const chunk = object(json)
      model = text(chunk.modelVersion) ?? model
      responseId ??= text(chunk.responseId)
      finishReason = text(object(list(chunk.candidates)[0]).finishReason) ?? text(object(chunk.promptFeedback).blockReason) ?? finishReason
      if (typeof chunk.usageMetadata === 'object' && chunk.usageMetadata !== null) {
        const said = chunk.usageMetadata as JsonObject
        serviceTier = readTier(said) ?? serviceTier
        // Vertex AI sends chunks that name nothing but the traffic type.
        if (said.totalTokenCount !== undefined || said.promptTokenCount !== undefined) metadata = said
      } else if (chunk.predictions !== undefined) {
        usage = predictionUsage(chunk.predictions)
      }
    },
    result() {
      return {
        ...emptyAnswer,
        model,
        responseId,
        serviceTier,
        finishReason,
        usage: metadata === undefined ? usage : metadataUsage(metadata),
      }
    },
  }
}

/** The prompt leaves the tools' prompt out (seen: 32 and 4,610), the candidates leave the thoughts out; cached tokens are in the prompt. */
function metadataUsage(metadata: JsonObject): Usage | undefined {
  const prompt = readTokenCount(metadata.promptTokenCount)
  const toolPrompt = readTokenCount(metadata.toolUsePromptTokenCount)
  const input = [metadata.promptTokensDetails ?? metadata.promptTokenDetails, metadata.toolUsePromptTokensDetails]
  const output = [metadata.candidatesTokensDetails ?? metadata.responseTokensDetails]
  const cached = [metadata.cacheTokensDetails]
  const cachedImages = modality(cached, 'image') ?? 0
  const images = modality(input, 'image')
  return disjointUsage(
    {
      input: prompt === undefined && toolPrompt === undefined ? undefined : (prompt ?? 0) + (toolPrompt ?? 0),
      // Only the live API says "response".
      output: largestCount(metadata.candidatesTokenCount, metadata.responseTokenCount),
      total: readTokenCount(metadata.totalTokenCount),
      cacheRead: readTokenCount(metadata.cachedContentTokenCount),
      reasoning: readTokenCount(metadata.thoughtsTokenCount),
      audioInput: modality(input, 'audio'),
      audioCacheRead: modality(cached, 'audio'),
      imageInput: images === undefined ? undefined : Math.max(images - cachedImages, 0),
      audioOutput: modality(output, 'audio'),
      imageOutput: modality(output, 'image'),
    },
    { inputIncludesCache: true, outputIncludesReasoning: false },
  )
}

/** Protobuf clients hand over the enum's number (google.ai.generativelanguage, Modality). */
const modalityNumbers: Readonly<Record<string, number>> = { image: 2, audio: 4 }

/** The tokens of one kind in lists of `{ modality, tokenCount }`, or `{ modality, tokens }`. */
export function modality(lists: readonly unknown[], kind: 'audio' | 'image'): number | undefined {
  let sum: number | undefined
  for (const entries of lists) {
    for (const entry of list(entries)) {
      const { modality: name, tokenCount, tokens } = object(entry)
      if (name !== modalityNumbers[kind] && (typeof name !== 'string' || name.toLowerCase() !== kind)) continue
      const count = largestCount(tokenCount, tokens)
      if (count !== undefined) sum = (sum ?? 0) + count
    }
  }
  return sum
}

/** `serviceTier` of the Gemini API; Vertex AI says `ON_DEMAND`, `ON_DEMAND_FLEX`, `PROVISIONED_THROUGHPUT` (or the number of ON_DEMAND). */
function readTier(metadata: JsonObject): string | undefined {
  const traffic = metadata.trafficType
  if (traffic === 1) return 'standard'
  const type = text(traffic)?.toLowerCase()
  return text(metadata.serviceTier) ?? (type === 'on_demand' ? 'standard' : type?.replace(/^on_demand_/, ''))
}

function predictionUsage(predictions: unknown): Usage | undefined {
  let input: number | undefined
  for (const prediction of list(predictions)) {
    const count = readTokenCount(object(object(object(prediction).embeddings).statistics).token_count)
    if (count !== undefined) input = (input ?? 0) + count
  }
  return disjointUsage({ input })
}
