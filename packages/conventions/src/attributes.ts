/**
 * Every attribute name Spanledger writes, or reads from the current conventions.
 *
 * GenAI names: open-telemetry/semantic-conventions-genai, docs/gen-ai (read 2026-11-20; status "Development", no tagged
 * release, no npm package, hence copied). Older names that spans still carry stand in `olderAttributes`.
 */
export const attributes = {
  operationName: 'gen_ai.operation.name',
  providerName: 'gen_ai.provider.name',
  requestModel: 'gen_ai.request.model',
  requestStream: 'gen_ai.request.stream',
  requestMaxTokens: 'gen_ai.request.max_tokens',
  requestTemperature: 'gen_ai.request.temperature',
  requestTopP: 'gen_ai.request.top_p',
  requestChoiceCount: 'gen_ai.request.choice.count',
  responseId: 'gen_ai.response.id',
  responseModel: 'gen_ai.response.model',
  responseFinishReasons: 'gen_ai.response.finish_reasons',
  /** Seconds, a double. */
  responseTimeToFirstChunk: 'gen_ai.response.time_to_first_chunk',
  conversationId: 'gen_ai.conversation.id',
  promptName: 'gen_ai.prompt.name',
  agentName: 'gen_ai.agent.name',

  /** ALL input, cached included: the cache and modality counts below are parts of it (client-inference.md, notes 20-33). */
  inputTokens: 'gen_ai.usage.input_tokens',
  /** ALL output: reasoning and audio are parts of it. */
  outputTokens: 'gen_ai.usage.output_tokens',
  cacheReadInputTokens: 'gen_ai.usage.cache_read.input_tokens',
  /** Named cache_creation until August 2026 (semantic-conventions-genai PR 440). */
  cacheWriteInputTokens: 'gen_ai.usage.cache_write.input_tokens',
  reasoningOutputTokens: 'gen_ai.usage.reasoning.output_tokens',
  audioInputTokens: 'gen_ai.usage.audio.input_tokens',
  audioOutputTokens: 'gen_ai.usage.audio.output_tokens',
  audioCacheReadInputTokens: 'gen_ai.usage.audio.cache_read.input_tokens',
  imageInputTokens: 'gen_ai.usage.image.input_tokens',
  imageOutputTokens: 'gen_ai.usage.image.output_tokens',

  /** The price of a call depends on the tier that served it. `openai.*` and `anthropic.*` as their emitters write them. */
  openaiResponseServiceTier: 'openai.response.service_tier',
  openaiRequestServiceTier: 'openai.request.service_tier',
  anthropicResponseServiceTier: 'anthropic.response.service_tier',
  anthropicCacheWrite5mInputTokens: 'anthropic.usage.cache_creation.ephemeral_5m_input_tokens',
  anthropicCacheWrite1hInputTokens: 'anthropic.usage.cache_creation.ephemeral_1h_input_tokens',

  errorType: 'error.type',
  httpResponseStatusCode: 'http.response.status_code',
  serverAddress: 'server.address',
  serverPort: 'server.port',

  /** Of the event `gen_ai.evaluation.result`: semantic-conventions-genai, model/gen-ai/events.yaml (read 2026-11-25). */
  evaluationName: 'gen_ai.evaluation.name',
  evaluationScoreValue: 'gen_ai.evaluation.score.value',
  evaluationScoreLabel: 'gen_ai.evaluation.score.label',

  /** General registry, Development: docs/registry/attributes/user.md and session.md (read 2026-11-20). */
  userId: 'user.id',
  sessionId: 'session.id',
} as const

/** The scope of our own spans: these are tried first, and as nothing else. */
export const SPANLEDGER_SCOPE = '@spanledger/instrumentation'

