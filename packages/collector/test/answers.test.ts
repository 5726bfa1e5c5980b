import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'

import { openCollector } from '@spanledger/collector'
import { describe, expect, it } from 'vitest'

import { openRaw, readCounters, readLines, startCollector, tempFolder } from './running.ts'
import { callAttributes, makeSpans, post, serialize } from './spans.ts'

const spans = makeSpans([{ attributes: callAttributes() }, { attributes: callAttributes() }])
const protobuf = serialize.protobuf(spans)
const json = serialize.json(spans)

/** `n` spans in JSON, changed by `change`. */
function jsonWith(change: (span: Record<string, unknown>, n: number) => void): string {
  const request = JSON.parse(Buffer.from(json).toString()) as { resourceSpans: { scopeSpans: { spans: Record<string, unknown>[] }[] }[] }
  for (const { scopeSpans } of request.resourceSpans) for (const scope of scopeSpans) scope.spans.forEach(change)
  return JSON.stringify(request)
}

describe('what is in the ledger is answered with 200', () => {
  it('and nothing, in the encoding of the request', async () => {
    const { httpUrl, path } = await startCollector()
    const answers = [
      await post(httpUrl, protobuf),
      await post(httpUrl, json, { encoding: 'json', headers: { 'content-type': 'application/json; charset=utf-8' } }),
      await post(httpUrl, Uint8Array.from(gzipSync(json)), { encoding: 'json', headers: { 'content-encoding': 'gzip' } }),
      await post(httpUrl, '', { encoding: 'json' }),
      await post(httpUrl, '', { encoding: 'protobuf' }),
      await post(httpUrl, '{"resourceSpans":[],"unknown":[1]}', { encoding: 'json' }),
    ]
    expect(
      await Promise.all(answers.map(async (answer) => [answer.status, answer.headers.get('content-type'), await answer.text()])),
    ).toEqual([
      [200, 'application/x-protobuf', ''],
      [200, 'application/json', '{}'],
      [200, 'application/json', '{}'],
      [200, 'application/json', '{}'],
      [200, 'application/x-protobuf', ''],
      [200, 'application/json', '{}'],
    ])
    expect((await readLines(path)).length).toBe(2)
  })

  it('with the number and the reasons of spans that cannot be, which are counted, and the others are in the ledger', async () => {
    const { httpUrl, path, close } = await startCollector()
    const answer = await post(
      httpUrl,
      jsonWith((span, n) => {
        if (n === 0) span['traceId'] = '0'.repeat(32)
      }),
      { encoding: 'json' },
    )
    expect([answer.status, await answer.json()]).toEqual([
      200,
      {
        partialSuccess: {
          rejectedSpans: '1',
          errorMessage: 'Not taken: 1 span (1 without a valid trace id (32 hex digits)). Log records go to /v1/logs.',
        },
      },
    ])
    await close()
    expect((await readLines(path)).length).toBe(1)
    expect(await readCounters(path)).toEqual({ refused_trace_id: 1 })
  })

  it('for metrics, which are not stored', async () => {
    const { httpUrl } = await startCollector()
    expect((await post(httpUrl, 'anything', { path: '/v1/metrics' })).status).toBe(200)
  })
})

