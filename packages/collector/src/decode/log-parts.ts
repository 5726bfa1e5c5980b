import type { LogRecord } from '@spanledger/conventions'

import type { Bag } from './bag.ts'
import type { Scope } from './scope.ts'
import { isSpanId, isTraceId, knownTime, type SpanFault } from './span-parts.ts'

/** A log record as it was read from either encoding, before anything is checked. Ids in lower case, `''` where there is none. */
export interface LogParts {
  traceId: string
  spanId: string
  /** 0 where there is none, undefined for what is no time. */
  timeMs: number | undefined
  observedMs: number | undefined
  eventName: string
  body: unknown
  attributes: Bag
  droppedAttributes: number
}

/** A log record that all readers take, or what is wrong with it. */
export function toLogRecord(parts: LogParts, scope: Scope): LogRecord | SpanFault {
  const { traceId, spanId, eventName, body, attributes, droppedAttributes } = parts
  const timeMs = knownTime(parts.timeMs, parts.observedMs)
  if (timeMs === undefined) return 'refused_start_time'
  return {
    timeMs,
    eventName: eventName === '' ? undefined : eventName,
    body,
    traceId: isTraceId(traceId) ? traceId : undefined,
    spanId: isSpanId(spanId) ? spanId : undefined,
    scopeName: scope.scopeName,
    scopeVersion: scope.scopeVersion,
    attributes,
    resourceAttributes: scope.resourceAttributes,
    droppedAttributes,
  }
}
