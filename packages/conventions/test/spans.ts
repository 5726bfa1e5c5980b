import type { LogRecord, SpanRecord } from '@spanledger/conventions'

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
