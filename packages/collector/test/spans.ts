import { ROOT_CONTEXT, SpanStatusCode, trace, type Attributes } from '@opentelemetry/api'
import { JsonTraceSerializer, ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor, type ReadableSpan } from '@opentelemetry/sdk-trace-base'

/** A span that a real SDK is to make: below which earlier one, and what it says. */
export interface MadeSpan {
  readonly name?: string
  /** Index of an earlier span. */
  readonly parent?: number
  readonly attributes: Attributes
  /** Nanoseconds after 2026-01-15T12:00:00.123456789Z. */
  readonly startNs?: number
  readonly lastsMs?: number
  readonly failed?: boolean
  /** Messages of exceptions that were recorded on it. */
  readonly exceptions?: readonly string[]
}

const BASE_SECONDS = Date.UTC(2026, 0, 15, 12) / 1000
const BASE_NANOS = 123_456_789

/** Attributes of a call in today's conventions. */
export function callAttributes(more: Attributes = {}): Attributes {
  return {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'openai',
    'gen_ai.request.model': 'gpt-4o-mini',
    'gen_ai.response.model': 'gpt-4o-mini-2024-07-18',
    'gen_ai.usage.input_tokens': 100,
    'gen_ai.usage.output_tokens': 10,
    ...more,
  }
}

/** Spans as an app's SDK makes them, ended in order. */
export function makeSpans(spans: readonly MadeSpan[], resource: Attributes = { 'service.name': 'test' }): ReadableSpan[] {
  const exporter = new InMemorySpanExporter()
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes(resource),
    spanProcessors: [new SimpleSpanProcessor(exporter)],
    generalLimits: { attributeCountLimit: 20_000 },
    spanLimits: { attributeCountLimit: 20_000 },
  })
  const tracer = provider.getTracer('test-scope', '1.2.3')
  const started: { span: ReturnType<typeof tracer.startSpan>; made: MadeSpan; start: [number, number] }[] = []
  for (const made of spans) {
    const parent = made.parent === undefined ? undefined : started[made.parent]?.span
    const context = parent === undefined ? ROOT_CONTEXT : trace.setSpan(ROOT_CONTEXT, parent)
    const nanos = BASE_NANOS + (made.startNs ?? started.length * 1_000_000)
    const start: [number, number] = [BASE_SECONDS + Math.floor(nanos / 1e9), nanos % 1e9]
    const span = tracer.startSpan(made.name ?? 'span', { attributes: made.attributes, startTime: start }, context)
    if (made.failed === true) span.setStatus({ code: SpanStatusCode.ERROR, message: 'it failed' })
    for (const message of made.exceptions ?? []) span.recordException({ name: 'TypeError', message })
    started.push({ span, made, start })
  }
  for (const { span, made, start } of started) {
    const endNanos = start[1] + (made.lastsMs ?? 250) * 1_000_000
    span.end([start[0] + Math.floor(endNanos / 1e9), endNanos % 1e9])
  }
  return exporter.getFinishedSpans()
}

/** What OpenTelemetry's own exporters put on the wire. */
export const serialize = {
  protobuf: (spans: ReadableSpan[]): Uint8Array<ArrayBuffer> => Uint8Array.from(ProtobufTraceSerializer.serializeRequest(spans) ?? []),
  json: (spans: ReadableSpan[]): Uint8Array<ArrayBuffer> => Uint8Array.from(JsonTraceSerializer.serializeRequest(spans) ?? []),
} as const

const contentType = { protobuf: 'application/x-protobuf', json: 'application/json' } as const

/** Posts a body of spans. */
export function post(
  url: string,
  body: Uint8Array<ArrayBuffer> | string,
  {
    encoding = 'protobuf',
    headers = {},
    path = '/v1/traces',
  }: { encoding?: keyof typeof serialize; headers?: Record<string, string>; path?: string } = {},
): Promise<Response> {
  return fetch(`${url}${path}`, { method: 'POST', body, headers: { 'content-type': contentType[encoding], ...headers } })
}
