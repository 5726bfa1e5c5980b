import { makeAnswer, type Answer } from './answer.ts'
import { billedUsage, type BilledUsage } from './billed.ts'
import type { Endpoint, EndpointRequest, Frame, Reply } from './endpoint.ts'
import { answeringModel } from './known-models.ts'
import { errorBody, type Fault } from './provider-error.ts'

/** POST /v1/chat/completions. */
export const openaiChat: Endpoint = {
  provider: 'openai',
  // ChatCompletionCreateParams of openai 6.49.0.
  parameters: new Set(
    `audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens messages metadata modalities
    model moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key prompt_cache_options prompt_cache_retention
    reasoning_effort response_format safety_identifier seed service_tier stop store stream stream_options temperature tool_choice tools
    top_logprobs top_p user verbosity web_search_options`.split(/\s+/),
  ),
  faultOf,
  reply,
}

function faultOf({ messages, stream, stream_options: streamOptions, n }: Record<string, unknown>): Fault | undefined {
  if (!Array.isArray(messages) || messages.length === 0) {
    return { status: 400, message: "Missing required parameter: 'messages'.", param: 'messages', code: 'missing_required_parameter' }
  }
  const wrong = messages.findIndex((message: unknown) => typeof (message as { role?: unknown } | null)?.role !== 'string')
  if (wrong >= 0) {
    return {
      status: 400,
      message: `Missing required parameter: 'messages[${wrong}].role'.`,
      param: `messages[${wrong}].role`,
      code: 'missing_required_parameter',
    }
  }
  if (streamOptions !== undefined && streamOptions !== null && stream !== true) {
    return { status: 400, message: "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param: 'stream_options' }
  }
  if (n !== undefined && n !== null && !(Number.isInteger(n) && (n as number) >= 1 && (n as number) <= 128)) {
    return { status: 400, message: "Invalid value for 'n': expected an integer from 1 to 128.", param: 'n', code: 'invalid_value' }
  }
  return undefined
}

function reply(request: EndpointRequest): Reply {
  const { body, directions } = request
  const choices = typeof body['n'] === 'number' ? body['n'] : 1
  const maxTokens = body['max_completion_tokens'] ?? body['max_tokens']
  const answers = Array.from({ length: choices }, () =>
    makeAnswer({
      prompt: [body['messages'], body['tools']],
      maxTokens: typeof maxTokens === 'number' ? maxTokens : undefined,
      directions,
      random: request.random,
    }),
  )
  const usage = usageOfChoices(answers)
  const model = answeringModel(request.model)
  const common = {
    id: request.newId('chatcmpl-'),
    created: request.nowS,
    model,
    service_tier: directions.serviceTier ?? servedTier(body['service_tier']),
    system_fingerprint: 'fp_5f20662549',
  }
  return {
    body: {
      ...common,
      object: 'chat.completion',
      choices: answers.map((answer, index) => ({
        index,
        message: { role: 'assistant', content: answer.text, refusal: null, annotations: [] },
        logprobs: null,
        finish_reason: finishReason(answer),
      })),
      ...(directions.omitUsage === true ? {} : { usage: wireUsage(usage) }),
    },
    stream: body['stream'] === true ? { frames: frames(request, common, answers, usage), errorFrames } : undefined,
    billed: [{ model, usage }],
    responseId: common.id,
  }
}

function frames({ body, directions }: EndpointRequest, common: object, answers: readonly Answer[], usage: BilledUsage): Frame[] {
  const withUsage =
    (body['stream_options'] as { include_usage?: unknown } | undefined)?.include_usage === true && directions.omitUsage !== true
  const chunk = (index: number, delta: object, reason: string | null): unknown => ({
    ...common,
    object: 'chat.completion.chunk',
    choices: [{ index, delta, logprobs: null, finish_reason: reason }],
    ...(withUsage ? { usage: null } : {}),
  })
  return [
    ...answers.map((_, index): Frame => ({ data: chunk(index, { role: 'assistant', content: '', refusal: null }, null) })),
    ...answers.flatMap(({ pieces }, index) => pieces.map((content): Frame => ({ data: chunk(index, { content }, null), isPiece: true }))),
    ...answers.map((answer, index): Frame => ({ data: chunk(index, {}, finishReason(answer)) })),
    ...(withUsage ? [{ data: { ...common, object: 'chat.completion.chunk', choices: [], usage: wireUsage(usage) } }] : []),
    { data: '[DONE]' },
  ]
}

function errorFrames(): Frame[] {
  return [{ data: errorBody('openai', { status: 500, message: 'The server had an error while processing your request.' }, '') }]
}

/** The prompt is charged once, each choice's output by itself. */
function usageOfChoices(answers: readonly Answer[]): BilledUsage {
  const sum = (bucket: 'outputTokens' | 'reasoningTokens'): number => answers.reduce((total, { usage }) => total + usage[bucket], 0)
  return billedUsage({ ...answers[0]?.usage, outputTokens: sum('outputTokens'), reasoningTokens: sum('reasoningTokens') })
}

/** OpenAI counts cached tokens within the prompt, and reasoning within the completion. */
function wireUsage(usage: BilledUsage): unknown {
  const prompt = usage.inputTokens + usage.cacheReadTokens + usage.cacheWrite5mTokens + usage.cacheWrite1hTokens
  const completion = usage.outputTokens + usage.reasoningTokens
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: usage.cacheReadTokens, audio_tokens: 0, ...cacheWrites(usage) },
    completion_tokens_details: {
      reasoning_tokens: usage.reasoningTokens,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  }
}

/** Only the models that charge for cache writes name them. */
export function cacheWrites({ cacheWrite5mTokens, cacheWrite1hTokens }: BilledUsage): { cache_write_tokens?: number } {
  const written = cacheWrite5mTokens + cacheWrite1hTokens
  return written === 0 ? {} : { cache_write_tokens: written }
}

/** What a request for `auto` or for nothing is served at. */
export function servedTier(requested: unknown): string {
  return typeof requested === 'string' && requested !== 'auto' ? requested : 'default'
}

function finishReason({ truncated }: Answer): string {
  return truncated ? 'length' : 'stop'
}
