import { exceptionOf, type SpanException, type SpanRecord } from '@spanledger/conventions'

import type { EndedSpan, HrTime } from './span-shape.ts'

/**
 * A finished span of an app's SDK (1.30, 2.x or 3.x) in the shape that all readers take. Copies references, not attributes;
 * changes nothing on the span.
 */
export function toSpanRecord(span: EndedSpan): SpanRecord {
  const { traceId, spanId } = span.spanContext()
  const scope = span.instrumentationScope ?? span.instrumentationLibrary
  const endMs = toMs(span.endTime)
  return {
    traceId,
    spanId,
    parentSpanId: parentIdOf(span),
    name: span.name,
    startMs: toMs(span.startTime) ?? endMs ?? Date.now(),
    endMs: endMs ?? Number.NaN,
    statusCode: span.status.code,
    statusMessage: span.status.message,
    scopeName: scope?.name ?? '',
    scopeVersion: scope?.version ?? '',
    attributes: span.attributes,
    resourceAttributes: span.resource.attributes,
    droppedAttributes: span.droppedAttributesCount ?? 0,
    exception: span.events === undefined || span.events.length === 0 ? undefined : lastException(span.events),
  }
}

function lastException(events: NonNullable<EndedSpan['events']>): SpanException | undefined {
  for (let n = events.length - 1; n >= 0; n--) {
    const { name, attributes } = events[n] ?? {}
    if (name === 'exception' && attributes !== undefined) return exceptionOf(attributes)
  }
  return undefined
}

/** The id of a span's parent; undefined for the root of a trace. */
export function parentIdOf(span: Pick<EndedSpan, 'parentSpanContext' | 'parentSpanId'>): string | undefined {
  const id = span.parentSpanContext?.spanId ?? span.parentSpanId
  return id === undefined || id === '' ? undefined : id
}

/** What a JavaScript date can say, either side of 1970. */
const MAX_DATE_MS = 8.64e15

/**
 * Milliseconds whose integer part is exact: it is part of the key of a call. The fraction is cut to 1/1024 ms, because at
 * today's dates a double has no room for more: .9999999 ms would become the next millisecond.
 * @returns undefined for what is no time
 */
function toMs([seconds, nanoseconds]: HrTime): number | undefined {
  const wholeMs = seconds * 1000 + Math.floor(nanoseconds / 1e6)
  if (!Number.isInteger(wholeMs) || Math.abs(wholeMs) > MAX_DATE_MS) return undefined
  const restNs = nanoseconds - Math.floor(nanoseconds / 1e6) * 1e6
  return wholeMs + Math.floor((restNs * 1024) / 1e6) / 1024
}
