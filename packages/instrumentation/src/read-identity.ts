import { MAX_PROPERTIES_PER_CALL, readId, readProperties, type Identity, type Property, type ReadProperties } from '@spanledger/conventions'

import { countIdentityFaults } from './instrumentation-state.ts'

/** An identity that says nothing. */
export const nobody: Identity = { user: undefined, session: undefined, properties: new Map() }

/** What an app, a header or a body says of who makes a call, before it is checked. */
export interface SaidIdentity {
  readonly user?: unknown
  readonly session?: unknown
  readonly properties?: Iterable<readonly [name: string, value: unknown]>
}

/** Reads ids and properties by the rules of the ledger, once, so that spans need not. Never throws. */
export function readIdentity({ user, session, properties }: SaidIdentity): Identity {
  const identity = {
    user: user === undefined ? undefined : readOneId('user', user),
    session: session === undefined ? undefined : readOneId('session', session),
    properties: nobody.properties,
  }
  return properties === undefined ? identity : { ...identity, properties: readAll([...properties]) }
}

type Read = Pick<ReadProperties, 'properties' | 'faults'>

/**
 * By name, the value that was read last: most properties (plan, feature, environment) have few values, and reading one
 * costs more than the span that carries it.
 */
const lastRead = new Map<string, { readonly value: unknown; readonly read: Read }>()
const MAX_REMEMBERED = 500

function readAll(pairs: readonly (readonly [name: string, value: unknown])[]): Identity['properties'] {
  if (pairs.length > MAX_PROPERTIES_PER_CALL) return countedFaults(readProperties(pairs)).properties
  const properties = new Map<string, Property>()
  for (const [name, value] of pairs) {
    for (const [key, property] of countedFaults(readOne(name, value)).properties) properties.set(key, property)
  }
  return properties
}

function readOne(name: string, value: unknown): Read {
  const known = lastRead.get(name)
  if (known !== undefined && Object.is(known.value, value)) return known.read
  const read = readProperties([[name, value]])
  // Objects may change behind the same reference.
  if (typeof value === 'object') return read
  if (lastRead.size >= MAX_REMEMBERED) lastRead.clear()
  lastRead.set(name, { value, read })
  return read
}

function countedFaults(read: Read): Read {
  if (read.faults.length > 0) countIdentityFaults(read.faults)
  return read
}

function readOneId(kind: 'user' | 'session', value: unknown): string | undefined {
  const { id, outcome } = readId(value)
  if (outcome === 'hashed') countIdentityFaults([`${kind}_hashed`])
  if (outcome !== 'refused') return id
  countIdentityFaults([`${kind}_refused`])
  // It stays in scope as it is: without it an outer user would pay for this one's calls. The ledger refuses it again.
  return String(value)
}
