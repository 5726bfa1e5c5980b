import type { Attributes } from '@opentelemetry/api'
import { readCall, type SpanRecord } from '@spanledger/conventions'
import { toSpanRecord } from '@spanledger/exporter'
import {
  array,
  assert as assertProperty,
  bigInt,
  constantFrom,
  dictionary,
  double,
  integer,
  oneof,
  property,
  string,
  boolean as bool,
} from 'fast-check'
import { describe, expect, it } from 'vitest'

import { parseJsonBody } from '../src/decode/json-body.ts'
import { readJsonEnvelope, traceNames } from '../src/decode/json-envelope.ts'
import { readJsonSpan } from '../src/decode/json-spans.ts'
import { limits } from '../src/decode/limits.ts'
import { msOfHalves, msOfJson } from '../src/decode/nanos.ts'
import { readEnvelope } from '../src/decode/protobuf-envelope.ts'
import { readProtobufSpan } from '../src/decode/protobuf-spans.ts'
import { callAttributes, makeSpans, serialize } from './spans.ts'

const key = oneof(
  string({ maxLength: 40 }),
  constantFrom('user.id', '__proto__', 'constructor', 'gen_ai.usage.input_tokens', 'property.ä', ''),
)
const value = oneof(
  string({ maxLength: 60, unit: 'grapheme' }),
  integer(),
  // The SDK sends -0 as the integer 0, and in JSON infinities as null.
  double({ noNaN: true, noDefaultInfinity: true }).map((number) => (number === 0 ? 0 : number)),
  bool(),
  array(string({ maxLength: 5, unit: 'grapheme' }), { maxLength: 4 }),
  array(integer(), { maxLength: 4 }),
)

function fromProtobuf(body: Uint8Array): unknown[] {
  return [...readEnvelope(Buffer.from(body), readProtobufSpan)]
}

function fromJson(body: Uint8Array | string): unknown[] {
  return [...readJsonEnvelope(parseJsonBody(Buffer.from(body)), traceNames, readJsonSpan)]
}

/** Without what only looks different: which object without inheritance holds attributes. */
function plain(records: readonly unknown[]): unknown {
  return (records as SpanRecord[]).map((record) =>
    Object.assign({}, record, {
      attributes: Object.entries(record.attributes).sort(([a], [b]) => (a < b ? -1 : 1)),
      resourceAttributes: Object.entries(record.resourceAttributes),
      statusMessage: record.statusMessage ?? '',
    }),
  )
}

