import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import { appendFileSync, copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

import { describe, expect, it, onTestFinished, vi } from 'vitest'

import { readCounters, readLines, startCollector, tempFolder } from './running.ts'
import { callAttributes, makeSpans, post, serialize } from './spans.ts'

interface Received {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** A server that notes down all that it gets; `answer` says how the n-th request is answered. */
async function startEndpoint(
  answer: (n: number) => { status: number; headers?: Record<string, string> } | 'cut' = () => ({ status: 200 }),
  port = 0,
): Promise<{ url: string; received: Received[]; server: Server; close: () => Promise<void> }> {
  const received: Received[] = []
  let count = 0
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const how = answer(count++)
      if (how === 'cut') {
        request.socket.destroy()
        return
      }
      if (how.status === 200) received.push({ path: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks) })
      response.writeHead(how.status, how.headers).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const close = (): Promise<void> => new Promise((resolve) => (server.closeAllConnections(), server.close(() => resolve())))
  onTestFinished(close)
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received, server, close }
}

const body = (user: string): Uint8Array<ArrayBuffer> => serialize.protobuf(makeSpans([{ attributes: callAttributes({ 'user.id': user }) }]))
/** Longer than the queue waits before it notes down again how far it has come. */
const NOTE_EVERY_MS = 250
const soon = { timeout: 15_000, interval: 20 }