/** Names of ours, for what no convention says. Each is optional on a span and read back by `readCall`. */
export const spanledgerAttributes = {
  /** JSON of `UsagePart[]`: a call that several models served (Anthropic `iterations[]`), each billed at its own price. */
  usageParts: 'spanledger.usage.parts',
  webSearches: 'spanledger.usage.web_searches',
  /** `reported` | `partial` | `estimated` | `missing`: how far the token counts may be trusted. */
  usageQuality: 'spanledger.usage.quality',
  /** USD as a decimal string: what the provider itself said the call cost. */
  reportedCostUsd: 'spanledger.reported_cost_usd',
  serviceTier: 'spanledger.service_tier',
  /** `true` on calls made up for a demo. */
  sample: 'spanledger.sample',
  /** `true` on calls that a cache of the app or of its gateway answered, in the provider's place: the usage is what that saved. */
  cacheHit: 'spanledger.cache_hit',
  /**
   * At least 12 hex digits, equal where the same was asked: a keyed hash of the user's last message and what leads the model. No
   * convention has one (read 2026-11-26); written only where an app gives `fingerprintKey`.
   */
  requestFingerprint: 'spanledger.request.fingerprint',
  /** The call that this one asks once more: `<trace id>-<span id>`, or the span id of one in the same trace. */
  retryOf: 'spanledger.retry_of',
  /**
   * `inside`: the SDK tried more than once within this span. `itself`: the span is a retry that a program made by itself. OpenTelemetry's
   * `http.request.resend_count` is of HTTP spans (read 2026-11-26).
   */
  autoRetry: 'spanledger.auto_retry',
} as const

/**
 * Names of ours on the spans of events (`spanledger.feedback` and its like). No convention has them (read 2026-11-25); the name,
 * value and label of a score are those of `gen_ai.evaluation.*`. Which event carries which says docs/events.md.
 */
export const eventAttributes = {
  /** What the goal, milestone, survey or product is called. */
  name: 'spanledger.event.name',
  /** The ends of the scale that a score was given on. */
  scoreMin: 'spanledger.score.min',
  scoreMax: 'spanledger.score.max',
  /** `human` | `heuristic` | `judge`: who gave the score. */
  scoreSource: 'spanledger.score.source',
  /** The span of the call that is meant; a provider's response id stands in `gen_ai.response.id`. */
  targetTraceId: 'spanledger.target.trace_id',
  targetSpanId: 'spanledger.target.span_id',
  npsScore: 'spanledger.nps.score',
  goalSuccess: 'spanledger.goal.success',
  goalValue: 'spanledger.goal.value',
  taskId: 'spanledger.task.id',
  taskStep: 'spanledger.task.step',
  /** `started` | `completed` | `failed`: of the step, or of the whole task where it names none. */
  taskState: 'spanledger.task.state',
  featureName: 'spanledger.feature.name',
  experimentKey: 'spanledger.experiment.key',
  experimentVariant: 'spanledger.experiment.variant',
  /** Of those who take part, the share that is meant to see this variant, 0 to 1. */
  experimentShare: 'spanledger.experiment.share',
  /** A decimal string, or a number; negative for money given back. */
  revenueAmount: 'spanledger.revenue.amount',
  /** `USD`; anything else is refused. */
  revenueCurrency: 'spanledger.revenue.currency',
  /** What the amount pays for: `once` | `week` | `month` | `quarter` | `year`. */
  revenuePeriod: 'spanledger.revenue.period',
  /** The id of an invoice or payment: said again, it replaces. */
  revenueId: 'spanledger.revenue.id',
  planFrom: 'spanledger.plan.from',
  planTo: 'spanledger.plan.to',
  /** `completed` | `abandoned`. */
  sessionOutcome: 'spanledger.session.outcome',
  /** `granted` | `denied`. */
  consentState: 'spanledger.consent.state',
  consentPurpose: 'spanledger.consent.purpose',
} as const

/** `property.<key>`: what the app attaches to a call. Our own convention; OpenTelemetry has none (read 2026-11-20). */
export const PROPERTY_PREFIX = 'property.'

