import { createHash } from 'node:crypto'

import {
  attributes as names,
  eventAttributes as ours,
  eventKinds,
  PROPERTY_PREFIX,
  readEvent,
  type LedgerEvent,
} from '@spanledger/conventions'
import type { WrittenCall, WrittenEvent } from '@spanledger/store'

import { numberIn, objectIn, textIn, type Fields } from './fields.ts'
import { readTime, type TimeRules } from './read-time.ts'

/** Under which of the scores the rating of a user stands once more. */
const RATING_SCORE = 'helicone-score-feedback'

/**
 * The rating and the scores of a request, as the feedback events that an app would have sent: of the call's user, about the call. A rating is
 * named as `track.feedback` names thumbs.
 */
export function heliconeEvents(fields: Fields, call: WrittenCall, zone: TimeRules['zone']): WrittenEvent[] {
  const rating = ratingIn(fields.get('feedback_rating'))
  const ratedMs = readTime(fields.get('feedback_created_at'), { format: 'auto', zone })
  const events = rating === undefined ? [] : [feedback(call, ratedMs ?? call.startMs, { ...thumbs, value: rating })]
  for (const [name, said] of Object.entries(objectIn(fields.get('scores')) ?? {})) {
    // As a number, or as an object with its type.
    const plain = objectIn(said)?.['value'] ?? said
    const value = typeof plain === 'boolean' ? Number(plain) : numberIn(plain)
    if (value === undefined || (name === RATING_SCORE && rating !== undefined)) continue
    events.push(feedback(call, call.startMs, name === RATING_SCORE ? { ...thumbs, value } : { name, value, source: 'heuristic' }))
  }
  return events.filter((event) => event !== undefined)
}

interface Score {
  readonly name: string
  readonly value: number
  readonly scale?: { readonly min: number; readonly max: number }
  readonly source: LedgerEvent['source']
}

const thumbs = { name: 'thumbs', scale: { min: 0, max: 1 }, source: 'human' } as const

function ratingIn(said: unknown): number | undefined {
  const text = textIn(said)?.toLowerCase()
  if (text === 'true' || text === '1') return 1
  return text === 'false' || text === '0' ? 0 : undefined
}

function feedback(call: WrittenCall, startMs: number, { name, value, scale, source }: Score): WrittenEvent | undefined {
  const properties = [...call.properties.values()].map((property) => [PROPERTY_PREFIX + property.name, property.value])
  const event = readEvent(
    {
      traceId: call.traceId,
      spanId: createHash('sha256').update(`feedback ${call.spanId} ${name}`).digest('hex').slice(0, 16),
      parentSpanId: call.spanId,
      name: eventKinds.feedback.spanName,
      startMs,
      endMs: startMs,
      statusCode: 0,
      statusMessage: undefined,
      scopeName: '',
      scopeVersion: '',
      attributes: {
        [names.userId]: call.user,
        [names.sessionId]: call.session,
        ...Object.fromEntries(properties),
        [names.evaluationName]: name,
        [names.evaluationScoreValue]: value,
        [ours.scoreMin]: scale?.min,
        [ours.scoreMax]: scale?.max,
        [ours.scoreSource]: source,
        [ours.targetTraceId]: call.traceId,
        [ours.targetSpanId]: call.spanId,
      },
      resourceAttributes: {},
      droppedAttributes: 0,
    },
    'import',
  )
  return event && { ...event, settled: true }
}
