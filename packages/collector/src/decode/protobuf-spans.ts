import { exceptionOf, type SpanException, type SpanRecord } from '@spanledger/conventions'

import { limits } from './limits.ts'
import { msOfHalves } from './nanos.ts'
import { newAttributes, readAttribute } from './protobuf-value.ts'
import type { Scope } from './scope.ts'
import { toSpanRecord, type SpanFault } from './span-parts.ts'
import { expectEnd, readEnd, readHex, readText, skipField, wire, type WireReader } from './wire.ts'

/** Reads a `Span`, or says what is wrong with it. */
export function readProtobufSpan(reader: WireReader, end: number, scope: Scope): SpanRecord | SpanFault {
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
  let exception: SpanException | undefined
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
      case (11 << 3) | wire.bytes:
        exception = readException(reader, end) ?? exception
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
      exception,
    },
    scope,
  )
}

/** Reads an `Event` where it is an exception. One that is broken inside is none: nothing else of events is needed. */
function readException(reader: WireReader, end: number): SpanException | undefined {
  const eventEnd = readEnd(reader, end)
  const start = reader.pos
  try {
    if (readEventName(reader, eventEnd) !== EXCEPTION) return undefined
    reader.pos = start
    const attributes = newAttributes()
    while (reader.pos < eventEnd) {
      const tag = reader.uint32()
      if (tag === ((3 << 3) | wire.bytes)) readAttribute(reader, eventEnd, attributes)
      else skipField(reader, tag, eventEnd)
    }
    return exceptionOf(attributes.bag)
  } catch {
    return undefined
  } finally {
    reader.pos = eventEnd
  }
}

const EXCEPTION = 'exception'

function readEventName(reader: WireReader, end: number): string {
  let name = ''
  while (reader.pos < end) {
    const tag = reader.uint32()
    if (tag === ((2 << 3) | wire.bytes)) name = readText(reader, end, limits.textBytes)
    else skipField(reader, tag, end)
  }
  return name
}
