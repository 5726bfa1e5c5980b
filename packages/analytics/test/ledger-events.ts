import { canonicalPropertyKey, type LedgerEvent } from '@spanledger/conventions'

/** An event in a few words; what is left out is nothing said. */
export interface EventWords extends Partial<
  Pick<LedgerEvent, 'name' | 'outcome' | 'previous' | 'value' | 'min' | 'max' | 'target' | 'task' | 'step' | 'amountNanoUsd' | 'source'>
> {
  readonly at: number | string
  readonly user?: string | undefined
  readonly session?: string | undefined
  readonly properties?: Readonly<Record<string, string>> | undefined
}

let made = 0

export function eventOf(kind: LedgerEvent['kind'], { at, user, session, properties = {}, ...words }: EventWords): LedgerEvent {
  const id = (made++).toString(16)
  return {
    traceId: id.padStart(32, '5'),
    spanId: id.padStart(16, '6'),
    parentSpanId: undefined,
    startMs: typeof at === 'number' ? at : Date.parse(at),
    startFraction: 0,
    kind,
    name: kind,
    source: 'human',
    target: undefined,
    outcome: undefined,
    previous: undefined,
    value: undefined,
    min: undefined,
    max: undefined,
    amountNanoUsd: undefined,
    task: undefined,
    step: undefined,
    period: undefined,
    ...words,
    user,
    session,
    properties: new Map(Object.entries(properties).map(([name, value]) => [canonicalPropertyKey(name) ?? name, { name, value }])),
    resourceIdentity: undefined,
    origin: 'app',
    faults: [],
  }
}
