import { context } from '@opentelemetry/api'

/** The key by which all SDKs know that nothing below is to be traced (opentelemetry-core `suppress-tracing.ts`, read 2026-11-20). */
const SUPPRESS_TRACING = Symbol.for('OpenTelemetry SDK Context Key SUPPRESS_TRACING')

/** Runs our own work so that instrumentations of files or databases make no spans of it. */
export function withoutTracing<Result>(work: () => Result): Result {
  return context.with(context.active().setValue(SUPPRESS_TRACING, true), work)
}
