import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { Client, credentials, type ServiceError } from '@grpc/grpc-js'
import { describe, expect, it, onTestFinished, vi } from 'vitest'

import { readLines, startCollector, tempFolder } from './running.ts'
import { callAttributes, makeSpans, serialize } from './spans.ts'

// Made for these tests, for localhost and 127.0.0.1, valid until 2126.
const file = (name: string): string => fileURLToPath(new URL(`tls/${name}`, import.meta.url))
const [tlsCert, tlsKey] = [file('cert.pem'), file('key.pem')]
const ca = readFileSync(tlsCert)
const newBody = (): Buffer => Buffer.from(serialize.protobuf(makeSpans([{ attributes: callAttributes() }])))

// By name: Node warns of a server that is named by its address.
function postOverTls(url: string, { trusted = ca, agent }: { trusted?: Buffer; agent?: Agent } = {}): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/x-protobuf' }
    const sent = request(
      `${url.replace('127.0.0.1', 'localhost')}/v1/traces`,
      { method: 'POST', ca: trusted, headers, agent: agent ?? false, family: 4 },
      (answer) => {
        answer.resume().on('end', () => resolve(answer.statusCode))
      },
    )
    sent.on('error', reject).end(newBody())
  })
}

function exportOverTls(url: string | undefined, trusted = ca): Promise<Buffer | ServiceError> {
  const client = new Client((url ?? '').replace('https://127.0.0.1', 'localhost'), credentials.createSsl(trusted))
  const asIs = (message: Buffer): Buffer => message
  return new Promise((resolve) => {
    client.makeUnaryRequest('/opentelemetry.proto.collector.trace.v1.TraceService/Export', asIs, asIs, newBody(), (error, answer) => {
      client.close()
      resolve(error ?? answer ?? Buffer.alloc(0))
    })
  })
}

describe('with a certificate', () => {
  it('both listeners speak TLS, and say so in their addresses', async () => {
    const { httpUrl, grpcUrl, path, close } = await startCollector({ grpcPort: 0, tlsCert, tlsKey })
    expect([httpUrl, grpcUrl]).toEqual([expect.stringMatching(/^https:/), expect.stringMatching(/^https:/)])
    expect(await postOverTls(httpUrl)).toBe(200)
    expect(await exportOverTls(grpcUrl)).toEqual(Buffer.alloc(0))
    await close()
    expect((await readLines(path)).length).toBe(2)
  })

  it('whoever speaks none is not answered, and the next one is', async () => {
    const { httpUrl } = await startCollector({ tlsCert, tlsKey })
    await expect(fetch(`${httpUrl.replace('https', 'http')}/healthz`)).rejects.toThrow('fetch failed')
    expect(await postOverTls(httpUrl)).toBe(200)
  })

  it.each([
    ['without its key', { tlsCert }, '--tls-key FILE'],
    ['that is not there', { tlsCert: '/nowhere.pem', tlsKey }, 'ENOENT'],
    ['and the key of another', { tlsCert, tlsKey: file('other-key.pem') }, 'belong together'],
  ])('%s it does not start', async (_, options, message) => {
    await expect(startCollector(options)).rejects.toMatchObject({
      kind: 'bad_option',
      message: expect.stringContaining(message) as unknown,
    })
  })
})

describe('a certificate that is renewed', () => {
  const renewedCa = readFileSync(file('other-cert.pem'))

  /** The files of a collector that speaks TLS, and what it reported. */
  async function startWithOwnFiles(): Promise<{
    collector: Awaited<ReturnType<typeof startCollector>>
    own: { cert: string; key: string }
    faults: unknown[]
  }> {
    const folder = tempFolder()
    const own = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
    copyFileSync(tlsCert, own.cert)
    copyFileSync(tlsKey, own.key)
    const faults: unknown[] = []
    const onFault = (error: unknown): void => void faults.push(error)
    return { collector: await startCollector({ grpcPort: 0, tlsCert: own.cert, tlsKey: own.key, onFault }), own, faults }
  }

  it('is what new connections get, while those that are open go on', async () => {
    const { collector, own, faults } = await startWithOwnFiles()
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    onTestFinished(() => agent.destroy())
    expect(await postOverTls(collector.httpUrl, { agent })).toBe(200)
    copyFileSync(file('other-key.pem'), own.key)
    copyFileSync(file('other-cert.pem'), own.cert)
    await vi.waitFor(async () => expect(await postOverTls(collector.httpUrl, { trusted: renewedCa })).toBe(200), { timeout: 30_000 })
    // Of a new connection it would trust the first certificate only.
    expect(await postOverTls(collector.httpUrl, { agent })).toBe(200)
    expect(await exportOverTls(collector.grpcUrl, renewedCa)).toEqual(Buffer.alloc(0))
    await expect(postOverTls(collector.httpUrl)).rejects.toThrow('self-signed')
    expect(faults).toEqual([])
  })

  it('is not used without its key, which is reported, and the old one goes on', async () => {
    const { collector, own, faults } = await startWithOwnFiles()
    copyFileSync(file('other-cert.pem'), own.cert)
    await vi.waitFor(() => expect(faults.length).toBe(1), { timeout: 30_000 })
    expect(faults).toEqual([expect.objectContaining({ message: expect.stringContaining('belong together') as unknown })])
    expect(await postOverTls(collector.httpUrl)).toBe(200)
    expect(await exportOverTls(collector.grpcUrl)).toEqual(Buffer.alloc(0))
  })
})

it('does not start with a time zone that the ledger of no tenant would take', async () => {
  const tokenFile = join(tempFolder(), 'tokens')
  writeFileSync(tokenFile, `sha256:${'a'.repeat(64)} tenant=acme\n`, { mode: 0o600 })
  const store = { path: join(tempFolder(), 'ledger.db'), timeZone: 'Mars/Base' }
  await expect(startCollector({ tokenFile, store })).rejects.toThrow('Mars/Base')
})
