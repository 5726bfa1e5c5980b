import type { Context } from '@opentelemetry/api'
import { identityInContext, mergeIdentities, type Identity } from '@spanledger/conventions'

import { identityInBaggage } from './baggage.ts'
import { readHeliconeHeaders } from './helicone-headers.ts'
import { nobody, readIdentity, type SaidIdentity } from './read-identity.ts'
import { isObject } from './sdk-shapes.ts'

/** Where a request may say who makes it. */
export interface RequestSources {
  readonly body: Readonly<Record<string, unknown>>
  readonly requestHeaders: unknown
  /** `headers` or `extra_headers` that the app put into the body. */
  readonly bodyHeaders: unknown
  readonly defaultHeaders: unknown
  /** Paths into the body that may hold the user; the first that holds a text wins. */
  readonly userFields: readonly string[]
}

/**
 * Who makes a call: what `withUser` says, then headers of the request, headers inside its body, headers of the client,
 * then the body (`userFields`), then baggage. Each of user, session and property is
 * taken from the first that has it.
 */
export function identityOfRequest(context: Context, sources: RequestSources): Identity {
  const said: Identity[] = []
  const inScope = identityInContext(context)
  if (inScope !== undefined) said.push(inScope)
  for (const headers of [sources.requestHeaders, sources.bodyHeaders, sources.defaultHeaders]) {
    const read = headers === undefined || headers === null ? undefined : readHeliconeHeaders(headers)
    if (read !== undefined) said.push(readIdentity(read))
  }
  const inBody = identityInBody(sources)
  if (inBody !== undefined) said.push(readIdentity(inBody))
  const inBaggage = identityInBaggage(context)
  if (inBaggage !== undefined) said.push(inBaggage)
  return said.length === 0 ? nobody : said.length === 1 ? said[0]! : mergeIdentities(said)
}

function identityInBody({ body, userFields }: RequestSources): SaidIdentity | undefined {
  for (const field of userFields) {
    const value = field.split('.').reduce<unknown>((part, key) => (isObject(part) ? part[key] : undefined), body)
    if (typeof value === 'string' && value.trim() !== '') return { user: value }
  }
  return undefined
}
