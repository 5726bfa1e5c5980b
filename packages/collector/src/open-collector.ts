import type { AddressInfo } from 'node:net'

import { openStore, type StoreOptions } from '@spanledger/store'

import { Budget } from './budget.ts'
import { CollectorError } from './collector-error.ts'
import { Forwarder, type ForwardEvents } from './forward/forwarder.ts'
import { openGrpcServer, type GrpcServer } from './grpc/grpc-server.ts'
import { isLoopback } from './guard.ts'
import { openHttpServer, renewTls } from './http/http-server.ts'
import { Ledgers } from './ledgers.ts'
import { RateLimiter } from './rate-limiter.ts'
import { Receiver } from './receiver.ts'
import { settings, type Settings } from './settings.ts'
import { readTlsKeys, watchTlsKeys, type TlsKeys } from './tls.ts'
import { hashToken, MIN_TOKEN_LENGTH, watchTokenFile, type TokenBinding } from './tokens.ts'

export interface CollectorOptions extends Partial<Settings> {
  /** The ledger; those of tenants stand beside it, `spanledger.<tenant>.db`. */
  readonly store: StoreOptions
  /** What requests must carry. */
  readonly token?: string | undefined
  /** A file of tokens, each of a tenant: see `readTokenFile`. */
  readonly tokenFile?: string | undefined
  /** Files of a certificate and its key, PEM: both listeners speak TLS then. Read again when they change. */
  readonly tlsCert?: string | undefined
  readonly tlsKey?: string | undefined
  /** Further names by which it may be called where no token is asked for. */
  readonly allowedHosts?: readonly string[]
  /** Another OTLP/HTTP endpoint that everything is passed on to, unchanged. */
  readonly forward?: string | undefined
  readonly forwardHeaders?: Readonly<Record<string, string>>
  /** Where what waits to be sent on stands; by default the path of the ledger with ".forward.d" behind it. */
  readonly forwardQueue?: string | undefined
  /** Hears of faults that are not the senders': a ledger that takes nothing, a file of tokens that cannot be read any more. */
  readonly onFault?: (error: unknown) => void
}

/** A collector that listens. */
export interface Collector {
  readonly httpUrl: string
  /** Undefined where it was left out. */
  readonly grpcUrl: string | undefined
  /** Takes nothing more, waits until all that was taken is answered, and closes the ledgers. */
  close(): Promise<void>
}

/** What is waited for requests that are being answered, before their connections are cut. */
const DRAIN_MS = 10_000

/**
 * Starts a collector: whatever it has answered with success is in the ledger.
 * @throws CollectorError, StoreError
 */
export async function openCollector(options: CollectorOptions): Promise<Collector> {
  const chosen = withDefaults(options)
  const onFault = options.onFault ?? (() => undefined)
  const bindings = bindingsOf(options, onFault)
  const tls = readTlsKeys(options.tlsCert, options.tlsKey)
  if (!isLoopback(chosen.host) && bindings === undefined) {
    throw new CollectorError(
      'not_allowed',
      `${chosen.host} is open to other machines: give a token of at least ${MIN_TOKEN_LENGTH} characters, or listen on 127.0.0.1.`,
    )
  }
  const ledgers = await openLedgers(options, chosen)
  const forwarder = await openForwarder(options, chosen, {
    onFault,
    onLost: (counter, tenant, message) => {
      onFault(new Error(message))
      void countIn(ledgers, tenant, counter)
    },
  }).catch(async (error: unknown) => {
    await ledgers.close()
    throw error
  })
  const receiver = new Receiver({
    ledgers,
    guard: { host: chosen.host, allowedHosts: options.allowedHosts ?? [], bindings },
    budget: new Budget(chosen.maxInFlightBytes),
    rateLimiter: new RateLimiter(chosen.maxRequestsPerSecond),
    forwarder,
    onFault,
  })
  const listeners = openListeners(receiver, chosen, tls)
  const stopWatching = watchTls(options, listeners, onFault)
  const close = async (): Promise<void> => {
    stopWatching()
    await closeListeners(listeners)
    await forwarder?.close()
    await ledgers.close()
  }
  try {
    return { ...(await listenOn(listeners, chosen, tls)), close }
  } catch (error) {
    await close()
    throw error
  }
}

/** @throws StoreError where not even an empty ledger can be written */
async function openLedgers({ store, token, tokenFile }: CollectorOptions, chosen: Settings): Promise<Ledgers> {
  const ledgers = new Ledgers({ ...store, synchronous: 'full' }, chosen)
  // A path that cannot be written is to be seen now, not by the first sender.
  if (tokenFile === undefined || token !== undefined) await ledgers.use(undefined, () => Promise.resolve())
  // Nor a time zone or a file of prices that every tenant's ledger would stumble over.
  else await openStore({ ...store, path: ':memory:' }).then((opened) => opened.close())
  return ledgers
}

