import { createHash } from 'node:crypto'

import { attributes as names, spanledgerAttributes } from './attributes.ts'
import { callTarget, readEvaluationFacts, readFacts, type EventFacts } from './event-facts.ts'
import { eventKinds, type EventKind, type LedgerEvent } from './ledger-event.ts'
import type { CallOrigin } from './llm-call.ts'
import type { ReadingFault } from './reading-fault.ts'
import { identityOf, resourceIdentity } from './span-identity.ts'
import type { SpanRecord } from './span.ts'

/** What an evaluation is called, as a log record, an event on a span, or a span of its own. */
export const EVALUATION_EVENT = 'gen_ai.evaluation.result'

const kindOfSpan = new Map<string, EventKind>(
  Object.entries(eventKinds).map(([kind, { spanName }]) => [spanName, kind as EventKind] as const),
)

/**
 * Reads one finished span as an event beside calls: one of ours (`spanledger.feedback`, …), or an evaluation as a span of
 * its own. A value that cannot be meant is left out and counted in `faults`; the event stays.
 * @returns undefined when the span is no event. Never throws, whatever the attributes hold.
 */
export function readEvent(span: SpanRecord, origin: CallOrigin): LedgerEvent | undefined {
  const kind = kindOfSpan.get(span.name)
  if (kind !== undefined) return toEvent(span, kind, origin, readFacts[kind])
  if (span.name !== EVALUATION_EVENT) return undefined
  return toEvent(span, 'feedback', origin, (attributes, faults) =>
    readEvaluationFacts(attributes, callTarget(span.traceId, span.parentSpanId), faults),
  )
}

/** `gen_ai.evaluation.result` as a log record or as an event on the span that was evaluated. */
export interface EvaluationRecord {
  /** Of the span that was evaluated; empty or undefined where the record names none. */
  readonly traceId: string | undefined
  readonly spanId: string | undefined
  /** Milliseconds since 1970 UTC with a fraction. */
  readonly timeMs: number
  readonly attributes: SpanRecord['attributes']
  readonly resourceAttributes: SpanRecord['resourceAttributes']
}

/**
 * Reads an evaluation that is no span: it gets a span id (and, where it has none, a trace id) made from what it says, so
 * that the same record sent again is the same event. Never throws.
 */
export function readEvaluation(record: EvaluationRecord, origin: CallOrigin): LedgerEvent {
  const { attributes, resourceAttributes, timeMs } = record
  const evaluated = callTarget(record.traceId, record.spanId)
  const key = JSON.stringify([
    record.traceId ?? '',
    record.spanId ?? '',
    timeMs,
    ...keyAttributes.map((name) => plainText(attributes[name])),
  ])
  const digest = createHash('sha256').update(key).digest('hex')
  const span = {
    traceId: isTraceId(record.traceId) ? record.traceId : digest.slice(16, 48),
    spanId: digest.slice(0, 16),
    parentSpanId: evaluated === undefined ? undefined : record.spanId,
    startMs: timeMs,
    attributes,
    resourceAttributes,
    droppedAttributes: 0,
  }
  return toEvent(span, 'feedback', origin, (_, faults) => readEvaluationFacts(attributes, evaluated, faults))
}

/** What tells two evaluations of one span in one instant apart. */
const keyAttributes = [names.evaluationName, names.evaluationScoreValue, names.evaluationScoreLabel, names.responseId, names.userId]

/** An object says nothing here, and its own `toString` may throw. */
function plainText(value: unknown): string {
  return typeof value === 'object' || typeof value === 'function' ? '' : String(value)
}

function isTraceId(value: string | undefined): value is string {
  return value !== undefined && /^[0-9a-f]{32}$/.test(value) && !/^0+$/.test(value)
}

type EventSpan = Pick<
  SpanRecord,
  'traceId' | 'spanId' | 'parentSpanId' | 'startMs' | 'attributes' | 'resourceAttributes' | 'droppedAttributes'
>

function toEvent(
  span: EventSpan,
  kind: EventKind,
  origin: CallOrigin,
  read: (attributes: SpanRecord['attributes'], faults: ReadingFault[]) => EventFacts,
): LedgerEvent {
  const faults: ReadingFault[] = []
  if (span.droppedAttributes > 0) faults.push('attributes_dropped')
  const startMs = Math.floor(span.startMs)
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId,
    startMs,
    startFraction: Math.min(Math.floor((span.startMs - startMs) * 1024), 1023) || 0,
    kind,
    ...read(span.attributes, faults),
    ...identityOf(span.attributes, faults),
    resourceIdentity: resourceIdentity(span.resourceAttributes),
    origin: span.attributes[spanledgerAttributes.sample] === true ? 'sample' : origin,
    faults,
  }
}
