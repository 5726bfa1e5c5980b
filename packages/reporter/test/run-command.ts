import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { usageOf, type LlmCall } from '@spanledger/conventions'
import { openStore } from '@spanledger/store'

const bin = fileURLToPath(new URL('../bin/spanledger.mjs', import.meta.url))

export interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Runs the built command in a process of its own, its output piped. */
export async function run(
  args: readonly string[],
  options: { env?: Record<string, string>; input?: string; cwd?: string } = {},
): Promise<Ran> {
  const child = start(args, options)
  child.stdin?.end(options.input ?? '')
  const [out, err] = [collect(child.stdout), collect(child.stderr)]
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { code, out: await out, err: await err }
}

export function start(args: readonly string[], { env = {}, cwd }: { env?: Record<string, string>; cwd?: string } = {}): ChildProcess {
  const { FORCE_COLOR: _, SPANLEDGER_STORE: __, SPANLEDGER_SPOOL: ___, ...clean } = process.env
  return spawn(process.execPath, [bin, ...args], { env: { ...clean, ...env }, cwd })
}

async function collect(stream: NodeJS.ReadableStream | null): Promise<string> {
  let text = ''
  for await (const chunk of stream ?? []) text += String(chunk)
  return text
}

/** The first line of output that fits, from a process that goes on. */
export async function lineOf(stream: NodeJS.ReadableStream | null, pattern: RegExp): Promise<string> {
  let text = ''
  for await (const chunk of stream ?? []) {
    text += String(chunk)
    const match = pattern.exec(text)
    if (match !== null) return match[0]
  }
  throw new Error(`ended without ${pattern}: ${text}`)
}

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'spanledger-test-'))
}

let made = 0

export interface SoldCall {
  readonly at: string
  readonly user?: string
  readonly session?: string
  readonly properties?: Readonly<Record<string, string>>
  readonly model?: string
  readonly status?: LlmCall['status']
  readonly tokens?: number
}

/** A ledger file of calls at the real prices. */
export async function writeLedger(path: string, calls: readonly SoldCall[]): Promise<string> {
  const store = await openStore({ path })
  await store.write({ calls: calls.map(toCall) })
  await store.close()
  return path
}

function toCall({
  at,
  user,
  session,
  properties = {},
  model = 'gpt-4o',
  status = 'ok',
  tokens = 1000,
}: SoldCall): LlmCall & { settled: true } {
  const id = (made++).toString(16)
  return {
    traceId: id.padStart(32, 'c'),
    spanId: id.padStart(16, 'd'),
    parentSpanId: undefined,
    role: 'call',
    startMs: Date.parse(at),
    durationMs: 100,
    timeToFirstTokenMs: undefined,
    operation: 'chat',
    provider: 'openai',
    requestedModel: model,
    model,
    responseId: undefined,
    serviceTier: undefined,
    streamed: false,
    status,
    errorClass: status === 'error' ? 'rate_limit' : undefined,
    errorType: status === 'error' ? '429' : undefined,
    finishReason: undefined,
    usage: status === 'error' ? undefined : usageOf({ inputTokens: tokens }),
    usageQuality: status === 'error' ? 'missing' : 'reported',
    parts: undefined,
    reportedCostNanoUsd: undefined,
    user,
    session,
    properties: new Map(Object.entries(properties).map(([name, value]) => [name.toLowerCase(), { name, value }])),
    resourceIdentity: undefined,
    origin: 'app',
    faults: [],
    settled: true,
  }
}
