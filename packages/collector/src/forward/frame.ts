import { crc32 } from 'node:zlib'

import type { SignalName } from '../signals.ts'

/** A request to be sent on: the bytes that came, and what they are. */
export interface ForwardedRequest {
  readonly signal: SignalName
  readonly contentType: string
  /** Undefined where it is not compressed. */
  readonly contentEncoding: string | undefined
  /** Whose ledger counts what becomes of it. */
  readonly tenant: string | undefined
  readonly body: Buffer
}

/** Length of the head, length of the body, CRC-32 of both. */
export const FRAME_PREFIX_BYTES = 12

/** A request as it stands in a file of the queue. */
export function encodeFrame({ body, ...head }: ForwardedRequest): Buffer {
  const headBytes = Buffer.from(JSON.stringify(head))
  const prefix = Buffer.alloc(FRAME_PREFIX_BYTES)
  prefix.writeUInt32LE(headBytes.length, 0)
  prefix.writeUInt32LE(body.length, 4)
  prefix.writeUInt32LE(crc32(body, crc32(headBytes)), 8)
  return Buffer.concat([prefix, headBytes, body])
}

/** How long the frame is that begins so; 0 where there is no whole prefix. */
export function frameLength(prefix: Buffer): number {
  return prefix.length < FRAME_PREFIX_BYTES ? 0 : FRAME_PREFIX_BYTES + prefix.readUInt32LE(0) + prefix.readUInt32LE(4)
}

/** @returns undefined for a frame that is cut off or has changed */
export function decodeFrame(frame: Buffer): ForwardedRequest | undefined {
  if (frame.length < FRAME_PREFIX_BYTES || frame.length !== frameLength(frame)) return undefined
  const headEnd = FRAME_PREFIX_BYTES + frame.readUInt32LE(0)
  const head = frame.subarray(FRAME_PREFIX_BYTES, headEnd)
  const body = frame.subarray(headEnd)
  if (crc32(body, crc32(head)) !== frame.readUInt32LE(8)) return undefined
  const { signal, contentType, contentEncoding, tenant } = JSON.parse(head.toString()) as Omit<ForwardedRequest, 'body'>
  return { signal, contentType, contentEncoding, tenant, body }
}
