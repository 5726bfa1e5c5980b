import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { fileURLToPath } from 'node:url'

import type { Template } from './otlp-template.ts'

/** The command `spanledger collect` in a process with 256 MB for its heap. */
export interface RunningCollector {
  readonly url: string
  /** CPU time it has used so far, all threads, in ms. */
  cpuMs(): number
  /** The most memory it has had resident, in MB. */
  peakMb(): number
  stop(): Promise<void>
}

export async function runCollector(path: string): Promise<RunningCollector> {
  const bin = fileURLToPath(new URL('../../packages/reporter/bin/spanledger.mjs', import.meta.url))
  const args = ['--max-old-space-size=256', bin, 'collect', '--http-port', '0', '--grpc-port', 'off', '--store', path]
  const child: ChildProcess = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout ?? child, 'data')) as [Buffer]
  return {
    url: /http:\/\/\S+/.exec(line.toString())?.[0] ?? '',
    cpuMs: () => {
      // After the name in brackets, which may hold spaces: utime and stime are the 12th and 13th, in hundredths of a second.
      const [, rest = ''] = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')
      const fields = rest.split(' ')
      return (Number(fields[11]) + Number(fields[12])) * 10
    },
    peakMb: () => Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? Number.NaN) / 1024,
    stop: async () => {
      child.kill('SIGTERM')
      const [code] = (await once(child, 'close')) as [number | null]
      if (code !== 0) throw new Error(`the collector ended with ${code}`)
    },
  }
}

export interface Posted {
  readonly status: number
  readonly ms: number
}

/** Sends requests over connections that are kept. */
export class Sender {
  readonly #agent: Agent
  readonly #url: string
  readonly #headers: Record<string, string>

  constructor(url: string, { encoding, connections }: { encoding: 'protobuf' | 'json'; connections: number }) {
    this.#url = `${url}/v1/traces`
    this.#headers = { 'content-type': encoding === 'protobuf' ? 'application/x-protobuf' : 'application/json' }
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections })
  }

  post(body: Buffer): Promise<Posted> {
    const startedMs = performance.now()
    return new Promise((resolve) => {
      const sent = request(
        this.#url,
        { method: 'POST', agent: this.#agent, headers: { ...this.#headers, 'content-length': body.length } },
        (response) => {
          response.resume()
          response.on('end', () => resolve({ status: response.statusCode ?? 0, ms: performance.now() - startedMs }))
        },
      )
      sent.on('error', () => resolve({ status: 0, ms: performance.now() - startedMs }))
      sent.end(body)
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}

/** Sends bodies, `atOnce` at a time, as fast as they are answered. @returns how long it took, in ms */
export async function sendAll(sender: Sender, bodies: readonly Buffer[], atOnce: number): Promise<number> {
  const startedMs = performance.now()
  let next = 0
  const worker = async (): Promise<void> => {
    for (let body = bodies[next++]; body !== undefined; body = bodies[next++]) {
      for (let answer = await sender.post(body); answer.status !== 200; answer = await sender.post(body)) {
        if (answer.status !== 503) throw new Error(`answered with ${answer.status}`)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return performance.now() - startedMs
}

/** Sends so many requests a second, whether they are answered or not; what was refused for now is sent again, as senders do. @returns all answers */
export async function sendAtRate(
  sender: Sender,
  templates: readonly Template[],
  { perSecond, seconds, firstAfterMs }: { perSecond: number; seconds: number; firstAfterMs: number },
): Promise<Posted[]> {
  const startedMs = performance.now()
  const answers: Promise<Posted>[] = []
  const refused: Buffer[] = []
  const send = async (body: Buffer): Promise<Posted> => {
    const answer = await sender.post(body)
    if (answer.status === 503) refused.push(body)
    return answer
  }
  while (performance.now() - startedMs < seconds * 1000) {
    const due = Math.floor(((performance.now() - startedMs) / 1000) * perSecond)
    while (answers.length < due) {
      const template = templates[answers.length % templates.length]
      const body = refused.shift() ?? template?.fresh(firstAfterMs + answers.length * 10)
      if (body !== undefined) answers.push(send(body))
    }
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  return Promise.all(answers)
}
