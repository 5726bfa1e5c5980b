import { once } from 'node:events'
import { connect, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2'

import { Client, credentials, Metadata, status, type ServiceError } from '@grpc/grpc-js'
import fc from 'fast-check'
import { describe, expect, it, onTestFinished } from 'vitest'

import { MessageGate } from '../src/grpc/message-gate.ts'
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

/** Begins calls and sends nothing of their messages but their lengths. */
function beginCalls(session: ClientHttp2Session, count: number): ClientHttp2Stream[] {
  return Array.from({ length: count }, () => {
    const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' })
    stream.on('error', () => undefined)
    stream.write(Buffer.from([0, 0, 0, 0x27, 0x10]))
    return stream
  })
}

function openSession(url: string | undefined): ClientHttp2Session {
  const session = connect(url ?? '')
  session.on('error', () => undefined)
  onTestFinished(() => session.destroy())
  return session
}

async function statusOf(stream: ClientHttp2Stream): Promise<number> {
  const [headers] = (await once(stream, 'response')) as [Record<string, string>]
  return Number(headers['grpc-status'])
}

describe('before a gRPC message is read', () => {
  it('its token is looked at', async () => {
    const { grpcUrl } = await startCollector({ grpcPort: 0, token: 'a-token-of-more-than-thirty-two-characters' })
    const [call] = beginCalls(openSession(grpcUrl), 1)
    expect(await statusOf(call as ClientHttp2Stream)).toBe(status.UNAUTHENTICATED)
  })

  it('there is to be room for it: else UNAVAILABLE', async () => {
    const { grpcUrl, httpUrl } = await startCollector({ grpcPort: 0, maxInFlightBytes: 5 * 1024 * 1024 })
    const [, second] = beginCalls(openSession(grpcUrl), 2)
    expect(await statusOf(second as ClientHttp2Stream)).toBe(status.UNAVAILABLE)
    expect((await fetch(`${httpUrl}/healthz`)).status).toBe(200)
  })

  it('four others may be on their way: it waits for them, and those that never come are cut off and give back their room', async () => {
    const { grpcUrl } = await startCollector({ grpcPort: 0, requestTimeoutMs: 300 })
    const session = openSession(grpcUrl)
    const slow = beginCalls(session, 12)
    const answers = Promise.all(slow.map(statusOf))
    slow[11]?.destroy()
    await Promise.race([answers, once(slow[10] as ClientHttp2Stream, 'response')])
    expect(await exportOver(grpcUrl, body)).toEqual(Buffer.alloc(0))
    // As often as the budget would be used up, if any of them kept its room.
    for (let n = 0; n < 10; n++) {
      const cut = beginCalls(openSession(grpcUrl), 1)
      cut[0]?.close()
      expect(await exportOver(grpcUrl, body)).toEqual(Buffer.alloc(0))
    }
  })
})

it('gRPC connections above the limit are closed, those below it go on', async () => {
  const { grpcUrl } = await startCollector({ grpcPort: 0, maxConnections: 1 })
  const first = openSession(grpcUrl)
  await once(first, 'remoteSettings')
  const second = openSession(grpcUrl)
  await once(second, 'close')
  first.destroy()
  await once(first, 'close')
  expect(await exportOver(grpcUrl, body)).toEqual(Buffer.alloc(0))
})

it('a gate never has more in than it has places, and lets in all who stay, in their order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat({ max: 9 }), { maxLength: 60 }), fc.integer({ min: 1, max: 4 }), async (steps, places) => {
      const gate = new MessageGate({ places, maxWaiting: 5 })
      const present: { n: number; leave: (() => void) | undefined }[] = []
      const isIn = new Set<number>()
      const order: number[] = []
      for (const [n, step] of steps.entries()) {
        const one = present[step]
        if (one === undefined) {
          const leave = gate.enter(() => (isIn.add(n), order.push(n)))
          if (leave !== undefined) present.push({ n, leave })
        } else {
          one.leave?.()
          one.leave?.()
          isIn.delete(one.n)
          present.splice(step, 1)
        }
        if (n % 3 === 0) await Promise.resolve()
        expect(isIn.size).toBeLessThanOrEqual(places)
      }
      while (present.length > 0) {
        await Promise.resolve()
        await Promise.resolve()
        expect(isIn.size).toBe(Math.min(places, present.length))
        const first = present.shift()
        first?.leave?.()
        isIn.delete(first?.n ?? -1)
      }
      expect(order).toEqual([...order].sort((a, b) => a - b))
    }),
  )
})
