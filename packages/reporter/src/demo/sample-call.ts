import { attributes as names, PROPERTY_PREFIX, spanledgerAttributes as ours, type SpanRecord } from '@spanledger/conventions'
import type { SeededRandom } from '@spanledger/stand-in'

import { fromQuantiles, logNormal, pick, type Weighted } from './distributions.ts'
import {
  sampleFeatures,
  sampleModels,
  tokenQuantiles,
  type SampleFeatureName,
  type SampleModel,
  type SampleModelName,
} from './sample-models.ts'
import type { Plan, SampleUser } from './sample-user.ts'

/** One call that is about to be made up. */
export interface CallPlan {
  readonly user: SampleUser
  readonly plan: Plan
  readonly sessionId: string
  readonly feature: SampleFeatureName
  readonly modelName: SampleModelName
  /** Calls of this session before it, and the tokens they left in the conversation. */
  readonly turn: number
  readonly historyTokens: number
  readonly startMs: number
  readonly daysAgo: number
  readonly ids: SpanIds
  readonly random: SeededRandom
}

export interface SpanIds {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly responseId: string
}

export type NewIds = () => SpanIds

/** The span of a call, written as the instrumentation writes it, and what the conversation goes on with. */
export interface SampleCall {
  readonly span: SpanRecord
  readonly failure: Failure | undefined
  /** Tokens that the next prompt of the conversation holds in addition. */
  readonly addedTokens: number
}

export function sampleCall(plan: CallPlan): SampleCall {
  const model: SampleModel = sampleModels[plan.modelName]
  const isEmbedding = plan.modelName === 'text-embedding-3-small'
  const streamed = !isEmbedding && plan.random() < sampleFeatures[plan.feature].streamedShare
  const failure = pick(plan.random, failuresOf(plan, model))
  const tokens = tokensOf(plan, model)
  const outputTokens = isEmbedding ? 0 : tokens.output + tokens.reasoning
  const firstChunkMs = logNormal(plan.random, model.timeToFirstChunkMs, 0.45) + tokens.reasoning * (1000 / model.tokensPerSecond)
  const restMs = (tokens.output * 1000) / logNormal(plan.random, model.tokensPerSecond, 0.25)
  const durationMs = failure === undefined ? firstChunkMs + restMs : failure.durationMs
  const operation = isEmbedding ? 'embeddings' : 'chat'
  return {
    failure,
    addedTokens: failure === undefined ? tokens.question + tokens.output : 0,
    span: {
      traceId: plan.ids.traceId,
      spanId: plan.ids.spanId,
      parentSpanId: plan.ids.parentSpanId,
      name: `${operation} ${plan.modelName}`,
      startMs: plan.startMs,
      endMs: plan.startMs + durationMs,
      statusCode: failure === undefined ? 0 : 2,
      statusMessage: failure?.message,
      scopeName: '@spanledger/instrumentation',
      scopeVersion: '0.1.0',
      attributes: {
        [names.operationName]: operation,
        [names.providerName]: model.provider,
        [names.requestModel]: plan.modelName,
        [names.serverAddress]: model.serverAddress,
        [names.serverPort]: 443,
        ...(streamed ? { [names.requestStream]: true } : {}),
        ...(failure === undefined
          ? {
              [names.responseModel]: model.responseModel,
              ...(isEmbedding ? {} : { [names.responseId]: model.responseIdPrefix + plan.ids.responseId }),
              ...(isEmbedding ? {} : { [names.responseFinishReasons]: [plan.random() < 0.01 ? 'length' : 'stop'] }),
              ...(streamed ? { [names.responseTimeToFirstChunk]: firstChunkMs / 1000 } : {}),
              // Streams of OpenAI say what they used only where they are asked to.
              ...(streamed && model.provider === 'openai' && plan.random() < 0.02
                ? {}
                : usageAttributes(plan, model, tokens, outputTokens)),
            }
          : {
              [names.errorType]: failure.errorType,
              ...(failure.status === undefined ? {} : { [names.httpResponseStatusCode]: failure.status }),
            }),
        ...identityAttributes(plan),
        [`${PROPERTY_PREFIX}feature`]: plan.feature,
        [ours.sample]: true,
      },
      resourceAttributes: sampleResource,
      droppedAttributes: 0,
    },
  }
}

/** Who made a call, as `withUser` stamps it. */
export function identityAttributes({
  user,
  plan,
  sessionId,
  daysAgo,
}: Pick<CallPlan, 'user' | 'plan' | 'sessionId' | 'daysAgo'>): Record<string, unknown> {
  return {
    ...(user.id === undefined ? {} : { [names.userId]: user.id }),
    [names.sessionId]: sessionId,
    [`${PROPERTY_PREFIX}plan`]: plan,
    [`${PROPERTY_PREFIX}environment`]: user.environment,
    [`${PROPERTY_PREFIX}app_version`]: daysAgo > 50 ? '2.3.0' : daysAgo > 19 ? '2.4.0' : '2.5.0',
    [`${PROPERTY_PREFIX}country`]: user.country,
  }
}

/** One object for all spans, as one process has one resource. */
export const sampleResource: SpanRecord['resourceAttributes'] = { 'service.name': 'sample-app', 'service.version': '2' }

interface Tokens {
  readonly question: number
  readonly output: number
  readonly reasoning: number
  readonly cacheRead: number
  readonly cacheWrite: number
  /** All of the prompt, cached tokens included. */
  readonly input: number
}

