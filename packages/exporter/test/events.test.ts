import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { context } from '@opentelemetry/api'
import { drainSpool, LedgerSpanProcessor } from '@spanledger/exporter'
import { openStore } from '@spanledger/store'
import { expect, it } from 'vitest'

import { decodeBatch, encodeBatch } from '../src/spool-line.ts'
import { contextOfUser, makeCall, startApp, startSpan, startTracer, useContextManager } from './app.ts'
import { readCounters, readEvents, readLines, tempFolder, tempLedger } from './ledger.ts'

it('writes an event once, under the user and the properties in scope', async () => {
  useContextManager()
  const path = tempLedger()
  const { tracer, processor } = startApp({ store: path })
  const span = context.with(contextOfUser('ada', { plan: 'pro' }), () => {
    makeCall(tracer)
    return startEvent(tracer)
  })
  await processor.forceFlush()
  await processor.forceFlush()
  expect(await readEvents(path)).toEqual([{ span, user: 'ada', plan: 'pro' }])
  expect(await readLines(path)).toMatchObject([{ user: 'ada', counted: true }])
  expect(processor.state()).toMatchObject({ queued: 0, queuedBytes: 0, faults: 0 })
})

it('gives an event the user that its request learns later, also after the event was written', async () => {
  const path = tempLedger()
  const { tracer, processor } = startApp({ store: path })
  const request = startSpan(tracer)
  const span = startEvent(tracer, request)
  await processor.forceFlush()
  expect(await readEvents(path)).toEqual([{ span, user: '(none)', plan: null }])
  request.setAttribute('user.id', 'ada')
  request.end()
  await processor.forceFlush()
  expect(await readEvents(path)).toEqual([{ span, user: 'ada', plan: null }])
})

it('counts a call that has an event below it once, and its event under its user', async () => {
  const path = tempLedger()
  const { tracer, processor } = startApp({ store: path })
  const call = startSpan(tracer, {
    'gen_ai.operation.name': 'chat',
    'gen_ai.request.model': 'm',
    'gen_ai.usage.input_tokens': 5,
    'user.id': 'ada',
  })
  const span = startEvent(tracer, call)
  call.end()
  await processor.forceFlush()
  expect(await readLines(path)).toMatchObject([{ user: 'ada', counted: true, inputTokens: 5 }])
  expect(await readEvents(path)).toEqual([{ span, user: 'ada', plan: null }])
})

it('keeps events in the spool while the store takes none, with all they say', async () => {
  const path = join(tempFolder(), 'later', 'ledger.db')
  const spoolPath = join(tempFolder(), 'spool')
  const processor = new LedgerSpanProcessor({ store: path, spoolPath })
  const tracer = startTracer([processor], { resource: { 'property.plan': 'free' } })
  const span = tracer.startSpan('spanledger.revenue', {
    attributes: {
      'user.id': 'ada',
      'spanledger.revenue.amount': '0.000000001',
      'spanledger.revenue.id': 'in_1',
      'spanledger.revenue.period': 'month',
    },
  })
  span.end()
  await processor.shutdown()
  mkdirSync(dirname(path))
  const store = await openStore({ path })
  await drainSpool(store, spoolPath)
  await drainSpool(store, spoolPath)
  expect(await readEvents(path)).toEqual([{ span: span.spanContext().spanId, user: 'ada', plan: 'free' }])
  expect(await store.all('SELECT target_kind, target, amount_nano_usd, period FROM events')).toEqual([
    { target_kind: 'entry', target: 'in_1', amount_nano_usd: 1, period: 'month' },
  ])
  await store.close()
})

it('counts events that were dropped because the queue was full', async () => {
  const path = tempLedger()
  const { tracer, processor } = startApp({ store: path, maxQueueBytes: 4000 })
  for (let n = 0; n < 20; n++) startEvent(tracer)
  await processor.shutdown()
  const written = await readEvents(path)
  expect(written.length).toBeGreaterThan(0)
  expect(written.length).toBeLessThan(20)
  expect(await readCounters(path)).toMatchObject({ spans_dropped: 20 - written.length })
})

it('sets an event aside that the store refuses, and writes the others of its batch', async () => {
  const path = tempLedger()
  const { tracer, processor } = startApp({ store: path })
  const good = startEvent(tracer)
  makeCall(tracer)
  const bad = tracer.startSpan('spanledger.milestone', { attributes: { 'spanledger.event.name': 'x' } })
  bad.spanContext().spanId = 'no hexadecimal'
  bad.end()
  await processor.forceFlush()
  expect((await readEvents(path)).map(({ span }) => span)).toEqual([good])
  expect(await readLines(path)).toHaveLength(1)
  expect(await readCounters(path)).toMatchObject({ refused_by_store: 1 })
})

it('reads back from the spool what was written there, and refuses lines that are no events', () => {
  const said = { kind: 'nps', name: 'nps', source: 'human', startFraction: 5, faults: [], properties: [], traceId: 'a'.repeat(32) }
  const line = { ...said, spanId: 'b'.repeat(16), startMs: 1 }
  const foreign = [{ ...line, kind: 'toString' }, { ...line, name: 5 }, { ...line, startFraction: 'x' }, { ...line, spanId: 'x' }, {}]
  const text = [line, ...foreign].map((event) => JSON.stringify({ event })).join('\n')
  const { batch, refused } = decodeBatch(text)
  expect(refused).toBe(5)
  expect(batch.events).toMatchObject([{ kind: 'nps', spanId: 'b'.repeat(16), properties: new Map() }])
  expect(decodeBatch(encodeBatch(batch))).toEqual({ batch, refused: 0 })
})

function startEvent(tracer: Parameters<typeof startSpan>[0], parent?: Parameters<typeof startSpan>[2]): string {
  const span = startSpan(tracer, { 'spanledger.event.name': 'first_report' }, parent)
  span.updateName('spanledger.milestone')
  span.end()
  return span.spanContext().spanId
}
