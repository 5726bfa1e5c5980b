import { createHash, randomBytes } from 'node:crypto'

import { context, diag } from '@opentelemetry/api'
import { openStore, type Batch } from '@spanledger/store'
import { afterEach, expect, it, onTestFinished } from 'vitest'

import { LedgerSpanExporter, type EndedSpan, type StartedSpan } from '@spanledger/exporter'

import { callAttributes, contextOfUser, makeCall, startApp, startSpan, useContextManager } from './app.ts'
import { findFaults, readCounters, readLines, tempLedger } from './ledger.ts'

afterEach(() => diag.disable())

it('whatever stands in the attributes, every call is kept and nothing else is lost', async () => {
  const path = tempLedger()
  const { tracer, processor } = startApp({ store: path }, { spanLimits: { attributeCountLimit: 20_000 } })
  const users: Record<string, string> = {
    'Zoë 🚀': 'Zoë 🚀',
    "'); DROP TABLE users; --": "'); DROP TABLE users; --",
    '<script>alert(1)</script>': '<script>alert(1)</script>',
    __proto__x: '__proto__x',
    constructor: 'constructor',
    'a\u0000b': '(none)',
    'a\ud800b': '(none)',
    ['x'.repeat(10_240)]: `sha256:${createHash('sha256').update('x'.repeat(10_240)).digest('hex')}`,
  }
  for (const user of Object.keys(users)) makeCall(tracer, { 'user.id': user, 'property.__proto__': 'p', 'property.feature': user })
  for (const tokens of [-1, 1.5, 1e300, Number.NaN]) makeCall(tracer, { 'user.id': 'tokens', 'gen_ai.usage.input_tokens': tokens })
  const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`property.key${n}`, `v${n}`]))
  makeCall(tracer, { ...many, 'user.id': 'many' })
  makeCall(tracer, { 'user.id': 'good' })
  await processor.shutdown()
  expect(processor.state()).toMatchObject({ writtenCalls: 14, refusedCalls: 0, spooledCalls: 0, droppedSpans: 0, faults: 0 })

  const lines = await readLines(path)
  expect(lines.map((line) => line.user).sort()).toEqual(
    [...Object.values(users), 'many', 'good', 'tokens', 'tokens', 'tokens', 'tokens'].sort(),
  )
  expect(await readCounters(path)).toMatchObject({ user_refused: 2, user_hashed: 1, properties_over_limit: 9936 })
  expect(await findFaults(path)).toEqual([])
})

it('a call with times that are none is kept, and one with ids that are none is set aside', async () => {
  const path = tempLedger()
  const { processor } = startApp({ store: path })
  const nowS = Math.floor(Date.now() / 1000)
  for (const said of [{ startTime: [Number.NaN, 0] }, { traceId: 'not hex' }, {}] as const) {
    processor.onEnd(endedCall({ endTime: [nowS, 0], ...said }))
  }
  await processor.shutdown()
  expect(processor.state()).toMatchObject({ writtenCalls: 2, refusedCalls: 1 })
  expect(await readCounters(path)).toEqual({ refused_by_store: 1, time_refused: 1 })
})

it('a failure of our own does not reach the app, is said once and counted', async () => {
  const path = tempLedger()
  const said: string[] = []
  diag.setLogger({ error: (text) => said.push(text), warn: ignore, info: ignore, debug: ignore, verbose: ignore })
  const { tracer, processor } = startApp({ store: path })
  const broken = new Proxy({}, { get: () => raise() })
  processor.onStart(broken as StartedSpan, context.active())
  processor.onEnd(broken as EndedSpan)
  processor.onEnd({ ...endedCall({}), resource: broken as EndedSpan['resource'] })
  makeCall(tracer)
  await processor.shutdown()
  expect(processor.state()).toMatchObject({ writtenCalls: 1, faults: 3, queued: 0, queuedBytes: 0 })
  expect(said).toEqual([expect.stringContaining('Spanledger: Error: broken')])
  expect(await readCounters(path)).toEqual({ processor_faults: 3 })
})

it('spans that end after the shutdown are counted as dropped', async () => {
  const { tracer, processor } = startApp({ store: tempLedger() })
  await processor.shutdown()
  makeCall(tracer)
  await processor.forceFlush()
  expect(processor.state()).toMatchObject({ droppedSpans: 1, queued: 0 })
})

it('makes no spans of its own work', async () => {
  useContextManager()
  const store = await openStore({ path: tempLedger() })
  onTestFinished(() => store.close())
  const suppressed: unknown[] = []
  const watched = {
    ...store,
    write: (batch: Batch) => {
      suppressed.push(context.active().getValue(Symbol.for('OpenTelemetry SDK Context Key SUPPRESS_TRACING')))
      return store.write(batch)
    },
  }
  const { tracer, processor } = startApp({ store: watched })
  makeCall(tracer)
  await processor.forceFlush()
  const exporter = new LedgerSpanExporter({ store: watched })
  await new Promise((resolve) => exporter.export([endedCall({})], resolve))
  expect(suppressed).toEqual([true, true])
})

it('the exporter reports failure when neither store nor spool takes the spans, and after its shutdown', async () => {
  const file = tempLedger()
  await (await openStore({ path: file })).close()
  const exporter = new LedgerSpanExporter({ store: `${file}/ledger.db` })
  const result = await new Promise((resolve) => exporter.export([endedCall({})], resolve))
  expect(result).toEqual({ code: 1, error: expect.objectContaining({ message: expect.stringContaining(`${file}/ledger.db`) }) })
  await exporter.shutdown()
  expect(await new Promise((resolve) => exporter.export([], resolve))).toEqual({
    code: 1,
    error: new Error('LedgerSpanExporter is shut down.'),
  })
})

it('a user in scope does not overwrite what a span says itself', async () => {
  const path = tempLedger()
  const { tracer, processor } = startApp({ store: path })
  startSpan(tracer, { ...callAttributes, 'user.id': 'own' }, undefined, contextOfUser('scope', { session: 's' })).end()
  await processor.shutdown()
  expect(await readLines(path)).toMatchObject([{ user: 'own', session: 's' }])
})

function ignore(): void {}

function raise(): never {
  throw new Error('broken')
}

function endedCall({ traceId = '1'.repeat(32), ...said }: Partial<EndedSpan> & { traceId?: string }): EndedSpan {
  const spanId = randomBytes(8).toString('hex')
  return {
    name: 'chat',
    spanContext: () => ({ traceId, spanId }),
    startTime: [1_700_000_000, 0],
    endTime: [1_700_000_001, 0],
    status: { code: 0 },
    attributes: callAttributes,
    resource: { attributes: {} },
    ...said,
  }
}
