import { isComposite, QueryError, type Answer, type Composite, type Query } from '@spanledger/analytics'
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify'

import { CommandFailure, exitCodes } from '../command/failure.ts'
import type { AnalyticsAt } from '../command/globals.ts'
import { pageStyle } from '../format/html.ts'
import { refusal, type GuardOptions } from './guard.ts'
import { renderMistake, renderOverview, type OverviewQuery } from './overview.ts'
import { DEFAULT_ROWS, MAX_ROWS, readReportRequest } from './report-request.ts'

const policy = "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
const headers = {
  'content-security-policy': policy,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
}

/** The page and the HTTP API over one ledger; not yet listening. */
export function openServer(analyticsAt: AnalyticsAt, guard: GuardOptions): FastifyInstance {
  const analytics = analyticsAt({})
  const server = Fastify({ bodyLimit: 1_048_576, requestTimeout: 30_000, connectionTimeout: 60_000, logger: false })
  // A form of another site can send text/plain without asking the browser first.
  server.removeContentTypeParser('text/plain')
  server.addHook('onRequest', async (request, reply) => {
    void reply.headers(headers)
    const refused = refusal(
      {
        method: request.method,
        host: request.headers.host,
        authorization: request.headers.authorization,
        fetchSite: textOf(request.headers['sec-fetch-site']),
        origin: textOf(request.headers.origin),
      },
      guard,
    )
    if (refused === undefined) return
    if (refused.status === 401) void reply.header('www-authenticate', 'Basic realm="spanledger", charset="UTF-8"')
    await reply.code(refused.status).send({ error: refused.message })
  })
  server.setErrorHandler((error, _request, reply) => sendError(reply, error))
  server.setNotFoundHandler((_request, reply) =>
    reply.code(404).send({ error: 'There are only /, /api/report/NAME (GET or POST), /api/query (POST) and /healthz.' }),
  )

  server.get('/', async (request, reply) => {
    const query = overviewQuery(request.query as Record<string, unknown>)
    void reply.type('text/html; charset=utf-8')
    try {
      return await renderOverview(analytics, query)
    } catch (error) {
      if (!(error instanceof QueryError)) throw error
      void reply.code(400)
      return renderMistake(query, error.message)
    }
  })
  server.get('/style.css', (_request, reply) => reply.type('text/css; charset=utf-8').send(pageStyle))
  server.get('/healthz', () => ({ ok: true }))
  addReportRoutes(server, analyticsAt)
  server.post('/api/query', (request) => {
    const query = request.body as Query
    const limit = typeof query === 'object' && query !== null ? (query.limit ?? DEFAULT_ROWS) : undefined
    if (typeof limit === 'number' && limit > MAX_ROWS)
      throw new QueryError(`limit may be at most ${MAX_ROWS} here.`, { given: String(limit) })
    return analytics.query(limit === undefined ? query : { ...query, limit })
  })
  return server
}

/** A report is asked for by a query string, or by a JSON body: filters and tiers may be longer than an address. */
function addReportRoutes(server: FastifyInstance, analyticsAt: AnalyticsAt): void {
  server.get<{ Params: { name: string } }>('/api/report/:name', (request) => {
    const query = request.query as Record<string, unknown>
    for (const name of Object.keys(query)) paramOf(query, name)
    return answerTo(analyticsAt, request.params.name, query)
  })
  server.post<{ Params: { name: string } }>('/api/report/:name', (request) => {
    refuseBothWays(request.query)
    return answerTo(analyticsAt, request.params.name, objectOf(request.body))
  })
}

/** What the person or program asked wrongly is said; what went wrong inside is not. */
function sendError(reply: FastifyReply, error: unknown): FastifyReply {
  if (error instanceof QueryError) return reply.code(400).send({ error: error.message, given: error.given, allowed: error.allowed })
  if (error instanceof CommandFailure && error.exitCode === exitCodes.usage) return reply.code(400).send({ error: error.message })
  const { statusCode, message } = error as { statusCode?: number; message?: string }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return reply.code(statusCode).send({ error: message })
  process.stderr.write(`spanledger: ${message ?? String(error)}\n`)
  return reply.code(500).send({ error: 'The ledger could not be read.' })
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** @throws QueryError for a parameter that is given twice: which one was meant is not ours to guess */
function paramOf(query: Record<string, unknown>, name: string): string | undefined {
  if (Array.isArray(query[name])) {
    throw new QueryError(`Parameter ${JSON.stringify(name)} is given more than once. Give it once; lists have commas.`, { given: name })
  }
  return textOf(query[name])
}

function answerTo(analyticsAt: AnalyticsAt, name: string, given: Readonly<Record<string, unknown>>): Promise<Answer | Composite> {
  const { clock, params } = readReportRequest(given)
  const analytics = analyticsAt(clock)
  return isComposite(name) && params.options?.['section'] === undefined ? analytics.composite(name, params) : analytics.report(name, params)
}

/** Two places that say different things would leave it open which was meant. */
function refuseBothWays(query: unknown): void {
  const [name] = Object.keys(query as object)
  if (name !== undefined) throw new QueryError(`Parameters of POST stand in its body, not in the address: ${name}.`, { given: name })
}

function objectOf(body: unknown): Record<string, unknown> {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Record<string, unknown>
  throw new QueryError('The body must be a JSON object of parameters, such as {"last":"28d","mode":"streak"}.', {
    given: body === undefined ? 'nothing' : typeof body,
  })
}

function overviewQuery(query: Record<string, unknown>): OverviewQuery {
  const text = (name: string): string => paramOf(query, name)?.trim() ?? ''
  return { last: text('last'), since: text('since'), until: text('until'), by: text('by'), where: text('where') }
}
