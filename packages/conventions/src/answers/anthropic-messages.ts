import { disjointUsage } from '../disjoint-usage.ts'
import { readTokenCount } from '../token-count.ts'
import { addUsage, type Usage, type UsagePart } from '../usage.ts'
import { emptyAnswer, list, object, text, type AnswerStream, type JsonObject, type ProviderAnswer } from './answer.ts'

/** Reads a message of Anthropic (also through Bedrock, Vertex AI and Azure). Never throws. */
export function readAnthropicMessages(body: unknown): ProviderAnswer {
  const message = object(body)
  return toAnswer(message, object(message.usage), text(message.stop_reason))
}

/**
 * Reads the events of a streamed message. `message_start` reports the input, `message_delta` the final figures, which
 * may be far above (seen: 899 and 7,244 input tokens): the last value of each field counts, none are added.
 */
export function anthropicMessagesStream(): AnswerStream {
  let message: JsonObject = {}
  let usage: JsonObject = {}
  let finishReason: string | undefined
  return {
    event(json) {
      const event = object(json)
      if (event.type === 'message_start') {
        const { id, model, usage: said } = object(event.message)
        message = { id, model }
        usage = withLastValues(usage, said)
      } else if (event.type === 'message_delta') {
        usage = withLastValues(usage, event.usage)
        finishReason = text(object(event.delta).stop_reason) ?? finishReason
      }
    },
    result() {
      return toAnswer(message, usage, finishReason)
    },
  }
}

function withLastValues(before: JsonObject, said: unknown): JsonObject {
  const after: Record<string, unknown> = { ...before }
  for (const [field, value] of Object.entries(object(said))) if (value !== null && value !== undefined) after[field] = value
  return after
}

function toAnswer(message: JsonObject, usage: JsonObject, finishReason: string | undefined): ProviderAnswer {
  const model = text(message.model)
  const parts = readIterations(usage, model)
  return {
    ...emptyAnswer,
    model,
    responseId: text(message.id),
    usage: parts === undefined ? messageUsage(usage) : addUsage(...parts.map((part) => part.usage)),
    parts,
    serviceTier: readTier(usage),
    finishReason,
  }
}

/** Input tokens leave the cached ones out; output tokens hold the thinking (platform.claude.com, prompt caching). */
function messageUsage(usage: JsonObject): Usage | undefined {
  const split = object(usage.cache_creation)
  return disjointUsage(
    {
      input: readTokenCount(usage.input_tokens),
      output: readTokenCount(usage.output_tokens),
      cacheRead: readTokenCount(usage.cache_read_input_tokens),
      cacheWrite: readTokenCount(usage.cache_creation_input_tokens),
      cacheWrite5m: readTokenCount(split.ephemeral_5m_input_tokens),
      cacheWrite1h: readTokenCount(split.ephemeral_1h_input_tokens),
      reasoning: readTokenCount(object(usage.output_tokens_details).thinking_tokens),
      webSearches: readTokenCount(object(usage.server_tool_use).web_search_requests),
    },
    { inputIncludesCache: false, outputIncludesReasoning: true },
  )
}

/**
 * The requests behind one answer, each billed at its own model. The top level leaves out those of other models
 * (advisor), of compaction and of a model that was fallen back from, so it is not the bill where there are several.
 */
function readIterations(usage: JsonObject, model: string | undefined): UsagePart[] | undefined {
  const iterations = list(usage.iterations)
  const only = text(object(iterations[0]).model)
  if (iterations.length === 0 || (iterations.length === 1 && (only === undefined || only === model))) return undefined
  const parts: UsagePart[] = []
  // Thinking and searches are counted at the top level alone. Thinking is that of the answering model, and priced as
  // its output; the fee of a search is the same whichever part carries it.
  let thinking = readTokenCount(object(usage.output_tokens_details).thinking_tokens) ?? 0
  let searches: unknown = usage.server_tool_use
  for (const iteration of iterations) {
    const said = object(iteration)
    const partModel = text(said.model) ?? model
    const ownThinking = partModel === model ? Math.min(thinking, readTokenCount(said.output_tokens) ?? 0) : 0
    const partUsage = messageUsage({ output_tokens_details: { thinking_tokens: ownThinking }, server_tool_use: searches, ...said })
    if (partUsage === undefined || partModel === undefined) return undefined
    parts.push({ model: partModel, usage: partUsage })
    thinking -= ownThinking
    searches = undefined
  }
  return parts
}

/** Fast mode and US-only inference have prices of their own, and stand beside the tier (`speed`, `inference_geo`). */
function readTier(usage: JsonObject): string | undefined {
  const tier = usage.speed === 'fast' ? 'fast' : text(usage.service_tier)
  return usage.inference_geo === 'us' ? `${tier ?? 'standard'}/us` : tier
}
