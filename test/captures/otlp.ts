import type { SpanRecord } from '@spanledger/conventions'

type Json = Readonly<Record<string, unknown>>

/** The spans of an OTLP request in JSON, as exporters write it. */
export function spansOfJson(body: string): SpanRecord[] {
  return list(JSON.parse(body).resourceSpans).flatMap((resource) => {
    const resourceAttributes = attributesOf(list((resource['resource'] as Json | undefined)?.['attributes']))
    return list(resource['scopeSpans']).flatMap((scope) =>
      list(scope['spans']).map((span): SpanRecord => {
        const { name = '', version = '' } = (scope['scope'] ?? {}) as { name?: string; version?: string }
        const { code = 0, message } = (span['status'] ?? {}) as { code?: number; message?: string }
        return {
          traceId: String(span['traceId']).toLowerCase(),
          spanId: String(span['spanId']).toLowerCase(),
          parentSpanId: span['parentSpanId'] === undefined || span['parentSpanId'] === '' ? undefined : String(span['parentSpanId']),
          name: String(span['name']),
          startMs: Number(span['startTimeUnixNano']) / 1e6,
          endMs: Number(span['endTimeUnixNano']) / 1e6,
          statusCode: code,
          statusMessage: message,
          scopeName: name,
          scopeVersion: version,
          attributes: attributesOf(list(span['attributes'])),
          resourceAttributes,
          droppedAttributes: Number(span['droppedAttributesCount'] ?? 0),
        }
      }),
    )
  })
}

function attributesOf(pairs: readonly Json[]): Record<string, unknown> {
  return Object.fromEntries(pairs.map((pair) => [String(pair['key']), valueOf((pair['value'] ?? {}) as Json)]))
}

function valueOf(value: Json): unknown {
  if ('intValue' in value) return Number(value['intValue'])
  if ('arrayValue' in value) return list((value['arrayValue'] as Json)['values']).map(valueOf)
  if ('kvlistValue' in value) return attributesOf(list((value['kvlistValue'] as Json)['values']))
  return value['stringValue'] ?? value['boolValue'] ?? value['doubleValue']
}

function list(value: unknown): readonly Json[] {
  return (value ?? []) as readonly Json[]
}
