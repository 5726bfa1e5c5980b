import type { SpanRecord } from '@spanledger/conventions'

import { objectOf, objectsOf, own, textOf, type JsonObject } from './json-body.ts'
import { readJsonAttributes } from './json-value.ts'
import { limits } from './limits.ts'
import { msOfJson } from './nanos.ts'
import { tooManySpans } from './protobuf-spans.ts'
import { newAttributes } from './protobuf-value.ts'
import { toSpanRecord, type SpanFault, type SpanScope } from './span-parts.ts'

/**
 * Reads the spans of an `ExportTraceServiceRequest` in JSON (https://opentelemetry.io/docs/specs/otlp/, "JSON Protobuf
 * Encoding", read 2026-11-20): ids are hex, enums integers, fields that are not known are ignored.
 * @throws Refusal where a part of it is none of OTLP's, or there are too many spans
 */
export function* readJsonSpans(body: JsonObject): Generator<SpanRecord | SpanFault, void> {
  let count = 0
  for (const resourceSpans of objectsOf(body, 'resourceSpans')) {
    const resourceAttributes = newAttributes()
    readJsonAttributes(objectOf(resourceSpans, 'resource'), resourceAttributes)
    for (const scopeSpans of objectsOf(resourceSpans, 'scopeSpans')) {
      const scope = objectOf(scopeSpans, 'scope')
      const shared = {
        resourceAttributes: resourceAttributes.bag,
        scopeName: textOf(scope, 'name'),
        scopeVersion: textOf(scope, 'version'),
      }
      for (const span of objectsOf(scopeSpans, 'spans')) {
        if (++count > limits.spansPerRequest) throw tooManySpans()
        yield readSpan(span, shared)
      }
    }
  }
}

function readSpan(span: JsonObject, scope: SpanScope): SpanRecord | SpanFault {
  const attributes = newAttributes()
  readJsonAttributes(span, attributes)
  const status = objectOf(span, 'status')
  const droppedBefore = Number(own(span, 'droppedAttributesCount') ?? 0)
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
      droppedAttributes: (Number.isSafeInteger(droppedBefore) ? droppedBefore : 0) + attributes.dropped,
    },
    scope,
  )
}

function hexOf(parent: JsonObject, name: string): string {
  const text = textOf(parent, name)
  return /^[\da-f]*$/i.test(text) ? text.toLowerCase() : ''
}

/** Senders written by hand use the name. */
function statusCodeOf(value: unknown): number {
  if (value === 'STATUS_CODE_ERROR') return 2
  return typeof value === 'number' && Number.isInteger(value) ? value : 0
}
