import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'

import type { SpanRecord } from '@spanledger/conventions'

import { root } from '../repository.ts'
import { spansOfJson } from './otlp.ts'
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
  readonly outcome: string
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

export function readCapture(name: string): { spans: SpanRecord[]; calls: readonly CapturedCall[] } {
  const files = readdirSync(join(folder, name)).filter((file) => /^\d/.test(file))
  const spans = files.sort().flatMap((file) => {
    const raw = readFileSync(join(folder, name, file))
    const body = file.endsWith('.gz') ? gunzipSync(raw) : raw
    return spansOfJson(file.includes('.json') ? body.toString('utf8') : JSON.stringify(protobufToJson(body)))
  })
  return { spans: spans.map(withOwnResponseId), calls: JSON.parse(readFileSync(join(folder, name, 'truth.json'), 'utf8')).calls }
}

/**
 * The provider behind the captures replays recorded answers, so two steps of one trace may have been given one response id,
 * which no provider gives twice.
 */
function withOwnResponseId(span: SpanRecord): SpanRecord {
  const { attributes, spanId } = span
  if (!/\.do[A-Z]/.test(String(attributes['ai.operationId'])) || attributes['ai.response.id'] === undefined) return span
  const responseId = `${String(attributes['ai.response.id'])}-${spanId}`
  return { ...span, attributes: { ...attributes, 'ai.response.id': responseId, 'gen_ai.response.id': responseId } }
}
