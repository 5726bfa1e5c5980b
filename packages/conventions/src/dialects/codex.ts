import type { LogRecord } from '../log-record.ts'
import { readTokenCount } from '../token-count.ts'
import { agentCall, agentIdentity, readMilliseconds } from './agent-call.ts'
import type { LogDialect, LoggedCall } from './log-dialect.ts'
import { providerOfModel } from './provider-of-model.ts'

/**
 * Codex: log records `codex.sse_event` (codex-rs/otel/src/events/session_telemetry.rs, read 2026-11-25). Of the two of kind
 * `response.completed` that each answer has, the one with counts is the call; they are OpenAI's, cached tokens and reasoning inside.
 * One with an error, or a `codex.api_request` that was refused, is a call that failed. `tool_token_count`, the total under a wrong
 * name, is not read. Codex's spans name no model, so they are no calls.
 */
export const codex: LogDialect = { name: 'codex', events: ['codex.sse_event', 'codex.api_request'], read }

function read({ attributes, resourceAttributes }: LogRecord, event: string): LoggedCall | undefined {
  const httpStatus = readTokenCount(attributes['http.response.status_code'])
  const kind = attributes['event.kind']
  const answers = event === 'codex.sse_event'
  const completed = answers && kind === 'response.completed' && attributes['input_token_count'] !== undefined
  const failed = answers
    ? attributes['error.message'] !== undefined && (kind === 'response.failed' || kind === 'response.completed')
    : httpStatus !== undefined && httpStatus >= 400
  if (!completed && !failed) return undefined
  const requestedModel = attributes['model'] ?? attributes['slug']
  return {
    ...agentCall,
    provider: providerOfModel(requestedModel) ?? 'openai',
    requestedModel,
    status: failed ? 'error' : 'ok',
    errorMessage: attributes['error.message'],
    httpStatus,
    counts: {
      ...agentCall.counts,
      input: attributes['input_token_count'],
      output: attributes['output_token_count'],
      cacheRead: attributes['cached_token_count'],
      cacheWrite: attributes['cache_write_token_count'],
      reasoning: attributes['reasoning_token_count'],
    },
    counting: { inputIncludesCache: true, outputIncludesReasoning: true },
    durationMs: readMilliseconds(attributes['duration_ms']),
    ...agentIdentity(attributes, resourceAttributes),
  }
}
