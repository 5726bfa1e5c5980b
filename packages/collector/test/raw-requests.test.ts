import { once } from 'node:events'
import { connect } from 'node:net'

import { expect, it } from 'vitest'

import { startCollector } from './running.ts'

/** Sends text over a connection as it is. @returns all that comes back until it is closed */
async function exchange(url: string, text: string): Promise<{ status: number; headers: string; body: unknown }> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.write(text)
  await once(socket, 'close')
  const [headers = '', body = ''] = Buffer.concat(chunks).toString().split('\r\n\r\n')
  return { status: Number(headers.split(' ')[1]), headers: headers.toLowerCase(), body: body === '' ? undefined : JSON.parse(body) }
}

const head = 'POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n'

it.each([
  ['a URL that cannot be read', 400, 3, 'POST /v1/%zz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'],
  ['what is no HTTP', 400, 3, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['a header that is none', 400, 3, `${head}Not a header\r\n\r\n`],
  ['a length that is none', 400, 3, `${head}Content-Type: application/json\r\nContent-Length: x\r\n\r\n`],
  ['a chunk that is none', 400, 3, `${head}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`],
  ['headers of more than 16 KiB', 431, 8, `${head}X-Long: ${'x'.repeat(17_000)}\r\n\r\n`],
  ['no content type', 415, 3, `${head}Content-Length: 2\r\n\r\n{}`],
  ['an empty content type', 415, 3, `${head}Content-Type: \r\nContent-Length: 2\r\n\r\n{}`],
  ['a content type that is none', 415, 3, `${head}Content-Type: json\r\nContent-Length: 2\r\n\r\n{}`],
])('%s is answered with %i and a Status, and is not to be sent again', async (_name, status, code, text) => {
  const { httpUrl } = await startCollector()
  const answer = await exchange(httpUrl, text)
  expect(answer).toMatchObject({ status, body: { code, message: expect.any(String) as string } })
  expect(answer.headers).toContain('content-type: application/json')
  expect(answer.headers).not.toContain('retry-after')
})

it.each([
  ['headers', `${head}X-Slow: `],
  ['a body', `${head}Content-Type: application/x-protobuf\r\nContent-Length: 1000\r\n\r\n\n`],
])('a client that takes too long for %s is asked to send again, as clients do after a 503', async (_name, text) => {
  const { httpUrl } = await startCollector({ headersTimeoutMs: 200, requestTimeoutMs: 400 })
  const answer = await exchange(httpUrl, text)
  expect(answer).toMatchObject({ status: 503, body: { code: 14, message: expect.any(String) as string } })
  expect(answer.headers).toContain('retry-after: 1')
})