describe('--forward passes on', () => {
  it('every request of every signal, byte for byte, with its type and compression, and our headers', async () => {
    const endpoint = await startEndpoint()
    const { httpUrl, path } = await startCollector({ forward: `${endpoint.url}/`, forwardHeaders: { authorization: 'Bearer theirs' } })
    const json = serialize.json(makeSpans([{ attributes: callAttributes() }]))
    const gzip = Uint8Array.from(gzipSync(json))
    const odd = Uint8Array.from([0x0a, 0x00, 0x9a, 0x06, 0x01, 0x2a])
    await post(httpUrl, body('ada'))
    await post(httpUrl, gzip, { encoding: 'json', headers: { 'content-encoding': 'gzip' } })
    await post(httpUrl, odd)
    await post(httpUrl, 'not looked at', { path: '/v1/metrics' })
    await post(httpUrl, '{"resourceLogs":[]}', { path: '/v1/logs', encoding: 'json' })
    await vi.waitFor(() => expect(endpoint.received.length).toBe(5), soon)
    expect(
      endpoint.received.map(({ path: to, headers, body: bytes }) => [
        to,
        headers['content-type'],
        headers['content-encoding'],
        headers.authorization,
        bytes.length,
      ]),
    ).toEqual([
      ['/v1/traces', 'application/x-protobuf', undefined, 'Bearer theirs', expect.any(Number)],
      ['/v1/traces', 'application/json', 'gzip', 'Bearer theirs', gzip.length],
      ['/v1/traces', 'application/x-protobuf', undefined, 'Bearer theirs', odd.length],
      ['/v1/metrics', 'application/x-protobuf', undefined, 'Bearer theirs', 13],
      ['/v1/logs', 'application/json', undefined, 'Bearer theirs', 19],
    ])
    expect(endpoint.received[1]?.body.equals(Buffer.from(gzip))).toBe(true)
    expect(endpoint.received[2]?.body.equals(Buffer.from(odd))).toBe(true)
    expect((await readLines(path)).length).toBe(2)
  })

  it('nothing that was refused', async () => {
    const endpoint = await startEndpoint()
    const { httpUrl } = await startCollector({ forward: endpoint.url })
    expect((await post(httpUrl, 'no protobuf')).status).toBe(400)
    await post(httpUrl, body('ada'))
    await vi.waitFor(() => expect(endpoint.received.length).toBe(1), soon)
  })

  it('in order, again after 429, 503 and no answer, without holding up who sends', async () => {
    const bad = [{ status: 429 }, { status: 503, headers: { 'retry-after': '0' } }, 'cut' as const]
    const endpoint = await startEndpoint((n) => bad[n] ?? { status: 200 })
    const { httpUrl } = await startCollector({ forward: endpoint.url })
    const bodies = Array.from({ length: 5 }, (_, n) => body(`u${n}`))
    for (const one of bodies) expect((await post(httpUrl, one)).status).toBe(200)
    await vi.waitFor(() => expect(endpoint.received.length).toBe(5), soon)
    expect(endpoint.received.map(({ body: bytes }, n) => bytes.equals(Buffer.from(bodies[n] ?? [])))).toEqual([
      true,
      true,
      true,
      true,
      true,
    ])
  })

  it('what waits after a restart, and what was half written when a process died is cut off', async () => {
    const folder = tempFolder()
    const path = join(folder, 'ledger.db')
    const down = await startEndpoint()
    const port = Number(new URL(down.url).port)
    await down.close()
    const first = await startCollector({ path, forward: down.url })
    const bodies = ['ada', 'bob', 'cyd'].map(body)
    for (const one of bodies) await post(first.httpUrl, one)
    await first.close()
    const segment = readdirSync(`${path}.forward.d`).find((name) => name.endsWith('.queue')) ?? ''
    appendFileSync(join(`${path}.forward.d`, segment), readFileSync(join(`${path}.forward.d`, segment)).subarray(0, 100))
    const second = await startCollector({ path, forward: down.url })
    await post(second.httpUrl, body('dan'))
    const up = await startEndpoint(undefined, port)
    await vi.waitFor(() => expect(up.received.length).toBe(4), soon)
    expect(up.received.slice(0, 3).map(({ body: bytes }, n) => bytes.equals(Buffer.from(bodies[n] ?? [])))).toEqual([true, true, true])
  })

  it('all but the requests that are damaged in the file, which are counted and said', async () => {
    const path = join(tempFolder(), 'ledger.db')
    const down = await startEndpoint()
    await down.close()
    const first = await startCollector({ path, forward: down.url })
    for (const user of ['ada', 'bob', 'cyd', 'dan', 'eve', 'fay']) await post(first.httpUrl, body(user))
    await first.close()
    const file = join(`${path}.forward.d`, readdirSync(`${path}.forward.d`).find((name) => name.endsWith('.queue')) ?? '')
    const bytes = readFileSync(file)
    // Within a body; then the length of the head, and with it where the next one begins.
    bytes.write('BOB', bytes.indexOf('bob'))
    bytes.writeUInt32LE(4_000_000_000, bytes.lastIndexOf('{"signal":"', bytes.indexOf('dan')) - 12)
    bytes.fill(0, bytes.lastIndexOf('{"signal":"', bytes.indexOf('eve')) - 12, bytes.indexOf('eve'))
    writeFileSync(file, bytes)
    const up = await startEndpoint(undefined, Number(new URL(down.url).port))
    const faults: unknown[] = []
    const second = await startCollector({ path, forward: down.url, onFault: (error) => faults.push(error) })
    const users = (): (string | undefined)[] =>
      up.received.map(({ body: sent }) => /ada|bob|BOB|cyd|dan|eve|fay/.exec(sent.toString('latin1'))?.[0])
    await vi.waitFor(() => expect(users()).toEqual(['ada', 'cyd', 'fay']), soon)
    expect(((await (await fetch(`${second.httpUrl}/healthz`)).json()) as { forward_waiting_bytes: number }).forward_waiting_bytes).toBe(0)
    await second.close()
    expect(faults.map(String)).toEqual([expect.stringContaining('are damaged'), expect.stringContaining('are damaged')])
    expect(await readCounters(path)).toEqual({ forward_damaged: 2 })
  })

  it('all but one of the last file, where its last bytes are lost', async () => {
    const path = join(tempFolder(), 'ledger.db')
    const down = await startEndpoint()
    await down.close()
    const first = await startCollector({ path, forward: down.url })
    for (const user of ['ada', 'bob']) await post(first.httpUrl, body(user))
    await first.close()
    const file = join(`${path}.forward.d`, readdirSync(`${path}.forward.d`).find((name) => name.endsWith('.queue')) ?? '')
    truncateSync(file, readFileSync(file).length - 1)
    const up = await startEndpoint(undefined, Number(new URL(down.url).port))
    await startCollector({ path, forward: down.url })
    await vi.waitFor(() => expect(up.received.map(({ body: bytes }) => bytes.includes('ada'))).toEqual([true]), soon)
  })
})

