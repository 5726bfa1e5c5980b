import { propagation, type Context } from '@opentelemetry/api'
import { attributes as names, PROPERTY_PREFIX, type Identity } from '@spanledger/conventions'

import { readIdentity } from './read-identity.ts'
import { resolveOptions } from './options.ts'

/** Which entries cross the border, either way. One setting for the process: a context has no instrumentation. */
let allowed = resolveOptions().baggage

export function allowBaggage(entries: typeof allowed): void {
  allowed = entries
}

/** The identity that inbound baggage carries, as far as its entries are allowed to be read. */
export function identityInBaggage(context: Context): Identity | undefined {
  if (allowed.read.length === 0) return undefined
  const entries = propagation.getBaggage(context)?.getAllEntries()
  if (entries === undefined) return undefined
  const said = new Map(entries.filter(([name]) => isAllowed(name, allowed.read)).map(([name, { value }]) => [name, value]))
  if (said.size === 0) return undefined
  return readIdentity({
    user: said.get(names.userId),
    session: said.get(names.sessionId),
    properties: [...said]
      .filter(([name]) => name.startsWith(PROPERTY_PREFIX))
      .map(([name, value]) => [name.slice(PROPERTY_PREFIX.length), value] as const),
  })
}

/** The context with the allowed parts of `identity` as baggage, so that they travel to the services the app calls. */
export function withBaggage(context: Context, identity: Identity): Context {
  if (allowed.write.length === 0) return context
  let baggage = propagation.getBaggage(context) ?? propagation.createBaggage()
  const put = (name: string, value: string | undefined): void => {
    if (value !== undefined && isAllowed(name, allowed.write)) baggage = baggage.setEntry(name, { value })
  }
  put(names.userId, identity.user)
  put(names.sessionId, identity.session)
  for (const [key, { value }] of identity.properties) put(PROPERTY_PREFIX + key, value)
  return propagation.setBaggage(context, baggage)
}

function isAllowed(name: string, list: readonly string[]): boolean {
  return list.includes(name) || (name.startsWith(PROPERTY_PREFIX) && list.includes(`${PROPERTY_PREFIX}*`))
}
