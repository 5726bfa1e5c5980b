import { readCall, usageOf, type LlmCall, type LogRecord, type SpanRecord, type Usage } from '@spanledger/conventions'

export const startMs = Date.parse('2026-10-01T12:00:00Z')

/** A finished span of 1.5 seconds with these attributes. */
export function spanOf(attributes: Record<string, unknown>, more: Partial<SpanRecord> = {}): SpanRecord {
  return {
    traceId: 'a'.repeat(32),
    spanId: 'b'.repeat(16),
    parentSpanId: undefined,
    name: 'chat',
    startMs,
    endMs: startMs + 1500,
    statusCode: 0,
    statusMessage: undefined,
    scopeName: 'test',
    scopeVersion: '1',
    attributes,
    resourceAttributes: {},
    droppedAttributes: 0,
    ...more,
  }
}

/** A log record that belongs to no span. */
export function logOf(attributes: Record<string, unknown>, more: Partial<LogRecord> = {}): LogRecord {
  return {
    timeMs: startMs,
    eventName: undefined,
    body: undefined,
    traceId: undefined,
    spanId: undefined,
    scopeName: 'test',
    scopeVersion: '1',
    attributes,
    resourceAttributes: {},
    droppedAttributes: 0,
    ...more,
  }
}

/** The call that a span with these attributes is. */
export function callOf(attributes: Record<string, unknown>, more: Partial<SpanRecord> = {}): LlmCall {
  const call = readCall(spanOf(attributes, more), 'otlp')
  if (call === undefined) throw new Error('not read as a call')
  return call
}

/** A call of Anthropic's of which most was cached; those who count that in say 20,141 in, the others 21. */
export const cached: Usage = usageOf({ inputTokens: 21, cacheReadTokens: 18_872, cacheWrite5mTokens: 1248, outputTokens: 393 })
