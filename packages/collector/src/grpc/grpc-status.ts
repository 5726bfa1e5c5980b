import { Metadata } from '@grpc/grpc-js'

import { encodeRetryStatus } from '../answer.ts'
import { RETRY_AFTER_SECONDS } from '../refusal.ts'
import { toRefusal } from '../to-refusal.ts'

/** What a gRPC client is told of an error. */
export function statusOf(error: unknown): { code: number; details: string; metadata?: Metadata } {
  const refusal = toRefusal(error)
  const { grpc, retry } = refusal.status
  if (!retry) return { code: grpc, details: refusal.message }
  const metadata = new Metadata()
  metadata.set('grpc-status-details-bin', encodeRetryStatus(refusal, RETRY_AFTER_SECONDS))
  return { code: grpc, details: refusal.message, metadata }
}
