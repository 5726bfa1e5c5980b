import { existsSync, rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { readCall, readEvent, usageBuckets } from '@spanledger/conventions'
import { LedgerSpanProcessor } from '@spanledger/exporter'
import { LlmInstrumentation } from '@spanledger/instrumentation'
import type { NodeSDK } from '@opentelemetry/sdk-node'
import { startStandIn, type BilledPart } from '@spanledger/stand-in'
import { openStore, usageColumns, type Store } from '@spanledger/store'
import type { Command } from 'commander'

import { liveCalls, type LiveCalls } from '../demo/live-calls.ts'
import { sampleHistory } from '../demo/sample-history.ts'
import { writeAnswer } from './asking.ts'
import { CommandFailure, exitCodes, usageFailure } from './failure.ts'
import { analyticsAtOn, analyticsOn, checkStorePath, optionsOf, withIo, type Globals } from './globals.ts'
import type { Io } from './io.ts'
import { DEFAULT_PORT, serveUntilStopped } from './serve.ts'

interface DemoOptions {
  readonly once?: boolean
  readonly keep?: boolean
  readonly port: string
}

export function addDemo(program: Command): void {
  const command = program
    .command('demo')
    .description('the whole way once: real SDKs against a local stand-in provider, sample history, reports, page')
    .option('--once', 'end after the reports instead of serving them')
    .option('--port <port>', 'port of the page; 0 picks a free one', DEFAULT_PORT)
    .option('--keep', 'keep the ledger it makes and say where it is (one given with --store is always kept)')
    .addHelpText('after', '\nExamples:\n  spanledger demo\n  spanledger demo --once --store demo.db')
    .action(async () => {
      const options = optionsOf<DemoOptions>(command)
      // A ledger that the environment names is that of an app, and made-up calls in it stay for good.
      const isGiven = command.parent?.getOptionValueSource('store') === 'cli'
      if (isGiven) await runDemo(options)
      else await inTemporaryFolder(options.keep === true, (folder) => runDemo({ ...options, store: join(folder, 'demo.db') }))
    })
}

async function inTemporaryFolder(keep: boolean, work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'spanledger-demo-'))
  const leave = (): void => {
    if (keep) process.stderr.write(`The ledger is kept: ${folder}\n`)
    else rmSync(folder, { recursive: true, force: true })
  }
  // Also when it is interrupted.
  process.once('exit', leave)
  await work(folder)
}

async function runDemo(options: Globals & DemoOptions): Promise<void> {
  checkStorePath(options.store)
  await checkHoldsNoRealCalls(options)
  await withIo(options, async (io) => {
    const store = await openStore({ path: options.store })
    try {
      io.say(`Ledger: ${options.store}`)
      await addSampleHistory(io, store)
      const live = await makeLiveCalls(io, store)
      await printReports(io, store, options)
      await checkAgainstBill(io, store, live)
      await checkLedger(io, store)
      if (options.once !== true) await serveUntilStopped(io, analyticsAtOn(store, options), { host: '127.0.0.1', port: options.port })
    } finally {
      await store.close()
    }
  })
}

/** @throws CommandFailure for a ledger with calls that are no samples: they would be mixed with made-up ones for good */
async function checkHoldsNoRealCalls({ store: path, ...globals }: Globals): Promise<void> {
  if (!existsSync(path)) return
  const store = await openStore({ path, readOnly: true })
  try {
    const { requests, samples } = await analyticsOn(store, globals).facts()
    if (requests > samples) {
      throw usageFailure(
        `Ledger ${JSON.stringify(path)} holds ${requests - samples} calls that are no sample data; the demo would add made-up ones. ` +
          'Give --store the path of a new file, or leave it out.',
      )
    }
  } finally {
    await store.close()
  }
}

/** Twelve weeks of made-up spans, read and written like those of any app; every report says that they are samples. */
async function addSampleHistory(io: Io, store: Store): Promise<void> {
  const startedMs = Date.now()
  let inserted = 0
  let insertedEvents = 0
  for (const spans of sampleHistory({ until: startedMs - 60_000 })) {
    const calls = spans.map((span) => readCall(span, 'app')).filter((call) => call !== undefined)
    const events = spans.map((span) => readEvent(span, 'app')).filter((event) => event !== undefined)
    // None of them stands above or below another, so each is settled as it is.
    const outcome = await store.write({ calls: calls.map(settled), events: events.map(settled) })
    inserted += outcome.inserted
    insertedEvents += outcome.insertedEvents
  }
  io.say(`Sample history: ${inserted} made-up calls and ${insertedEvents} events in ${((Date.now() - startedMs) / 1000).toFixed(1)} s`)
}

function settled<Read>(read: Read): Read & { settled: true } {
  return { ...read, settled: true }
}

interface Live extends LiveCalls {
  readonly sinceMs: number
}

