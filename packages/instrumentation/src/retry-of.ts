import { context, createContextKey, type Context } from '@opentelemetry/api'

const RETRY_OF = createContextKey('spanledger retry of')

/**
 * Runs `fn`; calls in it ask once more what the call of a span asked: a "try again" button, whatever the user now writes. It wins over
 * what fingerprints tell. Needs a context manager, which any OpenTelemetry SDK registers.
 * @returns what `fn` returns; what it throws is thrown on
 */
export function withRetryOf<Result>(span: { readonly traceId: string; readonly spanId: string }, fn: () => Result): Result {
  if (typeof fn !== 'function') throw new TypeError('The last argument must be the function to run as a retry.')
  return context.with(context.active().setValue(RETRY_OF, `${span?.traceId}-${span?.spanId}`), fn)
}

/** What the calls of a scope ask once more, as the attribute says it. */
export function retryIn(from: Context): string | undefined {
  const said = from.getValue(RETRY_OF)
  return typeof said === 'string' ? said : undefined
}
