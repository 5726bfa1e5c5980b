import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { openStore } from '@spanledger/store'
import { describe, expect, it } from 'vitest'

import { run, temporaryFolder } from './run-command.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** Runs an app, written as a CommonJS program, that records into `store`. Its client answers from memory. */
function runApp(store: string, program: string): void {
  const parts = `
    const answer = { id: 'chatcmpl-1', model: 'gpt-4o-mini', choices: [], usage: { prompt_tokens: 1, completion_tokens: 1 } }
    const fetch = async () => new Response(JSON.stringify(answer), { headers: { 'content-type': 'application/json' } })
    const ask = (OpenAI) => new OpenAI({ apiKey: 'none', fetch }).chat.completions.create({ model: 'gpt-4o-mini', messages: [] })
    const start = async (more = {}) => {
      const { NodeSDK } = require('@opentelemetry/sdk-node')
      const { LedgerSpanProcessor, LlmInstrumentation } = await import('spanledger')
      const spanProcessors = [new LedgerSpanProcessor({ store: ${JSON.stringify(store)} })]
      const sdk = new NodeSDK({ serviceName: 'shop', instrumentations: [new LlmInstrumentation()], spanProcessors, ...more })
      sdk.start()
      return sdk
    }`
  execFileSync(process.execPath, ['-e', `${parts}\n(async () => {${program}})()`], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
}

async function findingsOfApp(store: string): Promise<{ state: string; detail: string }[]> {
  const { out } = await run(['doctor', '--store', store, '--format', 'json'])
  const { findings } = JSON.parse(out) as { findings: { state: string; check: string; detail: string }[] }
  return findings.filter(({ check }) => check === 'app shop').map(({ state, detail }) => ({ state, detail }))
}

/** Makes the notes of apps as old as if nobody had written since. */
async function ageNotes(path: string, byMs: number): Promise<void> {
  const store = await openStore({ path })
  const notes = [...(await store.marks('app:'))].map(([name, text]): [string, string] => {
    const note = JSON.parse(text) as { notedMs: number }
    return [name, JSON.stringify({ ...note, notedMs: note.notedMs - byMs })]
  })
  await store.write({ calls: [], marks: () => new Map(notes) })
  await store.close()
}

describe('doctor tells from the ledger alone', () => {
  const folder = temporaryFolder()

  it('that an app is set up well', async () => {
    const store = join(folder, 'well.db')
    runApp(store, `const sdk = await start(); await ask(require('openai').OpenAI); await sdk.shutdown()`)
    expect(await findingsOfApp(store)).toEqual([
      { state: 'ok', detail: expect.stringMatching(/^1 calls recorded by 20.*, nothing amiss$/) },
    ])
  })

  it('that an app loaded an SDK before the instrumentation', async () => {
    const store = join(folder, 'early.db')
    runApp(store, `const { OpenAI } = require('openai'); const sdk = await start(); await ask(OpenAI); await sdk.shutdown()`)
    expect(await findingsOfApp(store)).toEqual([
      {
        state: 'problem',
        detail: expect.stringMatching(/^openai \S+ was loaded before the instrumentation; its calls until then are lost$/),
      },
    ])
  })

  it('that a sampler leaves calls out, and how many', async () => {
    const store = join(folder, 'sampled.db')
    runApp(
      store,
      `const { AlwaysOffSampler, AlwaysOnSampler } = require('@opentelemetry/sdk-trace-base')
       const halves = [new AlwaysOnSampler(), new AlwaysOffSampler()]
       let n = 0
       const sdk = await start({ sampler: { shouldSample: () => halves[n++ % 2].shouldSample() } })
       const { OpenAI } = require('openai')
       for (let call = 0; call < 6; call++) await ask(OpenAI)
       await sdk.shutdown()`,
    )
    expect(await findingsOfApp(store)).toEqual([
      { state: 'problem', detail: expect.stringMatching(/^3 of 6 calls were left out by a sampler/) },
    ])
  })

  it('of calls that came after the first note too, when the app ends', async () => {
    const store = join(folder, 'two-notes.db')
    runApp(
      store,
      `const sdk = await start({ sampler: { shouldSample: () => ({ decision: left-- > 0 ? 2 : 0 }) } })
       let left = 2
       const { OpenAI } = require('openai')
       for (let call = 0; call < 2; call++) await ask(OpenAI)
       const { setTimeout } = require('node:timers/promises')
       await setTimeout(1500) // The first batch is written, and the first note with it.
       for (let call = 0; call < 3; call++) await ask(OpenAI)
       await sdk.shutdown()`,
    )
    expect(await findingsOfApp(store)).toEqual([
      { state: 'problem', detail: expect.stringMatching(/^3 of 5 calls were left out by a sampler/) },
    ])
  })

  it('that calls were not over when the app was killed', async () => {
    const store = join(folder, 'killed.db')
    const killed = () =>
      runApp(
        store,
        `const sdk = await start()
         const { OpenAI } = require('openai')
         const never = () => new Promise(() => {})
         void new OpenAI({ apiKey: 'none', fetch: never }).chat.completions.create({ model: 'gpt-4o-mini', messages: [] }).catch(() => {})
         await ask(OpenAI)
         // The first batch is written, and the first note with it.
         await require('@opentelemetry/api').trace.getTracerProvider().getDelegate().forceFlush()
         process.kill(process.pid, 'SIGKILL')`,
      )
    expect(killed).toThrow('Command failed')
    expect(await findingsOfApp(store)).toEqual([
      { state: 'ok', detail: expect.stringMatching(/^1 of 2 calls were not over at 20.*; if it still runs, nothing is amiss$/) },
    ])
    await ageNotes(store, 3_600_000)
    expect(await findingsOfApp(store)).toEqual([
      { state: 'warning', detail: expect.stringMatching(/^1 of 2 calls were not over at 20.*they are lost.*SIGTERM, or by shutdown\(\)/) },
    ])
  }, 180_000)

  it('that an ES module was imported before the instrumentation, which then records nothing', async () => {
    const store = join(folder, 'module.db')
    runApp(
      store,
      `const { OpenAI } = await import('openai')
       const sdk = await start()
       await ask(OpenAI)
       require('@opentelemetry/api').trace.getTracer('shop').startSpan('request', {}).end()
       const { withUser } = await import('spanledger')
       await sdk.shutdown()`,
    )
    const findings = await findingsOfApp(store)
    expect(findings).toEqual([
      { state: 'warning', detail: expect.stringMatching(/^no SDK was patched: .*node --import spanledger\/register/) },
    ])
  })
})
