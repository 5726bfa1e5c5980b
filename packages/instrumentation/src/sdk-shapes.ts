/**
 * The parts of the SDKs that are leaned on, declared here because the same code meets openai 4 to 7 and
 * @anthropic-ai/sdk 0 and 1, which all come from one generator. Everything is checked before use.
 */

/** A client, as resources hold it under `_client`. */
export interface SdkClient {
  readonly baseURL?: unknown
  readonly _options?: { readonly defaultHeaders?: unknown }
  /** @anthropic-ai/sdk from 0.134: the tracer of its own spans; undefined where they are switched off. */
  readonly _tracer?: unknown
}

/** `client.chat.completions`, `client.messages` and their like. */
export interface SdkResource {
  readonly _client?: SdkClient
}

/** What every `create` takes: the body of the request, then options of the request itself. */
export type SdkMethod = (this: SdkResource, ...args: unknown[]) => unknown

/** Options of one request that matter here. */
export interface SdkRequestOptions {
  readonly headers?: unknown
  /** @anthropic-ai/sdk from 0.134: the span that a helper such as `messages.stream()` has already started. */
  readonly __span?: unknown
}

/** What `create` returns: a promise that parses the response when it is awaited, not before. */
export interface SdkPromise {
  parse: () => Promise<unknown>
  asResponse: () => Promise<Response>
  /** A promise of the same response that makes something else of it. */
  _thenUnwrap: (transform: unknown) => unknown
  responsePromise: Promise<unknown>
  /** openai 4 passes the props, all later ones the client and the props. */
  parseResponse: (...args: unknown[]) => Promise<unknown>
}

/** A streamed answer; `iterator` is what `for await`, `tee()` and `toReadableStream()` all call. */
export interface SdkStream {
  iterator: () => AsyncIterator<unknown>
  readonly controller?: AbortController
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

export function isSdkPromise(value: unknown): value is SdkPromise {
  return value instanceof Promise && 'parse' in value && 'asResponse' in value && '_thenUnwrap' in value && 'responsePromise' in value
}

export function isSdkStream(value: unknown): value is SdkStream {
  return isObject(value) && typeof value['iterator'] === 'function'
}
