import { randomFillSync } from 'node:crypto'

import { JsonTraceSerializer, ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import { resourceFromAttributes } from '@opentelemetry/resources'
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base'
import type { WrittenCall } from '@spanledger/store'

/** A request that can be sent any number of times, each with spans of its own. */
export interface Template {
  readonly spans: number
  /** The same spans with other ids, `afterMs` later. */
  fresh(afterMs: number): Buffer
}

const resource = resourceFromAttributes({ 'service.name': 'shop', 'service.version': '1.2.3', 'telemetry.sdk.language': 'nodejs' })
const scope = { name: '@spanledger/instrumentation', version: '0.1.0' }

/** Calls as a request of OpenTelemetry's own serializers, every span a call with its user; all start within a second. */
export function makeTemplate(calls: readonly WrittenCall[], encoding: 'protobuf' | 'json', startMs: number): Template {
  const starts = calls.map((_, n) => BigInt(startMs + n) * 1_000_000n)
  const serializer = encoding === 'protobuf' ? ProtobufTraceSerializer : JsonTraceSerializer
  const body = Buffer.from(serializer.serializeRequest(calls.map((call, n) => toSpan(call, starts[n] ?? 0n))) ?? [])
  return encoding === 'protobuf' ? protobufTemplate(body, calls, starts) : jsonTemplate(body, calls, starts)
}

function protobufTemplate(body: Buffer, calls: readonly WrittenCall[], starts: readonly bigint[]): Template {
  const places = calls.map(({ traceId, spanId }, n) => {
    const traceAt = body.indexOf(Buffer.from(traceId, 'hex'))
    const spanAt = body.indexOf(Buffer.from(spanId, 'hex'), traceAt)
    const startAt = body.indexOf(fixed64(starts[n] ?? 0n), spanAt)
    return { traceAt, spanAt, startAt, responseAt: body.indexOf(`chatcmpl-${spanId}`, traceAt) + 9 }
  })
  return {
    spans: calls.length,
    fresh: (afterMs) => {
      const copy = Buffer.from(body)
      const random = randomFillSync(Buffer.allocUnsafe(24 * places.length))
      const afterNanos = BigInt(afterMs) * 1_000_000n
      places.forEach(({ traceAt, spanAt, startAt, responseAt }, n) => {
        random.copy(copy, traceAt, n * 24, n * 24 + 16)
        random.copy(copy, spanAt, n * 24 + 16, n * 24 + 24)
        // The provider gives each answer an id of its own, too.
        copy.write(random.toString('hex', n * 24 + 16, n * 24 + 24), responseAt)
        // The end follows its start, each behind a tag of one byte.
        for (const at of [startAt, startAt + 9]) copy.writeBigUInt64LE(copy.readBigUInt64LE(at) + afterNanos, at)
      })
      return copy
    },
  }
}

function jsonTemplate(body: Buffer, calls: readonly WrittenCall[], starts: readonly bigint[]): Template {
  const places = calls.map(({ traceId, spanId }, n) => {
    const traceAt = body.indexOf(traceId)
    const startAt = body.indexOf(String(starts[n]), traceAt)
    return {
      traceAt,
      spanAt: body.indexOf(spanId, traceAt),
      startAt,
      endAt: body.indexOf('"endTimeUnixNano":"', startAt) + 19,
      responseAt: body.indexOf(`chatcmpl-${spanId}`, traceAt) + 9,
    }
  })
  return {
    spans: calls.length,
    fresh: (afterMs) => {
      const copy = Buffer.from(body)
      const random = randomFillSync(Buffer.allocUnsafe(24 * places.length)).toString('hex')
      const afterNanos = BigInt(afterMs) * 1_000_000n
      places.forEach(({ traceAt, spanAt, startAt, endAt, responseAt }, n) => {
        copy.write(random.slice(n * 48, n * 48 + 32), traceAt)
        for (const at of [spanAt, responseAt]) copy.write(random.slice(n * 48 + 32, n * 48 + 48), at)
        for (const at of [startAt, endAt]) copy.write(String(BigInt(copy.toString('latin1', at, at + 19)) + afterNanos), at)
      })
      return copy
    },
  }
}

function fixed64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  return bytes
}

function toSpan(call: WrittenCall, startNanos: bigint): ReadableSpan {
  const end = startNanos + BigInt(call.durationMs) * 1_000_000n
  const { usage } = call
  return {
    name: `${call.operation} ${call.requestedModel}`,
    kind: 2,
    spanContext: () => ({ traceId: call.traceId, spanId: call.spanId, traceFlags: 1 }),
    startTime: hrTime(startNanos),
    endTime: hrTime(end),
    duration: hrTime(end - startNanos),
    ended: true,
    status: { code: call.status === 'error' ? 2 : 0 },
    attributes: {
      'gen_ai.operation.name': call.operation,
      'gen_ai.provider.name': call.provider,
      'gen_ai.request.model': call.requestedModel,
      'gen_ai.response.model': call.model,
      'gen_ai.response.id': `chatcmpl-${call.spanId}`,
      'gen_ai.response.finish_reasons': ['stop'],
      'server.address': 'api.example.com',
      'server.port': 443,
      ...(usage === undefined
        ? {}
        : {
            'gen_ai.usage.input_tokens': usage.inputTokens + usage.cacheReadTokens,
            'gen_ai.usage.cache_read.input_tokens': usage.cacheReadTokens,
            'gen_ai.usage.output_tokens': usage.outputTokens + usage.reasoningTokens,
            'gen_ai.usage.reasoning.output_tokens': usage.reasoningTokens,
          }),
      'user.id': call.user ?? '',
      'session.id': call.session ?? '',
      ...Object.fromEntries([...call.properties.values()].map(({ name, value }) => [`property.${name}`, value])),
    },
    links: [],
    events: [],
    resource,
    instrumentationScope: scope,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  }
}

function hrTime(nanos: bigint): [number, number] {
  return [Number(nanos / 1_000_000_000n), Number(nanos % 1_000_000_000n)]
}
