import type { LlmApi } from './llm-apis.ts'
import { holdsHeliconeHeaders } from './helicone-headers.ts'
import type { ResolvedOptions } from './options.ts'
import { isObject } from './sdk-shapes.ts'
import type { Server } from './server.ts'

/** The request as the provider gets it; the app's own objects are never changed. */
export interface PreparedRequest {
  readonly body: Readonly<Record<string, unknown>>
  /** Headers that the app had put into the body. */
  readonly bodyHeaders: unknown
}

/**
 * Takes `headers` and `extra_headers` with Helicone's names out of a body: they are for the ledger, and no provider
 * takes them. (They are not sent as HTTP headers either: the provider is not Helicone.)
 */
export function takeOutHeaders(body: Readonly<Record<string, unknown>>): PreparedRequest {
  const inHeaders = holdsHeliconeHeaders(body['headers'])
  const inExtra = holdsHeliconeHeaders(body['extra_headers'])
  if (!inHeaders && !inExtra) return { body, bodyHeaders: undefined }
  const { headers, extra_headers: extraHeaders, ...rest } = body
  return {
    body: {
      ...rest,
      ...(!inHeaders && 'headers' in body && { headers }),
      ...(!inExtra && 'extra_headers' in body && { extra_headers: extraHeaders }),
    },
    bodyHeaders: inHeaders && inExtra ? { ...(extraHeaders as object), ...(headers as object) } : inHeaders ? headers : extraHeaders,
  }
}

/** The servers that are known to take `stream_options`; others may refuse a request that has it. */
const takesStreamOptions = new Set(['openai', 'azure.ai.openai'])

/**
 * The body with a request for usage in it, where that is allowed and the app has not decided itself.
 * @returns undefined when the body stays as it is
 */
export function askForUsage(
  api: LlmApi,
  body: Readonly<Record<string, unknown>>,
  server: Server,
  includeUsage: ResolvedOptions['includeUsage'],
): Readonly<Record<string, unknown>> | undefined {
  if (!api.asksForUsage || body['stream'] !== true || includeUsage === false) return undefined
  if (includeUsage === 'auto' && (server.provider === undefined || !takesStreamOptions.has(server.provider))) return undefined
  const options = body['stream_options']
  if (options === undefined || options === null) return { ...body, stream_options: { include_usage: true } }
  if (!isObject(options) || 'include_usage' in options) return undefined
  return { ...body, stream_options: { ...options, include_usage: true } }
}
