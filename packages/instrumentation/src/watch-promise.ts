import { isCacheHit } from './cache-hit.ts'
import { guarded } from './instrumentation-state.ts'
import type { LiveCall } from './live-call.ts'
import { responseWithoutUsage } from './response-without-usage.ts'
import { isObject, isSdkPromise, isSdkStream, type SdkPromise } from './sdk-shapes.ts'
import { shadow } from './shadow.ts'
import { watchRawResponse } from './watch-raw-response.ts'
import { watchStream } from './watch-stream.ts'

/**
 * Follows a call through what `create` returned, and leaves that object in the app's hands. Awaiting it would parse the
 * response, which `asResponse()` must not find read; so the ways in which an app can go on are shadowed on the object:
 * parsing (behind `then`, `catch`, `finally` and `withResponse()`), the raw response, and what helpers build on it.
 */
export function watchPromise(returned: unknown, call: LiveCall): void {
  if (isSdkPromise(returned)) watchSdkPromise(returned, call)
  else if (returned instanceof Promise) watchPlainPromise(returned, call)
  else call.answered(returned)
}

function watchSdkPromise(promise: SdkPromise, call: LiveCall): void {
  const { parse, asResponse, _thenUnwrap: unwrap } = promise
  const seen = (parsed: unknown): unknown => {
    watchParsed(parsed, call)
    return parsed
  }
  const failed = (error: unknown): never => {
    call.failed(error)
    throw error
  }
  let parsed: Promise<unknown> | undefined
  shadow(promise, 'parse', () => {
    call.parsing = true
    if (parsed === undefined) {
      const parsing = parse.call(promise)
      // After the SDK has begun to: a failure is then handled by it, and stays one.
      promise.responsePromise.then((answer) => noteAnswer(answer, call), ignored)
      parsed = parsing.then(seen, failed)
    }
    return parsed
  })
  let shown: Response | undefined
  shadow(promise, 'asResponse', () =>
    asResponse.call(promise).then((response) => {
      noteAnswer({ response }, call)
      if (call.hidesUsage) shown ??= guarded('answer', () => responseWithoutUsage(response, call))
      if (shown !== undefined) return shown
      // withResponse() asks for both; then the parsing is what counts.
      if (!call.parsing) guarded('answer', () => watchRawResponse(response, call))
      return response
    }, failed),
  )
  shadow(promise, '_thenUnwrap', (transform) => {
    // The promise that this makes goes past the methods above, straight to the two steps below them.
    const { responsePromise, parseResponse } = promise
    call.parsing = true
    promise.responsePromise = responsePromise.then((answer) => {
      noteAnswer(answer, call)
      return answer
    }, failed)
    shadow(promise, 'parseResponse', async (...args) => parseResponse(...args).then(seen, failed))
    return unwrap.call(promise, transform)
  })
}

function ignored(): void {}

/** What a promise of the response holds, in every SDK: the response beside the request's options. Never throws. */
function noteAnswer(answer: unknown, call: LiveCall): void {
  guarded('answer', () => {
    if (!isObject(answer)) return
    // openai from 5, @anthropic-ai/sdk from 0.40: the log id of the first attempt, where there was more than one.
    if (answer['retryOfRequestLogID'] !== undefined) call.wasRetried = true
    if (call.goesThroughGateway && isObject(answer['response'])) call.isCacheHit = isCacheHit(answer['response']['headers'])
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