describe('one span', () => {
  it("is one record from an app's SDK, from protobuf and from JSON", () => {
    assertProperty(
      property(dictionary(key, value, { maxKeys: 12 }), integer({ min: 0, max: 2_000_000_000 }), (attributes, startNs) => {
        const usable = Object.fromEntries(Object.entries(attributes).filter(([name]) => name !== '' && name !== '__proto__')) as Attributes
        const spans = makeSpans([{ name: 'a span', attributes: usable, startNs, lastsMs: 17 }])
        const [span] = spans
        if (span === undefined) throw new Error('no span')
        const expected = plain([toSpanRecord(span)])
        expect(plain(fromProtobuf(serialize.protobuf(spans)))).toEqual(expected)
        expect(plain(fromJson(serialize.json(spans)))).toEqual(expected)
      }),
      { numRuns: 300 },
    )
  })

  it('has the last exception recorded on it, and no other event, from all three', () => {
    const spans = makeSpans([
      { attributes: {}, exceptions: ['first', 'the last'] },
      { attributes: {}, exceptions: ['x'.repeat(100_000)] },
      { attributes: {} },
    ])
    const exceptions = (records: readonly unknown[]): unknown[] => (records as SpanRecord[]).map(({ exception }) => exception)
    const [first, second, third] = exceptions(fromProtobuf(serialize.protobuf(spans))) as SpanRecord['exception'][]
    expect([first, third]).toEqual([{ type: 'TypeError', message: 'the last' }, undefined])
    expect(second?.message?.length).toBeLessThanOrEqual(limits.textBytes)
    expect(exceptions(fromJson(serialize.json(spans)))).toEqual([first, second, third])
    expect(exceptions(spans.map(toSpanRecord))[0]).toEqual(first)
  })

  it('is read where its events are none, or broken inside', () => {
    for (const events of [{}, 'text', [1, null], [{ name: 'exception' }], [{ name: 'exception', attributes: 5 }], [{ name: 5 }]]) {
      const body = JSON.parse(jsonSpan([])) as { resourceSpans: { scopeSpans: { spans: Record<string, unknown>[] }[] }[] }
      const span = body.resourceSpans[0]?.scopeSpans[0]?.spans[0]
      if (span === undefined) throw new Error('no span')
      span['events'] = events
      expect(fromJson(JSON.stringify(body))).toHaveLength(1)
    }
    const [whole] = makeSpans([{ attributes: {}, exceptions: ['in this'] }])
    if (whole === undefined) throw new Error('no span')
    const bytes = Buffer.from(serialize.protobuf([whole]))
    const at = bytes.indexOf('exception.message')
    // The key of the attribute is now longer than the attribute.
    bytes[at - 1] = 0x7f
    expect((fromProtobuf(bytes) as SpanRecord[])[0]?.exception).toBeUndefined()
  })

  it('has attributes in which nothing is inherited', () => {
    const body = jsonSpan([
      { key: '__proto__', value: { stringValue: 'x' } },
      { key: 'constructor', value: { stringValue: 'y' } },
    ])
    const [span] = fromJson(body) as SpanRecord[]
    expect(Object.entries(span?.attributes ?? {})).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ])
    expect(span?.attributes['toString']).toBeUndefined()
    expect(Object.getPrototypeOf({})).toBe(Object.prototype)
  })

  it('keeps whole numbers that a double cannot, and doubles that JSON cannot', () => {
    const body = jsonSpan([
      { key: 'exact', value: { intValue: '9007199254740993' } },
      { key: 'negative', value: { intValue: '-9223372036854775808' } },
      { key: 'number', value: { intValue: 7 } },
      { key: 'nan', value: { doubleValue: 'NaN' } },
      { key: 'infinite', value: { doubleValue: '-Infinity' } },
      { key: 'null', value: { doubleValue: null } },
      { key: 'none', value: {} },
      { key: 'bytes', value: { bytesValue: 'AQID' } },
      {
        key: 'map',
        value: { kvlistValue: { values: [{ key: '__proto__', value: { arrayValue: { values: [{ boolValue: true }, {}] } } }] } },
      },
      { key: 'twice', value: { stringValue: 'first' } },
      { key: 'twice', value: { stringValue: 'second' } },
    ])
    const [span] = fromJson(body) as SpanRecord[]
    expect(Object.entries(span?.attributes ?? {})).toEqual([
      ['exact', 9_007_199_254_740_993n],
      ['negative', -(2 ** 63)],
      ['number', 7],
      ['nan', Number.NaN],
      ['infinite', -Infinity],
      ['null', Number.NaN],
      ['none', null],
      ['bytes', 'AQID'],
      ['map', expect.anything()],
      ['twice', 'second'],
    ])
    expect(Object.entries(span?.attributes['map'] ?? {})).toEqual([['__proto__', [true, null]]])
  })

  it('has its counts refused alike from all three, where they are none', () => {
    const count = oneof(
      constantFrom(Number.NaN, Infinity, -Infinity, 1.5, -3, 2_000_000_000, 0),
      integer({ min: 0, max: 1000 }),
      double({ noNaN: true, min: -10, max: 10 }).map((number) => (number === 0 ? 0 : number)),
    )
    assertProperty(
      property(count, count, (input, output) => {
        const spans = makeSpans([
          { attributes: callAttributes({ 'gen_ai.usage.input_tokens': input, 'gen_ai.usage.output_tokens': output }) },
        ])
        const [span] = spans
        if (span === undefined) throw new Error('no span')
        const [inApp, protobuf, json] = [
          [toSpanRecord(span)],
          fromProtobuf(serialize.protobuf(spans)),
          fromJson(serialize.json(spans)),
        ].map(([record]) => usageIn(record))
        expect(protobuf).toEqual(inApp)
        expect(json).toEqual(inApp)
      }),
      { numRuns: 300 },
    )
  })

  it.each([
    [{ doubleValue: null }],
    [{ doubleValue: 'many' }],
    [{ doubleValue: '' }],
    [{ intValue: null }],
    [{ intValue: 'abc' }],
    [{ intValue: '' }],
    [{ intValue: '12345678901234567890' }],
    [{ intValue: '1.5' }],
    [{ intValue: [1] }],
    [{ stringValue: 100 }],
    [100],
  ])('has a count refused that is written %j in JSON, and is not said to have used 0', (written) => {
    const model = { key: 'gen_ai.request.model', value: { stringValue: 'gpt-4o-mini' } }
    const output = { key: 'gen_ai.usage.output_tokens', value: { intValue: '10' } }
    const [span] = fromJson(jsonSpan([model, { key: 'gen_ai.usage.input_tokens', value: written }, output]))
    const [nan] = fromProtobuf(serialize.protobuf(makeSpans([{ attributes: callAttributes({ 'gen_ai.usage.input_tokens': Number.NaN }) }])))
    expect(usageIn(span)).toEqual(usageIn(nan))
    expect(usageIn(span)).toMatchObject({ quality: 'partial', faults: ['token_count_refused'] })
  })

  it('drops and counts a value that is too deep or has too many entries, and keeps the others', () => {
    let deep: object = { stringValue: 'x' }
    for (let n = 0; n < 10_000; n++) deep = { arrayValue: { values: [deep] } }
    const many = { arrayValue: { values: Array.from({ length: limits.entriesPerValue + 1 }, () => ({ intValue: 1 })) } }
    let allowed: object = { stringValue: 'x' }
    for (let n = 0; n < limits.depth; n++) allowed = { arrayValue: { values: [allowed] } }
    // JSON.stringify recurses, so 10,000 levels are written by hand.
    const deepText = `${'{"arrayValue":{"values":['.repeat(10_000)}{}${']}}'.repeat(10_000)}`
    const body = jsonSpan([
      { key: 'allowed', value: allowed },
      { key: 'many', value: many },
      { key: 'deep', value: 'DEEP' },
    ]).replace('"DEEP"', deepText)
    const [span] = fromJson(body) as SpanRecord[]
    expect([Object.keys(span?.attributes ?? {}), span?.droppedAttributes]).toEqual([['allowed'], 2])
  })

  it('keeps of 10,000 attributes the first 1,024 and those that say whose it is and what it used', () => {
    const filler = Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`filler.${n}`, n]))
    const spans = makeSpans([{ attributes: { ...filler, ...callAttributes(), 'user.id': 'ada', 'property.late': 'x' } }])
    for (const [span] of [fromProtobuf(serialize.protobuf(spans)), fromJson(serialize.json(spans))] as SpanRecord[][]) {
      const call = readCall(span as SpanRecord, 'otlp')
      expect([call?.user, call?.usage?.inputTokens, call?.model, call?.properties.size]).toEqual(['ada', 100, 'gpt-4o-mini-2024-07-18', 0])
      expect(span?.droppedAttributes).toBe(10_000 - limits.attributesPerSpan + 1)
    }
  })

  it('cuts long texts alike in both, but no ids', () => {
    const long = 'ä'.repeat(20_000)
    const spans = makeSpans([{ attributes: { prompt: long, 'user.id': long } }])
    const [protobuf, json] = [fromProtobuf(serialize.protobuf(spans)), fromJson(serialize.json(spans))]
    expect(plain(protobuf)).toEqual(plain(json))
    expect((protobuf[0] as SpanRecord).attributes).toMatchObject({ prompt: 'ä'.repeat(8192), 'user.id': long })
  })

  it('has no user whose bytes are no UTF-8: two such users could be different', () => {
    const [body] = [serialize.protobuf(makeSpans([{ attributes: callAttributes({ 'user.id': 'QQQQ' }) }]))]
    const broken = Buffer.from(body)
    broken.fill(0xff, broken.indexOf('QQQQ'), broken.indexOf('QQQQ') + 4)
    const [span] = fromProtobuf(broken) as SpanRecord[]
    const call = span === undefined ? undefined : readCall(span, 'otlp')
    expect([call?.user, call?.faults]).toEqual([undefined, ['user_refused']])
  })
})