function tokensOf({ feature, modelName, turn, historyTokens, random }: CallPlan, model: SampleModel): Tokens {
  const { size, instructionTokens } = sampleFeatures[feature]
  const quantiles = tokenQuantiles[size]
  const question = fromQuantiles(random, quantiles.input)
  if (modelName === 'text-embedding-3-small')
    return { question, output: 0, reasoning: 0, cacheRead: 0, cacheWrite: 0, input: Math.ceil(question / 8) }
  const head = instructionTokens + historyTokens
  const isWarm = turn > 0 || random() < 0.4
  const marksItsCache = model.provider === 'anthropic'
  return {
    question,
    output: fromQuantiles(random, quantiles.output),
    reasoning: model.reasoningTokens === undefined ? 0 : Math.round(logNormal(random, model.reasoningTokens, 0.8)),
    // Prompts below 1,024 tokens are not cached; OpenAI and Gemini keep them in steps of 128, Anthropic what is marked.
    cacheRead:
      !isWarm || head < 1024 ? 0 : marksItsCache ? (instructionTokens < 1024 ? 0 : instructionTokens) : Math.floor(head / 128) * 128,
    cacheWrite: !isWarm && marksItsCache && instructionTokens >= 1024 ? instructionTokens : 0,
    input: head + question,
  }
}

/** Inclusive counts, as the GenAI conventions want them: cached tokens within the input, reasoning within the output. */
function usageAttributes({ plan }: CallPlan, { provider }: SampleModel, tokens: Tokens, outputTokens: number): Record<string, unknown> {
  return {
    [names.inputTokens]: tokens.input,
    ...(outputTokens === 0 ? {} : { [names.outputTokens]: outputTokens }),
    ...(tokens.cacheRead === 0 ? {} : { [names.cacheReadInputTokens]: tokens.cacheRead }),
    ...(tokens.cacheWrite === 0
      ? {}
      : {
          [names.cacheWriteInputTokens]: tokens.cacheWrite,
          // Enterprise customers come back all day, so the app keeps their prompts for an hour.
          [plan === 'enterprise' ? names.anthropicCacheWrite1hInputTokens : names.anthropicCacheWrite5mInputTokens]: tokens.cacheWrite,
        }),
    ...(tokens.reasoning === 0 ? {} : { [names.reasoningOutputTokens]: tokens.reasoning }),
    ...(provider === 'openai' ? { [names.openaiResponseServiceTier]: 'default' } : {}),
    ...(provider === 'anthropic' ? { [names.anthropicResponseServiceTier]: 'standard' } : {}),
  }
}

/** A way in which calls fail. */
export interface Failure {
  readonly errorType: string
  readonly status: number | undefined
  readonly message: string | undefined
  readonly durationMs: number
  /** People try again after these; the others would fail again. */
  readonly isRetried: boolean
}

const timedOut: Failure = {
  errorType: 'APIConnectionTimeoutError',
  status: undefined,
  message: 'Request timed out.',
  durationMs: 30_000,
  isRetried: true,
}
const cancelled: Failure = {
  errorType: 'cancelled',
  status: undefined,
  message: 'The app cancelled the call.',
  durationMs: 2400,
  isRetried: false,
}

interface ProviderFailures {
  readonly rateLimited: Failure
  readonly others: Weighted<Failure>
}

/** In each provider's own words, as the instrumentation takes them over. */
const anthropicFailures: ProviderFailures = {
  rateLimited: { errorType: 'rate_limit_error', status: 429, message: 'Number of requests exceeded.', durationMs: 140, isRetried: true },
  others: [
    [{ errorType: 'overloaded_error', status: 529, message: 'Overloaded', durationMs: 400, isRetried: true }, 45],
    [{ errorType: 'api_error', status: 500, message: 'Internal server error', durationMs: 1900, isRetried: true }, 15],
    [timedOut, 20],
    [{ errorType: 'invalid_request_error', status: 400, message: 'prompt is too long', durationMs: 260, isRetried: false }, 10],
    [cancelled, 10],
  ],
}
const openaiFailures: ProviderFailures = {
  rateLimited: { errorType: 'rate_limit_exceeded', status: 429, message: 'Rate limit reached.', durationMs: 140, isRetried: true },
  others: [
    [{ errorType: 'server_error', status: 500, message: 'The server had an error.', durationMs: 1900, isRetried: true }, 50],
    [timedOut, 20],
    [
      {
        errorType: 'context_length_exceeded',
        status: 400,
        message: 'The prompt is longer than the context window.',
        durationMs: 260,
        isRetried: false,
      },
      12,
    ],
    [{ errorType: 'content_policy_violation', status: 400, message: 'The request was refused.', durationMs: 310, isRetried: false }, 6],
    [cancelled, 12],
  ],
}

/** Out of 1,000 calls: those that work, those over the rate limit, and those that fail in other ways. */
function failuresOf({ user, plan, daysAgo }: CallPlan, { provider }: SampleModel): Weighted<Failure | undefined> {
  const { rateLimited, others } = provider === 'anthropic' ? anthropicFailures : openaiFailures
  const limited = user.life === 'abuser' && daysAgo <= 6 ? 300 : plan === 'free' ? 12 : 3
  const failed = user.life === 'at_risk' ? 45 : 14
  const total = others.reduce((sum, [, weight]) => sum + weight, 0)
  return [
    [undefined, 1000 - limited - failed],
    [rateLimited, limited],
    ...others.map(([failure, weight]) => [failure, (failed * weight) / total] as const),
  ]
}
