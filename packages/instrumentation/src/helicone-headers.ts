import { isObject } from './sdk-shapes.ts'
import type { SaidIdentity } from './read-identity.ts'

/** What the headers of a request say of who makes it. */
export interface HeaderIdentity extends SaidIdentity {
  readonly properties: readonly (readonly [name: string, value: string])[]
}

/**
 * Reads the `Helicone-User-Id`, `Helicone-Session-*`, `Helicone-Prompt-*` and `Helicone-Property-*` headers (and `X-User-Id`), names in any
 * case, from any shape in which the SDKs take headers. Session path and name become the properties `Session-Path` and
 * `Session-Name`, prompt id and version `prompt` and `prompt_version`. Empty values say nothing.
 * @returns undefined when there are none
 */
export function readHeliconeHeaders(headers: unknown): HeaderIdentity | undefined {
  if (!isObject(headers)) return undefined
  const read: Reading = { user: undefined, plainUser: undefined, session: undefined, properties: [], found: false }
  for (const [name, value] of entriesOf(headers)) readHeader(read, name, value)
  return read.found ? { user: read.user ?? read.plainUser, session: read.session, properties: read.properties } : undefined
}

/** Whether a `headers` object inside a body is one of these: then it is meant for us, not for the provider. */
export function holdsHeliconeHeaders(headers: unknown): boolean {
  if (!isObject(headers)) return false
  for (const [name] of entriesOf(headers)) if (/^helicone-/i.test(name)) return true
  return false
}

interface Reading {
  user: string | undefined
  plainUser: string | undefined
  session: string | undefined
  readonly properties: [name: string, value: string][]
  found: boolean
}

function readHeader(read: Reading, name: string, value: unknown): void {
  // Most headers are others; the first letter tells without making a lower-case copy of each.
  const first = name.charCodeAt(0) | 0x20
  if (first !== 0x68 && first !== 0x78) return
  const text = typeof value === 'string' ? value.trim() : typeof value === 'number' || typeof value === 'boolean' ? String(value) : ''
  if (text === '') return
  const lower = name.toLowerCase()
  if (lower === 'helicone-user-id') read.user = text
  else if (lower === 'x-user-id') read.plainUser = text
  else if (lower === 'helicone-session-id') read.session = text
  else if (lower === 'helicone-session-path') read.properties.push(['Session-Path', text])
  else if (lower === 'helicone-session-name') read.properties.push(['Session-Name', text])
  else if (lower === 'helicone-prompt-id') read.properties.push(['prompt', text])
  else if (lower === 'helicone-prompt-version') read.properties.push(['prompt_version', text])
  else if (lower.startsWith('helicone-property-')) read.properties.push([name.slice('helicone-property-'.length), text])
  else return
  read.found = true
}

/** Plain objects, `Headers`, lists of pairs, and the SDKs' own `{ values: Headers }`. */
function* entriesOf(headers: Record<string, unknown>): Generator<readonly [name: string, value: unknown]> {
  const { values } = headers
  const list = headers instanceof Headers ? headers : values instanceof Headers ? values : Array.isArray(headers) ? headers : undefined
  if (list === undefined) {
    for (const name in headers) yield [name, headers[name]]
    return
  }
  for (const pair of list as Iterable<unknown>) {
    if (Array.isArray(pair) && typeof pair[0] === 'string') yield [pair[0], pair[1]]
  }
}
