import { resourceFromAttributes } from '@opentelemetry/resources'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { assert as assertProperty, bigInt, property } from 'fast-check'
import { describe, expect, it } from 'vitest'

import { toSpanRecord, type EndedSpan } from '@spanledger/exporter'

describe('toSpanRecord', () => {
  it('takes everything from a span of the SDK', () => {
    const exporter = new InMemorySpanExporter()
    const provider = new BasicTracerProvider({
      resource: resourceFromAttributes({ 'service.name': 'shop' }),
      spanProcessors: [new SimpleSpanProcessor(exporter)],
      spanLimits: { attributeCountLimit: 2 },
    })
    const span = provider
      .getTracer('openai', '1.2.3')
      .startSpan('chat gpt', { startTime: 1_700_000_000_123, attributes: { a: 1, b: ['x'], c: true } })
    span.setStatus({ code: 2, message: 'rate limited' })
    span.end(1_700_000_002_124)
    const [ended] = exporter.getFinishedSpans()
    expect(toSpanRecord(ended as EndedSpan)).toEqual({
      ...span.spanContext(),
      traceFlags: undefined,
      traceState: undefined,
      parentSpanId: undefined,
      name: 'chat gpt',
      startMs: 1_700_000_000_123,
      endMs: 1_700_000_002_124,
      statusCode: 2,
      statusMessage: 'rate limited',
      scopeName: 'openai',
      scopeVersion: '1.2.3',
      attributes: { a: 1, b: ['x'] },
      resourceAttributes: { 'service.name': 'shop' },
      droppedAttributes: 1,
      exception: undefined,
    })
  })

  it('takes the last exception that was recorded, and no other event', () => {
    const exporter = new InMemorySpanExporter()
    const tracer = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).getTracer('x')
    const span = tracer.startSpan('chat')
    span.recordException(new TypeError('first'))
    span.recordException(new RangeError('last'))
    span.addEvent('gen_ai.choice', { 'exception.message': 'none' })
    span.end()
    const other = tracer.startSpan('chat')
    other.addEvent('gen_ai.choice')
    other.end()
    const [first, second] = exporter.getFinishedSpans().map((one) => toSpanRecord(one).exception)
    expect([first, second]).toEqual([{ type: 'RangeError', message: 'last' }, undefined])
  })

  it('reads parent and scope under the names of SDK 1.30 and of SDK 2.x', () => {
    const older = toSpanRecord(endedSpan({ parentSpanId: '00000000000000aa', instrumentationLibrary: { name: 'old' } }))
    const newer = toSpanRecord(
      endedSpan({ parentSpanContext: { traceId: 't', spanId: '00000000000000bb' }, instrumentationScope: { name: 'new', version: '2' } }),
    )
    expect([older.parentSpanId, older.scopeName, older.scopeVersion]).toEqual(['00000000000000aa', 'old', ''])
    expect([newer.parentSpanId, newer.scopeName, newer.scopeVersion]).toEqual(['00000000000000bb', 'new', '2'])
  })

  it('keeps the millisecond exact for every nanosecond of the next two centuries', () => {
    assertProperty(
      property(bigInt({ min: 0n, max: 7_258_118_400_000_000_000n }), (nanoseconds) => {
        const startTime = [Number(nanoseconds / 1_000_000_000n), Number(nanoseconds % 1_000_000_000n)] as const
        const { startMs } = toSpanRecord(endedSpan({ startTime }))
        expect(BigInt(Math.floor(startMs))).toBe(nanoseconds / 1_000_000n)
      }),
      { examples: [[1_700_000_000_000_999_999n], [1_700_000_000_999_999_999n], [7_258_118_399_999_999_999n]] },
    )
  })

  it.each([
    {
      name: 'the end stands in for a start that is no time',
      startTime: [Number.NaN, Number.NaN],
      endTime: [1_700_000_000, 0],
      startMs: 1_700_000_000_000,
    },
    { name: 'a start beyond all dates is no time', startTime: [1e15, 0], endTime: [1_700_000_000, 0], startMs: 1_700_000_000_000 },
    { name: 'a start before 1970 is a time', startTime: [-1, 0], endTime: [0, 0], startMs: -1000 },
  ] as const)('$name', ({ startTime, endTime, startMs }) => {
    expect(toSpanRecord(endedSpan({ startTime, endTime })).startMs).toBe(startMs)
  })
})

function endedSpan(said: Partial<EndedSpan>): EndedSpan {
  return {
    name: 'span',
    spanContext: () => ({ traceId: '0'.repeat(31) + '1', spanId: '0'.repeat(15) + '1' }),
    startTime: [1_700_000_000, 0],
    endTime: [1_700_000_001, 0],
    status: { code: 0 },
    attributes: {},
    resource: { attributes: {} },
    ...said,
  }
}
