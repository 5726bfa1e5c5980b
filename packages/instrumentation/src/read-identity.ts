import { readId, readProperties, type Identity } from '@spanledger/conventions'

import { countIdentityFaults } from './instrumentation-state.ts'

/** An identity that says nothing. */
export const nobody: Identity = { user: undefined, session: undefined, properties: new Map() }

/** What an app, a header or a body says of who makes a call, before it is checked. */
export interface SaidIdentity {
  readonly user?: unknown
  readonly session?: unknown
  readonly properties?: readonly (readonly [name: string, value: unknown])[] | undefined
}

/** Reads ids and properties by the rules of the ledger, once, so that spans need not. Never throws. */
export function readIdentity({ user, session, properties }: SaidIdentity): Identity {
  return {
    user: user === undefined ? undefined : readOneId('user', user),
    session: session === undefined ? undefined : readOneId('session', session),
    properties: properties === undefined ? nobody.properties : readAll(properties),
  }
}

function readAll(pairs: NonNullable<SaidIdentity['properties']>): Identity['properties'] {
  const { properties, faults } = readProperties(pairs)
  if (faults.length > 0) countIdentityFaults(faults)
  return properties
}

function readOneId(kind: 'user' | 'session', value: unknown): string | undefined {
  const { id, outcome } = readId(value)
  if (outcome === 'hashed') countIdentityFaults([`${kind}_hashed`])
  if (outcome !== 'refused') return id
  countIdentityFaults([`${kind}_refused`])
  // It stays in scope as it is: without it an outer user would pay for this one's calls. The ledger refuses it again.
  return String(value)
}
