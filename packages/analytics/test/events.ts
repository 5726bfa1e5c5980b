import { readEvent, type LedgerEvent } from '@spanledger/conventions'

/** An event in a few words: its attributes beside user and session, without the `spanledger.` in front. */
export interface EventWords {
  readonly at: number | string
  readonly kind: 'goal' | 'task' | 'milestone' | 'exposed' | 'nps' | 'plan_change' | 'session_end' | 'feedback'
  readonly user?: string | undefined
  readonly session?: string | undefined
  readonly says?: Readonly<Record<string, string | number | boolean | undefined>>
}

let made = 0

/** The event that a span of ours makes. */
export function eventOf({ at, kind, user, session, says = {} }: EventWords): LedgerEvent & { settled: true } {
  const id = (made++).toString(16)
  const startMs = typeof at === 'number' ? at : Date.parse(at)
  const event = readEvent(
    {
      traceId: id.padStart(32, '7'),
      spanId: id.padStart(16, '8'),
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
        ...Object.fromEntries(
          Object.entries(says).map(([name, value]) => [
            name.startsWith('gen_ai.') || name.startsWith('property.') ? name : `spanledger.${name}`,
            value,
          ]),
        ),
      },
      resourceAttributes: {},
      droppedAttributes: 0,
    },
    'app',
  )
  if (event === undefined || event.faults.length > 0) throw new Error(`No event: ${JSON.stringify(event?.faults)}`)
  return { ...event, settled: true }
}
