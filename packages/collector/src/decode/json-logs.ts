import type { LogRecord } from '@spanledger/conventions'

import { own, textOf, type JsonObject } from './json-body.ts'
import { droppedOf, hexOf } from './json-envelope.ts'
import { readJsonAttributes, readJsonBodyValue } from './json-value.ts'
import { toLogRecord } from './log-parts.ts'
import { msOfJson } from './nanos.ts'
import { newAttributes } from './protobuf-value.ts'
import type { Scope } from './scope.ts'
import type { SpanFault } from './span-parts.ts'

/** Reads a log record, or says what is wrong with it. @throws Refusal where a part of it is none of OTLP's */
export function readJsonLog(record: JsonObject, scope: Scope): LogRecord | SpanFault {
  const attributes = newAttributes()
  readJsonAttributes(record, attributes)
  return toLogRecord(
    {
      traceId: hexOf(record, 'traceId'),
      spanId: hexOf(record, 'spanId'),
      timeMs: msOfJson(own(record, 'timeUnixNano')),
      observedMs: msOfJson(own(record, 'observedTimeUnixNano')),
      eventName: textOf(record, 'eventName'),
      body: readJsonBodyValue(own(record, 'body')),
      attributes: attributes.bag,
      droppedAttributes: droppedOf(record) + attributes.dropped,
    },
    scope,
  )
}
