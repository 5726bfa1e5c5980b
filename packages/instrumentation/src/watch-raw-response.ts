import { guarded } from './instrumentation-state.ts'
import type { LiveCall } from './live-call.ts'

/**
 * Follows a response that the app asked for unparsed (`asResponse()`). The body stays the app's to read: `json()` and
 * `text()` show it to the call when the app uses them, on any other reading the call ends without usage.
 */
export function watchRawResponse(response: Response, call: LiveCall): void {
  call.unparsed = true
  const { json, text } = response
  let isRead = false
  const leave = (): void => {
    if (!isRead && !call.parsing) call.abandon()
  }
  shadow(response, 'json', async () => {
    // node-fetch, which openai 4 uses, reads `body` itself in here.
    isRead = true
    const body: unknown = await json.call(response)
    if (!call.parsing) call.answered(body)
    return body
  })
  shadow(response, 'text', async () => {
    isRead = true
    const body = await text.call(response)
    if (!call.parsing) guarded('answer', () => call.answered(parseJson(body)))
    return body
  })
  for (const name of ['arrayBuffer', 'blob', 'bytes', 'formData'] as const) {
    const read: unknown = Reflect.get(response, name)
    if (typeof read !== 'function') continue
    shadow(response, name, () => {
      leave()
      return Reflect.apply(read, response, []) as unknown
    })
  }
  const body = Reflect.getOwnPropertyDescriptor(Object.getPrototypeOf(response) as object, 'body')
  if (body?.get === undefined) return
  Object.defineProperty(response, 'body', {
    configurable: true,
    get: () => {
      leave()
      return Reflect.get(Object.getPrototypeOf(response) as object, 'body', response) as unknown
    },
  })
}

function shadow(response: Response, name: string, value: () => unknown): void {
  Object.defineProperty(response, name, { configurable: true, writable: true, value })
}

/** undefined for what is no JSON: an event stream read as text, say. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
