import { providerOfHost } from '@spanledger/conventions'

import type { SdkClient } from './sdk-shapes.ts'

/** Where a client sends its requests, and who answers there. */
export interface Server {
  readonly address: string | undefined
  readonly port: number | undefined
  /** The provider known by the host name, if any. */
  readonly provider: string | undefined
}

const nowhere: Server = { address: undefined, port: undefined, provider: undefined }

/** Parsing a URL costs more than the rest of a span, and an app has few. */
const serversByUrl = new Map<string, Server>()
const MAX_SERVERS = 200

export function serverOf(client: SdkClient | undefined): Server {
  const baseUrl = client?.baseURL
  if (typeof baseUrl !== 'string') return nowhere
  const known = serversByUrl.get(baseUrl)
  if (known !== undefined) return known
  const server = parse(baseUrl)
  if (serversByUrl.size >= MAX_SERVERS) serversByUrl.clear()
  serversByUrl.set(baseUrl, server)
  return server
}

function parse(baseUrl: string): Server {
  if (!URL.canParse(baseUrl)) return nowhere
  const { hostname, port, protocol } = new URL(baseUrl)
  const address = hostname.replace(/^\[(.*)\]$/, '$1')
  return {
    address,
    port: port === '' ? (protocol === 'http:' ? 80 : 443) : Number(port),
    provider: providerOfHost(address),
  }
}