/** Real SDKs under NodeSDK call the stand-in; the processor writes their spans into the ledger. */
async function makeLiveCalls(io: Io, store: Store): Promise<Live> {
  const opentelemetry = await loadSdk()
  const standIn = await startStandIn()
  // A spool that the environment names holds calls of apps, which belong into their ledger. A signal ends the command, and its folder goes.
  const processor = new LedgerSpanProcessor({ store, spoolPath: `${store.path}.spool`, handleSignals: false })
  const sdk = new opentelemetry.NodeSDK({
    serviceName: 'spanledger-demo',
    instrumentations: [new LlmInstrumentation()],
    spanProcessors: [processor],
  })
  sdk.start()
  const sinceMs = Date.now()
  try {
    const live = await liveCalls({ standIn })
    await processor.forceFlush()
    io.say(
      `Live calls: ${live.calls} by ${live.users.length} users through openai and @anthropic-ai/sdk, ${live.failed} of them failed as planned`,
    )
    return { ...live, sinceMs }
  } finally {
    await sdk.shutdown()
    await standIn.close()
  }
}

/** Only the demo needs an SDK of OpenTelemetry; an app brings its own. */
async function loadSdk(): Promise<{ NodeSDK: typeof NodeSDK }> {
  try {
    // ES modules can only be patched by an app that was started with the preload; here it comes before the SDKs do.
    await import(import.meta.resolve('@spanledger/instrumentation/register'))
    return await import('@opentelemetry/sdk-node')
  } catch (cause) {
    throw new CommandFailure(
      exitCodes.failed,
      `The demo needs @opentelemetry/sdk-node, openai and @anthropic-ai/sdk: npm install them (${(cause as Error).message}).`,
    )
  }
}

async function printReports(io: Io, store: Store, globals: Globals): Promise<void> {
  const analytics = analyticsOn(store, globals)
  const users = await analytics.report('users', { limit: 15, other: true })
  const plans = await analytics.report('properties', { by: ['property:plan', 'property:feature'], other: true })
  const quiet = { ...io, say: () => undefined }
  const readable = globals.format === 'table'
  if (readable) await io.out('\nUsers, the dearest 15\n')
  await writeAnswer({ io: quiet, analytics }, users, {
    globals,
    options: { limit: '15' },
    preferred: [
      'user',
      'segment',
      'requests',
      'cost_usd',
      'cost_share',
      'total_tokens',
      'error_rate',
      'latency_p95_ms',
      'satisfaction',
      'top_model',
      'top_feature',
    ],
  })
  if (readable) await io.out('\nPlans and features\n')
  await writeAnswer({ io: quiet, analytics }, plans, {
    globals,
    options: {},
    preferred: [
      'plan',
      'feature',
      'requests',
      'users',
      'cost_usd',
      'cost_per_user_usd',
      'total_tokens',
      'latency_p95_ms',
      'error_rate',
      'satisfaction',
    ],
  })
  for (const warning of users.meta.warnings) io.say(`note: ${warning}`)
}

/** What the ledger has of the live calls must be what the stand-in charged for, token by token. */
async function checkAgainstBill(io: Io, store: Store, { billed, sinceMs, calls }: Live): Promise<void> {
  const sums = usageBuckets.map((bucket) => `coalesce(sum(c.${usageColumns[bucket]}), 0) AS ${bucket}`)
  const [row] = await store.all<Record<string, number>>(
    `SELECT count(*) AS calls, ${sums.join(', ')} FROM llm_calls AS c JOIN kinds AS k ON k.kind_id = c.kind_id
     WHERE c.counted = 1 AND c.start_ms >= ? AND k.origin <> 'sample'`,
    sinceMs,
  )
  const differing = usageBuckets.filter((bucket) => (row?.[bucket] ?? 0) !== sumOf(billed, bucket))
  if (differing.length > 0 || row?.['calls'] !== calls) {
    const facts = differing.map((bucket) => `${bucket} ${row?.[bucket]} instead of ${sumOf(billed, bucket)}`)
    throw new CommandFailure(
      exitCodes.failed,
      `The ledger differs from the stand-in's bill: ${row?.['calls']} of ${calls} calls${facts.map((fact) => `, ${fact}`).join('')}.`,
    )
  }
  io.say(`Checked: the ledger has each of the ${calls} live calls once, with exactly the tokens that the stand-in billed`)
}

function sumOf(billed: readonly BilledPart[], bucket: string): number {
  return billed.reduce((sum, { usage }) => sum + ((usage as unknown as Record<string, number>)[bucket] ?? 0), 0)
}

async function checkLedger(io: Io, store: Store): Promise<void> {
  const { ok, checks } = await store.verify()
  if (!ok)
    throw new CommandFailure(
      exitCodes.failed,
      `verify: ${checks
        .filter((check) => !check.ok)
        .map(({ detail }) => detail)
        .join('; ')}`,
    )
  io.say(`Verified: ${checks.length} checks of the ledger hold`)
}
