import { canonicalProvider, nothingSaid, type CallStatus, type Counting, type DialectCall } from '@spanledger/conventions'

import { callKey, spanIdOf } from './call-key.ts'
import type { ColumnMap, Target } from './column-map.ts'
import { countIn, numberIn, textIn, type Fields } from './fields.ts'
import { importedCall, type Imported } from './imported-call.ts'
import { readTime, type TimeRules } from './read-time.ts'
import { isRefusal, refuse } from './refusal.ts'

/** How the rows of a table are read that the map does not say. */
export interface RowRules {
  readonly map: ColumnMap
  readonly times: TimeRules
  /** For rows that name none. */
  readonly provider: string | undefined
  readonly counting: Counting
}

/** Reads a row of any table, by a map of its columns. */
export function readMappedRow(fields: Fields, { map, times, provider: fixedProvider, counting }: RowRules): Imported {
  const cell = (target: Target): unknown => {
    const column = map.columns.get(target)
    return column === undefined ? undefined : fields.get(column)
  }
  const text = (target: Target): string | undefined => textIn(cell(target))
  const startMs = readTime(cell('time'), times)
  if (startMs === undefined) return refuse('no_time', `time ${JSON.stringify(cell('time'))?.slice(0, 60) ?? 'is empty'}`)
  const provider = canonicalProvider(text('provider') ?? fixedProvider)
  const responseId = text('response_id')
  const { status, ...statusSaid } = statusOf(text('status'), text('error'))
  const properties = map.properties.map(({ name, column }) => [name, textIn(fields.get(column))] as const)
  const parentSpanId = text('parent_span_id')
  const call = importedCall({
    key: callKey('csv', {
      traceId: text('trace_id'),
      spanId: text('span_id'),
      answer: responseId === undefined ? undefined : { provider, responseId },
      recordId: text('id'),
      content: () => {
        const cells = [...map.columns.keys()].map((target) => [target, text(target)])
        // In an order that does not depend on the map's.
        return JSON.stringify([cells.sort(byFirst), properties.map((pair) => [...pair]).sort(byFirst)])
      },
    }),
    parentSpanId: parentSpanId === undefined ? undefined : spanIdOf(parentSpanId),
    startMs,
    endMs: endOf(startMs, cell, times),
    said: {
      ...nothingSaid,
      ...statusSaid,
      status: status ?? 'ok',
      operation: text('operation') ?? nothingSaid.operation,
      provider,
      requestedModel: text('requested_model') ?? text('model'),
      responseModel: text('model'),
      responseId,
      serviceTier: text('service_tier'),
      finishReason: text('finish_reason'),
      streamed: /^(?:true|t|yes|y|1)$/i.test(text('streamed') ?? ''),
      timeToFirstTokenMs: notNegative(lengthMs(cell('ttft_ms'), cell('ttft_s'))),
      counts: countsOf(cell),
      counting,
      reportedCostUsd: text('cost')?.replace(/^\$/, ''),
      user: text('user'),
      session: text('session'),
      properties,
    },
    message: text('error'),
  })
  if (isRefusal(call)) return call
  return { calls: [call], mended: status === undefined ? ['status_not_understood'] : [] }
}

function byFirst([a = '']: readonly (string | undefined)[], [b = '']: readonly (string | undefined)[]): number {
  return a < b ? -1 : Number(a > b)
}

type Cell = (target: Target) => unknown

function endOf(startMs: number, cell: Cell, times: TimeRules): number {
  const end = cell('end')
  if (end !== undefined) return readTime(end, times) ?? Number.NaN
  return startMs + (lengthMs(cell('latency_ms'), cell('latency_s')) ?? 0)
}

function lengthMs(ms: unknown, s: unknown): number | undefined {
  const seconds = numberIn(s)
  return numberIn(ms) ?? (seconds === undefined ? undefined : seconds * 1000)
}

function notNegative(ms: number | undefined): number | undefined {
  return ms !== undefined && ms >= 0 ? ms : undefined
}

function countsOf(cell: Cell): DialectCall['counts'] {
  const count = (target: Target): unknown => countIn(cell(target))
  return {
    input: count('input'),
    output: count('output'),
    total: count('total'),
    cacheRead: count('cache_read'),
    cacheWrite: count('cache_write'),
    cacheWrite5m: count('cache_write_5m'),
    cacheWrite1h: count('cache_write_1h'),
    reasoning: count('reasoning'),
    audioInput: count('audio_input'),
    audioCacheRead: undefined,
    audioOutput: count('audio_output'),
    imageInput: count('image_input'),
    imageOutput: count('image_output'),
    webSearches: count('web_searches'),
  }
}

const words: readonly (readonly [RegExp, CallStatus])[] = [
  [/^(?:ok|success|succeeded|successful|complete|completed|done|finished|true|unset|default|[123]\d\d)$/i, 'ok'],
  [/^(?:error|err|failure|failed|fail|false|exception|timeout|[45]\d\d)$/i, 'error'],
  [/^(?:cancel|cancelled|canceled|aborted|abort)$/i, 'cancelled'],
]

/** The status is undefined for a word that is not understood. */
function statusOf(
  status: string | undefined,
  error: string | undefined,
): { status: CallStatus | undefined; errorType: string | undefined; httpStatus: number | undefined } {
  const word = status ?? (error === undefined ? 'ok' : 'error')
  const found = words.find(([pattern]) => pattern.test(word))?.[1]
  const httpStatus = /^\d{3}$/.test(word) ? Number(word) : undefined
  return { status: found, errorType: found === 'ok' ? undefined : (error ?? status), httpStatus }
}
