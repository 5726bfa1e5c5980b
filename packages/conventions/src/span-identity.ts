import { readId, readProperties, type Identity } from './identity.ts'
import type { ReadingFault } from './reading-fault.ts'
import { saidIdentity } from './said-identity.ts'
import type { SpanRecord } from './span.ts'

/** The user, session and properties that a span carries in its own attributes, LLM call or not. Never throws. */
export function readSpanIdentity(span: Pick<SpanRecord, 'attributes'>): Identity {
  return identityOf(span.attributes, [])
}

/** Like `readSpanIdentity`; what had to be mended or refused is added to the faults. */
export function identityOf(attributes: SpanRecord['attributes'], faults: ReadingFault[]): Identity {
  const said = saidIdentity(attributes)
  const { properties, faults: propertyFaults } = readProperties(said.properties)
  faults.push(...propertyFaults)
  return { user: keepId('user', said.user, faults), session: keepId('session', said.session, faults), properties }
}

export function keepId(kind: 'user' | 'session', value: unknown, faults: ReadingFault[]): string | undefined {
  const { id, outcome } = readId(value)
  if (outcome === 'refused') faults.push(`${kind}_refused`)
  if (outcome === 'hashed') faults.push(`${kind}_hashed`)
  return id
}

/** Resources are shared by all spans of a process, so what one says is read once. */
const resourceIdentities = new WeakMap<object, Identity | 'none'>()

export function resourceIdentity(resource: SpanRecord['resourceAttributes']): Identity | undefined {
  let identity = resourceIdentities.get(resource)
  if (identity === undefined) {
    const read = identityOf(resource, [])
    identity = read.user === undefined && read.session === undefined && read.properties.size === 0 ? 'none' : read
    resourceIdentities.set(resource, identity)
  }
  return identity === 'none' ? undefined : identity
}
