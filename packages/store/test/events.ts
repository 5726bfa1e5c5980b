import { readEvent, type SpanRecord } from '@spanledger/conventions'

import type { Store, WrittenEvent } from '../src/index.ts'

/** An event as the reader gives it, of the span that an app sends. */
export function event(n: number, { name = 'spanledger.feedback', attributes = {}, parentSpanId, ...more }: EventShape = {}): WrittenEvent {
  const span: SpanRecord = {
    traceId: n.toString(16).padStart(32, '0'),
    spanId: (0xe000 + n).toString(16).padStart(16, '0'),
    parentSpanId,
    name,
    startMs: Date.UTC(2026, 0, 15, 12) + n,
    endMs: Date.UTC(2026, 0, 15, 12) + n,
    statusCode: 0,
    statusMessage: undefined,
    scopeName: 'test',
    scopeVersion: '1',
    attributes: { 'gen_ai.evaluation.score.value': 1, ...attributes },
    resourceAttributes: {},
    droppedAttributes: 0,
    ...more,
  }
  const read = readEvent(span, 'app')
  if (read === undefined) throw new Error('no event')
  return read
}

export type EventShape = Partial<Omit<SpanRecord, 'attributes'>> & { attributes?: Record<string, unknown> }

/** Everything that reports may see of events, with names that do not depend on the order of arrival. */
export async function eventContents(store: Store): Promise<unknown[]> {
  return store.all(`
    SELECT e.start_ms, e.start_fraction, hex(e.span_id) AS span, hex(e.trace_id) AS trace, j.kind, j.name, j.source, j.origin,
      u.name AS user, s.name AS session, e.target_kind, e.target, e.outcome, e.previous, e.value, e.min, e.max, e.amount_nano_usd,
      e.task, e.step, e.period,
      (SELECT group_concat(p.key || '=' || v.value, ';' ORDER BY p.key) FROM property_keys AS p JOIN property_values AS v USING (key_id)
       WHERE v.value_id IN (e.p1, e.p2, e.p3, e.p4, e.p5, e.p6, e.p7, e.p8)
         OR v.value_id IN (SELECT value_id FROM segment_values AS sv WHERE sv.segment_id = e.segment_id)) AS properties, e.overflow
    FROM events AS e JOIN event_subjects AS j USING (subject_id) JOIN users AS u USING (user_id) JOIN sessions AS s USING (session_id)
    ORDER BY e.start_ms, e.span_id, e.trace_id`)
}
