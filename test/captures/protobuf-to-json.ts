/**
 * An `ExportTraceServiceRequest` of protobuf in the shape of its JSON; only what the readers look at. Field numbers:
 * opentelemetry-proto 1.11.
 */
export function protobufToJson(body: Buffer): unknown {
  return message(body, request)
}

interface Field {
  readonly name: string
  readonly as: 'text' | 'hex' | 'varint' | 'bool' | 'double' | 'nanos' | Shape
  readonly repeated?: boolean
}
type Shape = () => Readonly<Record<number, Field>>

const value: Shape = () => ({
  1: { name: 'stringValue', as: 'text' },
  2: { name: 'boolValue', as: 'bool' },
  3: { name: 'intValue', as: 'varint' },
  4: { name: 'doubleValue', as: 'double' },
  5: { name: 'arrayValue', as: () => ({ 1: { name: 'values', as: value, repeated: true } }) },
  6: { name: 'kvlistValue', as: () => ({ 1: { name: 'values', as: pair, repeated: true } }) },
})
const pair: Shape = () => ({ 1: { name: 'key', as: 'text' }, 2: { name: 'value', as: value } })
const attributes: Field = { name: 'attributes', as: pair, repeated: true }
const span: Shape = () => ({
  1: { name: 'traceId', as: 'hex' },
  2: { name: 'spanId', as: 'hex' },
  4: { name: 'parentSpanId', as: 'hex' },
  5: { name: 'name', as: 'text' },
  7: { name: 'startTimeUnixNano', as: 'nanos' },
  8: { name: 'endTimeUnixNano', as: 'nanos' },
  9: attributes,
  10: { name: 'droppedAttributesCount', as: 'varint' },
  15: { name: 'status', as: () => ({ 2: { name: 'message', as: 'text' }, 3: { name: 'code', as: 'varint' } }) },
})
const scope: Shape = () => ({ 1: { name: 'name', as: 'text' }, 2: { name: 'version', as: 'text' } })
const scopeSpans: Shape = () => ({ 1: { name: 'scope', as: scope }, 2: { name: 'spans', as: span, repeated: true } })
const resourceSpans: Shape = () => ({
  1: { name: 'resource', as: () => ({ 1: attributes }) },
  2: { name: 'scopeSpans', as: scopeSpans, repeated: true },
})
const request: Shape = () => ({ 1: { name: 'resourceSpans', as: resourceSpans, repeated: true } })

function message(bytes: Buffer, shape: Shape): Record<string, unknown> {
  const fields = shape()
  const result: Record<string, unknown> = {}
  let at = 0
  const varint = (): bigint => {
    let number = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++] ?? 0
      number |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asIntN(64, number)
    }
  }
  while (at < bytes.length) {
    const tag = Number(varint())
    const field = fields[tag >> 3]
    const wire = tag & 7
    const length = wire === 2 ? Number(varint()) : wire === 1 ? 8 : wire === 5 ? 4 : 0
    const read = wire === 0 ? varint() : bytes.subarray(at, (at += length))
    if (field === undefined) continue
    const one = typeof read === 'bigint' ? (field.as === 'bool' ? read !== 0n : Number(read)) : decode(read, field.as)
    if (field.repeated === true) ((result[field.name] ??= []) as unknown[]).push(one)
    else result[field.name] = one
  }
  return result
}

function decode(bytes: Buffer, as: Field['as']): unknown {
  if (typeof as === 'function') return message(bytes, as)
  if (as === 'hex') return bytes.toString('hex')
  if (as === 'double') return bytes.readDoubleLE()
  return as === 'nanos' ? String(bytes.readBigUInt64LE()) : bytes.toString('utf8')
}
