import type { Identity } from '@spanledger/conventions'

import type { SpanLink } from './batch.ts'

/** What the store needs to know of a span that is no call. */
export function toLink(span: Pick<SpanLink, 'traceId' | 'spanId' | 'parentSpanId' | 'startMs'>, identity: Identity | undefined): SpanLink {
  const { traceId, spanId, parentSpanId } = span
  const isEmpty = identity?.user === undefined && identity?.session === undefined && (identity?.properties.size ?? 0) === 0
  return { traceId, spanId, parentSpanId, startMs: Math.floor(span.startMs), identity: isEmpty ? undefined : identity }
}
