import { context, trace, type Attributes, type Context, type Span, type Tracer } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BasicTracerProvider, type Sampler, type SpanLimits, type SpanProcessor } from '@opentelemetry/sdk-trace-base'
import { IDENTITY_CONTEXT_KEY } from '@spanledger/conventions'
import { onTestFinished } from 'vitest'

import { LedgerSpanProcessor, type LedgerSpanProcessorOptions } from '@spanledger/exporter'

/** The attributes that any LLM instrumentation writes. */
export const callAttributes: Attributes = {
  'gen_ai.operation.name': 'chat',
  'gen_ai.provider.name': 'openai',
  'gen_ai.request.model': 'gpt-4o-mini',
  'gen_ai.response.model': 'gpt-4o-mini-2024-07-18',
  'gen_ai.usage.input_tokens': 100,
  'gen_ai.usage.output_tokens': 10,
}

/** An app's tracer with the given processors. */
export function startTracer(
  spanProcessors: SpanProcessor[],
  options: { sampler?: Sampler; spanLimits?: SpanLimits; resource?: Attributes } = {},
): Tracer {
  const provider = new BasicTracerProvider({ ...options, resource: resourceFromAttributes(options.resource ?? {}), spanProcessors })
  return provider.getTracer('app', '1.0.0')
}

/** An app's tracer with our processor, which is shut down after the test. */
export function startApp(
  options: LedgerSpanProcessorOptions,
  sdk: Parameters<typeof startTracer>[1] = {},
): { tracer: Tracer; processor: LedgerSpanProcessor } {
  const processor = new LedgerSpanProcessor(options)
  onTestFinished(() => processor.shutdown())
  return { tracer: startTracer([processor], sdk), processor }
}

export function useContextManager(): void {
  const manager = new AsyncLocalStorageContextManager().enable()
  context.setGlobalContextManager(manager)
  onTestFinished(() => context.disable())
}

/** Starts a span below `parent`, or a root. */
export function startSpan(tracer: Tracer, attributes: Attributes = {}, parent?: Span, base: Context = context.active()): Span {
  return tracer.startSpan('span', { attributes }, parent === undefined ? base : trace.setSpan(base, parent))
}

/** A call that begins and ends now. @returns its span id */
export function makeCall(tracer: Tracer, attributes: Attributes = {}, parent?: Span): string {
  const span = startSpan(tracer, { ...callAttributes, ...attributes }, parent)
  span.end()
  return span.spanContext().spanId
}

/** A context in which `withUser` has been called. */
export function contextOfUser(user: string, { session, plan }: { session?: string; plan?: string } = {}): Context {
  const properties = new Map(plan === undefined ? [] : [['plan', { name: 'Plan', value: plan }]])
  return context.active().setValue(IDENTITY_CONTEXT_KEY, { user, session, properties })
}