describe('a disk that fails under the queue', () => {
  it('keeps no request from being sent, where how far it has come cannot be noted down', async () => {
    const endpoint = await startEndpoint()
    const folder = tempFolder()
    // Writing to a folder's name fails for everybody, root included, as a full disk does.
    mkdirSync(join(folder, 'position.new'))
    const { httpUrl } = await startCollector({ forward: endpoint.url, forwardQueue: folder })
    for (const user of ['ada', 'bob', 'cyd']) {
      expect((await post(httpUrl, body(user))).status).toBe(200)
      await vi.waitFor(() => expect(endpoint.received.at(-1)?.body.includes(user)).toBe(true), soon)
      await sleep(NOTE_EVERY_MS)
    }
  })

  it('makes room again by what has been sent', async () => {
    const down = await startEndpoint()
    await down.close()
    const folder = tempFolder()
    const options = {
      httpPort: 0,
      grpcPort: 'off',
      store: { path: join(tempFolder(), 'ledger.db') },
      forward: down.url,
      forwardQueue: folder,
    }
    const program = fileURLToPath(new URL('programs/collect.mjs', import.meta.url))
    // A file that may not grow fails as one on a full disk does.
    const child = spawn('sh', ['-c', 'ulimit -f 4000; exec "$@"', 'sh', process.execPath, program, JSON.stringify(options)])
    onTestFinished(() => void child.kill('SIGKILL'))
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
    const send = (n: number): Promise<Response> => post(line, `${n}`.padEnd(600_000), { path: '/v1/metrics' })
    for (let n = 0; n < 10; n++) expect((await send(n)).status).toBe(200)
    const up = await startEndpoint(undefined, Number(new URL(down.url).port))
    const numbers = (): number[] => up.received.map(({ body: bytes }) => Number(bytes.toString()))
    await vi.waitFor(() => expect(numbers()).toContain(9), soon)
    // A file takes 2,048,000 bytes. What met its end is lost, and counted; what came after it went into the next.
    expect(numbers()).toEqual([0, 1, 2, 4, 5, 6, 8, 9])
    expect(readdirSync(folder).filter((name) => name.endsWith('.queue'))).toEqual(['000000000003.queue'])
  })

  it('is said and tried again, and sending goes on', async () => {
    const folder = tempFolder()
    const down = await startEndpoint()
    await down.close()
    const first = await startCollector({ forward: down.url, forwardQueue: folder })
    await post(first.httpUrl, body('ada'))
    await first.close()
    const file = readdirSync(folder).find((name) => name.endsWith('.queue')) ?? ''
    copyFileSync(join(folder, file), join(folder, file.replace('1', '2')))
    const faults: unknown[] = []
    const { httpUrl } = await startCollector({ forward: down.url, forwardQueue: folder, onFault: (error) => faults.push(error) })
    // A folder cannot be deleted as a file.
    rmSync(join(folder, file))
    mkdirSync(join(folder, file))
    const up = await startEndpoint(undefined, Number(new URL(down.url).port))
    await post(httpUrl, body('bob'))
    await vi.waitFor(() => expect(up.received.map(({ body: bytes }) => bytes.includes('ada'))).toEqual([true, true, false]), soon)
    expect(String(faults[0])).toContain('The forward queue has a fault')
  })
})

describe('--forward gives up', () => {
  it('on a request that the endpoint refuses for good, counts it, and goes on with the next', async () => {
    const faults: unknown[] = []
    const endpoint = await startEndpoint((n) => ({ status: n === 0 ? 400 : 200 }))
    const { httpUrl, path, close } = await startCollector({ forward: endpoint.url, onFault: (error) => faults.push(error) })
    await post(httpUrl, body('ada'))
    await post(httpUrl, body('bob'))
    await vi.waitFor(() => expect(endpoint.received.length).toBe(1), soon)
    await close()
    expect(String(faults[0])).toContain('status 400')
    expect(await readCounters(path)).toEqual({ forward_refused: 1 })
  })

  it('on what comes when its queue is full: that is counted, said and in the ledger', async () => {
    const faults: unknown[] = []
    const down = await startEndpoint()
    await down.close()
    const { httpUrl, path, close } = await startCollector({
      forward: down.url,
      forwardMaxBytes: 2000,
      onFault: (error) => faults.push(error),
    })
    for (let n = 0; n < 8; n++) expect((await post(httpUrl, body(`u${n}`))).status).toBe(200)
    const health = (await (await fetch(`${httpUrl}/healthz`)).json()) as { forward_waiting_bytes: number }
    expect([health.forward_waiting_bytes > 0, health.forward_waiting_bytes <= 2000]).toEqual([true, true])
    await close()
    expect((await readLines(path)).length).toBe(8)
    expect((await readCounters(path))['forward_dropped']).toBeGreaterThan(0)
    expect(String(faults[0])).toContain('queue is full')
  })

  it('at the start, where its URL is none or another process has its queue', async () => {
    const folder = tempFolder()
    await expect(startCollector({ forward: 'ftp://127.0.0.1' })).rejects.toThrow('no http or https URL')
    // Process 1 is not ours and lives.
    writeFileSync(join(folder, 'lock'), '1')
    await expect(startCollector({ forward: 'http://127.0.0.1:1', forwardQueue: folder })).rejects.toThrow('in use by process 1')
  })
})
