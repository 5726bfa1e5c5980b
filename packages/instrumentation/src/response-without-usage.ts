import { Readable } from 'node:stream'

import type { LiveCall } from './live-call.ts'
import { usageFilter } from './usage-filter.ts'

type ResponseClass = new (body: unknown, init: object) => Response

/**
 * The raw response of a stream as the app would have got it had we not asked for usage: of the same class, with the same
 * status, headers and url. The SDK keeps the original and may still parse it: nothing is read before the app reads.
 * @returns undefined for a response that is no event stream
 */
export function responseWithoutUsage(response: Response, call: LiveCall): Response | undefined {
  const { body, status, statusText, headers, url } = response
  if (body === null || !/^text\/event-stream\b/i.test(headers.get('content-type') ?? '')) return undefined
  let isStarted = false
  const start = (): void => {
    isStarted = true
    call.streaming(undefined)
  }
  // openai 4 brings node-fetch, whose bodies are streams of Node.
  const filtered = body instanceof ReadableStream ? filteredWebStream(response, call, start) : filteredNodeStream(body, call, start)
  const shown = new (response.constructor as ResponseClass)(filtered, { status, statusText, headers, url })
  const own = Object.getPrototypeOf(shown) as object
  for (const name of ['url', 'redirected', 'type'] as const) {
    if (name in response) Object.defineProperty(shown, name, { configurable: true, value: response[name] })
  }
  Object.defineProperty(shown, 'bodyUsed', {
    configurable: true,
    // Whoever reads the parsed stream of `withResponse()` has used this body too.
    get: () => Reflect.get(own, 'bodyUsed', shown) === true || (!isStarted && response.bodyUsed),
  })
  return shown
}

/** Holds the response and not only its body: fetch cancels the body of a response that nobody holds. */
function filteredWebStream(response: Response, call: LiveCall, start: () => void): ReadableStream {
  const filter = usageFilter(call)
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  const open = (): ReadableStreamDefaultReader<Uint8Array> => {
    reader = (response.body as ReadableStream<Uint8Array>).getReader()
    start()
    return reader
  }
  const pull = async (controller: ReadableByteStreamController): Promise<void> => {
    const from = reader ?? open()
    let shown: Uint8Array
    let isDone: boolean
    do {
      const { done, value } = await from.read()
      isDone = done
      shown = value === undefined ? filter.rest() : filter.pass(value)
    } while (!isDone && shown.byteLength === 0)
    if (shown.byteLength > 0) controller.enqueue(shown as Uint8Array<ArrayBuffer>)
    if (!isDone) return
    call.streamEnded()
    controller.close()
    controller.byobRequest?.respond(0)
  }
  return new ReadableStream({
    type: 'bytes',
    pull: (controller) =>
      pull(controller).catch((error: unknown) => {
        if (reader !== undefined) call.failed(error)
        throw error
      }),
    cancel: (reason) => {
      const from = reader ?? open()
      call.streamLeft()
      return from.cancel(reason)
    },
  })
}

function filteredNodeStream(body: unknown, call: LiveCall, start: () => void): Readable {
  if (!(body instanceof Readable)) throw new TypeError('The body of the response is a stream neither of the web nor of Node.')
  const filter = usageFilter(call)
  let isStarted = false
  const open = (to: Readable): void => {
    isStarted = true
    start()
    body.on('data', (bytes: Uint8Array) => {
      const shown = filter.pass(bytes)
      if (shown.byteLength > 0 && !to.push(shown)) body.pause()
    })
    body.on('end', () => {
      const shown = filter.rest()
      call.streamEnded()
      if (shown.byteLength > 0) to.push(shown)
      to.push(null)
    })
    body.on('error', (error) => {
      call.failed(error)
      to.destroy(error)
    })
  }
  return new Readable({
    read() {
      if (!isStarted) open(this)
      body.resume()
    },
    destroy(error, done) {
      call.streamLeft()
      body.destroy()
      done(error)
    },
  })
}
