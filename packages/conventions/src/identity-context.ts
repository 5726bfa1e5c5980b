import { AsyncLocalStorage } from 'node:async_hooks'

import { attributes as names, PROPERTY_PREFIX } from './attributes.ts'
import type { Identity } from './identity.ts'
import { propertyAttribute } from './property-attribute.ts'
import { canonicalPropertyKey } from './property-key.ts'

/**
 * Where the identity in scope stands in an OpenTelemetry context; its value is an `Identity`. Registered, as
 * `createContextKey` of the API does it, so that two copies of this package in one app share it.
 */
export const IDENTITY_CONTEXT_KEY: symbol = Symbol.for('spanledger.identity')

/** Holds the identity in scope where no context manager is registered; on `globalThis` for the same reason. */
const STORAGE_SLOT = Symbol.for('spanledger.identity.storage')
const slots = globalThis as { [STORAGE_SLOT]?: AsyncLocalStorage<Identity> }

/** The part of an OpenTelemetry context that is read here. */
export interface IdentityContext {
  getValue(key: symbol): unknown
}

/** The part of a span that is stamped; `attributes` is there on the spans of the SDKs. */
export interface StampedSpan {
  readonly attributes?: Readonly<Record<string, unknown>>
  setAttribute(name: string, value: string): unknown
}

/** The identity that `withUser` and its like put in scope, or undefined outside of any. */
export function identityInContext(context: IdentityContext): Identity | undefined {
  const inContext = context.getValue(IDENTITY_CONTEXT_KEY)
  if (inContext !== undefined) return inContext as Identity
  return slots[STORAGE_SLOT]?.getStore()
}

/** Runs `fn` with `identity` in scope without OpenTelemetry's context: for apps that registered no context manager. */
export function runWithIdentity<Result>(identity: Identity, fn: () => Result): Result {
  const storage = (slots[STORAGE_SLOT] ??= new AsyncLocalStorage<Identity>())
  return storage.run(identity, fn)
}

/** Writes `identity` on a span, for each of user, session and property only where the span does not say it itself. */
export function stampIdentity(span: StampedSpan, identity: Identity): void {
  const { attributes } = span
  if (identity.user !== undefined && attributes?.[names.userId] === undefined) span.setAttribute(names.userId, identity.user)
  if (identity.session !== undefined && attributes?.[names.sessionId] === undefined) span.setAttribute(names.sessionId, identity.session)
  let said: Set<string | undefined> | undefined
  for (const [key, { name, value }] of identity.properties) {
    const attribute = propertyAttribute(name)
    // Our own spans start with all of it: then there is nothing to look through.
    if (attributes?.[attribute] !== undefined) continue
    said ??= propertyKeysOn(attributes)
    if (!said.has(key)) span.setAttribute(attribute, value)
  }
}

/** The canonical keys of the properties that a span carries already. */
function propertyKeysOn(attributes: StampedSpan['attributes']): Set<string | undefined> {
  const keys = new Set<string | undefined>()
  for (const name in attributes) {
    if (name.startsWith(PROPERTY_PREFIX)) keys.add(canonicalPropertyKey(name.slice(PROPERTY_PREFIX.length)))
  }
  return keys
}
