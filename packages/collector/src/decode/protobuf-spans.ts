import type { SpanRecord } from '@spanledger/conventions'

import { Refusal } from '../refusal.ts'
import { limits } from './limits.ts'
import { msOfHalves } from './nanos.ts'
import { newAttributes, readAttribute } from './protobuf-value.ts'
import { toSpanRecord, type SpanFault, type SpanScope } from './span-parts.ts'
import { expectEnd, nextMessage, openReader, readEnd, readHex, readText, skipField, wire, type WireReader } from './wire.ts'

/**
 * Reads the spans of an `ExportTraceServiceRequest`, one at a time. Field numbers are those of opentelemetry-proto 1.11
 * (https://github.com/open-telemetry/opentelemetry-proto, read 2026-11-20).
 * @throws Refusal where the body is none, or has too many spans
 */
export function* readProtobufSpans(body: Buffer): Generator<SpanRecord | SpanFault, void> {
  const reader = openReader(body)
  let count = 0
  for (
    let resourceEnd = nextMessage(reader, body.length, 1);
    resourceEnd !== undefined;
    resourceEnd = nextMessage(reader, body.length, 1)
  ) {
    const resourceAttributes = readResource(reader, resourceEnd)
    for (let scopeEnd = nextMessage(reader, resourceEnd, 2); scopeEnd !== undefined; scopeEnd = nextMessage(reader, resourceEnd, 2)) {
      const scope = { resourceAttributes, ...readScope(reader, scopeEnd) }
      for (let spanEnd = nextMessage(reader, scopeEnd, 2); spanEnd !== undefined; spanEnd = nextMessage(reader, scopeEnd, 2)) {
        if (++count > limits.spansPerRequest) throw tooManySpans()
        yield readSpan(reader, spanEnd, scope)
      }
      expectEnd(reader, scopeEnd)
    }
    expectEnd(reader, resourceEnd)
  }
  expectEnd(reader, body.length)
}

export function tooManySpans(): Refusal {
  return new Refusal('too_large', `More than ${limits.spansPerRequest} spans in one request. Send them in several.`)
}

/** Looks ahead for the resource: fields may come in any order. */
function readResource(reader: WireReader, end: number): SpanScope['resourceAttributes'] {
  const start = reader.pos
  const attributes = newAttributes()
  for (let at = nextMessage(reader, end, 1); at !== undefined; at = nextMessage(reader, end, 1)) {
    while (reader.pos < at) {
      const tag = reader.uint32()
      if (tag === ((1 << 3) | wire.bytes)) readAttribute(reader, at, attributes)
      else skipField(reader, tag, at)
    }
    expectEnd(reader, at)
  }
  reader.pos = start
  return attributes.bag
}

function readScope(reader: WireReader, end: number): Omit<SpanScope, 'resourceAttributes'> {
  const start = reader.pos
  let scopeName = ''
  let scopeVersion = ''
  for (let at = nextMessage(reader, end, 1); at !== undefined; at = nextMessage(reader, end, 1)) {
    while (reader.pos < at) {
      const tag = reader.uint32()
      if (tag === ((1 << 3) | wire.bytes)) scopeName = readText(reader, at, limits.textBytes)
      else if (tag === ((2 << 3) | wire.bytes)) scopeVersion = readText(reader, at, limits.textBytes)
      else skipField(reader, tag, at)
    }
    expectEnd(reader, at)
  }
  reader.pos = start
  return { scopeName, scopeVersion }
}

function readSpan(reader: WireReader, end: number, scope: SpanScope): SpanRecord | SpanFault {
  const attributes = newAttributes()
  let traceId = ''
  let spanId = ''
  let parentSpanId = ''
  let name = ''
  let startMs = 0
  let endMs = 0
  let statusCode = 0
  let statusMessage: string | undefined
  let droppedBefore = 0
  while (reader.pos < end) {
    const tag = reader.uint32()
    switch (tag) {
      case (1 << 3) | wire.bytes:
        traceId = readHex(reader, end)
        break
      case (2 << 3) | wire.bytes:
        spanId = readHex(reader, end)
        break
      case (4 << 3) | wire.bytes:
        parentSpanId = readHex(reader, end)
        break
      case (5 << 3) | wire.bytes:
        name = readText(reader, end, limits.textBytes)
        break
      case (7 << 3) | wire.fixed64:
        startMs = msOfHalves(reader.fixed32(), reader.fixed32())
        break
      case (8 << 3) | wire.fixed64:
        endMs = msOfHalves(reader.fixed32(), reader.fixed32())
        break
      case (9 << 3) | wire.bytes:
        readAttribute(reader, end, attributes)
        break
      case (10 << 3) | wire.varint:
        droppedBefore = reader.uint32()
        break
      case (15 << 3) | wire.bytes: {
        const statusEnd = readEnd(reader, end)
        while (reader.pos < statusEnd) {
          const statusTag = reader.uint32()
          if (statusTag === ((2 << 3) | wire.bytes)) statusMessage = readText(reader, statusEnd, limits.textBytes)
          else if (statusTag === ((3 << 3) | wire.varint)) statusCode = reader.uint32()
          else skipField(reader, statusTag, statusEnd)
        }
        expectEnd(reader, statusEnd)
        break
      }
      default:
        skipField(reader, tag, end)
    }
  }
  expectEnd(reader, end)
  return toSpanRecord(
    {
      traceId,
      spanId,
      parentSpanId,
      name,
      startMs,
      endMs,
      statusCode,
      statusMessage,
      attributes: attributes.bag,
      droppedAttributes: droppedBefore + attributes.dropped,
    },
    scope,
  )
}
