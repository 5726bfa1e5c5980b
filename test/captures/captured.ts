import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'

import { root } from '../repository.ts'
import type { OtlpRequest } from './ledger.ts'
import { protobufToJson } from './protobuf-to-json.ts'

const folder = join(root, '../shared/data/captures')

export const capturesPresent = existsSync(folder)

/** What an app really did, written down beside the spans that a library made of it. */
export interface CapturedCall {
  readonly id: string
  readonly model: string
  readonly user?: string | null
  readonly session?: string | null
  readonly props?: Readonly<Record<string, string>>
  /** Each request that reached the provider. */
  readonly wire: readonly { readonly status: number; readonly model_resp?: string | null; readonly billed?: Billed }[]
}

/** As the provider charged it: `input` with the cached, `output` with the reasoning. */
export interface Billed {
  readonly input?: number
  readonly cached?: number
  readonly cache_write?: number
  readonly output?: number
  readonly reasoning?: number
}

export interface Capture {
  /** As the library's exporter sent them. */
  readonly requests: readonly OtlpRequest[]
  /** The same spans, each in a request of its own, in JSON. */
  readonly single: readonly OtlpRequest[]
  readonly calls: readonly CapturedCall[]
}

export function readCapture(name: string): Capture {
  const files = readdirSync(join(folder, name)).filter((file) => /^\d/.test(file))
  const sent = files.sort().map((file) => {
    const body = readFileSync(join(folder, name, file))
    const isGzip = file.endsWith('.gz')
    const json: unknown = file.includes('.json') ? JSON.parse((isGzip ? gunzipSync(body) : body).toString('utf8')) : protobufToJson(body)
    const headers = {
      'content-type': file.includes('.json') ? 'application/json' : 'application/x-protobuf',
      ...(isGzip ? { 'content-encoding': 'gzip' } : {}),
    }
    return { body, headers, json: withOwnResponseIds(json as Tree) }
  })
  return {
    // What had to be changed goes out in JSON.
    requests: sent.map(({ body, headers, json }) => (name.startsWith('vercel') ? jsonRequest(json) : { body, headers })),
    single: sent.flatMap(({ json }) => singleSpans(json)).map(jsonRequest),
    calls: JSON.parse(readFileSync(join(folder, name, 'truth.json'), 'utf8')).calls,
  }
}

interface Tree {
  readonly resourceSpans: readonly { readonly resource?: unknown; readonly scopeSpans: readonly ScopeSpans[] }[]
}
interface ScopeSpans {
  readonly scope?: unknown
  readonly spans: readonly Span[]
}
interface Span {
  readonly spanId: string
  readonly attributes?: readonly { readonly key: string; value: unknown }[]
}

function singleSpans({ resourceSpans }: Tree): Tree[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ scope, spans }) =>
      spans.map((span) => ({ resourceSpans: [{ resource, scopeSpans: [{ scope, spans: [span] }] }] })),
    ),
  )
}

function jsonRequest(json: Tree): OtlpRequest {
  return { body: JSON.stringify(json), headers: { 'content-type': 'application/json' } }
}

/**
 * The provider behind the captures replays recorded answers, so two steps of one trace of the AI SDK may have been given one
 * response id, which no provider gives twice.
 */
function withOwnResponseIds(json: Tree): Tree {
  for (const { spanId, attributes = [] } of json.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))) {
    if (!attributes.some(({ key }) => key === 'ai.operationId')) continue
    for (const attribute of attributes) {
      if (attribute.key.endsWith('response.id')) attribute.value = { stringValue: `answer-of-${spanId}` }
    }
  }
  return json
}
