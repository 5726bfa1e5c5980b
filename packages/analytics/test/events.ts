import { readEvent, type LedgerEvent } from '@spanledger/conventions'

/** An event in a few words. */
export interface EventWords {
  readonly at: number | string
  readonly kind: LedgerEvent['kind']
  readonly user?: string | undefined
  readonly session?: string | undefined
  readonly properties?: Readonly<Record<string, string | undefined>> | undefined
  readonly says?: EventFacts
  /** That the reader refuses some of it. */
  readonly faulty?: boolean | undefined
}

/** The attributes of an event beside those, without the `spanledger.` in front. */
export type EventFacts = Readonly<Record<string, string | number | boolean | undefined>>

/** What feedback says of a score, on its scale from `min` to `max`. */
export function scoreFacts({ name, value, min, max, label, source, about }: ScoreWords): EventFacts {
  return {
    'gen_ai.evaluation.name': name,
    'gen_ai.evaluation.score.value': value,
    'gen_ai.evaluation.score.label': label,
    'gen_ai.response.id': about,
    'score.min': min,
    'score.max': max,
    'score.source': source,
  }
}

export interface ScoreWords {
  readonly name?: string | undefined
  readonly value: number | undefined
  readonly min?: number | undefined
  readonly max?: number | undefined
  readonly label?: string | undefined
  readonly source?: string | undefined
  /** The provider's id of the answer that is scored. */
  readonly about?: string | undefined
}

let made = 0

/** The event that a span of ours makes; of two made at one time the later made is the later one. */
export function eventOf({
  at,
  kind,
  user,
  session,
  properties = {},
  says = {},
  faulty = false,
}: EventWords): LedgerEvent & { settled: true } {
  const id = (made++).toString(16)
  const startMs = typeof at === 'number' ? at : Date.parse(at)
  const event = readEvent(
    {
      traceId: `c${id.padStart(31, '0')}`,
      spanId: `d${id.padStart(15, '0')}`,
      parentSpanId: undefined,
      name: `spanledger.${kind}`,
      startMs,
      endMs: startMs,
      statusCode: 0,
      statusMessage: undefined,
      scopeName: 'test',
      scopeVersion: '1',
      attributes: {
        'user.id': user,
        'session.id': session,
        ...Object.fromEntries(Object.entries(properties).map(([name, value]) => [`property.${name}`, value])),
        ...Object.fromEntries(
          Object.entries(says).map(([name, value]) => [name.startsWith('gen_ai.') ? name : `spanledger.${name}`, value]),
        ),
      },
      resourceAttributes: {},
      droppedAttributes: 0,
    },
    'app',
  )
  if (event === undefined || event.faults.length > 0 !== faulty) throw new Error(`Not the event that was meant: ${JSON.stringify(event)}`)
  return { ...event, settled: true }
}
