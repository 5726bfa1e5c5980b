import { exceptionOf, type SpanException, type SpanRecord } from '@spanledger/conventions'

import { isObject, objectOf, own, textOf, type JsonObject } from './json-body.ts'
import { droppedOf, hexOf } from './json-envelope.ts'
import { readJsonAttributes } from './json-value.ts'
import { msOfJson } from './nanos.ts'
import { newAttributes } from './protobuf-value.ts'
import type { Scope } from './scope.ts'
import { toSpanRecord, type SpanFault } from './span-parts.ts'

/** Reads a span, or says what is wrong with it. @throws Refusal where a part of it is none of OTLP's */
export function readJsonSpan(span: JsonObject, scope: Scope): SpanRecord | SpanFault {
  const attributes = newAttributes()
  readJsonAttributes(span, attributes)
  const status = objectOf(span, 'status')
  return toSpanRecord(
    {
      traceId: hexOf(span, 'traceId'),
      spanId: hexOf(span, 'spanId'),
      parentSpanId: hexOf(span, 'parentSpanId'),
      name: textOf(span, 'name'),
      startMs: msOfJson(own(span, 'startTimeUnixNano')),
      endMs: msOfJson(own(span, 'endTimeUnixNano')),
      statusCode: statusCodeOf(own(status, 'code')),
      statusMessage: textOf(status, 'message') || undefined,
      attributes: attributes.bag,
      droppedAttributes: droppedOf(span) + attributes.dropped,
      exception: lastException(own(span, 'events')),
    },
    scope,
  )
}

/** Senders written by hand use the name. */
function statusCodeOf(value: unknown): number {
  if (value === 'STATUS_CODE_ERROR') return 2
  return typeof value === 'number' && Number.isInteger(value) ? value : 0
}

/** Of events nothing else is needed: what is no list of them, or broken inside, is none. */
function lastException(events: unknown): SpanException | undefined {
  if (!Array.isArray(events)) return undefined
  const event = (events as unknown[]).findLast((one) => isObject(one) && own(one, 'name') === 'exception')
  if (!isObject(event)) return undefined
  const attributes = newAttributes()
  try {
    readJsonAttributes(event, attributes)
  } catch {
    return undefined
  }
  return exceptionOf(attributes.bag)
}
