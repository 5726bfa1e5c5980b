import { createHash, timingSafeEqual } from 'node:crypto'

/** What is looked at of a request before it is answered. */
export interface GuardedRequest {
  readonly method: string
  readonly host: string | undefined
  readonly authorization: string | undefined
  /** `Sec-Fetch-Site`, which browsers send. */
  readonly fetchSite: string | undefined
  /** `Origin`, which browsers send with every POST, old ones and those on plain HTTP too. */
  readonly origin: string | undefined
}

export interface GuardOptions {
  /** Host names that may stand in the Host header. */
  readonly hosts: readonly string[]
  readonly token: string | undefined
}

/**
 * Why a request is refused, or undefined. A page of another site can make a browser ask a server on this machine, under a
 * name of its own that resolves to it: the Host header is what gives it away.
 */
export function refusal(request: GuardedRequest, { hosts, token }: GuardOptions): { status: 401 | 403; message: string } | undefined {
  if (!hosts.includes(hostName(request.host)))
    return { status: 403, message: 'This host name is not served. Use 127.0.0.1 or localhost, or start with --host.' }
  if (isOfOtherSite(request) && request.method !== 'GET' && request.method !== 'HEAD')
    return { status: 403, message: 'Requests from other sites are refused.' }
  if (token !== undefined && !carries(request.authorization, token))
    return { status: 401, message: 'Send the token: Authorization: Bearer TOKEN, or as a password.' }
  return undefined
}

function isOfOtherSite({ fetchSite, origin, host }: GuardedRequest): boolean {
  if (fetchSite !== undefined && fetchSite !== 'same-origin' && fetchSite !== 'none') return true
  if (origin === undefined) return false
  // An origin that is none (`null`, of a sandboxed page or a file) is another site too.
  const [, atOrigin] = /^https?:\/\/([^/]+)$/i.exec(origin) ?? []
  return atOrigin === undefined || atOrigin.toLowerCase() !== host?.toLowerCase()
}

function hostName(host: string | undefined): string {
  return (host ?? '').toLowerCase().replace(/:\d+$/, '')
}

function carries(authorization: string | undefined, token: string): boolean {
  const [scheme = '', value = ''] = (authorization ?? '').split(' ')
  if (/^bearer$/i.test(scheme)) return sameText(value, token)
  if (!/^basic$/i.test(scheme)) return false
  // Browsers can only ask for a name and a password; the name does not matter.
  return sameText(
    Buffer.from(value, 'base64')
      .toString('utf8')
      .replace(/^[^:]*:/, ''),
    token,
  )
}

function sameText(a: string, b: string): boolean {
  return timingSafeEqual(digest(a), digest(b))
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

const loopback: readonly string[] = ['127.0.0.1', 'localhost', '[::1]', '::1']

export function isLoopback(host: string): boolean {
  return loopback.includes(host.toLowerCase())
}

/** The host names that a server bound to `host` answers to. */
export function hostsFor(host: string, allowed: readonly string[]): string[] {
  const bound = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
  return [...loopback, bound.toLowerCase(), ...allowed.map((name) => name.toLowerCase())]
}
