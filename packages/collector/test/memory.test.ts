import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import type { CollectorOptions } from '@spanledger/collector'
import { describe, expect, it, onTestFinished } from 'vitest'

import { tempFolder } from './running.ts'

const MIB = 1024 * 1024
const exportPath = '/opentelemetry.proto.collector.trace.v1.TraceService/Export'

/** A collector in a process of its own, where what it takes can be told from what the sender takes. */
async function startProcess(options: Partial<CollectorOptions> = {}): Promise<{ httpUrl: string; grpcUrl: string; pid: number }> {
  const all = { httpPort: 0, grpcPort: 0, store: { path: join(tempFolder(), 'ledger.db') }, ...options }
  const program = fileURLToPath(new URL('programs/collect.mjs', import.meta.url))
  const child = spawn(process.execPath, ['--max-old-space-size=256', program, JSON.stringify(all)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await once(child, 'close')
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return { httpUrl: (await lines.next()).value, grpcUrl: (await lines.next()).value, pid: child.pid ?? 0 }
}

interface Flood {
  readonly kind: 'http' | 'grpc'
  readonly url: string
  readonly path: string
  readonly bytes: number
  readonly requests: number
  readonly connections: number
}

/** @returns how often each status was answered */
async function flood({ kind, url, path, bytes, requests, connections }: Flood): Promise<Record<string, number>> {
  const program = fileURLToPath(new URL('programs/flood.mjs', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [program, kind, url, path, ...[bytes, requests, connections].map(String)])
  return JSON.parse(stdout) as Record<string, number>
}

/** How much memory a process has had at most. */
function peakMib(pid: number): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

// Linux alone says so of a process that runs.
describe.skipIf(process.platform !== 'linux')('memory stays below 256 MB', () => {
  const token = 'a-token-of-more-than-thirty-two-characters'

  it.each([
    ['as large as the limit', {}, { bytes: 4 * MIB, requests: 200, connections: 20 }, ['0', '14']],
    ['over the limit', {}, { bytes: 19 * MIB, requests: 24, connections: 2 }, ['8']],
    ['without a token', { token }, { bytes: 19 * MIB, requests: 24, connections: 2 }, ['16']],
  ])('under many gRPC messages at once that are %s', async (_what, options, sent, allowed) => {
    const { grpcUrl, pid } = await startProcess(options)
    const statuses = await flood({ kind: 'grpc', url: grpcUrl, path: exportPath, ...sent })
    expect(Object.keys(statuses).filter((status) => !allowed.includes(status))).toEqual([])
    expect(Object.values(statuses).reduce((sum, count) => sum + count, 0)).toBe(sent.requests)
    expect(peakMib(pid)).toBeLessThan(256)
  })

  it('under many requests at once over HTTP, that are also sent on', async () => {
    const endpoint = createServer((request, response) => request.resume().on('end', () => response.end()))
    await once(endpoint.listen(0, '127.0.0.1'), 'listening')
    onTestFinished(() => void (endpoint.closeAllConnections(), endpoint.close()))
    const { httpUrl, pid } = await startProcess({ forward: `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}` })
    const statuses = await flood({ kind: 'http', url: httpUrl, path: '/v1/traces', bytes: 15 * MIB, requests: 40, connections: 40 })
    expect(Object.keys(statuses)).toEqual(['200', '503'])
    expect(peakMib(pid)).toBeLessThan(225)
  })
})
