import { gzipSync } from 'node:zlib'

import { OTLPTraceExporter as GrpcExporter } from '@opentelemetry/exporter-trace-otlp-grpc'
import { resourceFromAttributes } from '@opentelemetry/resources'
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base'
import {
  array,
  assert as assertProperty,
  asyncProperty,
  boolean,
  constantFrom,
  integer,
  nat,
  option,
  record,
  type Arbitrary,
} from 'fast-check'
import { expect, it } from 'vitest'

import { findFaults, readEvents, readLines, startCollector } from './running.ts'
import { callAttributes, makeSpans, post, serialize, type MadeSpan } from './spans.ts'

/** A span of made-up traces: below which earlier one, what it is, what it says, of which process it is. */
interface Planned {
  readonly parent: number | undefined
  readonly kind: 'call' | 'call without usage' | 'agent' | 'other' | 'event'
  readonly user: string | undefined
  readonly plan: string | undefined
  readonly responseId: string | undefined
  readonly service: number
}

const planned: Arbitrary<Planned> = record({
  parent: option(nat(), { nil: undefined, freq: 4 }),
  kind: constantFrom('call', 'call', 'call without usage', 'agent', 'other', 'other', 'event'),
  user: option(constantFrom('ada', 'bob'), { nil: undefined, freq: 2 }),
  plan: option(constantFrom('pro', 'free'), { nil: undefined, freq: 2 }),
  responseId: option(constantFrom('r1', 'r2', 'r3'), { nil: undefined, freq: 2 }),
  service: nat(2),
})

/** How spans are sent: in which order, how many at a time, how often, in what. */
const delivery = record({
  keys: array(nat(), { minLength: 24, maxLength: 24 }),
  batchSizes: array(integer({ min: 1, max: 8 }), { minLength: 24, maxLength: 24 }),
  times: array(integer({ min: 1, max: 3 }), { minLength: 24, maxLength: 24 }),
  encodings: array(constantFrom('protobuf', 'json', 'gzip protobuf', 'gzip json', 'grpc'), { minLength: 24, maxLength: 24 }),
  restarts: array(boolean(), { minLength: 24, maxLength: 24 }),
  together: boolean(),
})
type Delivery = typeof delivery extends Arbitrary<infer Value> ? Value : never

const resources = [
  resourceFromAttributes({ 'service.name': 'app' }),
  resourceFromAttributes({ 'service.name': 'worker', 'user.id': 'batch-job' }),
  resourceFromAttributes({ 'service.name': 'gateway', 'property.region': 'eu' }),
]

it('the ledger is the same however spans are ordered, batched, encoded and repeated, across restarts, and over two collectors', async () => {
  await assertProperty(
    asyncProperty(array(planned, { minLength: 1, maxLength: 16 }), delivery, async (plans, how) => {
      const spans = spansOf(plans)
      const plain = await startCollector()
      expect((await post(plain.httpUrl, serialize.protobuf(spans))).status).toBe(200)
      await plain.close()
      const otherPath = await deliver(spans, how)
      expect(await readLines(otherPath)).toEqual(await readLines(plain.path))
      expect(await readEvents(otherPath)).toEqual(await readEvents(plain.path))
      expect([await findFaults(plain.path), await findFaults(otherPath)]).toEqual([[], []])
    }),
    { numRuns: 12 },
  )
})

