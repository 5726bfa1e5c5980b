import type { SpanException, SpanRecord } from '@spanledger/conventions'

import type { Bag } from './bag.ts'
import type { Scope } from './scope.ts'

/** A span as it was read from either encoding, before anything is checked. Ids in lower case, `''` where there is none. */
export interface SpanParts {
  traceId: string
  spanId: string
  parentSpanId: string
  name: string
  /** 0 where there is none, undefined for what is no time. */
  startMs: number | undefined
  endMs: number | undefined
  statusCode: number
  statusMessage: string | undefined
  attributes: Bag
  droppedAttributes: number
  exception: SpanException | undefined
}

/** Why a span or log record is not taken; also the name under which it is counted. */
export type SpanFault = 'refused_trace_id' | 'refused_span_id' | 'refused_start_time'

const noTraceId = '0'.repeat(32)
const noSpanId = '0'.repeat(16)
/** Starts beyond it are no clock's answer; the store takes none of them. */
const MAX_START_MS = Date.UTC(2200, 0, 1)

/** A span that all readers take, or what is wrong with it. */
export function toSpanRecord(parts: SpanParts, { resourceAttributes, scopeName, scopeVersion }: Scope): SpanRecord | SpanFault {
  const { traceId, spanId, parentSpanId, name, startMs, endMs, statusCode, statusMessage, attributes, droppedAttributes, exception } = parts
  if (!isTraceId(traceId)) return 'refused_trace_id'
  if (!isSpanId(spanId)) return 'refused_span_id'
  // A span that has ended is not lost for a start that is not known.
  const knownStartMs = knownTime(startMs, endMs)
  if (knownStartMs === undefined) return 'refused_start_time'
  return {
    traceId,
    spanId,
    parentSpanId: isSpanId(parentSpanId) ? parentSpanId : undefined,
    name,
    startMs: knownStartMs,
    endMs: endMs ?? Number.NaN,
    statusCode,
    statusMessage,
    scopeName,
    scopeVersion,
    attributes,
    resourceAttributes,
    droppedAttributes,
    exception,
  }
}

/** The first time that is one: 0 is "unknown" in OTLP. @returns undefined where that is none to keep a call under */
export function knownTime(timeMs: number | undefined, otherMs: number | undefined): number | undefined {
  const known = timeMs === 0 ? otherMs : timeMs
  return known !== undefined && known > 0 && known < MAX_START_MS ? known : undefined
}

export function isTraceId(id: string): boolean {
  return id.length === 32 && id !== noTraceId
}

export function isSpanId(id: string): boolean {
  return id.length === 16 && id !== noSpanId
}
