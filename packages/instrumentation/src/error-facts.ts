import { guarded } from './instrumentation-state.ts'
import { isObject } from './sdk-shapes.ts'

/** What a span says of a failed call. */
export interface ErrorFacts {
  /** `error.type`: the provider's code, else its type, else the SDK's class of error; `cancelled` for an abort by the app. */
  readonly type: string
  /** What the SDK says happened; undefined where the text could quote an answer. */
  readonly message: string | undefined
  readonly httpStatus: number | undefined
}

/** Longer descriptions are cut: providers quote the request in theirs. */
const MAX_MESSAGE_LENGTH = 256

/** An abort by the app: the call did not succeed, but nobody is to blame. */
export const cancelled: ErrorFacts = { type: 'cancelled', message: 'The app cancelled the call.', httpStatus: undefined }

const unknown: ErrorFacts = { type: '_OTHER', message: undefined, httpStatus: undefined }

/** Never throws, whatever was thrown. */
export function errorFacts(error: unknown): ErrorFacts {
  return guarded('answer', () => read(error)) ?? unknown
}

function read(error: unknown): ErrorFacts {
  if (!isObject(error)) return unknown
  const className = nameOf(error)
  if (isAbort(error, className)) return cancelled
  const { status, message } = error
  return {
    type: code(error) ?? className,
    // V8's message of a SyntaxError quotes the text that would not parse, and that is the model's answer.
    message: error instanceof SyntaxError || typeof message !== 'string' ? undefined : message.slice(0, MAX_MESSAGE_LENGTH),
    httpStatus: typeof status === 'number' && status >= 100 && status <= 599 ? status : undefined,
  }
}

/** openai puts the provider's `code` and `type` on the error, @anthropic-ai/sdk keeps the body as it came. */
function code(error: Record<string, unknown>): string | undefined {
  const body = isObject(error['error']) ? error['error'] : undefined
  const inner = isObject(body?.['error']) ? body['error'] : undefined
  return [error['code'], error['type'], inner?.['type'], body?.['code'], body?.['type']].find(isCode)
}

/** A word such as `rate_limit_exceeded`, not a sentence and not an id: error types are few. */
function isCode(value: unknown): value is string {
  return typeof value === 'string' && value !== 'error' && /^[A-Za-z][\w.-]{0,63}$/.test(value)
}

function isAbort(error: Record<string, unknown>, className: string): boolean {
  return className === 'APIUserAbortError' || error['name'] === 'AbortError'
}

function nameOf(error: Record<string, unknown>): string {
  const { name, constructor } = error
  const className = typeof constructor === 'function' ? constructor.name : ''
  return [className, name].find(isCode) ?? '_OTHER'
}
