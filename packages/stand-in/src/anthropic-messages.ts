import { makeAnswer, TOKENS_PER_SEARCH, type Answer } from './answer.ts'
import { billedUsage, type BilledPart, type BilledUsage } from './billed.ts'
import type { Iteration } from './directions.ts'
import type { Endpoint, EndpointRequest, Frame, Reply } from './endpoint.ts'
import { answeringModel } from './known-models.ts'
import { promptText, tokensOf } from './made-up-text.ts'
import { errorBody, type Fault } from './provider-error.ts'

// MessageCreateParams of @anthropic-ai/sdk 1.11.0, the beta ones included.
const parameters = new Set(
  `billing_policy cache_control compaction container context_management diagnostics fallback_credit_token fallbacks inference_geo
  max_tokens mcp_servers messages metadata model output_config output_format service_tier speed stop_sequences stream system temperature
  thinking thread tool_choice tools top_k top_p user_profile_id workspace_id`.split(/\s+/),
)

/** POST /v1/messages. */
export const anthropicMessages: Endpoint = { provider: 'anthropic', parameters, faultOf, reply }

/** POST /v1/messages/count_tokens: names a count, charges nothing. */
export const anthropicCountTokens: Endpoint = {
  provider: 'anthropic',
  parameters,
  faultOf: messagesFault,
  reply: ({ body, directions }) => ({
    body: { input_tokens: directions.inputTokens ?? tokensOf(promptText([body['system'], body['messages'], body['tools']])) },
    stream: undefined,
    billed: [],
    responseId: undefined,
  }),
}

function faultOf(body: Record<string, unknown>): Fault | undefined {
  if (!Number.isInteger(body['max_tokens']) || (body['max_tokens'] as number) < 1) {
    return { status: 400, message: 'max_tokens: Field required' }
  }
  return messagesFault(body)
}

function messagesFault({ messages }: Record<string, unknown>): Fault | undefined {
  if (!Array.isArray(messages)) return { status: 400, message: 'messages: Field required' }
  if (messages.length === 0) return { status: 400, message: 'messages: at least one message is required' }
  const wrong = messages.findIndex(
    (message: unknown) => !['user', 'assistant'].includes(String((message as { role?: unknown } | null)?.role)),
  )
  return wrong < 0 ? undefined : { status: 400, message: `messages.${wrong}.role: Input should be 'user' or 'assistant'` }
}

function reply(request: EndpointRequest): Reply {
  const { body, directions } = request
  const answer = makeAnswer({
    prompt: [body['system'], body['messages'], body['tools']],
    maxTokens: typeof body['max_tokens'] === 'number' ? body['max_tokens'] : undefined,
    directions,
    random: request.random,
  })
  const { model, top, billed } = chargeOf(request.model, answer, directions.iterations)
  const usage = wireUsage(top, directions.iterations, directions.serviceTier ?? 'standard')
  const message = { model, id: request.newId('msg_'), type: 'message', role: 'assistant' }
  const thinking = answer.usage.reasoningTokens === 0 ? [] : [{ type: 'thinking', thinking: '', signature: 'c3RhbmQtaW4=' }]
  const stop = { stop_reason: answer.truncated ? 'max_tokens' : 'end_turn', stop_sequence: null }
  return {
    body: {
      ...message,
      content: [...thinking, { type: 'text', text: answer.text }],
      ...stop,
      ...(directions.omitUsage === true ? {} : { usage }),
    },
    stream:
      body['stream'] === true
        ? {
            frames: frames({ message, thinking, answer, stop, usage, omitUsage: directions.omitUsage === true }),
            errorFrames,
          }
        : undefined,
    billed,
    responseId: message.id,
  }
}

/**
 * What is charged, and the part of it that the top level of `usage` shows: the iterations of the model that answered,
 * without compaction and advisors, which Anthropic charges and shows in `iterations` only.
 */
function chargeOf(
  requested: string,
  answer: Answer,
  iterations: readonly Iteration[] | undefined,
): { model: string; top: BilledUsage; billed: BilledPart[] } {
  const nameOf = (iteration: Iteration | undefined): string => answeringModel(iteration?.model ?? requested)
  const model = nameOf(iterations?.findLast(isShown))
  if (iterations === undefined) return { model, top: answer.usage, billed: [{ model, usage: answer.usage }] }
  const shown = iterations.filter((one) => isShown(one) && nameOf(one) === model)
  return { model, top: sumOf(shown), billed: iterations.map((one) => ({ model: nameOf(one), usage: sumOf([one]) })) }
}

/** An advisor is asked on the way and a compaction comes before: neither is the model that answers. */
function isShown({ type }: Iteration): boolean {
  return type !== 'compaction' && type !== 'advisor_message'
}