/**
 * Under which other libraries put what their app attaches: OpenLLMetry, the AI SDK (4 to 6, and 7 in its two forms), Langfuse,
 * LangSmith. Read, never written.
 */
export const otherPropertyPrefixes: readonly string[] = [
  'traceloop.association.properties.',
  'ai.telemetry.metadata.',
  'ai.settings.context.',
  // Not `langfuse.observation.metadata.`: the SDK itself puts parts of requests and answers there.
  'langfuse.trace.metadata.',
  'langsmith.metadata.',
]

/** Names that current spans no longer carry, newest first; the first one present wins over the older ones. */
export const olderAttributes = {
  /** Renamed in semantic-conventions 1.37. */
  providerName: ['gen_ai.system'],
  /** Renamed in semantic-conventions 1.27. */
  inputTokens: ['gen_ai.usage.prompt_tokens'],
  outputTokens: ['gen_ai.usage.completion_tokens'],
  /** Those with `_details` are OpenLIT's of before 1.0; `input_tokens.cached` and its like are Sentry's. */
  cacheReadInputTokens: [
    'gen_ai.usage.cache_read_input_tokens',
    'gen_ai.usage.input_cached_tokens',
    'gen_ai.usage.prompt_tokens_details.cache_read',
    'gen_ai.usage.input_tokens.cached',
  ],
  cacheWriteInputTokens: [
    'gen_ai.usage.cache_creation.input_tokens',
    'gen_ai.usage.cache_creation_input_tokens',
    'gen_ai.usage.cache_write_input_tokens',
    'gen_ai.usage.prompt_tokens_details.cache_write',
  ],
  reasoningOutputTokens: [
    'gen_ai.usage.reasoning_tokens',
    'gen_ai.usage.completion_tokens_details.reasoning',
    'gen_ai.usage.output_tokens.reasoning',
  ],
  /** Never of the conventions, which leave the sum to the reader. */
  totalTokens: ['gen_ai.usage.total_tokens', 'llm.usage.total_tokens'],
  /** Seconds too: the AI SDK 7, OpenLIT. */
  responseTimeToFirstChunk: ['gen_ai.client.operation.time_to_first_chunk', 'gen_ai.server.time_to_first_token'],
  /** The second is Anthropic's own word, which its SDK gives instead. */
  responseFinishReasons: ['gen_ai.response.finish_reason', 'anthropic.message.stop_reason'],
  /**
   * The first is deprecated as moved (semantic-conventions registry, enduser); the others are what libraries write that have a
   * name of their own for the user: OpenLLMetry, Langfuse, the AI SDK, LangSmith, Helicone through OpenLLMetry, and, last, the
   * `user` of a request's body (OpenInference's older form, OpenLIT).
   */
  userId: [
    'enduser.id',
    'gen_ai.user.id',
    'langfuse.user.id',
    'traceloop.association.properties.Helicone-User-Id',
    'traceloop.association.properties.user_id',
    'traceloop.association.properties.userId',
    'ai.telemetry.metadata.userId',
    'ai.telemetry.metadata.user_id',
    'ai.settings.context.userId',
    'ai.settings.context.user_id',
    'langsmith.metadata.user_id',
    'langsmith.metadata.userId',
    'llm.user',
    'gen_ai.request.user',
  ],
  sessionId: [
    'gen_ai.conversation.id',
    'langfuse.session.id',
    'traceloop.association.properties.Helicone-Session-Id',
    'traceloop.association.properties.session_id',
    'traceloop.association.properties.sessionId',
    'ai.telemetry.metadata.sessionId',
    'ai.telemetry.metadata.session_id',
    'ai.settings.context.sessionId',
    'ai.settings.context.session_id',
    'langsmith.metadata.session_id',
    'langsmith.metadata.thread_id',
    'langsmith.metadata.conversation_id',
  ],
  serviceTier: ['gen_ai.openai.response.service_tier', 'gen_ai.response.service_tier'],
} as const
