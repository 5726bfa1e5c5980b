import { isSpanContextValid, type Span, type Tracer } from '@opentelemetry/api'

import { guarded } from './instrumentation-state.ts'
import type { CallOutcome, LiveCall } from './live-call.ts'
import { applyOutcome } from './own-span.ts'
import { isObject, type SdkClient, type SdkRequestOptions } from './sdk-shapes.ts'
import { shadow } from './shadow.ts'

/**
 * From 0.134 on @anthropic-ai/sdk makes a span for each call by itself. A second one would count the call twice, so
 * the SDK's is caught as it starts and completed before it ends: identity, what a stream used until it was left, the
 * parts that several models served, descriptions of errors. (Source of @anthropic-ai/sdk 1.11.0,
 * src/internal/tracing.ts, read 2026-11-20.)
 */

/** While a method of the SDK runs: catches the span it starts, and gives it ours where its own tracer is none. */
interface Catching {
  span: Span | undefined
  readonly startOwn: () => Span
}

let catching: Catching | undefined

const watchedTracers = new WeakSet<object>()

/** Whether the client makes spans by itself, or would if there were a tracer provider behind it. */
export function hasNativeSpans(client: SdkClient | undefined): boolean {
  return tracerOf(client) !== undefined
}

/**
 * Runs a method of the SDK and catches the span that it starts.
 * @returns what the method returned, and the span; none where the SDK started none
 */
export function catchNativeSpan<Result>(
  client: SdkClient,
  options: SdkRequestOptions | undefined,
  startOwn: () => Span,
  run: () => Result,
): { returned: Result; span: Span | undefined } {
  const before = catching
  const here: Catching = { span: undefined, startOwn }
  guarded('start', () => watchTracer(client))
  catching = here
  try {
    return { returned: run(), span: spanOfHelper(options) ?? here.span }
  } finally {
    catching = before
  }
}

/** `messages.stream()` starts the span itself and hands it down in the options. */
function spanOfHelper(options: SdkRequestOptions | undefined): Span | undefined {
  const { __span: call } = options ?? {}
  return isObject(call) && isObject(call['span']) ? (call['span'] as unknown as Span) : undefined
}

function watchTracer(client: SdkClient): void {
  const tracer = tracerOf(client)
  if (tracer === undefined || watchedTracers.has(tracer)) return
  const watched: Tracer = {
    startSpan: (name, options, context) => {
      const span = tracer.startSpan(name, options, context)
      const here = catching
      if (here === undefined || here.span !== undefined) return span
      // No tracer provider behind the SDK's tracer: the span that the SDK will fill and end is one of ours.
      here.span = isSpanContextValid(span.spanContext()) ? span : (guarded('start', here.startOwn) ?? span)
      return here.span
    },
    startActiveSpan: ((...args: Parameters<Tracer['startActiveSpan']>) => tracer.startActiveSpan(...args)) as Tracer['startActiveSpan'],
  }
  watchedTracers.add(watched)
  Reflect.set(client, '_tracer', watched)
}

function tracerOf({ _tracer: tracer }: SdkClient = noClient): Tracer | undefined {
  return isObject(tracer) ? (tracer as unknown as Tracer) : undefined
}

const noClient: SdkClient = {}

/**
 * Holds the end of a native span until the outcome of its call is known, which for failures is some microtasks after
 * the SDK ends it.
 * @returns what to do when the outcome is there
 */
export function holdEnd(span: Span, callOf: () => LiveCall): (outcome: CallOutcome) => void {
  const end = span.end.bind(span)
  let outcome: CallOutcome | undefined
  let isEndedBySdk = false
  let isEnded = false
  const finish = (): void => {
    if (isEnded) return
    isEnded = true
    if (outcome !== undefined) guarded('end', () => applyOutcome(span, outcome!))
    end()
  }
  shadow(span, 'end', () => {
    isEndedBySdk = true
    if (outcome !== undefined) finish()
    // The app asked for the raw response: the SDK ends the span with its headers, the usage is in its body.
    else setImmediate(() => guarded('end', () => (callOf().unparsed ? undefined : callOf().abandon())))
  })
  return (known) => {
    outcome = known
    if (isEndedBySdk || known.atOnce) finish()
    // The SDK does not see every way of reading (`tee()`) and every stream that is left alone.
    else setImmediate(() => guarded('end', finish))
  }
}