it('nanoseconds keep their whole milliseconds, from both encodings, up to the year 2248', () => {
  assertProperty(
    property(bigInt({ min: 0n, max: 2n ** 43n * 1_000_000n - 1n }), (nanos) => {
      const ms = msOfHalves(Number(nanos & 0xffff_ffffn), Number(nanos >> 32n))
      expect(Math.floor(ms)).toBe(Number(nanos / 1_000_000n))
      expect(msOfJson(nanos.toString())).toBe(ms)
    }),
    { numRuns: 2000 },
  )
  expect([msOfJson('1e9'), msOfJson(-1), msOfJson('x'), msOfJson({}), msOfJson(1.5), msOfJson(null)]).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    0,
  ])
})

/** What a span says that its call used, and how sure that is. */
function usageIn(span: unknown): unknown {
  const call = readCall(span as SpanRecord, 'otlp')
  return { usage: call?.usage, quality: call?.usageQuality, faults: call?.faults }
}

function jsonSpan(attributes: readonly unknown[]): string {
  return JSON.stringify({
    resourceSpans: [
      {
        scopeSpans: [
          {
            spans: [
              {
                traceId: 'ABCDEF0123456789ABCDEF0123456789',
                spanId: 'ABCDEF0123456789',
                startTimeUnixNano: '1700000000123456789',
                endTimeUnixNano: 1_700_000_001_000_000_000,
                attributes,
              },
            ],
          },
        ],
      },
    ],
  })
}