describe('what is not taken is answered with the reason', () => {
  it.each([
    ['a body that is cut off', 400, (url: string) => post(url, protobuf.slice(0, -3))],
    ['a body of no such message', 400, (url: string) => post(url, 'neither protobuf nor JSON')],
    ['text that is no JSON', 400, (url: string) => post(url, '{"resourceSpans":', { encoding: 'json' })],
    ['JSON that is no object', 400, (url: string) => post(url, '[]', { encoding: 'json' })],
    ['names in snake_case', 400, (url: string) => post(url, '{"resource_spans":[]}', { encoding: 'json' })],
    [
      'attributes as an object',
      400,
      (url: string) =>
        post(
          url,
          jsonWith((span) => (span['attributes'] = { 'user.id': 'ada' })),
          { encoding: 'json' },
        ),
    ],
    ['bytes that are no UTF-8', 400, (url: string) => post(url, Uint8Array.from([0x7b, 0x22, 0xff, 0x22, 0x7d]), { encoding: 'json' })],
    ['gzip that is none', 400, (url: string) => post(url, protobuf, { headers: { 'content-encoding': 'gzip' } })],
    ['another path', 404, (url: string) => post(url, protobuf, { path: '/v1/spans' })],
    ['another method', 405, (url: string) => fetch(`${url}/v1/traces`)],
    ['a form', 415, (url: string) => post(url, 'a=b', { headers: { 'content-type': 'application/x-www-form-urlencoded' } })],
    ['plain text, as a web page may send', 415, (url: string) => post(url, protobuf, { headers: { 'content-type': 'text/plain' } })],
    ['another compression', 415, (url: string) => post(url, protobuf, { headers: { 'content-encoding': 'br' } })],
    ['two compressions', 415, (url: string) => post(url, protobuf, { headers: { 'content-encoding': 'gzip, gzip' } })],
    [
      'a web page whose browser says only its origin',
      403,
      (url: string) => post(url, protobuf, { headers: { origin: 'https://evil.example' } }),
    ],
    ['a web page without an origin of its own', 403, (url: string) => post(url, protobuf, { headers: { origin: 'null' } })],
    ['a page of another port of this machine', 403, (url: string) => post(url, protobuf, { headers: { origin: 'http://127.0.0.1:1' } })],
    ['a web page of another site', 403, (url: string) => post(url, protobuf, { headers: { 'sec-fetch-site': 'cross-site' } })],
  ])('%s: %i', async (_name, status, send) => {
    const { httpUrl, path } = await startCollector()
    const answer = await send(httpUrl)
    expect(answer.status).toBe(status)
    expect((await answer.text()).length).toBeGreaterThan(10)
    expect(answer.headers.get('retry-after')).toBeNull()
    expect(await readLines(path)).toEqual([])
  })

  it('a client that names the collector itself as its origin is served', async () => {
    const { httpUrl, path } = await startCollector()
    expect((await post(httpUrl, protobuf, { headers: { origin: new URL(httpUrl).origin } })).status).toBe(200)
    expect(await readLines(path)).not.toEqual([])
  })

  it('a host name that is not served, as DNS rebinding would have it: 403', async () => {
    const { httpUrl } = await startCollector({ allowedHosts: ['ledger.internal'] })
    const port = Number(new URL(httpUrl).port)
    expect(await statusFor(port, 'evil.example')).toBe(403)
    expect(await statusFor(port, `evil.example:${port}`)).toBe(403)
    expect(await statusFor(port, `ledger.internal:${port}`)).toBe(200)
    expect(await statusFor(port, `[::1]:${port}`)).toBe(200)
  })
})

