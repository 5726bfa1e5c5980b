import type { LogRecord } from '../log-record.ts'
import { readTokenCount } from '../token-count.ts'
import { agentCall, agentIdentity, readMilliseconds } from './agent-call.ts'
import type { LogDialect, LoggedCall } from './log-dialect.ts'
import { providerOfModel } from './provider-of-model.ts'

/**
 * Codex: log records `codex.sse_event`; the one of kind `response.completed` has the counts, OpenAI's: cached tokens and
 * reasoning inside. A request that was refused is a `codex.api_request` with its status. `tool_token_count`, which is the
 * total under a wrong name, is not read.
 */
export const codex: LogDialect = { name: 'codex', events: ['codex.sse_event', 'codex.api_request'], read }

function read({ attributes, resourceAttributes }: LogRecord, event: string): LoggedCall | undefined {
  const httpStatus = readTokenCount(attributes['http.response.status_code'])
  const kind = attributes['event.kind']
  const completed = event === 'codex.sse_event' && kind === 'response.completed'
  const failed = event === 'codex.sse_event' ? kind === 'response.failed' : httpStatus !== undefined && httpStatus >= 400
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
