import { isUtf8 } from 'node:buffer'

import protobuf from 'protobufjs/minimal.js'

import { Refusal } from '../refusal.ts'
import { knownName } from './known-names.ts'

/** The protobuf library's reader: where it stands in a body. */
export type WireReader = protobuf.Reader

export function openReader(body: Buffer): WireReader {
  return protobuf.Reader.create(body)
}

/** The wire types of https://protobuf.dev/programming-guides/encoding/ (read 2026-11-20); groups are none of OTLP's. */
export const wire = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const

/**
 * Goes to the next embedded message with this field number, over all other fields.
 * @returns where the message ends, or undefined where `end` was reached without one
 */
export function nextMessage(reader: WireReader, end: number, field: number): number | undefined {
  while (reader.pos < end) {
    const tag = reader.uint32()
    if (tag === ((field << 3) | wire.bytes)) return readEnd(reader, end)
    skipField(reader, tag, end)
  }
  return undefined
}

/** The end of a field with a length. @throws Refusal when it lies beyond the message around it */
export function readEnd(reader: WireReader, end: number): number {
  const length = reader.uint32()
  if (length > end - reader.pos) throw malformed('a field is longer than the message around it')
  return reader.pos + length
}

export function skipField(reader: WireReader, tag: number, end: number): void {
  if (tag >>> 3 === 0) throw malformed('a field has the number 0')
  switch (tag & 7) {
    case wire.varint:
      reader.skip()
      break
    case wire.fixed64:
      reader.skip(8)
      break
    case wire.bytes:
      reader.pos = readEnd(reader, end)
      break
    case wire.fixed32:
      reader.skip(4)
      break
    default:
      throw malformed(`a field has the wire type ${tag & 7}`)
  }
  if (reader.pos > end) throw malformed('a field is longer than the message around it')
}

/** Every field must end where its message does. */
export function expectEnd(reader: WireReader, end: number): void {
  if (reader.pos !== end) throw malformed('a field is longer than the message around it')
}

/**
 * A text, cut after `maxBytes`. Where the bytes are no UTF-8, their place is taken by a lone surrogate rather than U+FFFD:
 * readers refuse an id with one, while two ids with U+FFFD could have been different.
 */
export function readText(reader: WireReader, end: number, maxBytes = Infinity): string {
  const textEnd = readEnd(reader, end)
  const { pos, buf } = reader
  reader.pos = textEnd
  const bytes = buf as Buffer
  const cutEnd = Math.min(textEnd, pos + maxBytes)
  const text = bytes.toString('utf8', pos, cutEnd)
  return text.includes('\ufffd') && cutEnd === textEnd && !isUtf8(bytes.subarray(pos, textEnd)) ? text.replaceAll('\ufffd', '\ud800') : text
}

/** The name of an attribute. */
export function readName(reader: WireReader, end: number, maxBytes: number): string {
  const { pos, buf } = reader
  const nameEnd = readEnd(reader, end)
  const name = knownName(buf as Buffer, reader.pos, nameEnd)
  if (name === undefined) {
    reader.pos = pos
    return readText(reader, end, maxBytes)
  }
  reader.pos = nameEnd
  return name
}

/** An id as lower-case hex. */
export function readHex(reader: WireReader, end: number): string {
  const hexEnd = readEnd(reader, end)
  const { pos, buf } = reader
  reader.pos = hexEnd
  return (buf as Buffer).toString('hex', pos, hexEnd)
}

/** An int64; a bigint where a number would not be exact. */
export function readInt64(reader: WireReader): number | bigint {
  const { buf, pos } = reader
  // Nearly all are small: up to four bytes need no arithmetic beyond 32 bits.
  if ((buf[pos] ?? 128) < 128 || (buf[pos + 1] ?? 128) < 128 || (buf[pos + 2] ?? 128) < 128 || (buf[pos + 3] ?? 128) < 128) {
    return reader.uint32()
  }
  let value = 0n
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = buf[reader.pos++]
    if (byte === undefined) break
    value |= BigInt(byte & 127) << shift
    if (byte < 128) {
      const signed = BigInt.asIntN(64, value)
      const number = Number(signed)
      return BigInt(number) === signed ? number : signed
    }
  }
  throw malformed('a number has more than ten bytes, or is cut off')
}

function malformed(what: string): Refusal {
  return new Refusal('undecodable', `The body cannot be decoded: ${what}.`)
}
