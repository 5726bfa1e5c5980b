import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { context, metrics, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { OpenAIInstrumentation } from '@opentelemetry/instrumentation-openai'
import { BasicTracerProvider, BatchSpanProcessor, type SpanExporter } from '@opentelemetry/sdk-trace-base'
import { LedgerSpanProcessor } from '@spanledger/exporter'
import { instrument, withUser } from '@spanledger/instrumentation'

import { median, round, timed, type Finding } from './measure.ts'
import { clientOf, loadOpenAi, plainCall, streamedCall, type OpenAiModule } from './sdk-copies.ts'

export interface InstrumentationBenchOptions {
  readonly rounds: number
  readonly plainCallsPerBlock: number
  readonly streamsPerBlock: number
}

const CHUNKS = 200

/** One way to make calls: bare, with the peer (exporting to nowhere, or sending), with us, with our instrumentation alone before the peer's processor. */
interface Variant {
  readonly name: 'bare' | 'peer' | 'peerSending' | 'ours' | 'spansOnly'
  readonly plain: () => Promise<void>
  readonly stream: () => Promise<unknown>
  /** Waits for what the processor has put off: it belongs to the block that caused it. */
  readonly flush: () => Promise<void>
}

/**
 * What a call costs more, in one process and in alternating blocks: bare openai; `@opentelemetry/instrumentation-openai` with
 * a BatchSpanProcessor whose exporter does nothing, and with one that sends OTLP to a process of its own; ours with a
 * LedgerSpanProcessor that writes a real ledger; and, to tell the parts of that from each other, our instrumentation with the
 * peer's processor and exporter to nowhere. Each call but the bare ones has one user, one session and two properties (the peer's on a parent span, its only way), content off.
 */
export async function benchInstrumentation(options: InstrumentationBenchOptions): Promise<Finding> {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  const folder = mkdtempSync(join(tmpdir(), 'spanledger-bench-'))
  const processor = new LedgerSpanProcessor({ store: join(folder, 'ledger.db') })
  const sink = await startSink()
  // All copies are loaded before the peer is made: it patches whatever is loaded after.
  const copies = [loadOpenAi(), loadOpenAi(), loadOpenAi(), loadOpenAi(), loadOpenAi()] as const
  const variants = [
    bare(copies[0]),
    peer('peer', copies[1], toNowhere()),
    peer('peerSending', copies[2], new BatchSpanProcessor(new OTLPTraceExporter({ url: sink.url }))),
    ours('ours', copies[3], processor),
    ours('spansOnly', copies[4], toNowhere()),
  ]
  const plain = await alternate(variants, { calls: options.plainCallsPerBlock, rounds: options.rounds, run: (variant) => variant.plain() })
  const stream = await alternate(variants, { calls: options.streamsPerBlock, rounds: options.rounds, run: (variant) => variant.stream() })
  await processor.shutdown()
  sink.stop()
  // A peer that recorded nothing would be cheap; each of its calls makes two spans, less what its queue drops.
  if (exportedByPeer < options.rounds * options.plainCallsPerBlock) throw new Error(`the peer exported only ${exportedByPeer} spans`)
  rmSync(folder, { recursive: true })
  const plainShare = plain.ours.addedUs / plain.peer.addedUs
  const streamShare = stream.ours.addedUs / stream.peer.addedUs
  return {
    bench: 'instrumentation',
    figures: {
      plainBareUs: round(plain.bare.us),
      plainPeerAddedUs: round(plain.peer.addedUs),
      plainPeerSendingAddedUs: round(plain.peerSending.addedUs),
      plainOursAddedUs: round(plain.ours.addedUs),
      plainSpansOnlyAddedUs: round(plain.spansOnly.addedUs),
      plainPeerAddedCpuUs: round(plain.peer.addedCpuUs),
      plainPeerSendingAddedCpuUs: round(plain.peerSending.addedCpuUs),
      plainOursAddedCpuUs: round(plain.ours.addedCpuUs),
      plainSpansOnlyAddedCpuUs: round(plain.spansOnly.addedCpuUs),
      plainPeerAddedBytes: round(plain.peer.addedBytes),
      plainOursAddedBytes: round(plain.ours.addedBytes),
      streamBareUs: round(stream.bare.us),
      streamPeerAddedUs: round(stream.peer.addedUs),
      streamPeerSendingAddedUs: round(stream.peerSending.addedUs),
      streamOursAddedUs: round(stream.ours.addedUs),
      streamSpansOnlyAddedUs: round(stream.spansOnly.addedUs),
      streamPeerAddedCpuUs: round(stream.peer.addedCpuUs),
      streamOursAddedCpuUs: round(stream.ours.addedCpuUs),
      streamSpansOnlyAddedCpuUs: round(stream.spansOnly.addedCpuUs),
      streamPeerAddedBytes: round(stream.peer.addedBytes),
      streamOursAddedBytes: round(stream.ours.addedBytes),
    },
    targets: [
      {
        what: 'plain call: what ours adds, as a share of what the peer adds',
        wanted: '<= 0.5',
        measured: round(plainShare),
        met: plainShare <= 0.5,
      },
      {
        what: '200-chunk stream: what ours adds, as a share of what the peer adds',
        wanted: '<= 0.5',
        measured: round(streamShare),
        met: streamShare <= 0.5,
      },
    ],
  }
}

function bare(module: OpenAiModule): Variant {
  const client = clientOf(module, CHUNKS)
  return { name: 'bare', plain: () => plainCall(client), stream: () => streamedCall(client), flush: () => Promise.resolve() }
}

/** A process that takes what it is sent, so that receiving is not counted as a cost of sending. */
async function startSink(): Promise<{ readonly url: string; readonly stop: () => void }> {
  const program = `require('node:http').createServer((request, response) => request.resume().on('end', () => response.end()))
    .listen(0, '127.0.0.1', function () { console.log(this.address().port) })`
  const sink = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [port] = (await once(sink.stdout, 'data')) as [Buffer]
  return { url: `http://127.0.0.1:${port.toString().trim()}/v1/traces`, stop: () => void sink.kill() }
}

let exportedByPeer = 0
const nowhere: SpanExporter = {
  export: (spans, done) => {
    exportedByPeer += spans.length
    done({ code: 0 })
  },
  shutdown: () => Promise.resolve(),
}

/** A batch of 512 is handed on as soon as it is full, so that nothing is dropped in a block that is larger than the queue. */
function toNowhere(): BatchSpanProcessor {
  return new BatchSpanProcessor(nowhere)
}

function peer(name: 'peer' | 'peerSending', module: OpenAiModule, processor: BatchSpanProcessor): Variant {
  const provider = new BasicTracerProvider({ spanProcessors: [processor] })
  const instrumentation = new OpenAIInstrumentation()
  instrumentation.setTracerProvider(provider)
  // Without a meter provider the peer throws into the app's stream.
  instrumentation.setMeterProvider(metrics.getMeterProvider())
  // The peer has no way to patch a module by hand; this is where its own hook finds the patch.
  // oxlint-disable-next-line no-underscore-dangle -- its name
  const [definition] = (instrumentation as unknown as { _modules: { patch(module: OpenAiModule): OpenAiModule }[] })._modules
  const client = clientOf(definition?.patch(module) ?? module, CHUNKS)
  const tracer = provider.getTracer('app')
  const inSpan = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const attributes = { 'user.id': 'ann', 'session.id': 's-1', 'property.plan': 'pro', 'property.feature': 'chat' }
    const span = tracer.startSpan('request', { attributes })
    return context.with(trace.setSpan(context.active(), span), () => work().finally(() => span.end()))
  }
  return {
    name,
    plain: () => inSpan(() => plainCall(client)),
    stream: () => inSpan(() => streamedCall(client)),
    flush: () => processor.forceFlush(),
  }
}

