import { disjointUsage } from '../disjoint-usage.ts'
import { readTokenCount } from '../token-count.ts'
import type { Usage } from '../usage.ts'
import { anthropicMessagesStream, readAnthropicMessages } from './anthropic-messages.ts'
import { emptyAnswer, largestCount, list, object, text, type AnswerStream, type JsonObject, type ProviderAnswer } from './answer.ts'
import { readOpenaiChat } from './openai-chat.ts'

/** Reads an answer of Converse. It names no model: only the request's URL does. Never throws. */
export function readBedrockConverse(body: unknown): ProviderAnswer {
  const answer = object(body)
  return {
    ...emptyAnswer,
    serviceTier: text(object(answer.serviceTier).type),
    finishReason: text(answer.stopReason),
    usage: converseUsage(object(answer.usage)),
  }
}

/** Reads the events of ConverseStream, wrapped by the SDK (`{ metadata: { usage } }`) or bare as on the wire (`{ usage }`). */
export function bedrockConverseStream(): AnswerStream {
  let stopReason: unknown
  let usage: unknown
  let serviceTier: unknown
  return {
    event(json) {
      const event = object(json)
      stopReason = object(event.messageStop).stopReason ?? event.stopReason ?? stopReason
      const metadata = event.metadata === undefined ? event : object(event.metadata)
      usage = metadata.usage ?? usage
      serviceTier = metadata.serviceTier ?? serviceTier
    },
    result() {
      return readBedrockConverse({ stopReason, usage, serviceTier })
    },
  }
}

/**
 * Reads an answer of InvokeModel: the body is that of the model's maker. Where it holds no counts (Cohere, Mistral on
 * Bedrock) they stand in the headers `x-amzn-bedrock-input-token-count` and `-output-token-count`; pass them as the
 * `amazon-bedrock-invocationMetrics` that streams carry. Never throws.
 */
export function readBedrockInvoke(body: unknown): ProviderAnswer {
  const answer = object(body)
  const usage = object(answer.usage)
  if (usage.input_tokens !== undefined) return readAnthropicMessages(answer)
  if (usage.prompt_tokens !== undefined) return readOpenaiChat(answer)
  if (usage.inputTokens !== undefined) return readBedrockConverse(answer)
  const metrics = object(answer['amazon-bedrock-invocationMetrics'])
  const titan = object(list(answer.results)[0])
  return {
    ...emptyAnswer,
    finishReason: text(answer.stop_reason) ?? text(titan.completionReason) ?? text(answer.completionReason),
    usage:
      metricsUsage(metrics) ??
      disjointUsage({
        // Titan; Llama.
        input: largestCount(answer.inputTextTokenCount, answer.prompt_token_count),
        output: largestCount(titan.tokenCount, answer.totalOutputTextTokenCount, answer.generation_token_count),
      }),
  }
}

/** Reads the events of InvokeModelWithResponseStream, each the JSON that its `chunk.bytes` decode to. */
export function bedrockInvokeStream(): AnswerStream {
  const anthropic = anthropicMessagesStream()
  let last: JsonObject = {}
  return {
    event(json) {
      const event = object(json)
      anthropic.event(event)
      const metadata = object(event.metadata)
      if (metadata.usage !== undefined) last = metadata
      else if (
        event['amazon-bedrock-invocationMetrics'] !== undefined ||
        event.usage !== undefined ||
        event.generation_token_count !== undefined
      )
        last = event
    },
    result() {
      const answer = anthropic.result()
      if (answer.usage !== undefined) return answer
      const other = readBedrockInvoke(last)
      return { ...other, model: answer.model ?? other.model, responseId: answer.responseId ?? other.responseId }
    },
  }
}

/** Input leaves the cached tokens out; their counts stand under two names each. */
function converseUsage(usage: JsonObject): Usage | undefined {
  let cacheWrite1h: number | undefined
  for (const entry of list(usage.cacheDetails)) {
    const { ttl, inputTokens } = object(entry)
    if (ttl === '1h') cacheWrite1h = readTokenCount(inputTokens)
  }
  return disjointUsage(
    {
      input: readTokenCount(usage.inputTokens),
      output: readTokenCount(usage.outputTokens),
      total: readTokenCount(usage.totalTokens),
      cacheRead: largestCount(usage.cacheReadInputTokens, usage.cacheReadInputTokenCount),
      cacheWrite: largestCount(usage.cacheWriteInputTokens, usage.cacheWriteInputTokenCount),
      cacheWrite1h,
    },
    { inputIncludesCache: false },
  )
}

function metricsUsage(metrics: JsonObject): Usage | undefined {
  return disjointUsage(
    {
      input: readTokenCount(metrics.inputTokenCount),
      output: readTokenCount(metrics.outputTokenCount),
      cacheRead: readTokenCount(metrics.cacheReadInputTokenCount),
      cacheWrite: readTokenCount(metrics.cacheWriteInputTokenCount),
    },
    { inputIncludesCache: false },
  )
}
