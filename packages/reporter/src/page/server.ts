import { QueryError, type Analytics, type Query, type TraitMode } from '@spanledger/analytics'
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify'

import { listOf } from '../command/globals.ts'
import { parseSort } from '../command/asking.ts'
import { CommandFailure, exitCodes } from '../command/failure.ts'
import { pageStyle } from '../format/html.ts'
import { refusal, type GuardOptions } from './guard.ts'
import { renderMistake, renderOverview, type OverviewQuery } from './overview.ts'

const policy = "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
const headers = {
  'content-security-policy': policy,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
}

/** Rows that one request may ask for. */
const MAX_ROWS = 10_000
const DEFAULT_ROWS = 1000

/** The page and the HTTP API over one ledger; not yet listening. */
export function openServer(analytics: Analytics, guard: GuardOptions): FastifyInstance {
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
      },
      guard,
    )
    if (refused === undefined) return
    if (refused.status === 401) void reply.header('www-authenticate', 'Basic realm="spanledger", charset="UTF-8"')
    await reply.code(refused.status).send({ error: refused.message })
  })
  server.setErrorHandler((error, _request, reply) => sendError(reply, error))
  server.setNotFoundHandler((_request, reply) =>
    reply.code(404).send({ error: 'There are only /, /api/report/NAME (GET), /api/query (POST) and /healthz.' }),
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
  server.get<{ Params: { name: string } }>('/api/report/:name', (request) =>
    analytics.report(request.params.name, reportParams(request.query as Record<string, unknown>)),
  )
  server.post('/api/query', (request) => {
    const query = request.body as Query
    const limit = typeof query === 'object' && query !== null ? (query.limit ?? DEFAULT_ROWS) : undefined
    if (typeof limit === 'number' && limit > MAX_ROWS)
      throw new QueryError(`limit may be at most ${MAX_ROWS} here.`, { given: String(limit) })
    return analytics.query(limit === undefined ? query : { ...query, limit })
  })
  return server
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

function flagOf(name: string, value: string | undefined): boolean | undefined {
  if (value === undefined || value === 'true') return value === undefined ? undefined : true
  if (value === 'false') return false
  throw new QueryError(`${name} must be true or false.`, { given: value })
}

function overviewQuery(query: Record<string, unknown>): OverviewQuery {
  const text = (name: string): string => paramOf(query, name)?.trim() ?? ''
  return { last: text('last'), since: text('since'), until: text('until'), by: text('by'), where: text('where') }
}

const paramNames = [
  'since',
  'until',
  'last',
  'by',
  'where',
  'user',
  'user_prefix',
  'segment',
  'metrics',
  'having',
  'sort',
  'limit',
  'after',
  'other',
  'compare',
  'week_start',
  'attribution',
  'traits',
  'explain',
]

function reportParams(query: Record<string, unknown>): Parameters<Analytics['report']>[1] {
  for (const name of Object.keys(query)) {
    if (!paramNames.includes(name))
      throw new QueryError(`Unknown parameter ${JSON.stringify(name)}. Allowed: ${paramNames.join(', ')}.`, {
        given: name,
        allowed: paramNames,
      })
  }
  const text = (name: string): string | undefined => paramOf(query, name)
  const limit = Number(text('limit') ?? DEFAULT_ROWS)
  if (!(limit <= MAX_ROWS)) throw new QueryError(`limit must be a whole number up to ${MAX_ROWS}.`, { given: String(query['limit']) })
  const sort = text('sort')
  return {
    since: text('since'),
    until: text('until'),
    last: text('last'),
    by: listOf(text('by')),
    where: text('where'),
    user: text('user'),
    user_prefix: text('user_prefix'),
    segment: text('segment'),
    metrics: listOf(text('metrics')),
    order_by: sort === undefined ? undefined : parseSort(sort),
    limit,
    week_start: text('week_start') as 'monday' | 'sunday' | undefined,
    attribution: text('attribution') as 'full' | 'split' | undefined,
    traits: text('traits') as TraitMode | undefined,
    having: text('having'),
    after: text('after'),
    other: flagOf('other', text('other')),
    compare: text('compare') as 'previous' | undefined,
    explain: flagOf('explain', text('explain')),
  }
}
