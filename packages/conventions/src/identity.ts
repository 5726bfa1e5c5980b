import { createHash } from 'node:crypto'

import { KnownPairs } from './known-pairs.ts'
import type { ReadingFault } from './reading-fault.ts'
import { canonicalPropertyKey } from './property-key.ts'

/** Who made a call, and what the app attached to it. */
export interface Identity {
  readonly user: string | undefined
  readonly session: string | undefined
  /** By canonical key. */
  readonly properties: ReadonlyMap<string, Property>
}

/** A property as the app spelled its key, and its value as text. */
export interface Property {
  readonly name: string
  readonly value: string
}

/** Ids of more UTF-8 bytes than this are kept as a hash: cutting would merge users, dropping would lose one. */
export const MAX_ID_BYTES = 512
/** Longer property values are cut and end in `…`. */
export const MAX_PROPERTY_VALUE_LENGTH = 1024
/** A call keeps its first 64 property keys in alphabetical order, so that the choice does not depend on order of arrival. */
export const MAX_PROPERTIES_PER_CALL = 64

/** What apps send by mistake when they have no user. */
const notAnId = new Set(['', 'undefined', 'null', '(none)', 'NaN', '[object Object]'])

/**
 * One identity from several, the most specific first: user and session from the first that has one, each property
 * from the first that carries its key.
 */
export function mergeIdentities(identities: readonly Identity[]): Identity {
  const properties = new Map<string, Property>()
  for (const identity of identities) {
    for (const [key, property] of identity.properties) if (!properties.has(key)) properties.set(key, property)
  }
  return {
    user: identities.find((identity) => identity.user !== undefined)?.user,
    session: identities.find((identity) => identity.session !== undefined)?.session,
    properties: limitProperties(properties).properties,
  }
}

/** An id that can be kept, and what had to be done to it. */
export interface ReadId {
  readonly id: string | undefined
  readonly outcome: 'kept' | 'absent' | 'refused' | 'hashed'
}

/**
 * A user or session id as it will be kept: trimmed, in Unicode NFC; case is kept. Strings, finite numbers, bigints and
 * booleans are ids. Refused: text with control characters or lone surrogates (two such ids could read back as one).
 * Never throws.
 */
export function readId(value: unknown): ReadId {
  const text = toText(value)
  if (text === undefined) return { id: undefined, outcome: 'absent' }
  if (plainId.test(text) && !notAnId.has(text)) return { id: text, outcome: 'kept' }
  const trimmed = text.trim()
  if (notAnId.has(trimmed)) return { id: undefined, outcome: 'absent' }
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is looked for
  if (!trimmed.isWellFormed() || /[\u0000-\u001f\u007f]/.test(trimmed)) return { id: undefined, outcome: 'refused' }
  const id = trimmed.normalize('NFC')
  // UTF-8 takes at most three bytes per UTF-16 unit, so short ids need no counting.
  if (id.length * 3 > MAX_ID_BYTES && Buffer.byteLength(id) > MAX_ID_BYTES) {
    return { id: `sha256:${createHash('sha256').update(id).digest('hex')}`, outcome: 'hashed' }
  }
  return { id, outcome: 'kept' }
}

/** Printable ASCII, short enough: what nearly every id is, and nothing has to be done to. */
const plainId = /^[!-~]{1,128}$/

/** Properties by canonical key, and what had to be mended or refused. */
export interface ReadProperties {
  readonly properties: ReadonlyMap<string, Property>
  readonly faults: readonly ReadingFault[]
}

/**
 * Reads `[name, value]` pairs into properties. Numbers, booleans and bigints become text; arrays and objects become
 * JSON; null and undefined are no property; an empty string is one. Of two spellings of one key in a call the later
 * wins. What one set was read into is shared by all that say the same. Never throws.
 */
export function readProperties(pairs: readonly (readonly [name: string, value: unknown])[]): ReadProperties {
  if (pairs.length === 0) return noProperties
  const known = knownPairs.find(pairs)
  if (known === undefined) return readAnew(pairs)
  return (known.read ??= readAnew(pairs))
}

const noProperties: ReadProperties = { properties: new Map(), faults: [] }
const knownPairs = new KnownPairs<ReadProperties>()

function readAnew(pairs: readonly (readonly [name: string, value: unknown])[]): ReadProperties {
  const faults: ReadingFault[] = []
  const properties = new Map<string, Property>()
  for (const [name, value] of pairs) {
    const text = toText(value) ?? toJson(value)
    if (text === undefined) continue
    const key = canonicalPropertyKey(name)
    if (key === undefined) {
      faults.push('property_key_refused')
      continue
    }
    const clean = cleanValue(text)
    if (clean !== text) faults.push('property_value_cut')
    properties.set(key, { name: name.trim().slice(0, MAX_PROPERTY_VALUE_LENGTH).toWellFormed(), value: clean })
  }
  const limited = limitProperties(properties)
  for (let n = 0; n < limited.over; n++) faults.push('properties_over_limit')
  return { properties: limited.properties, faults }
}

function limitProperties(properties: Map<string, Property>): { properties: Map<string, Property>; over: number } {
  if (properties.size <= MAX_PROPERTIES_PER_CALL) return { properties, over: 0 }
  const kept = [...properties].sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, MAX_PROPERTIES_PER_CALL)
  return { properties: new Map(kept), over: properties.size - kept.length }
}

/** Lone surrogates and NUL become U+FFFD: SQLite and terminals would do so silently, or cut the value there. */
function cleanValue(text: string): string {
  if (text.length <= MAX_PROPERTY_VALUE_LENGTH && text.isWellFormed() && !text.includes('\u0000')) return text
  const cut = text.length > MAX_PROPERTY_VALUE_LENGTH ? text.slice(0, MAX_PROPERTY_VALUE_LENGTH - 1).toWellFormed() + '…' : text
  return cut.toWellFormed().replaceAll('\u0000', '\ufffd')
}

function toText(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
      return value
    case 'number':
      return Number.isFinite(value) ? String(value) : undefined
    case 'bigint':
    case 'boolean':
      return String(value)
    default:
      return undefined
  }
}

function toJson(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  try {
    return JSON.stringify(value)
  } catch {
    // A circular or too deep value is no property; the caller counts nothing, as for any other value that is no text.
    return undefined
  }
}
