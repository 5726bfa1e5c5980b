import type { LiveCall } from './live-call.ts'
import type { SdkStream } from './sdk-shapes.ts'
import { shadow } from './shadow.ts'

/**
 * Lets a call see the chunks of a stream as the app reads them. `stream.iterator` is replaced on the instance: `for
 * await`, `tee()`, `toReadableStream()` and the SDKs' helpers all start there. Nothing is read ahead, and reading ends
 * where the app ends it.
 */
export function watchStream(stream: SdkStream, call: LiveCall): void {
  const { iterator: iterate, controller } = stream
  call.streaming(controller?.signal)
  let watched = false
  shadow(stream, 'iterator', function (this: SdkStream) {
    const iterator = iterate.call(this)
    // A second iteration is the SDK's error to throw; it is no second call.
    if (watched) return iterator
    watched = true
    return watchIterator(iterator, call)
  })
}

/**
 * Shadows the methods on the SDK's own generator. A generator of ours around it would cost several promises a chunk;
 * this costs one, and no async context is entered.
 */
function watchIterator(iterator: AsyncIterator<unknown>, call: LiveCall): AsyncIterator<unknown> {
  const { next, return: close, throw: raise } = iterator
  const seen = (result: IteratorResult<unknown>): IteratorResult<unknown> | Promise<IteratorResult<unknown>> => {
    if (result.done === true) {
      call.streamEnded()
      return result
    }
    return call.chunk(result.value) ? result : next.call(iterator).then(seen, failed)
  }
  const failed = (error: unknown): never => {
    call.failed(error)
    throw error
  }
  shadow(iterator, 'next', () => next.call(iterator).then(seen, failed))
  if (close !== undefined) {
    shadow(iterator, 'return', (value) => {
      call.streamLeft()
      return close.call(iterator, value)
    })
  }
  if (raise !== undefined) {
    shadow(iterator, 'throw', (error) => {
      call.streamLeft()
      return raise.call(iterator, error)
    })
  }
  return iterator
}
