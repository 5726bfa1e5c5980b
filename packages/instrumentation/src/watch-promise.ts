import { guarded } from './instrumentation-state.ts'
import type { LiveCall } from './live-call.ts'
import { isSdkPromise, isSdkStream, type SdkPromise } from './sdk-shapes.ts'
import { watchRawResponse } from './watch-raw-response.ts'
import { watchStream } from './watch-stream.ts'

/**
 * Follows a call through what `create` returned, and leaves that object in the app's hands. Awaiting it would parse the
 * response, which `asResponse()` must not find read; so its two inner steps are watched instead: the response that
 * arrives or does not, and the parsing, which helpers such as `.parse()` reach too.
 */
export function watchPromise(returned: unknown, call: LiveCall): void {
  if (isSdkPromise(returned)) watchSdkPromise(returned, call)
  else if (returned instanceof Promise) watchPlainPromise(returned, call)
  else call.answered(returned)
}

function watchSdkPromise(promise: SdkPromise, call: LiveCall): void {
  const { responsePromise, parseResponse, asResponse } = promise
  const seen = (parsed: unknown): unknown => {
    watchParsed(parsed, call)
    return parsed
  }
  const failed = (error: unknown): never => {
    call.failed(error)
    throw error
  }
  promise.responsePromise = responsePromise.then((props) => {
    guarded('answer', () => call.arrived(props.response))
    return props
  }, failed)
  promise.parseResponse = (...args) => {
    call.parsing = true
    const parsed = parseResponse(...args)
    return parsed instanceof Promise ? parsed.then(seen, failed) : seen(parsed)
  }
  promise.asResponse = () =>
    asResponse.call(promise).then((response) => {
      // withResponse() asks for both; then the parsing is what counts.
      if (!call.parsing) guarded('answer', () => watchRawResponse(response, call))
      return response
    })
}

/** Whatever else an SDK, a proxy or a mock may return. */
function watchPlainPromise(promise: Promise<unknown>, call: LiveCall): void {
  promise.then(
    (parsed) => watchParsed(parsed, call),
    (error: unknown) => call.failed(error),
  )
}

/** Takes over what a response was parsed into. Never throws. */
function watchParsed(parsed: unknown, call: LiveCall): void {
  if (isSdkStream(parsed)) guarded('stream', () => watchStream(parsed, call))
  else call.answered(parsed)
}
