import type { LogRecord } from '../log-record.ts'
import { readTokenCount } from '../token-count.ts'
import { agentCall, agentIdentity, readMilliseconds } from './agent-call.ts'
import type { LogDialect, LoggedCall } from './log-dialect.ts'

/**
 * Gemini CLI: log records `gemini_cli.api_response` and `gemini_cli.api_error` (google-gemini/gemini-cli docs/cli/telemetry.md).
 * Counts are Gemini's: cached tokens inside the input, tool results beside it, thoughts beside the output. The same call comes
 * once more as `gen_ai.client.inference.operation.details`, which is not read.
 */
export const geminiCli: LogDialect = { name: 'gemini-cli', events: ['gemini_cli.api_response', 'gemini_cli.api_error'], read }

function read({ attributes, resourceAttributes }: LogRecord, event: string): LoggedCall {
  const tools = readTokenCount(attributes['tool_token_count'])
  const input = readTokenCount(attributes['input_token_count'])
  return {
    ...agentCall,
    provider: attributes['auth_type'] === 'vertex-ai' ? 'gcp.vertex_ai' : 'gcp.gemini',
    requestedModel: attributes['model'],
    finishReason: Array.isArray(attributes['finish_reasons']) ? attributes['finish_reasons'][0] : undefined,
    status: event.endsWith('api_error') ? 'error' : 'ok',
    errorType: attributes['error_type'],
    errorMessage: attributes['error'] ?? attributes['error.message'],
    httpStatus: readTokenCount(attributes['status_code']),
    counts: {
      ...agentCall.counts,
      input: input === undefined || tools === undefined ? attributes['input_token_count'] : input + tools,
      output: attributes['output_token_count'],
      total: attributes['total_token_count'],
      cacheRead: attributes['cached_content_token_count'],
      reasoning: attributes['thoughts_token_count'],
    },
    counting: { inputIncludesCache: true, outputIncludesReasoning: false },
    durationMs: readMilliseconds(attributes['duration_ms']),
    ...agentIdentity(attributes, resourceAttributes),
  }
}
