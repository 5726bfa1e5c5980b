/** One vocabulary for what went wrong with a call, whatever the provider calls it. */
export type ErrorClass =
  | 'rate_limit'
  | 'timeout'
  | 'server_error'
  | 'model_error'
  | 'context_length'
  | 'content_filter'
  | 'format_error'
  | 'auth'
  | 'quota'
  | 'cancelled'
  | 'truncated'
  | 'other'

/** What is known of an error: the emitter's word, the HTTP status, the message. */
export interface ErrorFacts {
  readonly errorType: string | undefined
  readonly httpStatus: number | undefined
  readonly message: string | undefined
}

/** First match wins, so the narrower patterns stand first. Words as the SDKs and APIs of the large providers write them. */
const patterns: readonly (readonly [RegExp, ErrorClass])[] = [
  [/abort|cancel/i, 'cancelled'],
  [/context.?length|maximum context|prompt is too long|too many tokens/i, 'context_length'],
  [/content.?filter|content.?policy|safety|refusal|guardrail|blocked/i, 'content_filter'],
  [/insufficient.?quota|billing|credit balance|quota/i, 'quota'],
  [/rate.?limit|too.?many.?requests|throttl|resource.?exhausted/i, 'rate_limit'],
  [/time.?out|timed.?out|deadline/i, 'timeout'],
  [/auth|permission|forbidden|api.?key/i, 'auth'],
  [/overloaded|internal.?server|server.?error|api_error|unavailable|bad.?gateway/i, 'server_error'],
  [/json|parse|syntax|schema|format/i, 'format_error'],
  [/connection|network|socket|econn|enotfound|fetch failed/i, 'server_error'],
  [/bad.?request|invalid.?request|not.?found|unprocessable|model/i, 'model_error'],
]

/** The class of a failed call. Type before status before message, because messages quote what users wrote. */
export function classifyError({ errorType, httpStatus, message }: ErrorFacts): ErrorClass {
  return (
    match(errorType) ??
    (httpStatus === undefined ? undefined : fromStatus(httpStatus)) ??
    (message === undefined ? undefined : match(message.slice(0, 500))) ??
    'other'
  )
}

function match(text: string | undefined): ErrorClass | undefined {
  if (text === undefined) return undefined
  if (/^\d{3}$/.test(text)) return fromStatus(Number(text))
  return patterns.find(([pattern]) => pattern.test(text))?.[1]
}

function fromStatus(status: number): ErrorClass | undefined {
  if (status === 429) return 'rate_limit'
  if (status === 408 || status === 504) return 'timeout'
  if (status === 401 || status === 403) return 'auth'
  if (status === 402) return 'quota'
  if (status === 413) return 'context_length'
  if (status >= 500) return 'server_error'
  if (status >= 400) return 'model_error'
  return undefined
}
