import { Bag } from './bag.ts'
import { isObject, objectsOf, own, textOf, type JsonObject } from './json-body.ts'
import { isId, isVital, limits } from './limits.ts'
import type { AttributeBag } from './protobuf-value.ts'

/** Reads the `attributes` of an object; of two with one key the later wins. */
export function readJsonAttributes(parent: JsonObject, into: AttributeBag): void {
  for (const entry of objectsOf(parent, 'attributes')) {
    const key = cut(textOf(entry, 'key'))
    if (++into.count > limits.attributesPerSpan && !isVital(key)) {
      into.dropped++
      continue
    }
    const value = readJsonValue(own(entry, 'value'), { depth: 0, entries: 0, key })
    if (value === undefined) into.dropped++
    else into.bag[key] = value
  }
}

/** Reads an `AnyValue` that is no attribute's: the body of a log record. */
export function readJsonBodyValue(value: unknown): unknown {
  return readJsonValue(value, { depth: 0, entries: 0, key: '' }) ?? null
}

interface Within {
  readonly depth: number
  entries: number
  /** The attribute's: ids are not cut. */
  readonly key: string
}

/**
 * Reads an `AnyValue` as it is in protobuf's JSON.
 * @returns undefined for a value that is too deep or has too many entries; NaN for one that is there but cannot be read as what
 * it says it is: readers refuse and count a number that is none, while one that is not there is no fault
 */
function readJsonValue(value: unknown, within: Within): unknown {
  if (!isObject(value)) return value === undefined || value === null ? null : Number.NaN
  let read: unknown = null
  for (const kind of Object.keys(value)) {
    const one = value[kind]
    switch (kind) {
      case 'stringValue':
        if (typeof one === 'string') read = one.length * 3 > limits.textBytes && isId(within.key) ? one : cut(one)
        else if (one !== null) read = Number.NaN
        break
      case 'boolValue':
        if (typeof one === 'boolean') read = one
        break
      case 'intValue':
        read = readInteger(one)
        break
      case 'doubleValue':
        read = readDouble(one)
        break
      case 'bytesValue':
        if (typeof one === 'string') read = Buffer.from(one, 'base64').subarray(0, limits.textBytes).toString('base64')
        break
      case 'arrayValue':
        read = isObject(one) ? nested(one, within, readArray) : null
        break
      case 'kvlistValue':
        read = isObject(one) ? nested(one, within, readMap) : null
        break
      default:
    }
  }
  return read
}

/** Recursion ends at `limits.depth`, as deep as the body may go. */
function nested(value: JsonObject, within: Within, read: (value: JsonObject, within: Within) => unknown): unknown {
  if (within.depth >= limits.depth) return undefined
  const inner: Within = { ...within, depth: within.depth + 1 }
  const result = read(value, inner)
  within.entries = inner.entries
  return result
}

function readArray(value: JsonObject, within: Within): unknown {
  const values = own(value, 'values')
  const items: unknown[] = []
  for (const item of Array.isArray(values) ? values : []) {
    const read = ++within.entries <= limits.entriesPerValue ? readJsonValue(item, within) : undefined
    if (read === undefined) return undefined
    items.push(read)
  }
  return items
}

function readMap(value: JsonObject, within: Within): unknown {
  const values = own(value, 'values')
  const map = new Bag()
  for (const entry of Array.isArray(values) ? values : []) {
    if (!isObject(entry)) continue
    const read = ++within.entries <= limits.entriesPerValue ? readJsonValue(own(entry, 'value'), within) : undefined
    if (read === undefined) return undefined
    map[cut(textOf(entry, 'key'))] = read
  }
  return map
}

/** An int64 is a decimal text, or a number; a bigint where a number would not be exact; NaN for anything else. */
function readInteger(value: unknown): number | bigint {
  if (typeof value === 'number') return value
  if (typeof value !== 'string' || !/^-?\d{1,19}$/.test(value)) return Number.NaN
  const number = Number(value)
  return BigInt(number) === BigInt(value) ? number : BigInt(value)
}

/** NaN and the infinities are texts in protobuf's JSON, and null in OpenTelemetry's for JavaScript; NaN for anything else. */
function readDouble(value: unknown): number {
  if (typeof value === 'number') return value
  return typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN
}

/** As many bytes as protobuf's texts are cut to, so that both encodings say the same. */
function cut(text: string): string {
  // UTF-8 takes at most three bytes per UTF-16 unit, so short texts need no counting.
  if (text.length * 3 <= limits.textBytes || Buffer.byteLength(text) <= limits.textBytes) return text
  return Buffer.from(text).toString('utf8', 0, limits.textBytes)
}