it('an emitter whose spans are each their own request, children first, is one whose trace is sent as a whole', async () => {
  const spans = makeSpans([
    { name: 'request', attributes: { 'user.id': 'ada', 'session.id': 's-1', 'property.plan': 'pro' } },
    {
      name: 'invoke_agent',
      parent: 0,
      attributes: { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.usage.input_tokens': 200, 'gen_ai.usage.output_tokens': 20 },
    },
    { name: 'chat', parent: 1, attributes: callAttributes({ 'gen_ai.response.id': 'r1' }) },
    { name: 'chat', parent: 2, attributes: callAttributes({ 'gen_ai.response.id': 'r1' }) },
    {
      name: 'embeddings',
      parent: 1,
      attributes: { 'gen_ai.operation.name': 'embeddings', 'gen_ai.request.model': 'text-embedding-3-small' },
    },
    {
      name: 'embeddings',
      parent: 4,
      attributes: callAttributes({ 'gen_ai.operation.name': 'embeddings', 'gen_ai.usage.output_tokens': 0 }),
    },
  ])
  const whole = await startCollector()
  const single = await startCollector()
  await post(whole.httpUrl, serialize.protobuf(spans))
  for (const span of spans.toReversed()) await post(single.httpUrl, serialize.json([span]), { encoding: 'json' })
  const lines = await readLines(single.path)
  expect(lines).toEqual(await readLines(whole.path))
  // The inner chat and the inner embeddings count; what is around them only repeats them.
  expect(lines.map(({ counted, user, session, properties }) => [counted, user, session, properties])).toEqual([
    [0, 'ada', 's-1', 'plan=pro'],
    [0, 'ada', 's-1', 'plan=pro'],
    [1, 'ada', 's-1', 'plan=pro'],
    [0, 'ada', 's-1', 'plan=pro'],
    [1, 'ada', 's-1', 'plan=pro'],
  ])
})

it('the user of a resource above reaches the calls of another process below it, whichever comes first', async () => {
  const spans = spansOf([
    { parent: undefined, kind: 'other', user: undefined, plan: undefined, responseId: undefined, service: 1 },
    { parent: 0, kind: 'other', user: undefined, plan: undefined, responseId: undefined, service: 0 },
    { parent: 1, kind: 'call', user: undefined, plan: undefined, responseId: undefined, service: 2 },
  ])
  for (const sent of [spans, spans.toReversed()]) {
    const { httpUrl, path } = await startCollector()
    for (const span of sent) await post(httpUrl, serialize.protobuf([span]))
    expect((await readLines(path)).map(({ user, properties }) => [user, properties])).toEqual([['batch-job', 'region=eu']])
  }
})

function spansOf(plans: readonly Planned[]): ReadableSpan[] {
  const made = plans.map(({ parent, kind, user, plan, responseId }, n): MadeSpan => ({
    name: kind === 'event' ? 'spanledger.goal' : kind,
    ...(n === 0 || parent === undefined ? {} : { parent: parent % n }),
    attributes: {
      ...attributesOf[kind],
      ...(user === undefined ? {} : { 'user.id': user }),
      ...(plan === undefined ? {} : { 'property.plan': plan }),
      ...(responseId === undefined || kind === 'other' || kind === 'event' ? {} : { 'gen_ai.response.id': responseId }),
    },
  }))
  // As if other processes had made some of them.
  return makeSpans(made).map((span, n) => Object.create(span, { resource: { value: resources[plans[n]?.service ?? 0] } }) as ReadableSpan)
}

const { 'gen_ai.usage.input_tokens': _in, 'gen_ai.usage.output_tokens': _out, ...withoutUsage } = callAttributes()
const attributesOf = {
  call: callAttributes(),
  'call without usage': withoutUsage,
  agent: callAttributes({ 'gen_ai.operation.name': 'invoke_agent' }),
  other: {},
  event: { 'spanledger.goal.name': 'done', 'spanledger.goal.outcome': 'success' },
} as const

/** @returns the path of the ledger */
async function deliver(
  spans: readonly ReadableSpan[],
  { keys, batchSizes, times, encodings, restarts, together }: Delivery,
): Promise<string> {
  const shuffled = spans.map((span, n) => ({ span, key: keys[n % keys.length] ?? 0 })).sort((a, b) => a.key - b.key)
  let first = await startCollector({ grpcPort: 0 })
  const { path } = first
  const second = await startCollector({ grpcPort: 0, path })
  const pending: Promise<void>[] = []
  for (let at = 0, n = 0; at < shuffled.length; n++) {
    const size = batchSizes[n] ?? 1
    const batch = shuffled.slice(at, at + size).map(({ span }) => span)
    at += size
    for (let time = 0; time < (times[n] ?? 1); time++) {
      const collector = (n + time) % 2 === 0 ? first : second
      const sent = send(collector, batch, encodings[(n + time) % encodings.length] ?? 'protobuf')
      if (together) pending.push(sent)
      else await sent
    }
    if (restarts[n] !== true) continue
    await Promise.all(pending.splice(0))
    await first.close()
    first = await startCollector({ grpcPort: 0, path })
  }
  await Promise.all(pending)
  await first.close()
  await second.close()
  return path
}

async function send(
  collector: { httpUrl: string; grpcUrl: string | undefined },
  batch: ReadableSpan[],
  encoding: Delivery['encodings'][number],
): Promise<void> {
  if (encoding === 'grpc') {
    const exporter = new GrpcExporter({ url: collector.grpcUrl ?? '' })
    await new Promise<void>((resolve, reject) => {
      exporter.export(batch, ({ code, error }) => (code === 0 ? resolve() : reject(error ?? new Error('not exported'))))
    })
    await exporter.shutdown()
    return
  }
  const plainEncoding = encoding.endsWith('json') ? 'json' : 'protobuf'
  const body = serialize[plainEncoding](batch)
  const isGzip = encoding.startsWith('gzip')
  const answer = await post(collector.httpUrl, isGzip ? Uint8Array.from(gzipSync(body)) : body, {
    encoding: plainEncoding,
    headers: isGzip ? { 'content-encoding': 'gzip' } : {},
  })
  expect(answer.status).toBe(200)
}
