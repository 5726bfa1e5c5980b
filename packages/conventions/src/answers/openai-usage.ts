import { disjointUsage } from '../disjoint-usage.ts'
import { readTokenCount } from '../token-count.ts'
import type { Usage } from '../usage.ts'
import { largestCount, object, usdText, type AnswerOptions, type JsonObject } from './answer.ts'

/** xAI counts its `cost_in_usd_ticks` in 1e-10 USD: 1,176,500 ticks are $0.00011765 (agrees with its list prices). */
const USD_DIGITS_OF_TICKS = 10

/**
 * The `usage` of the chat completions format, as OpenAI and those who copied the format fill it in: the cached tokens
 * alone stand in six places (OpenAI, DeepSeek, Mistral, Moonshot and Together, LiteLLM, DashScope).
 */
export function openaiChatUsage(usage: JsonObject, options: AnswerOptions = {}): Usage | undefined {
  const input = object(usage.prompt_tokens_details)
  const output = object(usage.completion_tokens_details)
  const prompt = readTokenCount(usage.prompt_tokens)
  const completion = readTokenCount(usage.completion_tokens)
  const total = readTokenCount(usage.total_tokens)
  const counts = {
    input: prompt,
    output: completion,
    total,
    cacheRead: largestCount(
      input.cached_tokens,
      usage.prompt_cache_hit_tokens,
      usage.num_cached_tokens,
      usage.cached_tokens,
      usage.cache_read_input_tokens,
    ),
    cacheWrite: largestCount(input.cache_write_tokens, input.cache_creation_input_tokens, usage.cache_creation_input_tokens),
    reasoning: largestCount(output.reasoning_tokens, usage.reasoning_tokens) ?? unsaidReasoning(prompt, completion, total, options),
    audioInput: readTokenCount(input.audio_tokens),
    imageInput: readTokenCount(input.image_tokens),
    audioOutput: readTokenCount(output.audio_tokens),
    imageOutput: readTokenCount(output.image_tokens),
    webSearches: largestCount(
      object(usage.server_tool_use).web_search_requests,
      object(usage.server_tool_use_details).web_search_requests,
      usage.num_search_queries,
    ),
  }
  return disjointUsage(counts, { inputIncludesCache: true, outputIncludesReasoning: true })
}

/** The `usage` of the Responses, embeddings, images, transcriptions and realtime formats. */
export function openaiResponsesUsage(usage: JsonObject, webSearches?: number): Usage | undefined {
  const input = object(usage.input_tokens_details ?? usage.input_token_details)
  const output = object(usage.output_tokens_details ?? usage.output_token_details)
  const counts = {
    input: readTokenCount(usage.input_tokens),
    output: readTokenCount(usage.output_tokens),
    total: readTokenCount(usage.total_tokens),
    cacheRead: largestCount(input.cached_tokens),
    cacheWrite: readTokenCount(input.cache_write_tokens),
    reasoning: readTokenCount(output.reasoning_tokens),
    audioInput: readTokenCount(input.audio_tokens),
    audioCacheRead: readTokenCount(object(input.cached_tokens_details).audio_tokens),
    imageInput: readTokenCount(input.image_tokens),
    audioOutput: readTokenCount(output.audio_tokens),
    imageOutput: readTokenCount(output.image_tokens),
    webSearches,
  }
  return disjointUsage(counts, { inputIncludesCache: true, outputIncludesReasoning: true })
}

/** What the provider said the call cost: OpenRouter's `cost`, Perplexity's `cost.total_cost`, xAI's ticks. */
export function reportedCost(usage: JsonObject): string | undefined {
  const ticks = usage.cost_in_usd_ticks
  if (typeof ticks === 'number' && Number.isSafeInteger(ticks) && ticks >= 0) {
    const digits = String(ticks).padStart(USD_DIGITS_OF_TICKS + 1, '0')
    return `${digits.slice(0, -USD_DIGITS_OF_TICKS)}.${digits.slice(-USD_DIGITS_OF_TICKS)}`
  }
  return usdText(typeof usage.cost === 'object' ? object(usage.cost).total_cost : usage.cost)
}

/** Gemini's OpenAI-compatible endpoint counts thoughts in the total alone (seen: 66 in, 6 out, total 100). */
function unsaidReasoning(
  prompt: number | undefined,
  completion: number | undefined,
  total: number | undefined,
  { provider }: AnswerOptions,
): number | undefined {
  if (provider === undefined || !provider.startsWith('gcp.')) return undefined
  if (prompt === undefined || total === undefined) return undefined
  const unsaid = total - prompt - (completion ?? 0)
  return unsaid > 0 ? unsaid : undefined
}
