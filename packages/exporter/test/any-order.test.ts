import { ROOT_CONTEXT, trace, type Attributes, type Span } from '@opentelemetry/api'
import type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace-base'
import { readCall, readEvent, readSpanIdentity } from '@spanledger/conventions'
import { openStore, settleTraces, type TraceSpan } from '@spanledger/store'
import { array, assert as assertProperty, asyncProperty, boolean, constantFrom, nat, option, record, type Arbitrary } from 'fast-check'
import { expect, it } from 'vitest'

import { LedgerSpanExporter, LedgerSpanProcessor, toSpanRecord } from '@spanledger/exporter'

import { callAttributes, startTracer } from './app.ts'
import { findFaults, readEvents, readLines, tempLedger } from './ledger.ts'

/** A span of a made-up trace: below which earlier one, what it is, what it says. */
interface Planned {
  readonly parent: number
  readonly kind: 'call' | 'call without usage' | 'agent' | 'other' | 'request' | 'event'
  readonly user: string | undefined
  readonly lateUser: string | undefined
  readonly plan: string | undefined
  readonly responseId: string | undefined
}

const planned: Arbitrary<Planned> = record({
  parent: nat(),
  kind: constantFrom('call', 'call', 'call without usage', 'agent', 'other', 'other', 'request', 'event'),
  user: option(constantFrom('ada', 'bob'), { nil: undefined, freq: 2 }),
  lateUser: option(constantFrom('cyd'), { nil: undefined, freq: 4 }),
  plan: option(constantFrom('pro', 'free'), { nil: undefined, freq: 2 }),
  responseId: option(constantFrom('r1', 'r2', 'r3'), { nil: undefined, freq: 2 }),
})

/** In which order the spans end, and before which of them all that has ended is written. */
const order = record({
  spans: array(planned, { minLength: 1, maxLength: 12 }),
  ends: array(nat(), { minLength: 12, maxLength: 12 }),
  flushes: array(boolean(), { minLength: 12, maxLength: 12 }),
})

it('the ledger is the same however the spans of a trace end and are batched, by the processor and by the exporter', async () => {
  await assertProperty(
    asyncProperty(order, async ({ spans, ends, flushes }) => {
      const processorPath = tempLedger()
      const exporterPath = tempLedger()
      for (const path of [processorPath, exporterPath]) await (await openStore({ path })).close()
      const processor = new LedgerSpanProcessor({ store: processorPath })
      const exporter = new LedgerSpanExporter({ store: exporterPath })
      const ended: ReadableSpan[] = []
      let unexported: ReadableSpan[] = []
      const flush = async (): Promise<void> => {
        await processor.forceFlush()
        const batch = unexported
        unexported = []
        await new Promise((resolve) => exporter.export(batch, resolve))
      }
      const tracer = startTracer([
        processor,
        collector((span) => {
          ended.push(span)
          unexported.push(span)
        }),
      ])
      const live: { span: Span; plan: Planned }[] = []
      for (const plan of spans) {
        // An event is over at once, so nothing starts below it.
        const parents = live.filter((one) => one.plan.kind !== 'event')
        const parent = parents.length === 0 ? undefined : parents[plan.parent % parents.length]
        const context = parent === undefined ? ROOT_CONTEXT : trace.setSpan(ROOT_CONTEXT, parent.span)
        live.push({
          span: tracer.startSpan(
            plan.kind === 'event' ? 'spanledger.milestone' : 'span',
            { kind: plan.kind === 'request' ? 2 : 0, attributes: attributesOf(plan) },
            context,
          ),
          plan,
        })
      }
      for (let n = 0; live.length > 0; n++) {
        if (flushes[n] === true) await flush()
        const [next] = live.splice((ends[n] ?? 0) % live.length, 1)
        if (next?.plan.lateUser !== undefined) next.span.setAttribute('user.id', next.plan.lateUser)
        next?.span.end()
      }
      await flush()
      await processor.shutdown()
      await exporter.shutdown()

      const expected = decide(ended)
      expect(await lines(processorPath)).toEqual(expected)
      expect(await lines(exporterPath)).toEqual(expected)
      const expectedEvents = decideEvents(ended)
      expect(await readEvents(processorPath)).toEqual(expectedEvents)
      expect(await readEvents(exporterPath)).toEqual(expectedEvents)
      expect(await findFaults(processorPath)).toEqual([])
    }),
    { numRuns: 40 },
  )
})

function attributesOf({ kind, user, plan, responseId }: Planned): Attributes {
  const withoutUsage = { ...callAttributes, 'gen_ai.usage.input_tokens': undefined, 'gen_ai.usage.output_tokens': undefined }
  return {
    ...(kind === 'call' ? callAttributes : kind === 'call without usage' ? withoutUsage : {}),
    ...(kind === 'agent' ? { ...callAttributes, 'gen_ai.operation.name': 'invoke_agent' } : {}),
    'user.id': user,
    'property.plan': plan,
    'gen_ai.response.id': responseId,
  }
}

function toTraceSpan(span: ReadableSpan): TraceSpan {
  const said = toSpanRecord(span)
  const call = readCall(said, 'app')
  return {
    traceId: said.traceId,
    spanId: said.spanId,
    parentSpanId: said.parentSpanId,
    startMs: Math.floor(said.startMs),
    role: call?.role ?? 'other',
    hasUsage: call?.usage !== undefined,
    responseId: call?.responseId,
    identity: readSpanIdentity(said),
    resourceIdentity: undefined,
  }
}

const isEvent = (span: ReadableSpan): boolean => readEvent(toSpanRecord(span), 'app') !== undefined

/** Whose the events of a trace are: decided as if each were a call. */
function decideEvents(spans: readonly ReadableSpan[]): unknown[] {
  const others = spans.filter((span) => !isEvent(span)).map(toTraceSpan)
  return spans
    .filter(isEvent)
    .map((span) => {
      const event: TraceSpan = { ...toTraceSpan(span), role: 'call' }
      const identity = settleTraces([...others, event]).get(event)?.identity
      return { span: event.spanId, user: identity?.user ?? '(none)', plan: identity?.properties.get('plan')?.value ?? null }
    })
    .sort((a, b) => (a.span < b.span ? -1 : 1))
}

/** What the rules say of the trace as a whole, without any batches. */
function decide(spans: readonly ReadableSpan[]): unknown[] {
  const traceSpans = spans.filter((span) => !isEvent(span)).map(toTraceSpan)
  return [...settleTraces(traceSpans)]
    .map(([span, { counted, identity }]) => [span.spanId, counted, identity.user ?? '(none)', identity.properties.get('plan')?.value])
    .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1))
}

async function lines(path: string): Promise<unknown[]> {
  return (await readLines(path)).map(({ span, counted, user, properties }) => [span, counted, user, properties['plan']])
}

function collector(onEnd: (span: ReadableSpan) => void): SpanProcessor {
  return { onStart: () => undefined, onEnd, forceFlush: async () => undefined, shutdown: async () => undefined }
}
