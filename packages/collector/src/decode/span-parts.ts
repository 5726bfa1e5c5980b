import type { SpanRecord } from '@spanledger/conventions'

import type { Bag } from './bag.ts'

/** What a span shares with others of its request. */
export interface SpanScope {
  readonly resourceAttributes: Bag
  readonly scopeName: string
  readonly scopeVersion: string
}

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
}

/** Why a span is not taken; also the name under which it is counted. */
export type SpanFault = 'refused_trace_id' | 'refused_span_id' | 'refused_start_time'

const noTraceId = '0'.repeat(32)
const noSpanId = '0'.repeat(16)
/** Starts beyond it are no clock's answer; the store takes none of them. */
const MAX_START_MS = Date.UTC(2200, 0, 1)

/** A span that all readers take, or what is wrong with it. */
export function toSpanRecord(parts: SpanParts, { resourceAttributes, scopeName, scopeVersion }: SpanScope): SpanRecord | SpanFault {
  const { traceId, spanId, parentSpanId, name, startMs, endMs, statusCode, statusMessage, attributes, droppedAttributes } = parts
  if (traceId.length !== 32 || traceId === noTraceId) return 'refused_trace_id'
  if (spanId.length !== 16 || spanId === noSpanId) return 'refused_span_id'
  // 0 is "unknown" in OTLP; a span that has ended is not lost for it.
  const knownStartMs = startMs === 0 ? endMs : startMs
  if (knownStartMs === undefined || knownStartMs <= 0 || knownStartMs >= MAX_START_MS) return 'refused_start_time'
  return {
    traceId,
    spanId,
    parentSpanId: parentSpanId.length === 16 && parentSpanId !== noSpanId ? parentSpanId : undefined,
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
  }
}
