export { anthropicMessagesStream, readAnthropicMessages } from './answers/anthropic-messages.ts'
export type { AnswerOptions, AnswerStream, ProviderAnswer } from './answers/answer.ts'
export { bedrockConverseStream, bedrockInvokeStream, readBedrockConverse, readBedrockInvoke } from './answers/bedrock.ts'
export { cohereStream, readCohere } from './answers/cohere.ts'
export { googleGenerateContentStream, readGoogleGenerateContent } from './answers/google-generate-content.ts'
export { googleInteractionStream, readGoogleInteraction } from './answers/google-interactions.ts'
export { ollamaStream, readOllama } from './answers/ollama.ts'
export { openaiChatStream, readOpenaiChat } from './answers/openai-chat.ts'
export { readOpenaiEmbeddings } from './answers/openai-embeddings.ts'
export { readOpenaiImage, readOpenaiTranscription } from './answers/openai-media.ts'
export { openaiResponsesStream, readOpenaiResponses } from './answers/openai-responses.ts'
export { readRerank } from './answers/rerank.ts'
export { appSetup, tellAppSetup, type AppSetup, type SdkSetup } from './app-setup.ts'
export { endOpenCalls, tellOpenCalls, type EndOpenCalls } from './open-calls.ts'
export { attributes, eventAttributes, olderAttributes, PROPERTY_PREFIX, SPANLEDGER_SCOPE, spanledgerAttributes } from './attributes.ts'
export { cacheVerdict, disjointUsage, type CacheVerdict, type Counting, type TokenCounts } from './disjoint-usage.ts'
export { classifyError, type ErrorClass, type ErrorFacts } from './error-class.ts'
export {
  MAX_ID_BYTES,
  MAX_PROPERTIES_PER_CALL,
  MAX_PROPERTY_VALUE_LENGTH,
  mergeIdentities,
  readId,
  readProperties,
  type Identity,
  type Property,
  type ReadId,
  type ReadProperties,
} from './identity.ts'
export {
  IDENTITY_CONTEXT_KEY,
  identityInContext,
  runWithIdentity,
  stampIdentity,
  type IdentityContext,
  type StampedSpan,
} from './identity-context.ts'
export {
  eventKinds,
  eventSources,
  revenuePeriods,
  targetOf,
  type EventKind,
  type EventSource,
  type EventTarget,
  type LedgerEvent,
  type NamedTarget,
  type RevenuePeriod,
  type TaskState,
} from './ledger-event.ts'
export type { CallOrigin, CallStatus, LlmCall, UsageQuality } from './llm-call.ts'
export { eventNamesOf, type LogRecord } from './log-record.ts'
export { divideHalfEven, formatUsd, NANO_USD_PER_USD, parseUsd } from './money.ts'
export { propertyAttribute } from './property-attribute.ts'
export { canonicalPropertyKey, MAX_PROPERTY_KEY_LENGTH } from './property-key.ts'
export { canonicalProvider, providerOfHost } from './provider.ts'
export type { DialectCall } from './dialects/dialect.ts'
export { nothingSaid } from './dialects/nothing-said.ts'
export { readCall, toCall } from './read-call.ts'
export { readLogEvent } from './read-log-event.ts'
export { readLogCall } from './read-log-call.ts'
export { EVALUATION_EVENT, readEvaluation, readEvent, type EvaluationRecord } from './read-event.ts'
export type { ReadingFault } from './reading-fault.ts'
export { exceptionOf, type SpanException, type SpanRecord } from './span.ts'
export { readSpanIdentity, resourceIdentity } from './span-identity.ts'
export { MAX_TOKEN_COUNT, readTokenCount } from './token-count.ts'
export { addUsage, totalInputTokens, totalOutputTokens, totalTokens, usageBuckets, usageOf, type Usage, type UsagePart } from './usage.ts'
