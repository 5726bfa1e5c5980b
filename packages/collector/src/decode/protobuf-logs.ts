import type { LogRecord } from '@spanledger/conventions'

import { limits } from './limits.ts'
import { toLogRecord } from './log-parts.ts'
import { msOfHalves } from './nanos.ts'
import { newAttributes, readAttribute, readBody } from './protobuf-value.ts'
import type { Scope } from './scope.ts'
import type { SpanFault } from './span-parts.ts'
import { expectEnd, readHex, readText, skipField, wire, type WireReader } from './wire.ts'

/** Reads a `LogRecord`, or says what is wrong with it. */
export function readProtobufLog(reader: WireReader, end: number, scope: Scope): LogRecord | SpanFault {
  const attributes = newAttributes()
  let traceId = ''
  let spanId = ''
  let timeMs = 0
  let observedMs = 0
  let eventName = ''
  let body: unknown = null
  let droppedBefore = 0
  while (reader.pos < end) {
    const tag = reader.uint32()
    switch (tag) {
      case (1 << 3) | wire.fixed64:
        timeMs = msOfHalves(reader.fixed32(), reader.fixed32())
        break
      case (5 << 3) | wire.bytes:
        body = readBody(reader, end)
        break
      case (6 << 3) | wire.bytes:
        readAttribute(reader, end, attributes)
        break
      case (7 << 3) | wire.varint:
        droppedBefore = reader.uint32()
        break
      case (9 << 3) | wire.bytes:
        traceId = readHex(reader, end)
        break
      case (10 << 3) | wire.bytes:
        spanId = readHex(reader, end)
        break
      case (11 << 3) | wire.fixed64:
        observedMs = msOfHalves(reader.fixed32(), reader.fixed32())
        break
      case (12 << 3) | wire.bytes:
        eventName = readText(reader, end, limits.textBytes)
        break
      default:
        skipField(reader, tag, end)
    }
  }
  expectEnd(reader, end)
  const droppedAttributes = droppedBefore + attributes.dropped
  return toLogRecord({ traceId, spanId, timeMs, observedMs, eventName, body, attributes: attributes.bag, droppedAttributes }, scope)
}