function ours(name: 'ours' | 'spansOnly', module: OpenAiModule, processor: LedgerSpanProcessor | BatchSpanProcessor): Variant {
  const provider = new BasicTracerProvider({ spanProcessors: [processor] })
  const client = instrument(clientOf(module, CHUNKS), { tracerProvider: provider })
  const who = { sessionId: 's-1', properties: { plan: 'pro', feature: 'chat' } }
  return {
    name,
    plain: () => withUser('ann', who, () => plainCall(client)),
    stream: () => withUser('ann', who, () => streamedCall(client)),
    flush: () => processor.forceFlush(),
  }
}

interface Cost {
  readonly us: number
  readonly addedUs: number
  readonly addedCpuUs: number
  readonly addedBytes: number
}

interface Alternation {
  readonly calls: number
  readonly rounds: number
  readonly run: (variant: Variant) => Promise<unknown>
}

/** Rounds before the first that counts: the SDK takes some thousand calls to be compiled. */
const WARM_UP_ROUNDS = 6
/** Rounds at the end that count what is allocated: each begins with an empty young generation, which would spoil the times. */
const ALLOCATION_ROUNDS = 5

/** Blocks of calls of each variant in turn; the cost of a variant is the median over rounds of the difference to bare in that round. */
async function alternate(variants: readonly Variant[], { calls, rounds, run }: Alternation): Promise<Record<Variant['name'], Cost>> {
  const us = new Map<string, number[]>(variants.map(({ name }) => [name, []]))
  const cpuUs = new Map<string, number[]>(variants.map(({ name }) => [name, []]))
  const bytes = new Map<string, number[]>(variants.map(({ name }) => [name, []]))
  const block = async (variant: Variant): Promise<void> => {
    for (let call = 0; call < calls; call++) await run(variant)
    await variant.flush()
  }
  for (let n = -WARM_UP_ROUNDS; n < rounds; n++) {
    for (const variant of variants) {
      const { wallMs, cpuMs } = await timed(() => block(variant))
      if (n < 0) continue
      us.get(variant.name)?.push((wallMs * 1000) / calls)
      cpuUs.get(variant.name)?.push((cpuMs * 1000) / calls)
    }
  }
  for (let n = 0; n < ALLOCATION_ROUNDS && globalThis.gc !== undefined; n++) {
    for (const variant of variants) {
      globalThis.gc()
      const before = process.memoryUsage().heapUsed
      await block(variant)
      bytes.get(variant.name)?.push((process.memoryUsage().heapUsed - before) / calls)
    }
  }
  const cost = (name: Variant['name']): Cost => ({
    us: median(us.get(name) ?? []),
    addedUs: added(us, name),
    addedCpuUs: added(cpuUs, name),
    addedBytes: added(bytes, name),
  })
  return { bare: cost('bare'), peer: cost('peer'), peerSending: cost('peerSending'), ours: cost('ours'), spansOnly: cost('spansOnly') }
}

/** The median over rounds of what a variant takes more than bare in the same round. */
function added(of: ReadonlyMap<string, number[]>, name: Variant['name']): number {
  const bareValues = of.get('bare') ?? []
  return median((of.get(name) ?? []).map((value, n) => value - (bareValues[n] ?? 0)))
}
