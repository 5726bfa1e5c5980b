import type { LogRecord } from '../log-record.ts'
import type { SpanRecord } from '../span.ts'
import { readTokenCount } from '../token-count.ts'
import { agentCall, agentIdentity, readMilliseconds } from './agent-call.ts'
import type { Dialect, DialectCall } from './dialect.ts'
import type { LogDialect, LoggedCall } from './log-dialect.ts'

/**
 * Claude Code: log records `claude_code.api_request` and `claude_code.api_error`, and, in its beta traces, spans
 * `claude_code.llm_request` with the same names (code.claude.com/docs/en/monitoring-usage, read 2026-11-25). Counts are
 * Anthropic's: cached tokens stand beside the input. A record within such a span is its child, so the two count once.
 */
export const claudeCodeSpans: Dialect = { name: 'claude-code', read: readSpan }
export const claudeCodeLogs: LogDialect = {
  name: 'claude-code',
  events: ['claude_code.api_request', 'claude_code.api_error', 'api_request', 'api_error'],
  read: readLog,
}

function readSpan(span: SpanRecord): DialectCall | 'none' | undefined {
  if (!span.name.startsWith('claude_code.')) return undefined
  if (span.name !== 'claude_code.llm_request') return 'none'
  const { attributes } = span
  const failed = span.statusCode === 2 || attributes['success'] === false || attributes['success'] === 'false'
  return {
    ...said(attributes, span.resourceAttributes),
    timeToFirstTokenMs: readMilliseconds(attributes['ttft_ms']),
    finishReason: attributes['stop_reason'],
    status: failed ? 'error' : 'ok',
  }
}

function readLog(log: LogRecord, event: string): LoggedCall | undefined {
  // The short names are anybody's; these are Claude Code's own.
  if (!event.startsWith('claude_code.') && !isClaudeCode(log)) return undefined
  return {
    ...said(log.attributes, log.resourceAttributes),
    status: event.endsWith('api_error') ? 'error' : 'ok',
    durationMs: readMilliseconds(log.attributes['duration_ms']),
  }
}

function isClaudeCode({ scopeName, resourceAttributes, body }: LogRecord): boolean {
  return (
    scopeName.startsWith('com.anthropic.claude_code') ||
    resourceAttributes['service.name'] === 'claude-code' ||
    (typeof body === 'string' && body.startsWith('claude_code.'))
  )
}

function said(attributes: LogRecord['attributes'], resource: LogRecord['resourceAttributes']): DialectCall {
  return {
    ...agentCall,
    provider: 'anthropic',
    requestedModel: attributes['model'] ?? attributes['gen_ai.request.model'],
    responseId: attributes['request_id'],
    serviceTier: attributes['speed'] === 'fast' ? 'fast' : undefined,
    errorMessage: attributes['error'],
    httpStatus: readTokenCount(attributes['status_code']),
    counts: {
      ...agentCall.counts,
      input: attributes['input_tokens'],
      output: attributes['output_tokens'],
      cacheRead: attributes['cache_read_tokens'],
      cacheWrite: attributes['cache_creation_tokens'],
    },
    counting: { inputIncludesCache: false, outputIncludesReasoning: true },
    reportedCostUsd: attributes['cost_usd'],
    ...agentIdentity(attributes, resource, ['organization.id', 'query_source']),
  }
}
