import { Client, credentials, Metadata, status, type ServiceError } from '@grpc/grpc-js'
import { describe, expect, it } from 'vitest'

import { readLines, startCollector } from './running.ts'
import { callAttributes, makeSpans, serialize } from './spans.ts'

const path = '/opentelemetry.proto.collector.trace.v1.TraceService/Export'
const body = Buffer.from(serialize.protobuf(makeSpans([{ attributes: callAttributes() }])))

/** Calls Export with bytes. @returns the bytes of the answer, or its status */
function exportOver(
  url: string | undefined,
  bytes: Buffer,
  { token, method = path }: { token?: string; method?: string } = {},
): Promise<Buffer | ServiceError> {
  const client = new Client((url ?? '').replace('http://', ''), credentials.createInsecure())
  const metadata = new Metadata()
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`)
  const asIs = (message: Buffer): Buffer => message
  return new Promise((resolve) => {
    client.makeUnaryRequest(method, asIs, asIs, bytes, metadata, (error, answer) => {
      client.close()
      resolve(error ?? answer ?? Buffer.alloc(0))
    })
  })
}

describe('over gRPC', () => {
  it('success is an empty answer, and the spans are in the ledger', async () => {
    const { grpcUrl, path: ledger } = await startCollector({ grpcPort: 0 })
    expect(await exportOver(grpcUrl, body)).toEqual(Buffer.alloc(0))
    expect((await readLines(ledger)).length).toBe(1)
  })

  it('what cannot be decoded is INVALID_ARGUMENT, what is too large RESOURCE_EXHAUSTED, both not to be sent again', async () => {
    const { grpcUrl, path: ledger } = await startCollector({ grpcPort: 0, maxBodyBytes: 10_000 })
    const cutOff = (await exportOver(grpcUrl, body.subarray(0, -2))) as ServiceError
    const large = (await exportOver(grpcUrl, Buffer.alloc(10_001))) as ServiceError
    expect([cutOff.code, large.code]).toEqual([status.INVALID_ARGUMENT, status.RESOURCE_EXHAUSTED])
    expect(large.metadata.get('grpc-status-details-bin')).toEqual([])
    expect(await readLines(ledger)).toEqual([])
  })

  it('a missing token is UNAUTHENTICATED', async () => {
    const token = 'a-token-of-more-than-thirty-two-characters'
    const { grpcUrl } = await startCollector({ grpcPort: 0, token })
    expect(((await exportOver(grpcUrl, body)) as ServiceError).code).toBe(status.UNAUTHENTICATED)
    expect(await exportOver(grpcUrl, body, { token })).toEqual(Buffer.alloc(0))
  })

  it('too many requests a second are RESOURCE_EXHAUSTED with RetryInfo of a second', async () => {
    const { grpcUrl } = await startCollector({ grpcPort: 0, maxRequestsPerSecond: 1 })
    await exportOver(grpcUrl, body)
    const refused = (await exportOver(grpcUrl, body)) as ServiceError
    const [details] = refused.metadata.get('grpc-status-details-bin')
    expect(refused.code).toBe(status.RESOURCE_EXHAUSTED)
    // Any { type_url, value: RetryInfo { retry_delay: Duration { seconds: 1 } } }
    expect(Buffer.from(details ?? '').toString('hex')).toContain(Buffer.from('google.rpc.RetryInfo').toString('hex'))
    expect(
      Buffer.from(details ?? '')
        .toString('hex')
        .endsWith('12040a020801'),
    ).toBe(true)
  })

  it('another method is UNIMPLEMENTED', async () => {
    const { grpcUrl } = await startCollector({ grpcPort: 0 })
    expect(((await exportOver(grpcUrl, body, { method: '/x.Y/Z' })) as ServiceError).code).toBe(status.UNIMPLEMENTED)
  })
})
