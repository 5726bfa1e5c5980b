import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { expect, it, onTestFinished } from 'vitest'

import { sendUntil, type Sent } from './ledger-client.ts'
import { findFaults, readLines, startCollector, tempFolder } from './running.ts'

/** `KILLS=200` for a long run. */
const kills = Number(process.env['KILLS'] ?? 6)
const CLIENTS = 4

it(
  `after ${kills} kill -9 under ${CLIENTS} clients that send again, all that was acknowledged is in the ledger, once`,
  async () => {
    const path = join(tempFolder(), 'ledger.db')
    const port = await freePort()
    let child = await startChild(path, port)
    onTestFinished(() => void child.kill('SIGKILL'))
    let isStopped = false
    const clients = Array.from({ length: CLIENTS }, (_, client) =>
      sendUntil(() => isStopped, { url: () => `http://127.0.0.1:${port}`, client }),
    )
    for (let n = 0; n < kills; n++) {
      await sleep(Math.random() * 300)
      child.kill('SIGKILL')
      await once(child, 'close')
      child = await startChild(path, port)
    }
    await sleep(300)
    isStopped = true
    const sent = await Promise.all(clients)
    child.kill('SIGTERM')
    const [code] = (await once(child, 'close')) as [number | null]
    expect(code).toBe(0)
    await expectEachOnce(path, sent)
  },
  20_000 + kills * 5000,
)

it.each([
  ['is dropped after the commit', (client: Socket) => client.destroy()],
  ['is reset after the commit', (client: Socket) => client.resetAndDestroy()],
  ['comes by half', (client: Socket, answer: Buffer) => client.end(answer.subarray(0, answer.length - 1))],
  ['comes too late for the client', (client: Socket, answer: Buffer) => setTimeout(() => client.write(answer), 400)],
  ['is a 502 of a proxy', (client: Socket) => client.write('HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n')],
])('where the answer %s, what is sent again counts once', async (_name, spoil) => {
  const { httpUrl, path, close } = await startCollector()
  const proxyUrl = await startProxy(Number(new URL(httpUrl).port), spoil)
  const sent = await Promise.all(
    Array.from({ length: CLIENTS }, (_, client) => sendUntil(() => false, { url: () => proxyUrl, client, maxBatches: 12, timeoutMs: 200 })),
  )
  await close()
  expect(sent.reduce((sum, { retries }) => sum + retries, 0)).toBeGreaterThan(0)
  expect(sent.map(({ acknowledged }) => acknowledged.size)).toEqual(sent.map((one) => one.sent.size))
  await expectEachOnce(path, sent)
})

/** Every acknowledged span is there, nothing else than what was sent, with its tokens; and the ledger agrees with itself. */
async function expectEachOnce(path: string, clients: readonly Sent[]): Promise<void> {
  const lines = await readLines(path)
  const kept = new Map(lines.map(({ span, inputTokens }) => [span, inputTokens]))
  expect(kept.size).toBe(lines.length)
  const lost = clients.flatMap(({ acknowledged }) => [...acknowledged].filter((span) => !kept.has(span)))
  const sent = new Map(clients.flatMap((client) => [...client.sent]))
  const changed = [...kept].filter(([span, tokens]) => sent.get(span) !== tokens)
  expect({ lost, changed, faults: await findFaults(path) }).toEqual({ lost: [], changed: [], faults: [] })
  expect(clients.reduce((sum, { acknowledged }) => sum + acknowledged.size, 0)).toBeGreaterThan(0)
}

async function startChild(path: string, port: number): Promise<ChildProcess> {
  const options = { httpPort: port, grpcPort: 'off', store: { path } }
  const program = fileURLToPath(new URL('programs/collect.mjs', import.meta.url))
  const child = spawn(process.execPath, [program, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  return child
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** A proxy that spoils every third answer; the request it was for has been committed by then. */
async function startProxy(port: number, spoil: (client: Socket, answer: Buffer) => void): Promise<string> {
  let answers = 0
  const proxy = createServer((client) => {
    const upstream = connect(port, '127.0.0.1')
    client.on('error', () => upstream.destroy()).on('close', () => upstream.destroy())
    upstream.on('error', () => client.destroy()).on('close', () => client.end())
    client.pipe(upstream)
    upstream.on('data', (answer) => {
      if (answers++ % 3 === 0) spoil(client, answer)
      else client.write(answer)
    })
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => new Promise((resolve) => proxy.close(() => resolve())))
  return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
}
