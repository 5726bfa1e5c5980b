// The app of the benchmark `app`: makes calls at a steady rate, with us or without, and prints what it felt.
import { mkdtempSync, rmSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { context } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import { LedgerSpanProcessor } from '@spanledger/exporter'
import { instrument, withUser } from '@spanledger/instrumentation'
import { openStore } from '@spanledger/store'

import type { AppFigures } from './app.ts'
import { clientOf, loadOpenAi, plainCall } from './sdk-copies.ts'

const TICK_MS = 5
const WARM_UP_MS = 10_000
const [, , mode, rateText = '2000', secondsText = '30'] = process.argv
const callsPerTick = (Number(rateText) * TICK_MS) / 1000
const seconds = Number(secondsText)

const folder = mkdtempSync(join(tmpdir(), 'spanledger-bench-'))
const path = join(folder, 'ledger.db')
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
const bare = clientOf(loadOpenAi(), 1)
const processor = mode === 'ours' ? new LedgerSpanProcessor({ store: path }) : undefined
const client =
  processor === undefined ? bare : instrument(bare, { tracerProvider: new BasicTracerProvider({ spanProcessors: [processor] }) })

let made = 0
const one = async (): Promise<void> => {
  const n = made++
  const who = { sessionId: `s-${n % 2000}`, properties: { plan: n % 3 === 0 ? 'pro' : 'free', feature: 'chat' } }
  await withUser(`user-${n % 1000}`, who, () => plainCall(client))
}

/** Makes calls at the rate for some time; a tick that is late makes up for what it missed. */
async function run(forMs: number): Promise<void> {
  const startedMs = performance.now()
  let due = 0
  const pending = new Set<Promise<void>>()
  while (performance.now() - startedMs < forMs) {
    await new Promise((resolve) => {
      setTimeout(resolve, TICK_MS)
    })
    due = ((performance.now() - startedMs) / TICK_MS) * callsPerTick
    for (let n = pending.size; madeInRun < due; n++) {
      madeInRun++
      const call = one().finally(() => pending.delete(call))
      pending.add(call)
    }
  }
  await Promise.all(pending)
  madeInRun = 0
}
let madeInRun = 0

// Until the app's code and ours are compiled: what V8 takes for that it takes once.
await run(WARM_UP_MS)
const delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()
const cpu = process.cpuUsage()
let rssMost = 0
const watch = setInterval(() => {
  rssMost = Math.max(rssMost, process.memoryUsage().rss)
}, 250)
await run(seconds * 1000)
clearInterval(watch)
delay.disable()
const used = process.cpuUsage(cpu)
globalThis.gc?.()
const liveMiB = process.memoryUsage().heapUsed / 2 ** 20
await processor?.shutdown()

let written = 0
if (processor !== undefined) {
  const store = await openStore({ path, readOnly: true })
  const [row] = await store.all<{ calls: number }>('SELECT count(*) AS calls FROM llm_calls')
  written = row?.calls ?? 0
  await store.close()
}
rmSync(folder, { recursive: true })
const figures: AppFigures = {
  made,
  written,
  cpuShareOfCore: (used.user + used.system) / 1e6 / seconds,
  eventLoopP99Ms: delay.percentile(99) / 1e6,
  eventLoopMaxMs: delay.max / 1e6,
  rssMiB: rssMost / 2 ** 20,
  liveHeapMiB: liveMiB,
}
process.stdout.write(`${JSON.stringify(figures)}\n`)
