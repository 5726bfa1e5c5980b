import { makeAnswer, type Answer } from './answer.ts'
import type { BilledUsage } from './billed.ts'
import type { Endpoint, EndpointRequest, Frame, Reply, Stream } from './endpoint.ts'
import { answeringModel } from './known-models.ts'
import { cacheWrites, servedTier } from './openai-chat.ts'
import type { Fault } from './provider-error.ts'

/** POST /v1/responses. */
export const openaiResponses: Endpoint = {
  provider: 'openai',
  // ResponseCreateParams of openai 6.49.0.
  parameters: new Set(
    `background context_management conversation include input instructions max_output_tokens max_tool_calls metadata model moderation
    parallel_tool_calls previous_response_id prompt prompt_cache_key prompt_cache_options prompt_cache_retention reasoning
    safety_identifier service_tier store stream stream_options temperature text tool_choice tools top_logprobs top_p truncation user`.split(
      /\s+/,
    ),
  ),
  faultOf,
  reply,
}

function faultOf({ input, prompt, previous_response_id: previous, conversation }: Record<string, unknown>): Fault | undefined {
  if (typeof input === 'string' || Array.isArray(input)) return undefined
  if (input === undefined && (prompt ?? previous ?? conversation) !== undefined) return undefined
  return { status: 400, message: "Missing required parameter: 'input'.", param: 'input', code: 'missing_required_parameter' }
}

function reply(request: EndpointRequest): Reply {
  const { body, directions } = request
  const answer = makeAnswer({
    prompt: [body['instructions'], body['input'], body['tools']],
    maxTokens: typeof body['max_output_tokens'] === 'number' ? body['max_output_tokens'] : undefined,
    directions,
    random: request.random,
  })
  const id = request.newId('resp_')
  const message = {
    id: request.newId('msg_'),
    type: 'message',
    status: answer.truncated ? 'incomplete' : 'completed',
    role: 'assistant',
    content: [textPart(answer.text)],
  }
  const reasoning = answer.usage.reasoningTokens === 0 ? [] : [{ id: request.newId('rs_'), type: 'reasoning', summary: [] }]
  const begun = { ...settingsOf(request), id, status: 'in_progress', output: [], usage: null }
  const finished = {
    ...begun,
    status: answer.truncated ? 'incomplete' : 'completed',
    incomplete_details: answer.truncated ? { reason: 'max_output_tokens' } : null,
    output: [...reasoning, message],
    usage: directions.omitUsage === true ? null : wireUsage(answer.usage),
  }
  return {
    body: finished,
    stream: body['stream'] === true ? streamOf({ begun, finished, reasoning, message, answer }) : undefined,
    billed: [{ model: begun.model, usage: answer.usage }],
    responseId: id,
  }
}

interface StreamedResponse {
  readonly begun: object
  readonly finished: object
  readonly reasoning: readonly { readonly id: string }[]
  readonly message: { readonly id: string }
  readonly answer: Answer
}

function streamOf({ begun, finished, reasoning, message, answer }: StreamedResponse): Stream {
  const output_index = reasoning.length
  const item = { item_id: message.id, output_index }
  const part = { ...item, content_index: 0 }
  const events: { type: string; [field: string]: unknown }[] = [
    { type: 'response.created', response: begun },
    { type: 'response.in_progress', response: begun },
    ...reasoning.flatMap((one) => [
      { type: 'response.output_item.added', output_index: 0, item: one },
      { type: 'response.output_item.done', output_index: 0, item: one },
    ]),
    { type: 'response.output_item.added', output_index, item: { ...message, status: 'in_progress', content: [] } },
    { type: 'response.content_part.added', ...part, part: textPart('') },
    ...answer.pieces.map((delta) => ({ type: 'response.output_text.delta', ...part, delta, logprobs: [] })),
    { type: 'response.output_text.done', ...part, text: answer.text, logprobs: [] },
    { type: 'response.content_part.done', ...part, part: textPart(answer.text) },
    { type: 'response.output_item.done', output_index, item: message },
    { type: answer.truncated ? 'response.incomplete' : 'response.completed', response: finished },
  ]
  const error = { code: 'server_error', message: 'The server had an error while processing your request.' }
  const errors = [
    { type: 'error', error: { type: 'server_error', ...error, param: null } },
    { type: 'response.failed', response: { ...begun, status: 'failed', error } },
  ]
  return { frames: events.map(frameOf), errorFrames: (framesSent) => errors.map((event, index) => frameOf(event, framesSent + index)) }
}

function frameOf(event: { readonly type: string }, sequence_number: number): Frame {
  return { event: event.type, data: { ...event, sequence_number }, isPiece: event.type === 'response.output_text.delta' }
}

/** What a response repeats of its request. */
function settingsOf({ body, model, directions, nowS }: EndpointRequest): { model: string } {
  const settings = {
    object: 'response',
    created_at: nowS,
    background: false,
    error: null,
    incomplete_details: null,
    instructions: body['instructions'] ?? null,
    max_output_tokens: body['max_output_tokens'] ?? null,
    max_tool_calls: body['max_tool_calls'] ?? null,
    model: answeringModel(model),
    parallel_tool_calls: body['parallel_tool_calls'] ?? true,
    previous_response_id: body['previous_response_id'] ?? null,
    prompt_cache_key: body['prompt_cache_key'] ?? null,
    reasoning: body['reasoning'] ?? { effort: null, summary: null },
    safety_identifier: body['safety_identifier'] ?? null,
    service_tier: directions.serviceTier ?? servedTier(body['service_tier']),
    store: body['store'] ?? true,
    temperature: body['temperature'] ?? 1,
    text: body['text'] ?? { format: { type: 'text' }, verbosity: 'medium' },
    tool_choice: body['tool_choice'] ?? 'auto',
    tools: body['tools'] ?? [],
    top_logprobs: body['top_logprobs'] ?? 0,
    top_p: body['top_p'] ?? 1,
    truncation: body['truncation'] ?? 'disabled',
    user: body['user'] ?? null,
    metadata: body['metadata'] ?? {},
  }
  return settings
}

function textPart(text: string): object {
  return { type: 'output_text', annotations: [], logprobs: [], text }
}

function wireUsage(usage: BilledUsage): unknown {
  const input = usage.inputTokens + usage.cacheReadTokens + usage.cacheWrite5mTokens + usage.cacheWrite1hTokens
  const output = usage.outputTokens + usage.reasoningTokens
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: usage.cacheReadTokens, ...cacheWrites(usage) },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
    total_tokens: input + output,
  }
}