function sumOf(iterations: readonly Iteration[]): BilledUsage {
  const sum = (bucket: Exclude<keyof Iteration, 'type' | 'model'>): number =>
    iterations.reduce((total, one) => total + (one[bucket] ?? 0), 0)
  return billedUsage({
    inputTokens: sum('inputTokens'),
    outputTokens: sum('outputTokens'),
    cacheReadTokens: sum('cacheReadTokens'),
    cacheWrite5mTokens: sum('cacheWrite5mTokens'),
    cacheWrite1hTokens: sum('cacheWrite1hTokens'),
  })
}

interface WireUsage {
  readonly input_tokens: number
  readonly cache_creation_input_tokens: number
  readonly cache_read_input_tokens: number
  readonly cache_creation: unknown
  readonly output_tokens: number
  readonly output_tokens_details?: unknown
  readonly server_tool_use?: { readonly web_search_requests: number; readonly web_fetch_requests: number }
  readonly iterations?: readonly unknown[]
  readonly service_tier: string
}

/** Anthropic counts cached tokens beside the input, and thinking within the output. */
function wireUsage(usage: BilledUsage, iterations: readonly Iteration[] | undefined, serviceTier: string): WireUsage {
  return {
    ...inputCounts(usage),
    output_tokens: usage.outputTokens + usage.reasoningTokens,
    ...(usage.reasoningTokens === 0 ? {} : { output_tokens_details: { thinking_tokens: usage.reasoningTokens } }),
    ...(usage.webSearches === 0 ? {} : { server_tool_use: { web_search_requests: usage.webSearches, web_fetch_requests: 0 } }),
    ...(iterations === undefined ? {} : { iterations: iterations.map(wireIteration) }),
    service_tier: serviceTier,
  }
}

function wireIteration(iteration: Iteration): unknown {
  return {
    ...inputCounts(sumOf([iteration])),
    output_tokens: iteration.outputTokens,
    type: iteration.type,
    ...(iteration.model === undefined ? {} : { model: iteration.model }),
  }
}

function inputCounts(
  usage: BilledUsage,
): Pick<WireUsage, 'input_tokens' | 'cache_creation_input_tokens' | 'cache_read_input_tokens' | 'cache_creation'> {
  return {
    input_tokens: usage.inputTokens,
    cache_creation_input_tokens: usage.cacheWrite5mTokens + usage.cacheWrite1hTokens,
    cache_read_input_tokens: usage.cacheReadTokens,
    cache_creation: { ephemeral_5m_input_tokens: usage.cacheWrite5mTokens, ephemeral_1h_input_tokens: usage.cacheWrite1hTokens },
  }
}

interface StreamedMessage {
  readonly message: object
  readonly thinking: readonly object[]
  readonly answer: Answer
  readonly stop: object
  readonly usage: WireUsage
  readonly omitUsage: boolean
}

/**
 * As Anthropic's streams do, message_start knows neither what searches will bring nor the output, and message_delta
 * names final totals without the split of cache writes by their life.
 */
function frames({ message, thinking, answer, stop, usage, omitUsage }: StreamedMessage): Frame[] {
  const { service_tier, cache_creation, iterations, output_tokens_details, server_tool_use, ...totals } = usage
  const searches = server_tool_use?.web_search_requests ?? 0
  const atStart = {
    ...totals,
    cache_creation,
    input_tokens: Math.max(totals.input_tokens - searches * TOKENS_PER_SEARCH, 1),
    output_tokens: 1,
    service_tier,
  }
  const atEnd = { ...totals, ...definedOf({ output_tokens_details, server_tool_use, iterations }) }
  const textIndex = thinking.length
  const events: { type: string; [field: string]: unknown }[] = [
    {
      type: 'message_start',
      message: { ...message, content: [], stop_reason: null, stop_sequence: null, ...(omitUsage ? {} : { usage: atStart }) },
    },
    ...thinking.flatMap((block) => [
      { type: 'content_block_start', index: 0, content_block: { ...block, signature: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'signature_delta', signature: 'c3RhbmQtaW4=' } },
      { type: 'content_block_stop', index: 0 },
    ]),
    { type: 'content_block_start', index: textIndex, content_block: { type: 'text', text: '' } },
    { type: 'ping' },
    ...answer.pieces.map((text) => ({ type: 'content_block_delta', index: textIndex, delta: { type: 'text_delta', text } })),
    { type: 'content_block_stop', index: textIndex },
    { type: 'message_delta', delta: stop, ...(omitUsage ? {} : { usage: atEnd }) },
    { type: 'message_stop' },
  ]
  return events.map((event) => ({
    event: event.type,
    data: event,
    isPiece: event.type === 'content_block_delta' && event['index'] === textIndex,
  }))
}

function definedOf(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

function errorFrames(): Frame[] {
  const { type, error } = errorBody('anthropic', { status: 529, message: 'Overloaded' }, '') as { type: string; error: unknown }
  return [{ event: 'error', data: { type, error } }]
}
