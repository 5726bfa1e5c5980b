import { readSpanIdentity, resourceIdentity, type Identity, type SpanRecord } from '@spanledger/conventions'

import type { SpanLink } from './batch.ts'

/** What the store needs to know of a span that is no call. Never throws. */
export function toLink(
  span: Pick<SpanRecord, 'traceId' | 'spanId' | 'parentSpanId' | 'startMs' | 'attributes' | 'resourceAttributes'>,
): SpanLink {
  const { traceId, spanId, parentSpanId } = span
  const resource = resourceIdentity(span.resourceAttributes)
  return {
    traceId,
    spanId,
    parentSpanId,
    startMs: Math.floor(span.startMs),
    identity: orNone(readSpanIdentity(span)),
    ...(resource === undefined ? {} : { resourceIdentity: resource }),
  }
}

function orNone(identity: Identity): Identity | undefined {
  return identity.user === undefined && identity.session === undefined && identity.properties.size === 0 ? undefined : identity
}

/** Whether it may be left out: a root that says nothing of whose it is changes nothing for the spans below it, whenever they come. */
export function saysNothing({ parentSpanId, identity, resourceIdentity: resource }: SpanLink): boolean {
  return parentSpanId === undefined && identity === undefined && resource === undefined
}
