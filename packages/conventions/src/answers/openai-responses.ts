import { readTokenCount } from '../token-count.ts'
import { emptyAnswer, list, object, text, type AnswerStream, type JsonObject, type ProviderAnswer } from './answer.ts'
import { openaiResponsesUsage, reportedCost } from './openai-usage.ts'

/** Reads an answer of the Responses format (OpenAI, Azure, xAI, OpenRouter, DeepSeek, Bedrock's mantle). Never throws. */
export function readOpenaiResponses(body: unknown): ProviderAnswer {
  const response = object(body)
  const usage = object(response.usage)
  return {
    ...emptyAnswer,
    model: text(response.model),
    responseId: text(response.id),
    serviceTier: text(response.service_tier),
    finishReason: text(object(response.incomplete_details).reason) ?? text(response.status),
    usage: openaiResponsesUsage(usage, webSearches(response, usage)),
    reportedCostUsd: reportedCost(usage),
  }
}

/**
 * Reads the events of a streamed response, or of one response of a realtime session. The events that carry a whole
 * `response` matter, and the last of them is the most complete; all others pass with one property read.
 */
export function openaiResponsesStream(): AnswerStream {
  let last: JsonObject = {}
  return {
    event(json) {
      const { response, usage } = object(json)
      if (typeof response !== 'object' || response === null) return
      // xAI's realtime sessions leave the response's own usage empty and put it beside.
      last = typeof usage === 'object' && usage !== null ? { ...response, usage } : (response as JsonObject)
    },
    result() {
      return readOpenaiResponses(last)
    },
  }
}

/** Searches that are billed apart; undefined where the answer has no usage, so that nothing reported stays unknown. */
function webSearches(response: JsonObject, usage: JsonObject): number | undefined {
  if (readTokenCount(usage.input_tokens) === undefined) return undefined
  const said =
    readTokenCount(object(object(response.tool_usage).web_search).num_requests) ??
    readTokenCount(object(usage.server_side_tool_usage_details).web_search_calls)
  if (said !== undefined) return said
  // Opening or searching in a page that was found is free (openai.com/api/pricing, tools).
  const searches = list(response.output).filter((item) => {
    const { type, action } = object(item)
    const kind = object(action).type
    return type === 'web_search_call' && (kind === undefined || kind === 'search')
  })
  return searches.length === 0 ? undefined : searches.length
}
