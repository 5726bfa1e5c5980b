import protobuf from 'protobufjs/minimal.js'

import type { Refusal } from './refusal.ts'
import { signals, type SignalName } from './signals.ts'

export type Encoding = 'protobuf' | 'json'

export const contentTypes: Readonly<Record<Encoding, string>> = { protobuf: 'application/x-protobuf', json: 'application/json' }

/** What of a request was not taken, and why: for `partial_success`. */
export interface Rejected {
  readonly count: number
  readonly message: string
}

/**
 * The body of a 200: empty, unless something of the request was not taken (https://opentelemetry.io/docs/specs/otlp/,
 * "Partial Success", read 2026-11-20).
 */
export function encodeSuccess(signal: SignalName, encoding: Encoding, rejected: Rejected): Buffer {
  if (rejected.count === 0) return Buffer.from(encoding === 'json' ? '{}' : '')
  const { rejectedField } = signals[signal]
  if (encoding === 'json') {
    return Buffer.from(JSON.stringify({ partialSuccess: { [rejectedField]: String(rejected.count), errorMessage: rejected.message } }))
  }
  const writer = protobuf.Writer.create()
  writer.uint32((1 << 3) | 2).fork()
  writer.uint32(1 << 3).uint32(rejected.count)
  writer.uint32((2 << 3) | 2).string(rejected.message)
  return Buffer.from(writer.ldelim().finish())
}

/** The body of any other answer: a google.rpc.Status. */
export function encodeStatus(encoding: Encoding, { status, message }: Refusal): Buffer {
  if (encoding === 'json') return Buffer.from(JSON.stringify({ code: status.grpc, message }))
  return Buffer.from(writeStatus(status.grpc, message).finish())
}

/** A Status that says when to try again, as gRPC clients look for it in `grpc-status-details-bin`. */
export function encodeRetryStatus({ status, message }: Refusal, afterSeconds: number): Buffer {
  const retryInfo = protobuf.Writer.create()
  // RetryInfo.retry_delay = 1, a Duration whose seconds = 1.
  retryInfo.uint32((1 << 3) | 2).fork()
  retryInfo.uint32(1 << 3).uint32(afterSeconds)
  retryInfo.ldelim()
  const writer = writeStatus(status.grpc, message)
  // Status.details = 3, an Any of type_url = 1 and value = 2.
  writer.uint32((3 << 3) | 2).fork()
  writer.uint32((1 << 3) | 2).string('type.googleapis.com/google.rpc.RetryInfo')
  writer.uint32((2 << 3) | 2).bytes(retryInfo.finish())
  return Buffer.from(writer.ldelim().finish())
}

function writeStatus(code: number, message: string): protobuf.Writer {
  const writer = protobuf.Writer.create()
  writer.uint32(1 << 3).uint32(code)
  return writer.uint32((2 << 3) | 2).string(message)
}