interface Listeners {
  readonly http: ReturnType<typeof openHttpServer>
  /** Undefined where it was left out. */
  readonly grpc: GrpcServer | undefined
}

function openListeners(receiver: Receiver, chosen: Settings, tls: TlsKeys | undefined): Listeners {
  return {
    http: openHttpServer(receiver, { ...chosen, tls }),
    grpc: chosen.grpcPort === 'off' ? undefined : openGrpcServer(receiver, { ...chosen, tls }),
  }
}

/** @returns how to stop */
function watchTls({ tlsCert, tlsKey }: CollectorOptions, { http, grpc }: Listeners, onFault: (error: unknown) => void): () => void {
  if (tlsCert === undefined || tlsKey === undefined) return () => undefined
  const renewed = (keys: TlsKeys): void => {
    renewTls(http, keys)
    grpc?.renewTls(keys)
  }
  return watchTlsKeys(tlsCert, tlsKey, { renewed, onFault })
}

async function closeListeners({ http, grpc }: Listeners): Promise<void> {
  const cut = setTimeout(() => {
    http.server.closeAllConnections()
    grpc?.cut()
  }, DRAIN_MS)
  await Promise.all([http.close(), grpc?.close()])
  clearTimeout(cut)
}

/** @throws CollectorError */
async function listenOn(
  { http, grpc }: Listeners,
  { host, httpPort, grpcPort }: Settings,
  tls: TlsKeys | undefined,
): Promise<Pick<Collector, 'httpUrl' | 'grpcUrl'>> {
  await listening(host, httpPort, () => http.listen({ host, port: httpPort }))
  const { port } = http.server.address() as AddressInfo
  if (grpc === undefined || grpcPort === 'off') return { httpUrl: urlOf(tls, host, port), grpcUrl: undefined }
  const boundGrpcPort = await listening(host, grpcPort, () => grpc.listen(host, grpcPort))
  return { httpUrl: urlOf(tls, host, port), grpcUrl: urlOf(tls, host, boundGrpcPort) }
}

async function openForwarder(
  { forward, forwardHeaders = {}, forwardQueue, store }: CollectorOptions,
  { forwardMaxBytes }: Settings,
  events: ForwardEvents,
): Promise<Forwarder | undefined> {
  if (forward === undefined) return undefined
  // With a dot, which no tenant's name has: the ledger of a tenant "forward" may be called `spanledger.forward`.
  const folder = forwardQueue ?? `${store.path}.forward.d`
  return Forwarder.open({ url: forward, headers: forwardHeaders, folder, maxBytes: forwardMaxBytes }, events)
}

/** Best effort: it has been said by then, and what was lost is not in the ledger's own numbers. */
async function countIn(ledgers: Ledgers, tenant: string | undefined, counter: string): Promise<void> {
  try {
    await ledgers.use(tenant, (queue) => queue.count(counter))
  } catch {
    // The ledger takes nothing at the moment, and whoever sends to it hears so.
  }
}

function withDefaults(options: Partial<Settings>): Settings {
  const defaults = Object.entries(settings).map(([name, { default: value }]) => [name, options[name as keyof Settings] ?? value])
  return Object.fromEntries(defaults) as Settings
}

/** @throws CollectorError */
function bindingsOf(
  { token, tokenFile }: CollectorOptions,
  onFault: (error: unknown) => void,
): (() => readonly TokenBinding[]) | undefined {
  if (token === undefined && tokenFile === undefined) return undefined
  if (token !== undefined && token.length < MIN_TOKEN_LENGTH) {
    throw new CollectorError(
      'not_allowed',
      `The token has ${token.length} characters; at least ${MIN_TOKEN_LENGTH} are needed. Make one: openssl rand -hex 32`,
    )
  }
  const own: TokenBinding[] = token === undefined ? [] : [{ hash: hashToken(token), tenant: undefined }]
  if (tokenFile === undefined) return () => own
  const ofFile = watchTokenFile(tokenFile, onFault)
  return () => [...own, ...ofFile()]
}

/** @throws CollectorError */
async function listening<Result>(host: string, port: number, listen: () => Promise<Result>): Promise<Result> {
  try {
    return await listen()
  } catch (cause) {
    throw new CollectorError(
      'cannot_listen',
      `Cannot listen on ${host}:${port} (${(cause as Error).message}). Give another port; 0 picks a free one.`,
      { cause },
    )
  }
}

function urlOf(tls: TlsKeys | undefined, host: string, port: number): string {
  return `${tls === undefined ? 'http' : 'https'}://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}`
}
