import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { startStandIn, type RecordedRequest } from '@spanledger/stand-in'
import { describe, expect, it, onTestFinished } from 'vitest'

import { read, root } from '../repository.ts'
import type { Gap } from './gaps.ts'
import { readSums, startCollector, sumUp, type Sums } from './ledger.ts'
import { libraries, type Api } from './libraries.ts'

const folder = join(root, 'test/dialects')
const isInstalled = existsSync(join(folder, 'node_modules/.package-lock.json'))

/** A call of test/dialects/plan.json. */
interface PlannedCall {
  readonly id: string
  readonly api: Api
  readonly model: string
  readonly user?: string
  readonly session?: string
  readonly plan?: string
}

const plan = JSON.parse(read('test/dialects/plan.json')) as readonly PlannedCall[]

describe.skipIf(!isInstalled)('a library at work', () => {
  it.each(libraries)('$library $args: the ledger holds what the provider charged, but for the gaps that are known', async (library) => {
    const standIn = await startStandIn()
    onTestFinished(() => standIn.close())
    const { path, httpUrl, close } = await startCollector()
    await runProgram([join(folder, `${library.program}.mjs`), ...(library.args ?? [])], { STAND_IN_URL: standIn.url, OTLP_URL: httpUrl })
    await close()
    const expected = expectedSums(standIn.requests, library.known)
    expect(Object.keys(expected).length).toBeGreaterThan(1)
    expect(callsOf(standIn.requests)).toEqual(plan.filter(({ api }) => library.apis.includes(api)).map(({ id }) => id))
    expect(await readSums(path)).toEqual(expected)
  })
})

it.runIf(!isInstalled)('skipped: the packages of test/dialects are not installed', () => expect(isInstalled).toBe(false))

/** Runs a program to its end; nothing that it loads may speak to anybody but us. */
async function runProgram(args: readonly string[], env: Readonly<Record<string, string>>): Promise<void> {
  const quiet = { DO_NOT_TRACK: '1', TRACELOOP_TELEMETRY: 'false', OPENLIT_TELEMETRY: 'false', LANGCHAIN_CALLBACKS_BACKGROUND: 'false' }
  await promisify(execFile)(process.execPath, args, { env: { PATH: process.env['PATH'], ...quiet, ...env }, timeout: 50_000 })
}

function expectedSums(requests: readonly RecordedRequest[], known: readonly Gap[]): Sums {
  return sumUp(
    requests.flatMap((request) => {
      const call = plan.find(({ id }) => id === idOf(request))
      if (call === undefined) return []
      const gap: Partial<Gap> = Object.assign({}, ...known.filter(({ of }) => of.includes(call.id)))
      if (gap.lost === true) return []
      const { user, session, plan: property } = gap.nobody === true ? {} : call
      const [billed] = request.billed
      const status = request.status < 400 || gap.succeeds === true ? 'ok' : 'error'
      const model = gap.alias === true ? call.model : (billed?.model ?? call.model)
      const {
        input = 0,
        cached = 0,
        cache_write = 0,
        output = 0,
        reasoning = 0,
      } = gap.usage === 'none' ? {} : { ...wireOf(billed), ...gap.usage }
      const tokens = [input - cached - cache_write, cached, cache_write, output - reasoning, reasoning]
      return {
        who: [user, session, model, status, property, undefined],
        numbers: [1, Number(billed === undefined || gap.usage === 'none'), ...tokens],
      }
    }),
  )
}

function wireOf(billed: RecordedRequest['billed'][number] | undefined): Exclude<Gap['usage'], 'none' | undefined> {
  if (billed === undefined) return {}
  const { inputTokens, cacheReadTokens, cacheWrite5mTokens, cacheWrite1hTokens, outputTokens, reasoningTokens } = billed.usage
  const cacheWrite = cacheWrite5mTokens + cacheWrite1hTokens
  return {
    input: inputTokens + cacheReadTokens + cacheWrite,
    cached: cacheReadTokens,
    cache_write: cacheWrite,
    output: outputTokens + reasoningTokens,
    reasoning: reasoningTokens,
  }
}

function callsOf(requests: readonly RecordedRequest[]): string[] {
  return requests.flatMap((request) => idOf(request) ?? [])
}

function idOf({ body }: RecordedRequest): string | undefined {
  return /\[call (\w+)\]/.exec(JSON.stringify(body ?? ''))?.[1]
}
