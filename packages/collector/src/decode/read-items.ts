import {
  readCall,
  readEvent,
  readLogCall,
  readLogEvent,
  type LedgerEvent,
  type LlmCall,
  type LogRecord,
  type SpanRecord,
} from '@spanledger/conventions'
import { saysNothing, toLink, type SpanLink } from '@spanledger/store'

import type { Encoding } from '../answer.ts'
import { parseJsonBody, type JsonObject } from './json-body.ts'
import { logNames, readJsonEnvelope, traceNames } from './json-envelope.ts'
import { readJsonLog } from './json-logs.ts'
import { readJsonSpan } from './json-spans.ts'
import { readEnvelope } from './protobuf-envelope.ts'
import { readProtobufLog } from './protobuf-logs.ts'
import { readProtobufSpan } from './protobuf-spans.ts'
import type { SpanFault } from './span-parts.ts'

/** What one span or log record means for the ledger: one of three, nothing, or why it is not taken. */
export type LedgerItem = { readonly call: LlmCall } | { readonly event: LedgerEvent } | { readonly link: SpanLink } | SpanFault | undefined

/**
 * Opens a body for reading, from its beginning with each call of the result: JSON is parsed now and once.
 * @throws Refusal here or while it is read
 */
export function openBody(signal: 'traces' | 'logs', encoding: Encoding, body: Buffer): () => Generator<LedgerItem, void> {
  if (signal === 'traces')
    return openWith({ encoding, body, names: traceNames, json: readJsonSpan, protobuf: readProtobufSpan, mean: meaningOfSpan })
  return openWith({ encoding, body, names: logNames, json: readJsonLog, protobuf: readProtobufLog, mean: meaningOfLog })
}

/** What the spans and log records of a request in JSON mean. @throws Refusal while it is read */
export function* meaningsInJson(request: JsonObject): Generator<LedgerItem, void> {
  yield* meanings(readJsonEnvelope(request, traceNames, readJsonSpan), meaningOfSpan)
  yield* meanings(readJsonEnvelope(request, logNames, readJsonLog), meaningOfLog)
}

interface Reading<Item> {
  readonly encoding: Encoding
  readonly body: Buffer
  readonly names: Parameters<typeof readJsonEnvelope>[1]
  readonly json: Parameters<typeof readJsonEnvelope<Item | SpanFault>>[2]
  readonly protobuf: Parameters<typeof readEnvelope<Item | SpanFault>>[1]
  readonly mean: (item: Item) => LedgerItem
}

function openWith<Item extends object>({ encoding, body, names, json, protobuf, mean }: Reading<Item>): () => Generator<LedgerItem, void> {
  if (encoding === 'protobuf') return () => meanings(readEnvelope(body, protobuf), mean)
  const parsed = parseJsonBody(body)
  return () => meanings(readJsonEnvelope(parsed, names, json), mean)
}

function* meanings<Item extends object>(items: Iterable<Item | SpanFault>, mean: (item: Item) => LedgerItem): Generator<LedgerItem, void> {
  for (const item of items) yield typeof item === 'string' ? item : mean(item)
}

function meaningOfSpan(span: SpanRecord): LedgerItem {
  const call = readCall(span, 'otlp')
  if (call !== undefined) return { call }
  const event = readEvent(span, 'otlp')
  if (event !== undefined) return { event }
  const link = toLink(span)
  return saysNothing(link) ? undefined : { link }
}

function meaningOfLog(log: LogRecord): LedgerItem {
  const call = readLogCall(log, 'otlp')
  if (call !== undefined) return { call }
  const event = readLogEvent(log, 'otlp')
  return event === undefined ? undefined : { event }
}
