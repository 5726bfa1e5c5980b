import { context, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CBaggagePropagator } from '@opentelemetry/core'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  type ReadableSpan,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-base'

import { readCall, type LlmCall, type SpanRecord } from '@spanledger/conventions'

/** A real SDK whose finished spans can be looked at. */
export interface Tracing {
  readonly provider: BasicTracerProvider
  spans(): ReadableSpan[]
  /** The finished spans of ours, or of an SDK's own, as the ledger reads them. */
  calls(): LlmCall[]
  reset(): void
  stop(): Promise<void>
}

export function startTracing({ processors = [], global = true }: { processors?: SpanProcessor[]; global?: boolean } = {}): Tracing {
  const exporter = new InMemorySpanExporter()
  const provider = new BasicTracerProvider({ spanProcessors: [...processors, new SimpleSpanProcessor(exporter)] })
  if (global) {
    trace.setGlobalTracerProvider(provider)
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
    propagation.setGlobalPropagator(new W3CBaggagePropagator())
  }
  return {
    provider,
    spans: () => exporter.getFinishedSpans(),
    calls: () => exporter.getFinishedSpans().flatMap((span) => readCall(toRecord(span), 'app') ?? []),
    reset: () => exporter.reset(),
    stop: async () => {
      await provider.shutdown()
      if (!global) return
      trace.disable()
      context.disable()
      propagation.disable()
    },
  }
}

/** A finished span in the shape that all readers take. */
export function toRecord(span: ReadableSpan): SpanRecord {
  return {
    traceId: span.spanContext().traceId,
    spanId: span.spanContext().spanId,
    parentSpanId: span.parentSpanContext?.spanId,
    name: span.name,
    startMs: span.startTime[0] * 1000 + span.startTime[1] / 1e6,
    endMs: span.endTime[0] * 1000 + span.endTime[1] / 1e6,
    statusCode: span.status.code,
    statusMessage: span.status.message,
    scopeName: span.instrumentationScope.name,
    scopeVersion: span.instrumentationScope.version ?? '',
    attributes: span.attributes,
    resourceAttributes: span.resource.attributes,
    droppedAttributes: span.droppedAttributesCount,
  }
}

/** Waits until what was started has settled: timers of 0 ms, microtasks, and ends that are held for a turn. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
}
