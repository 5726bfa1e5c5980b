import type { Server as TlsServer } from 'node:tls'

import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'

import { contentTypes, encodeStatus, encodeSuccess, type Encoding } from '../answer.ts'
import type { Receiver } from '../receiver.ts'
import { Refusal, RETRY_AFTER_SECONDS } from '../refusal.ts'
import { signalNames, signals } from '../signals.ts'
import type { TlsKeys } from '../tls.ts'
import { toRefusal } from '../to-refusal.ts'
import { answerBrokenRequest } from './broken-requests.ts'
import { readBody } from './read-body.ts'

export interface HttpServerOptions {
  readonly maxBodyBytes: number
  readonly maxConnections: number
  readonly headersTimeoutMs: number
  readonly requestTimeoutMs: number
  /** Undefined where it speaks plain HTTP. */
  readonly tls: TlsKeys | undefined
}

/** How long a connection may rest between two requests. */
const KEEP_ALIVE_TIMEOUT_MS = 60_000
/** Timeouts are looked at this often, at least. */
const CHECK_EVERY_MS = 5000
const MAX_HEADER_BYTES = 16 * 1024

/** The receiver of OTLP/HTTP; not yet listening. */
export function openHttpServer(receiver: Receiver, options: HttpServerOptions): FastifyInstance {
  const { maxBodyBytes, maxConnections, headersTimeoutMs, requestTimeoutMs, tls } = options
  const ofServer = {
    headersTimeout: headersTimeoutMs,
    connectionsCheckingInterval: Math.min(CHECK_EVERY_MS, headersTimeoutMs, requestTimeoutMs),
    maxHeaderSize: MAX_HEADER_BYTES,
  }
  const server: FastifyInstance = Fastify({
    logger: false,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    forceCloseConnections: 'idle',
    clientErrorHandler: answerBrokenRequest,
    frameworkErrors: (_error, request, reply) => refuse(request, reply, new Refusal('undecodable', 'The URL cannot be read.')),
    // The library's types know a server of either kind, not one that may be either.
    ...((tls === undefined ? { http: ofServer } : { https: { ...ofServer, ...tls, handshakeTimeout: headersTimeoutMs } }) as {
      http: typeof ofServer
    }),
  })
  server.server.maxConnections = maxConnections
  // Bodies are read by the handler, once it is known whose they are and that there is room for them.
  server.removeAllContentTypeParsers()
  server.addContentTypeParser('*', (_request, _payload, done) => done(null))
  server.setErrorHandler<Error & { code?: string }>((error, request, reply) => {
    // What the server itself finds wrong with a content type comes before the handler's own look at it.
    const isOfType = error.code?.startsWith('FST_ERR_CTP_') === true
    return refuse(request, reply, isOfType ? wrongType() : toRefusal(error))
  })
  server.setNotFoundHandler((request, reply) => {
    const path = request.url.replace(/\?.*$/, '')
    const isKnown = path === '/healthz' || signalNames.some((name) => signals[name].path === path)
    if (isKnown) void reply.header('allow', path === '/healthz' ? 'GET' : 'POST')
    const known = `${signalNames.map((name) => signals[name].path).join(', ')} (POST) and /healthz (GET)`
    return refuse(request, reply, new Refusal(isKnown ? 'wrong_method' : 'not_found', `There are only ${known}.`))
  })

  server.get('/healthz', () => ({ ok: true, ...receiver.state() }))
  for (const signal of signalNames) {
    server.post(signals[signal].path, async (request, reply) => {
      const { authorization, host, origin, 'sec-fetch-site': fetchSite } = request.headers
      const sender = receiver.admit({ authorization, host, origin, fetchSite: textOf(fetchSite) })
      const encoding = encodingOf(request)
      const isGzip = isCompressed(request)
      const held = await readBody(request.raw, { budget: receiver.budget, maxBytes: maxBodyBytes })
      try {
        const rejected = await receiver.take(sender, { signal, encoding, isGzip, body: held.body })
        return await reply.type(contentTypes[encoding]).send(encodeSuccess(signal, encoding, rejected))
      } finally {
        held.release()
      }
    })
  }
  return server
}

/** New keys for a server that speaks TLS, for the connections that come from now on. */
export function renewTls(server: FastifyInstance, keys: TlsKeys): void {
  ;(server.server as unknown as TlsServer).setSecureContext({ ...keys })
}

function refuse(request: FastifyRequest, reply: FastifyReply, refusal: Refusal): FastifyReply {
  const { http, retry } = refusal.status
  const encoding = findEncoding(request) ?? 'json'
  if (retry) void reply.header('retry-after', String(RETRY_AFTER_SECONDS))
  if (refusal.kind === 'unauthenticated') void reply.header('www-authenticate', 'Bearer')
  return reply.code(http).type(contentTypes[encoding]).send(encodeStatus(encoding, refusal))
}

function findEncoding(request: FastifyRequest): Encoding | undefined {
  const type = (request.headers['content-type'] ?? '').replace(/;.*$/s, '').trim().toLowerCase()
  return (Object.keys(contentTypes) as Encoding[]).find((encoding) => contentTypes[encoding] === type)
}

function encodingOf(request: FastifyRequest): Encoding {
  const encoding = findEncoding(request)
  if (encoding === undefined) throw wrongType()
  return encoding
}

function wrongType(): Refusal {
  return new Refusal('wrong_type', `Content-Type must be ${Object.values(contentTypes).join(' or ')}.`)
}

function isCompressed(request: FastifyRequest): boolean {
  const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase()
  if (encoding !== 'gzip' && encoding !== 'identity' && encoding !== '') {
    throw new Refusal('wrong_type', 'Content-Encoding must be gzip or identity.')
  }
  return encoding === 'gzip'
}

function textOf(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}
