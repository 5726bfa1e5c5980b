import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { openItems, type LedgerItem } from '@spanledger/collector'
import { openStore, type SpanLink, type WrittenCall } from '@spanledger/store'

import { median, round, timed, type Finding } from './measure.ts'
import { runCollector, sendAll, sendAtRate, Sender } from './otlp-load.ts'
import { makeTemplate, type Template } from './otlp-template.ts'
import { randomCalls } from './random-calls.ts'

export interface CollectorBenchOptions {
  readonly rounds: number
  readonly requestsPerBlock: number
  readonly steadySeconds: number
  readonly overloadSeconds: number
}

const SPANS_PER_REQUEST = 512
const TEMPLATES = 16
const AT_ONCE = 8
/** As many as the collector puts into one transaction. */
const CALLS_PER_WRITE = 2048
/** Calls of today, as an app sends them: a day that is over would be closed meanwhile, and opened again by the next request. */
const START_MS = Date.now()
const limits = { maxDecompressedBytes: 2 ** 26, maxJsonBytes: 2 ** 26 }

/**
 * The collector in a process of its own, over loopback, against decoding alone and writing alone, in alternating blocks of
 * one run; then at 80 % of what it took, and at five times that.
 */
export async function benchCollector({
  rounds,
  requestsPerBlock,
  steadySeconds,
  overloadSeconds,
}: CollectorBenchOptions): Promise<Finding> {
  const folder = mkdtempSync(join(tmpdir(), 'spanledger-bench-'))
  const path = join(folder, 'ledger.db')
  const templates = makeTemplates()
  const collector = await runCollector(path)
  const store = await openStore({ path: join(folder, 'alone.db') })
  const protobuf = new Sender(collector.url, { encoding: 'protobuf', connections: AT_ONCE })
  const json = new Sender(collector.url, { encoding: 'json', connections: AT_ONCE })
  const perSecond: Record<'decode' | 'decodeJson' | 'write' | 'protobuf' | 'json', number[]> = {
    decode: [],
    decodeJson: [],
    write: [],
    protobuf: [],
    json: [],
  }
  const cpuMs = { decode: 0, write: 0, protobuf: 0 }
  let atMs = 0
  const bodiesOf = (encoding: 'protobuf' | 'json'): Buffer[] =>
    Array.from({ length: requestsPerBlock }, (_, n) => templates[encoding][n % TEMPLATES]?.fresh((atMs += 10)) ?? Buffer.alloc(0))
  const spans = requestsPerBlock * SPANS_PER_REQUEST
  let accepted = 0
  for (let n = 0; n <= rounds; n++) {
    const bodies = bodiesOf('protobuf')
    const { result: decoded, cpuMs: decodeCpuMs } = await timed(() => decode(bodies, 'protobuf'))
    const decodedJson = await decode(bodiesOf('json'), 'json')
    const { result: writeMs, cpuMs: writeCpuMs } = await timed(() => write(store, decoded.items))
    const cpuBefore = collector.cpuMs()
    const protobufMs = await sendAll(protobuf, bodiesOf('protobuf'), AT_ONCE)
    const collectorCpuMs = collector.cpuMs() - cpuBefore
    const jsonMs = await sendAll(json, bodiesOf('json'), AT_ONCE)
    accepted += 2 * spans
    // The first round warms up.
    if (n === 0) continue
    perSecond.decode.push((spans / decoded.ms) * 1000)
    perSecond.decodeJson.push((spans / decodedJson.ms) * 1000)
    perSecond.write.push((spans / writeMs) * 1000)
    perSecond.protobuf.push((spans / protobufMs) * 1000)
    perSecond.json.push((spans / jsonMs) * 1000)
    cpuMs.decode += decodeCpuMs
    cpuMs.write += writeCpuMs
    cpuMs.protobuf += collectorCpuMs
  }
  await store.close()
  protobuf.close()
  json.close()

  const most = median(perSecond.protobuf)
  const open = new Sender(collector.url, { encoding: 'protobuf', connections: 256 })
  const requestsPerSecond = most / SPANS_PER_REQUEST
  const steady = await sendAtRate(open, templates.protobuf, {
    perSecond: requestsPerSecond * 0.8,
    seconds: steadySeconds,
    firstAfterMs: (atMs += 10),
  })
  atMs += steady.length * 10
  const overloadedAt = performance.now()
  const overload = await sendAtRate(open, templates.protobuf, {
    perSecond: requestsPerSecond * 5,
    seconds: overloadSeconds,
    firstAfterMs: (atMs += 10),
  })
  const overloadMs = performance.now() - overloadedAt
  open.close()
  const peakMb = collector.peakMb()
  await collector.stop()

  const taken = [...steady, ...overload].filter(({ status }) => status === 200).length * SPANS_PER_REQUEST
  accepted += taken
  const ledger = await openStore({ path, readOnly: true })
  const [{ kept } = { kept: 0 }] = await ledger.all<{ kept: number }>('SELECT count(*) AS kept FROM llm_calls')
  await ledger.close()
  rmSync(folder, { recursive: true })

  const goodput = ((overload.filter(({ status }) => status === 200).length * SPANS_PER_REQUEST) / overloadMs) * 1000
  const latencies = steady.map(({ ms }) => ms).sort((a, b) => a - b)
  const p99Ms = latencies[Math.ceil(latencies.length * 0.99) - 1] ?? Number.NaN
  const slower = Math.min(median(perSecond.decode), median(perSecond.write))
  const other = [...steady, ...overload].filter(({ status }) => status !== 200 && status !== 503).length
  return {
    bench: 'collector',
    figures: {
      decodeAlonePerSecond: round(median(perSecond.decode)),
      decodeJsonAlonePerSecond: round(median(perSecond.decodeJson)),
      writeAlonePerSecond: round(median(perSecond.write)),
      protobufPerSecond: round(most),
      jsonPerSecond: round(median(perSecond.json)),
      // A busy machine takes nothing from these.
      cpuUsPerSpanDecodeAlone: round((cpuMs.decode * 1000) / (rounds * spans)),
      cpuUsPerSpanWriteAlone: round((cpuMs.write * 1000) / (rounds * spans)),
      cpuUsPerSpanCollector: round((cpuMs.protobuf * 1000) / (rounds * spans)),
      p99MsAt80Percent: round(p99Ms),
      notTakenAt80Percent: steady.filter(({ status }) => status !== 200).length,
      offeredAtOverloadPerSecond: round((overload.length * SPANS_PER_REQUEST * 1000) / overloadMs),
      goodputAtOverloadPerSecond: round(goodput),
      answersNeither200Nor503: other,
      peakMb: round(peakMb),
      spansAcknowledged: accepted,
      callsInLedger: kept,
    },
    targets: [
      target('spans/s acknowledged, protobuf', '>= 25000', most, most >= 25_000),
      target('the same, of the slower of decode alone and write alone', '>= 0.5', most / slower, most / slower >= 0.5),
      target('JSON, of protobuf', '>= 0.5', median(perSecond.json) / most, median(perSecond.json) / most >= 0.5),
      target('p99 of a request at 80 % load, ms', '< 250', p99Ms, p99Ms < 250),
      target('goodput at 5x overload, of the most', '>= 0.7', goodput / most, goodput / most >= 0.7),
      target('peak resident memory, MB', '<= 256', peakMb, peakMb <= 256),
      target('acknowledged spans that are not in the ledger', '0', accepted - kept, accepted <= kept),
    ],
  }
}