describe('what is too large is answered with 413', () => {
  it('as it is sent, after decompression, in spans, and in objects of JSON', async () => {
    const { httpUrl, path } = await startCollector({ maxBodyBytes: 4_000_000, maxDecompressedBytes: 8_000_000, maxJsonBytes: 6_000_000 })
    const bomb = Uint8Array.from(gzipSync(Buffer.alloc(64 * 1024 * 1024)))
    const nested = Uint8Array.from(gzipSync(gzipSync(Buffer.alloc(8_000_001))))
    const manySpans = Buffer.concat(Array.from({ length: 50_001 }, () => Buffer.from([0x12, 0x00])))
    const scope = lengthDelimited(0x12, manySpans)
    expect([
      (await post(httpUrl, new Uint8Array(4_000_001))).status,
      (await post(httpUrl, bomb, { headers: { 'content-encoding': 'gzip' } })).status,
      (await post(httpUrl, Uint8Array.from(lengthDelimited(0x0a, scope)))).status,
      (
        await post(httpUrl, Uint8Array.from(gzipSync(`{"resourceSpans":[${'{},'.repeat(1_100_000)}{}]}`)), {
          encoding: 'json',
          headers: { 'content-encoding': 'gzip' },
        })
      ).status,
      (
        await post(httpUrl, Uint8Array.from(gzipSync(`{"x":"${'x'.repeat(6_000_000)}"}`)), {
          encoding: 'json',
          headers: { 'content-encoding': 'gzip' },
        })
      ).status,
    ]).toEqual([413, 413, 413, 413, 413])
    // One layer of gzip is taken off: what is inside is no protobuf.
    expect((await post(httpUrl, nested, { headers: { 'content-encoding': 'gzip' } })).status).toBe(400)
    expect(await readLines(path)).toEqual([])
  })

  it('also where no length was announced, and the connection lives on', async () => {
    const { httpUrl } = await startCollector({ maxBodyBytes: 100_000 })
    const endless = new ReadableStream<Uint8Array>({
      start: (controller) => {
        for (let n = 0; n < 4; n++) controller.enqueue(new Uint8Array(50_000))
        controller.close()
      },
    })
    const answer = await fetch(`${httpUrl}/v1/traces`, {
      method: 'POST',
      body: endless,
      headers: { 'content-type': 'application/x-protobuf' },
      duplex: 'half',
    } as RequestInit)
    expect(answer.status).toBe(413)
    expect((await post(httpUrl, protobuf)).status).toBe(200)
  })
})

describe('what may be taken later is answered with 503 or 429, and Retry-After 1', () => {
  it('while another process holds the ledger; sent again it is there, once', async () => {
    const path = join(tempFolder(), 'ledger.db')
    const faults: unknown[] = []
    const { httpUrl } = await startCollector({ path, store: { path, busyTimeoutMs: 50 }, onFault: (error) => faults.push(error) })
    // A write that has begun and does not end.
    const { promise: held, resolve: release } = withResolvers()
    const holding = lock(path, held)
    await sleep(100)
    const busy = await post(httpUrl, protobuf)
    expect([busy.status, busy.headers.get('retry-after'), faults.length > 0]).toEqual([503, '1', true])
    release()
    await holding
    expect((await post(httpUrl, protobuf)).status).toBe(200)
    expect((await readLines(path)).length).toBe(2)
  })

  it('where the ledger is full, and what it has stays', async () => {
    const path = join(tempFolder(), 'ledger.db')
    const { httpUrl, close } = await startCollector({ path, store: { path, maxMiB: 1 } })
    let taken = 0
    let answer: Response
    do {
      answer = await post(
        httpUrl,
        serialize.protobuf(
          makeSpans(Array.from({ length: 400 }, (_, n) => ({ attributes: callAttributes({ 'user.id': `u${n}-${taken}` }) }))),
        ),
      )
      if (answer.status === 200) taken += 400
    } while (answer.status === 200)
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1'])
    await close()
    expect((await readLines(path)).length).toBe(taken)
  })

  it('beyond the requests of a second, by token', async () => {
    const { httpUrl } = await startCollector({ maxRequestsPerSecond: 3 })
    const answers = await Promise.all(Array.from({ length: 8 }, () => post(httpUrl, protobuf)))
    const refused = answers.filter(({ status }) => status === 429)
    expect(refused.length).toBeGreaterThanOrEqual(4)
    expect(answers.filter(({ status }) => status === 200).length).toBe(8 - refused.length)
    expect(refused[0]?.headers.get('retry-after')).toBe('1')
  })

  it('beyond the bytes in flight; those that were taken are all in the ledger', async () => {
    const requests = Array.from({ length: 24 }, () =>
      serialize.protobuf(makeSpans(Array.from({ length: 200 }, () => ({ attributes: callAttributes() })))),
    )
    const { httpUrl, path, close } = await startCollector({ maxInFlightBytes: (requests[0]?.length ?? 0) * 3 })
    const answers = await Promise.all(requests.map((body) => post(httpUrl, body)))
    const taken = answers.filter(({ status }) => status === 200).length
    expect(answers.filter(({ status }) => status !== 200 && status !== 503)).toEqual([])
    expect(taken).toBeGreaterThan(0)
    expect(taken).toBeLessThan(24)
    await close()
    expect((await readLines(path)).length).toBe(taken * 200)
  })
})

