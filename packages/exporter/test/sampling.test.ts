import { AlwaysOffSampler, InMemorySpanExporter, ParentBasedSampler, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { expect, it } from 'vitest'

import { alwaysRecord, LedgerSpanProcessor } from '@spanledger/exporter'

import { makeCall, startSpan, startTracer } from './app.ts'
import { readLines, tempLedger } from './ledger.ts'

it('a sampler that leaves calls out hides them, and wrapped in alwaysRecord it does not, and other exporters see no more than before', async () => {
  const hidden = await run(new ParentBasedSampler({ root: new AlwaysOffSampler() }))
  expect(hidden).toEqual({ lines: 0, exported: 0 })
  const sampler = alwaysRecord(new ParentBasedSampler({ root: new AlwaysOffSampler() }))
  expect(await run(sampler)).toEqual({ lines: 2, exported: 0 })
  expect(sampler.rescuedSpans).toBe(3)
  expect(sampler.toString()).toMatch(/^AlwaysRecord\{ParentBased\{root=AlwaysOffSampler/)
})

async function run(sampler: ParentBasedSampler): Promise<{ lines: number; exported: number }> {
  const path = tempLedger()
  const memory = new InMemorySpanExporter()
  const processor = new LedgerSpanProcessor({ store: path })
  const tracer = startTracer([new SimpleSpanProcessor(memory), processor], { sampler })
  const root = startSpan(tracer)
  makeCall(tracer, {}, root)
  makeCall(tracer, {}, root)
  root.end()
  const { queued } = processor.state()
  await processor.shutdown()
  return { lines: queued === 0 ? 0 : (await readLines(path)).length, exported: memory.getFinishedSpans().length }
}