function target(what: string, wanted: string, measured: number, met: boolean): Finding['targets'][number] {
  return { what, wanted, measured: round(measured), met }
}

function makeTemplates(): Record<'protobuf' | 'json', Template[]> {
  const calls = [...randomCalls({ calls: SPANS_PER_REQUEST * TEMPLATES })]
  const make = (encoding: 'protobuf' | 'json'): Template[] =>
    Array.from({ length: TEMPLATES }, (_, n) =>
      makeTemplate(calls.slice(n * SPANS_PER_REQUEST, (n + 1) * SPANS_PER_REQUEST), encoding, START_MS),
    )
  return { protobuf: make('protobuf'), json: make('json') }
}

async function decode(bodies: readonly Buffer[], encoding: 'protobuf' | 'json'): Promise<{ items: LedgerItem[]; ms: number }> {
  const items: LedgerItem[] = []
  const startedMs = performance.now()
  for (const body of bodies) {
    const opened = await openItems({ signal: 'traces', encoding, isGzip: false, body }, limits)
    for (let next = opened.items.next(); next.done !== true; next = opened.items.next()) items.push(next.value)
    opened.close()
  }
  return { items, ms: performance.now() - startedMs }
}

async function write(store: Awaited<ReturnType<typeof openStore>>, items: readonly LedgerItem[]): Promise<number> {
  const calls: WrittenCall[] = []
  const links: SpanLink[] = []
  for (const item of items) {
    if (typeof item !== 'object') continue
    if ('call' in item) calls.push(item.call)
    else if ('link' in item) links.push(item.link)
  }
  const startedMs = performance.now()
  for (let at = 0; at < Math.max(calls.length, links.length); at += CALLS_PER_WRITE) {
    await store.write({ calls: calls.slice(at, at + CALLS_PER_WRITE), links: links.slice(at, at + CALLS_PER_WRITE) })
  }
  return performance.now() - startedMs
}
