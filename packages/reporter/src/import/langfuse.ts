import { attributes as names, readCall, type SpanRecord } from '@spanledger/conventions'
import { saysNothing, toLink, type SpanLink, type WrittenCall } from '@spanledger/store'

import { spanIdOf, traceIdOf } from './call-key.ts'
import { fieldsOfObject, numberIn, objectIn, textIn, type Fields } from './fields.ts'
import type { Imported } from './imported-call.ts'
import { readTime, type TimeRules } from './read-time.ts'
import { refuse, type Refusal } from './refusal.ts'

/** A ledger has days from 1970 to 2199. */
const MAX_START_MS = Date.UTC(2200, 0, 1)

/**
 * Reads an observation of Langfuse (`ObservationsView` and `ObservationV2` of @langfuse/core 5.11.1, read 2026-11-25; in
 * snake_case too), a trace with its observations, or a page of either as the API answers. Each observation is read as the span
 * that Langfuse's own SDK would have sent, under the same ids, so one that also came by OTLP counts once.
 */
export function readLangfuse(fields: Fields, zone: TimeRules['zone']): Imported {
  const calls: WrittenCall[] = []
  const links: SpanLink[] = []
  const refusals: Refusal[] = []
  const observations = observationsIn(fields)
  for (const observation of observations) {
    const span = toSpan(observation, zone)
    if ('refused' in span) {
      // What is the whole record is refused as such.
      if (observations.length === 1 && observation.own === fields) return span
      refusals.push(span)
      continue
    }
    const call = readCall(span, 'import')
    if (call !== undefined) {
      calls.push(call)
      continue
    }
    const link = toLink(span)
    if (!saysNothing(link)) links.push(link)
  }
  return { calls, links, refusals }
}

/** An observation, and the trace that stands around it where it does. */
interface Observation {
  readonly own: Fields
  readonly trace: Fields | undefined
}

function observationsIn(fields: Fields): Observation[] {
  const page = fields.get('data')
  if (Array.isArray(page))
    return page.flatMap((one) => (objectIn(one) === undefined ? [] : observationsIn(fieldsOfObject(objectIn(one) ?? {}))))
  const inner = fields.get('observations')
  if (!Array.isArray(inner)) return isTrace(fields) ? [] : [{ own: fields, trace: undefined }]
  return inner.flatMap((one) => {
    const own = objectIn(one)
    return own === undefined ? [] : [{ own: fieldsOfObject(own), trace: fields }]
  })
}

/** A trace without its observations says nothing that a call could be made of. */
function isTrace(fields: Fields): boolean {
  return get(fields, 'traceId') === undefined && get(fields, 'startTime') === undefined && get(fields, 'timestamp') !== undefined
}

/** The exports to buckets have the names in snake_case. */
function get(fields: Fields, name: string): unknown {
  return fields.get(name) ?? fields.get(name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`))
}

function toSpan({ own, trace }: Observation, zone: TimeRules['zone']): SpanRecord | Refusal {
  const id = textIn(own.get('id'))
  const traceId = textIn(get(own, 'traceId')) ?? textIn(trace?.get('id'))
  if (id === undefined || traceId === undefined) return refuse('no_id', 'no id of an observation and its trace')
  const timeOf = (name: string): number | undefined => readTime(get(own, name), { format: 'auto', zone })
  const startMs = timeOf('startTime')
  if (startMs === undefined) return refuse('no_time', `startTime ${JSON.stringify(get(own, 'startTime'))?.slice(0, 60) ?? 'is not there'}`)
  if (!(startMs >= 0 && startMs < MAX_START_MS)) return refuse('time_out_of_range', 'a ledger holds calls from 1970 to 2199')
  const parent = textIn(get(own, 'parentObservationId'))
  const failed = get(own, 'level') === 'ERROR'
  const latencyMs = (numberIn(own.get('latency')) ?? 0) * 1000
  return {
    traceId: traceIdOf(traceId),
    spanId: spanIdOf(id),
    parentSpanId: parent === undefined ? undefined : spanIdOf(parent),
    name: textIn(own.get('name')) ?? '',
    startMs,
    endMs: timeOf('endTime') ?? startMs + latencyMs,
    statusCode: failed ? 2 : 0,
    statusMessage: textIn(get(own, 'statusMessage')),
    scopeName: 'langfuse-sdk',
    scopeVersion: '',
    attributes: attributesOf(own, trace, startMs, timeOf('completionStartTime')),
    resourceAttributes: {},
    droppedAttributes: 0,
  }
}

/** As Langfuse's SDK writes them into spans (conventions, dialects/langfuse.ts). */
function attributesOf(own: Fields, trace: Fields | undefined, startMs: number, completionMs: number | undefined): Record<string, unknown> {
  const ttftMs = (numberIn(get(own, 'timeToFirstToken')) ?? 0) * 1000
  const firstMs = completionMs ?? (ttftMs > 0 ? startMs + ttftMs : Number.NaN)
  const said: Record<string, unknown> = {
    'langfuse.observation.type': textIn(own.get('type'))?.toLowerCase(),
    'langfuse.observation.model.name': textIn(own.get('model')) ?? textIn(get(own, 'providedModelName')),
    'langfuse.observation.model.parameters': asJson(get(own, 'modelParameters')),
    'langfuse.observation.usage_details': asJson(usageOf(own)),
    'langfuse.observation.cost_details': asJson(get(own, 'costDetails')),
    'langfuse.observation.completion_start_time':
      firstMs >= startMs && firstMs < MAX_START_MS ? new Date(firstMs).toISOString() : undefined,
    'langfuse.observation.level': get(own, 'level'),
    'langfuse.observation.status_message': get(own, 'statusMessage'),
    'langfuse.trace.name': textIn(get(own, 'traceName')) ?? textIn(trace?.get('name')),
    'langfuse.trace.tags': own.get('tags') ?? trace?.get('tags'),
    [names.userId]: get(own, 'userId') ?? (trace && get(trace, 'userId')),
    [names.sessionId]: get(own, 'sessionId') ?? (trace && get(trace, 'sessionId')),
  }
  for (const [key, value] of Object.entries(objectIn(trace?.get('metadata')) ?? {})) said[`langfuse.trace.metadata.${key}`] = value
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined))
}

/** `usageDetails`; of older versions `usage`, whose `input` and `output` are the same two parts. */
function usageOf(own: Fields): unknown {
  const details = objectIn(get(own, 'usageDetails'))
  if (details !== undefined && Object.keys(details).length > 0) return details
  const { input, output, total } = objectIn(own.get('usage')) ?? {}
  // Langfuse writes zeros where nothing was counted.
  if (input === undefined || [input, output, total].every((count) => numberIn(count) === 0 || count === null || count === undefined))
    return undefined
  return { input, output, total }
}

function asJson(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : value
}
