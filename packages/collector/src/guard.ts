import { timingSafeEqual } from 'node:crypto'
import { isIPv4 } from 'node:net'

import { Refusal } from './refusal.ts'
import { hashToken, type TokenBinding } from './tokens.ts'

/** What of a request tells whether it may be answered. */
export interface Credentials {
  readonly authorization: string | undefined
  /** The `Host` of HTTP, `:authority` of gRPC. */
  readonly host: string | undefined
  /** `Sec-Fetch-Site`, which browsers send. */
  readonly fetchSite?: string | undefined
  /** `Origin`, which browsers send with every POST, old ones and those on plain HTTP too. */
  readonly origin?: string | undefined
}

export interface GuardOptions {
  readonly host: string
  readonly allowedHosts: readonly string[]
  /** The tokens of this moment; undefined where none is asked for. */
  readonly bindings: (() => readonly TokenBinding[]) | undefined
}

/** Whose a request is. */
export interface Sender {
  /** Undefined for the ledger that stands for no tenant. */
  readonly tenant: string | undefined
  /** What its requests are counted under. */
  readonly key: string
}

/**
 * Says whose a request is.
 *
 * Where a token is asked for, it alone decides. Without one, everything on this machine may send; then the Host header is
 * looked at, because a web page can make a browser send to this machine under a name of its own that resolves to it.
 * @throws Refusal
 */
export function identifySender(credentials: Credentials, { host, allowedHosts, bindings }: GuardOptions): Sender {
  if (bindings !== undefined) return senderOf(credentials.authorization, bindings())
  if (!isServed(nameOf(credentials.host), host, allowedHosts)) {
    throw new Refusal('forbidden', 'This host name is not served. Send to 127.0.0.1 or localhost, or start with --allow-host.')
  }
  if (isOfWebPage(credentials)) {
    throw new Refusal('forbidden', 'Requests from web pages are refused.')
  }
  return { tenant: undefined, key: '' }
}

function isOfWebPage({ fetchSite, origin, host }: Credentials): boolean {
  const isForeign = fetchSite !== undefined && fetchSite !== 'same-origin' && fetchSite !== 'none'
  return isForeign || (origin !== undefined && !isOriginOf(origin, host))
}

/** An origin that is none (`null`, of a sandboxed page or a file) is nobody's. */
function isOriginOf(origin: string, host: string | undefined): boolean {
  const [, atOrigin] = /^https?:\/\/([^/]+)$/i.exec(origin) ?? []
  return atOrigin !== undefined && atOrigin.toLowerCase() === host?.toLowerCase()
}

function senderOf(authorization: string | undefined, bindings: readonly TokenBinding[]): Sender {
  const [, token] = /^bearer +(\S+)$/i.exec(authorization?.trim() ?? '') ?? []
  if (token === undefined) throw new Refusal('unauthenticated', 'Send the token: Authorization: Bearer TOKEN.')
  const hash = hashToken(token)
  let found: TokenBinding | undefined
  // All of them, always: how long it takes says nothing of which one is nearly right.
  for (const binding of bindings) if (timingSafeEqual(binding.hash, hash)) found = binding
  if (found === undefined) throw new Refusal('unauthenticated', 'This token is not known.')
  return { tenant: found.tenant, key: found.hash.toString('hex') }
}

const loopbackNames: ReadonlySet<string> = new Set(['localhost', '[::1]', '::1'])

/** Whether only this machine can reach an address. */
export function isLoopback(host: string): boolean {
  return loopbackNames.has(host.toLowerCase()) || (isIPv4(host) && host.startsWith('127.'))
}

function isServed(name: string, bound: string, allowed: readonly string[]): boolean {
  return isLoopback(name) || name === bound.toLowerCase() || allowed.some((one) => one.toLowerCase() === name)
}

function nameOf(host: string | undefined): string {
  return (host ?? '').toLowerCase().replace(/:\d+$/, '')
}
