import { Bag } from './bag.ts'
import { isId, isVital, limits } from './limits.ts'
import { expectEnd, readEnd, readInt64, readName, readText, skipField, wire, type WireReader } from './wire.ts'

/** Attributes, and how many could not be kept. */
export interface AttributeBag {
  readonly bag: Bag
  count: number
  dropped: number
}

export function newAttributes(): AttributeBag {
  return { bag: new Bag(), count: 0, dropped: 0 }
}

/** Reads a `KeyValue` into the attributes; of two with one key the later wins. */
export function readAttribute(reader: WireReader, end: number, into: AttributeBag): void {
  const entryEnd = readEnd(reader, end)
  let key = ''
  let valueStart = -1
  let valueEnd = -1
  while (reader.pos < entryEnd) {
    const tag = reader.uint32()
    if (tag === ((1 << 3) | wire.bytes)) key = readName(reader, entryEnd, limits.textBytes)
    else if (tag === ((2 << 3) | wire.bytes)) {
      valueEnd = readEnd(reader, entryEnd)
      valueStart = reader.pos
      reader.pos = valueEnd
    } else skipField(reader, tag, entryEnd)
  }
  expectEnd(reader, entryEnd)
  if (++into.count > limits.attributesPerSpan && !isVital(key)) {
    into.dropped++
    return
  }
  reader.pos = valueStart
  const value = valueEnd === -1 ? null : readValue(reader, valueEnd, ofAttribute(key))
  reader.pos = entryEnd
  if (value === undefined) into.dropped++
  else into.bag[key] = value
}

/** Where each attribute's value begins: one object for all, because there are very many, and none is read inside of another. */
const atTop: Within = { depth: 0, entries: 0, key: '' }

function ofAttribute(key: string): Within {
  atTop.entries = 0
  atTop.key = key
  return atTop
}

/** Reads an `AnyValue` that is no attribute's: the body of a log record. */
export function readBody(reader: WireReader, end: number): unknown {
  return readValue(reader, readEnd(reader, end), { depth: 0, entries: 0, key: '' }) ?? null
}

/** How far a value has been read into. */
interface Within {
  readonly depth: number
  entries: number
  /** The attribute's: ids are not cut. */
  key: string
}

/**
 * Reads an `AnyValue`: a string, boolean, number, bigint, array, object, base64 text of bytes, or null.
 * @returns undefined for a value that is too deep or has too many entries
 */
function readValue(reader: WireReader, end: number, within: Within): unknown {
  let value: unknown = null
  while (reader.pos < end) {
    const tag = reader.uint32()
    switch (tag) {
      case (1 << 3) | wire.bytes:
        value = readText(reader, end, isLong(reader, end) && isId(within.key) ? Infinity : limits.textBytes)
        break
      case (2 << 3) | wire.varint:
        value = readInt64(reader) !== 0
        break
      case (3 << 3) | wire.varint:
        value = readInt64(reader)
        break
      case (4 << 3) | wire.fixed64:
        value = reader.double()
        break
      case (5 << 3) | wire.bytes:
        value = readNested(reader, readEnd(reader, end), within, readArray)
        break
      case (6 << 3) | wire.bytes:
        value = readNested(reader, readEnd(reader, end), within, readMap)
        break
      case (7 << 3) | wire.bytes: {
        const bytesEnd = readEnd(reader, end)
        value = (reader.buf as Buffer).toString('base64', reader.pos, Math.min(bytesEnd, reader.pos + limits.textBytes))
        reader.pos = bytesEnd
        break
      }
      default:
        skipField(reader, tag, end)
    }
  }
  expectEnd(reader, end)
  return value
}

/** Nearly no text is, and then its name need not be looked at. */
function isLong(reader: WireReader, end: number): boolean {
  return end - reader.pos > limits.textBytes
}

/** Recursion ends at `limits.depth`: what lies deeper is stepped over by its length. */
function readNested(reader: WireReader, end: number, within: Within, read: typeof readArray): unknown {
  if (within.depth >= limits.depth) {
    reader.pos = end
    return undefined
  }
  const inner: Within = { depth: within.depth + 1, entries: within.entries, key: within.key }
  const value = read(reader, end, inner)
  within.entries = inner.entries
  expectEnd(reader, end)
  return value
}

function readArray(reader: WireReader, end: number, within: Within): unknown {
  const items: unknown[] = []
  let isWhole = true
  while (reader.pos < end) {
    const tag = reader.uint32()
    if (tag !== ((1 << 3) | wire.bytes)) {
      skipField(reader, tag, end)
      continue
    }
    const itemEnd = readEnd(reader, end)
    const item = isWhole && ++within.entries <= limits.entriesPerValue ? readValue(reader, itemEnd, within) : undefined
    if (item === undefined) isWhole = false
    else items.push(item)
    reader.pos = itemEnd
  }
  return isWhole ? items : undefined
}

function readMap(reader: WireReader, end: number, within: Within): unknown {
  const map = new Bag()
  let isWhole = true
  while (reader.pos < end) {
    const tag = reader.uint32()
    if (tag !== ((1 << 3) | wire.bytes)) {
      skipField(reader, tag, end)
      continue
    }
    const entryEnd = readEnd(reader, end)
    isWhole &&= ++within.entries <= limits.entriesPerValue && readEntry(reader, entryEnd, map, within)
    reader.pos = entryEnd
  }
  return isWhole ? map : undefined
}

function readEntry(reader: WireReader, end: number, map: Bag, within: Within): boolean {
  let key = ''
  let value: unknown = null
  while (reader.pos < end) {
    const tag = reader.uint32()
    if (tag === ((1 << 3) | wire.bytes)) key = readText(reader, end, limits.textBytes)
    else if (tag === ((2 << 3) | wire.bytes)) value = readValue(reader, readEnd(reader, end), within)
    else skipField(reader, tag, end)
  }
  expectEnd(reader, end)
  if (value !== undefined) map[key] = value
  return value !== undefined
}
