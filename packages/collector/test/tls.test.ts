import { readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { Client, credentials, type ServiceError } from '@grpc/grpc-js'
import { describe, expect, it } from 'vitest'

import { readLines, startCollector, tempFolder } from './running.ts'
import { callAttributes, makeSpans, serialize } from './spans.ts'

// Made for these tests, for localhost and 127.0.0.1, valid until 2126.
const file = (name: string): string => fileURLToPath(new URL(`tls/${name}`, import.meta.url))
const [tlsCert, tlsKey] = [file('cert.pem'), file('key.pem')]
const ca = readFileSync(tlsCert)
const newBody = (): Buffer => Buffer.from(serialize.protobuf(makeSpans([{ attributes: callAttributes() }])))

// By name: Node warns of a server that is named by its address.
function postOverTls(url: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/x-protobuf' }
    const sent = request(
      `${url.replace('127.0.0.1', 'localhost')}/v1/traces`,
      { method: 'POST', ca, headers, agent: false, family: 4 },
      (answer) => {
        answer.resume().on('end', () => resolve(answer.statusCode))
      },
    )
    sent.on('error', reject).end(newBody())
  })
}

function exportOverTls(url: string | undefined): Promise<Buffer | ServiceError> {
  const client = new Client((url ?? '').replace('https://127.0.0.1', 'localhost'), credentials.createSsl(ca))
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

it('does not start with a time zone that the ledger of no tenant would take', async () => {
  const tokenFile = join(tempFolder(), 'tokens')
  writeFileSync(tokenFile, `sha256:${'a'.repeat(64)} tenant=acme\n`, { mode: 0o600 })
  const store = { path: join(tempFolder(), 'ledger.db'), timeZone: 'Mars/Base' }
  await expect(startCollector({ tokenFile, store })).rejects.toThrow('Mars/Base')
})
