import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

import { expect, it } from 'vitest'

import { startCollector } from './running.ts'
import { callAttributes, makeSpans, post, serialize } from './spans.ts'

const body = serialize.protobuf(makeSpans([{ attributes: callAttributes() }]))

async function open(url: string, text: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  socket.write(text)
  return socket
}

it('clients that never end their headers or their body are cut off, and others are served meanwhile', async () => {
  const { httpUrl } = await startCollector({ headersTimeoutMs: 200, requestTimeoutMs: 400 })
  const slow = await Promise.all([
    ...Array.from({ length: 50 }, () => open(httpUrl, 'POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ')),
    ...Array.from({ length: 50 }, () =>
      open(httpUrl, 'POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{'),
    ),
  ])
  const closed = Promise.all(slow.map((socket) => once(socket, 'close')))
  for (const socket of slow) socket.resume()
  expect((await post(httpUrl, body)).status).toBe(200)
  await closed
  expect((await post(httpUrl, body)).status).toBe(200)
})

it('a body that is never sent gives back the room that it had taken', async () => {
  const { httpUrl } = await startCollector({ maxInFlightBytes: 1000, requestTimeoutMs: 300 })
  const head = 'POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-protobuf\r\nContent-Length: 990\r\n\r\n'
  const slow = await open(httpUrl, head)
  const second = await open(httpUrl, head)
  await once(second, 'data') // 503: there is no room for it.
  second.destroy()
  expect((await post(httpUrl, body)).status).toBe(503)
  slow.resume()
  await once(slow, 'close')
  expect((await post(httpUrl, body)).status).toBe(200)
})

it('connections above the limit are closed, those below it go on', async () => {
  const { httpUrl } = await startCollector({ maxConnections: 3 })
  const sockets = await Promise.all(Array.from({ length: 3 }, () => open(httpUrl, 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')))
  await Promise.all(sockets.map((socket) => once(socket, 'data')))
  const fourth = await open(httpUrl, 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
  await once(fourth, 'close')
  expect(fourth.bytesRead).toBe(0)
  sockets[0]?.write('GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
  await once(sockets[0] as Socket, 'data')
  for (const socket of sockets) socket.destroy()
})
