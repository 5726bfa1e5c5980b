import { readAnthropicMessages } from '../answers/anthropic-messages.ts'
import { readOpenaiChat } from '../answers/openai-chat.ts'
import { readOpenaiResponses } from '../answers/openai-responses.ts'
import { canonicalProvider } from '../provider.ts'
import type { SpanRecord } from '../span.ts'
import type { Dialect, DialectCall } from './dialect.ts'
import { genaiCall, genaiRole, hasGenaiUsage } from './genai-call.ts'
import { readJsonObject, type JsonObject } from './json-attribute.ts'

/**
 * Logfire's own spans of OpenAI's and Anthropic's clients, scopes `logfire.openai` and `logfire.anthropic`: the conventions, and
 * the provider's usage as it came under `gen_ai.usage.raw`, which is taken where it is there. Before that name came, Anthropic's
 * input leaves cached tokens out and nothing says how many they were (logfire/_internal/integrations/llm_providers, read 2026-11-25).
 */
export const logfire: Dialect = { name: 'logfire', read }

function read(span: SpanRecord): DialectCall | 'none' | undefined {
  const { attributes, scopeName } = span
  if (!scopeName.startsWith('logfire')) return undefined
  const role = genaiRole(attributes)
  if (role === undefined || isHeadOfStream(span)) return 'none'
  const said = genaiCall(span, role)
  const raw = readJsonObject(attributes['gen_ai.usage.raw'])
  return {
    ...said,
    ...(raw === undefined ? undefined : readRaw(raw, said)),
    streamed: attributes['logfire.span_type'] === 'log',
    counting: canonicalProvider(said.provider) === 'anthropic' ? { inputIncludesCache: false } : {},
    reportedCostUsd: attributes['operation.cost'],
  }
}

/** A stream is two spans: one of the request, and, as a log, one of all that came; the usage stands in the second. */
function isHeadOfStream({ attributes, statusCode }: SpanRecord): boolean {
  return (
    attributes['logfire.span_type'] !== 'log' &&
    statusCode !== 2 &&
    attributes['gen_ai.response.model'] === undefined &&
    !hasGenaiUsage(attributes)
  )
}

function readRaw(usage: JsonObject, { provider, requestedModel, responseModel }: DialectCall): Pick<DialectCall, 'usage' | 'parts'> {
  const readBody =
    canonicalProvider(provider) === 'anthropic'
      ? readAnthropicMessages
      : usage['prompt_tokens'] === undefined
        ? readOpenaiResponses
        : readOpenaiChat
  const answer = readBody({ model: responseModel ?? requestedModel, usage })
  return { usage: answer.usage, parts: answer.parts }
}
