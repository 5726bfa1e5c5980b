import { SpanKind, SpanStatusCode, type Attributes, type Context, type Span, type Tracer } from '@opentelemetry/api'
import { attributes as names, propertyAttribute, type Identity } from '@spanledger/conventions'

import type { CallOutcome, CallRequest } from './live-call.ts'
import type { Server } from './server.ts'

/** What a span of ours starts with. */
export interface SpanStart extends CallRequest {
  readonly server: Server
  readonly provider: string
  readonly identity: Identity
  /** What was asked, and what that asks once more; attributes of ours, none where nothing is said. */
  readonly asked: Attributes
}

/** Starts the span of a call: all that is known before the answer, so that samplers and processors see it. */
export function startSpan(tracer: Tracer, start: SpanStart, parent: Context): Span {
  const { api, model } = start
  return tracer.startSpan(
    model === '' ? api.operation : `${api.operation} ${model}`,
    { kind: SpanKind.CLIENT, attributes: startAttributes(start) },
    parent,
  )
}

/** Writes how a call ended on its span. Success leaves the status unset (OpenTelemetry, recording errors). */
export function applyOutcome(span: Span, { attributes, error }: CallOutcome): void {
  span.setAttributes(attributes)
  if (error === undefined) return
  span.setStatus({ code: SpanStatusCode.ERROR, ...(error.message !== undefined && { message: error.message }) })
}

function startAttributes({ api, body, model, server, provider, identity, asked }: SpanStart): Attributes {
  const attributes: Attributes = { [names.operationName]: api.operation, [names.providerName]: provider, ...asked }
  if (model !== '') attributes[names.requestModel] = model
  if (server.address !== undefined) attributes[names.serverAddress] = server.address
  if (server.port !== undefined) attributes[names.serverPort] = server.port
  if (body['stream'] === true) attributes[names.requestStream] = true
  setNumber(attributes, names.requestMaxTokens, body['max_tokens'] ?? body['max_completion_tokens'] ?? body['max_output_tokens'])
  setNumber(attributes, names.requestTemperature, body['temperature'])
  setNumber(attributes, names.requestTopP, body['top_p'])
  if (body['n'] !== 1) setNumber(attributes, names.requestChoiceCount, body['n'])
  if (typeof body['service_tier'] === 'string') attributes[api.requestServiceTier] = body['service_tier']
  if (identity.user !== undefined) attributes[names.userId] = identity.user
  if (identity.session !== undefined) attributes[names.sessionId] = identity.session
  for (const { name, value } of identity.properties.values()) attributes[propertyAttribute(name)] = value
  return attributes
}

function setNumber(attributes: Attributes, name: string, value: unknown): void {
  if (typeof value === 'number') attributes[name] = value
}
