import { crc32 } from 'node:zlib'

import type { SignalName } from '../signals.ts'

/** What a request is that is sent on. */
export interface RequestHead {
  readonly signal: SignalName
  readonly contentType: string
  /** Undefined where it is not compressed. */
  readonly contentEncoding: string | undefined
  /** Whose ledger counts what becomes of it. */
  readonly tenant: string | undefined
}

/** A request to be sent on: the bytes that came, and what they are. */
export interface ForwardedRequest extends RequestHead {
  readonly body: Buffer
}

/** Length of the head, length of the body, CRC-32 of both. */
export const FRAME_PREFIX_BYTES = 12
/** Every head begins so: where a frame is damaged, the next one is found by it. */
export const HEAD_MARK: Buffer = Buffer.from('{"signal":"')

/** A request as it stands in a file of the queue, in two pieces: the body is not copied. */
export function encodeFrame({ signal, contentType, contentEncoding, tenant, body }: ForwardedRequest): [Buffer, Buffer] {
  const head = Buffer.from(JSON.stringify({ signal, contentType, contentEncoding, tenant } satisfies RequestHead))
  const prefix = Buffer.alloc(FRAME_PREFIX_BYTES)
  prefix.writeUInt32LE(head.length, 0)
  prefix.writeUInt32LE(body.length, 4)
  prefix.writeUInt32LE(crc32(body, crc32(head)), 8)
  return [Buffer.concat([prefix, head]), body]
}

export interface FramePrefix {
  readonly headBytes: number
  readonly bodyBytes: number
  readonly crc: number
}

export function decodePrefix(prefix: Buffer): FramePrefix {
  return { headBytes: prefix.readUInt32LE(0), bodyBytes: prefix.readUInt32LE(4), crc: prefix.readUInt32LE(8) }
}
