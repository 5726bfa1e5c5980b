import {
  anthropicMessagesStream,
  attributes as names,
  openaiChatStream,
  openaiResponsesStream,
  readAnthropicMessages,
  readOpenaiChat,
  readOpenaiEmbeddings,
  readOpenaiResponses,
  spanledgerAttributes as ours,
  type AnswerOptions,
  type AnswerStream,
  type ProviderAnswer,
} from '@spanledger/conventions'

import { isObject, type SdkClient } from './sdk-shapes.ts'

/** One endpoint of a provider's API, as its SDK method speaks it. */
export interface LlmApi {
  /** `gen_ai.operation.name`. */
  readonly operation: 'chat' | 'text_completion' | 'embeddings'
  /** The provider where the host does not tell: a proxy, a local server. */
  readonly providerOf: (client: SdkClient | undefined) => string
  readonly requestServiceTier: string
  readonly responseServiceTier: string
  /** Streams report usage only when `stream_options.include_usage` asks for it. */
  readonly asksForUsage: boolean
  /** A stream without a reason for its end was cut off, even when it ended without an error. */
  readonly alwaysSaysWhyItEnds: boolean
  /** Whether an answer without usage was used all the same; false where answers may come later (background responses). */
  readonly isEstimated: boolean
  readonly readAnswer: (body: unknown, options: AnswerOptions) => ProviderAnswer
  readonly openStream: (options: AnswerOptions) => AnswerStream
  /** The characters of text that a chunk of a stream adds to the answer. */
  readonly charactersIn: (chunk: unknown) => number
}

const openai = {
  providerOf: (client) => (client?.constructor.name === 'AzureOpenAI' ? 'azure.ai.openai' : 'openai'),
  requestServiceTier: names.openaiRequestServiceTier,
  responseServiceTier: names.openaiResponseServiceTier,
  asksForUsage: false,
  alwaysSaysWhyItEnds: false,
  isEstimated: true,
} as const satisfies Partial<LlmApi>

export const openaiChat: LlmApi = {
  ...openai,
  operation: 'chat',
  asksForUsage: true,
  readAnswer: readOpenaiChat,
  openStream: openaiChatStream,
  charactersIn: charactersInChoices,
}

export const openaiCompletions: LlmApi = { ...openaiChat, operation: 'text_completion' }

export const openaiResponses: LlmApi = {
  ...openai,
  operation: 'chat',
  isEstimated: false,
  readAnswer: readOpenaiResponses,
  openStream: openaiResponsesStream,
  charactersIn: (event) => (isObject(event) && typeof event['delta'] === 'string' ? event['delta'].length : 0),
}

export const openaiEmbeddings: LlmApi = {
  ...openai,
  operation: 'embeddings',
  readAnswer: readOpenaiEmbeddings,
  openStream: openaiChatStream,
  charactersIn: () => 0,
}

export const anthropicMessages: LlmApi = {
  operation: 'chat',
  providerOf: () => 'anthropic',
  requestServiceTier: 'anthropic.request.service_tier',
  // The tier may carry a region or a speed with it, which Anthropic's own attribute does not say.
  responseServiceTier: ours.serviceTier,
  asksForUsage: false,
  alwaysSaysWhyItEnds: true,
  isEstimated: true,
  readAnswer: readAnthropicMessages,
  openStream: anthropicMessagesStream,
  charactersIn: charactersInContentDelta,
}

function charactersInChoices(chunk: unknown): number {
  if (!isObject(chunk) || !Array.isArray(chunk['choices'])) return 0
  let sum = 0
  for (const choice of chunk['choices'] as unknown[]) {
    if (!isObject(choice)) continue
    const { delta, text } = choice
    if (typeof text === 'string') sum += text.length
    if (!isObject(delta)) continue
    const { content, tool_calls: toolCalls } = delta
    // DeepSeek and others name thinking `reasoning_content`, OpenRouter `reasoning`.
    const said =
      content === '' || content === undefined || content === null
        ? (delta['reasoning_content'] ?? delta['reasoning'] ?? delta['refusal'])
        : content
    if (typeof said === 'string') sum += said.length
    if (Array.isArray(toolCalls)) for (const call of toolCalls as unknown[]) sum += argumentCharacters(call)
  }
  return sum
}

function argumentCharacters(toolCall: unknown): number {
  const called = isObject(toolCall) ? toolCall['function'] : undefined
  return isObject(called) && typeof called['arguments'] === 'string' ? called['arguments'].length : 0
}

function charactersInContentDelta(event: unknown): number {
  if (!isObject(event) || event['type'] !== 'content_block_delta' || !isObject(event['delta'])) return 0
  const { text, partial_json: json, thinking } = event['delta']
  const said = text ?? json ?? thinking
  return typeof said === 'string' ? said.length : 0
}
