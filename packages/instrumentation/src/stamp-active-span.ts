import type { Span } from '@opentelemetry/api'
import { attributes as names, canonicalPropertyKey, PROPERTY_PREFIX, type Identity } from '@spanledger/conventions'

/** What was stamped on a span that was already running: by user, session or property key, its value; null once two disagreed. */
type Stamps = Map<string, { readonly attribute: string; readonly value: string } | null>

const stampsBySpan = new WeakMap<Span, Stamps>()

/**
 * Stamps an identity on the span that is running when its scope opens, so that ids which become known late still reach
 * it. Left alone: what the span says itself, and what an outer scope says (the inner scope is a part of the span's work,
 * not all of it). When two scopes beside each other say different things, the span belongs to neither: the stamp is
 * taken back, so that nobody pays for what runs outside both.
 */
export function stampActiveSpan(span: Span, added: Identity, outer: Identity): void {
  if (!span.isRecording()) return
  if (added.user !== undefined && outer.user === undefined) stamp(span, names.userId, names.userId, added.user)
  if (added.session !== undefined && outer.session === undefined) stamp(span, names.sessionId, names.sessionId, added.session)
  for (const [key, { name, value }] of added.properties) {
    if (!outer.properties.has(key)) stamp(span, PROPERTY_PREFIX + key, PROPERTY_PREFIX + name, value)
  }
}

function stamp(span: Span, key: string, attribute: string, value: string): void {
  let stamps = stampsBySpan.get(span)
  const before = stamps?.get(key)
  if (before === null || before?.value === value) return
  if (before === undefined && isOnSpan(span, key)) return
  if (stamps === undefined) stampsBySpan.set(span, (stamps = new Map()))
  if (before === undefined) {
    span.setAttribute(attribute, value)
    stamps.set(key, { attribute, value })
    return
  }
  stamps.set(key, null)
  // The API can overwrite but not remove; the SDKs keep a plain object, and the stamp in it is ours.
  const attributes = attributesOf(span)
  if (attributes?.[before.attribute] === before.value) delete attributes[before.attribute]
}

function isOnSpan(span: Span, key: string): boolean {
  const attributes = attributesOf(span)
  if (attributes === undefined) return false
  if (!key.startsWith(PROPERTY_PREFIX)) return attributes[key] !== undefined
  return Object.keys(attributes).some(
    (name) => name.startsWith(PROPERTY_PREFIX) && PROPERTY_PREFIX + canonicalPropertyKey(name.slice(PROPERTY_PREFIX.length)) === key,
  )
}

function attributesOf(span: Span): Record<string, unknown> | undefined {
  return (span as { attributes?: Record<string, unknown> }).attributes
}