it('a request that cannot be decoded does not touch those that are committed with it', async () => {
  const { httpUrl, path, close } = await startCollector()
  const bodies = Array.from({ length: 20 }, (_, n) =>
    n % 4 === 0 ? protobuf.slice(0, -1 - n) : serialize.protobuf(makeSpans([{ attributes: callAttributes() }])),
  )
  const answers = await Promise.all(bodies.map((body) => post(httpUrl, body)))
  expect(answers.map(({ status }) => status)).toEqual(bodies.map((_, n) => (n % 4 === 0 ? 400 : 200)))
  await close()
  expect((await readLines(path)).length).toBe(15)
})

it('a request larger than a transaction is in the ledger as a whole, or sent again it becomes so', async () => {
  const { httpUrl, path, close } = await startCollector()
  const body = serialize.protobuf(makeSpans(Array.from({ length: 6000 }, (_, n) => ({ attributes: callAttributes(), startNs: n * 1000 }))))
  expect((await post(httpUrl, body)).status).toBe(200)
  expect((await post(httpUrl, body)).status).toBe(200)
  // Nothing of a large body is written before all of it was read.
  expect(
    (
      await post(
        httpUrl,
        Uint8Array.from(
          Buffer.concat([
            serialize.protobuf(makeSpans(Array.from({ length: 6000 }, () => ({ attributes: callAttributes() })))),
            Buffer.from([0xff]),
          ]),
        ),
      )
    ).status,
  ).toBe(400)
  await close()
  expect((await readLines(path)).length).toBe(6000)
})

it('healthz answers without a token', async () => {
  const { httpUrl } = await startCollector({ token: 'a-token-of-more-than-thirty-two-characters' })
  const answer = await fetch(`${httpUrl}/healthz`)
  expect([answer.status, await answer.json()]).toEqual([200, { ok: true }])
})

it('an address that others can reach is refused without a token', async () => {
  const path = join(tempFolder(), 'ledger.db')
  await expect(openCollector({ host: '0.0.0.0', httpPort: 0, grpcPort: 'off', store: { path } })).rejects.toMatchObject({
    kind: 'not_allowed',
  })
  await expect(openCollector({ token: 'short', httpPort: 0, grpcPort: 'off', store: { path } })).rejects.toMatchObject({
    kind: 'not_allowed',
  })
})

function lengthDelimited(tag: number, bytes: Buffer): Buffer {
  const length: number[] = []
  for (let rest = bytes.length; ; rest >>>= 7) {
    length.push(rest > 127 ? (rest & 127) | 128 : rest)
    if (rest <= 127) break
  }
  return Buffer.concat([Buffer.from([tag, ...length]), bytes])
}

/** Posts an empty body under a host name. fetch would not send one that is not the URL's. */
function statusFor(port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(
        `POST /v1/traces HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
      )
    })
    socket.on('error', reject)
    socket.on('data', (data) => {
      resolve(Number(data.toString().split(' ')[1]))
      socket.destroy()
    })
  })
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve: () => resolve() }
}

/** Holds the write lock of a ledger until `until`. */
async function lock(path: string, until: Promise<void>): Promise<void> {
  const database = openRaw(path)
  await new Promise<void>((done) => database.exec('BEGIN IMMEDIATE', () => done()))
  await until
  await new Promise<void>((done) => database.exec('ROLLBACK', () => done()))
  await new Promise<void>((done) => database.close(done))
}
