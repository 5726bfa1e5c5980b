import { Refusal } from '../refusal.ts'
import { limits } from './limits.ts'

/** A JSON object as it was parsed: anything may stand in it. */
export type JsonObject = Readonly<Record<string, unknown>>

/**
 * Parses a body.
 * @throws Refusal where it is no JSON object, or one of more objects and arrays than fit into memory
 */
export function parseJsonBody(body: Buffer): JsonObject {
  if (body.length === 0) return {}
  countContainers(body)
  let parsed: unknown
  try {
    // The decoder leaves out a byte order mark and refuses what is no UTF-8, as JSON wants it (RFC 8259, 8.1).
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch (cause) {
    // What V8 says of the place quotes from the body.
    throw new Refusal('undecodable', 'The body is no JSON.', { cause })
  }
  if (!isObject(parsed)) throw new Refusal('undecodable', 'The body is JSON, but no object.')
  return parsed
}

const OPEN_BRACE = 0x7b
const OPEN_BRACKET = 0x5b

function countContainers(body: Buffer): void {
  // No body of this size can hold too many.
  if (body.length <= limits.jsonContainers) return
  let count = 0
  for (const byte of body) if (byte === OPEN_BRACE || byte === OPEN_BRACKET) count++
  if (count > limits.jsonContainers) {
    throw new Refusal('too_large', `More than ${limits.jsonContainers} objects and arrays in one body. Send it in several requests.`)
  }
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * The objects of a list in a JSON body; none where it is missing.
 * @throws Refusal where it is no list of objects
 */
export function objectsOf(parent: JsonObject, name: string): readonly JsonObject[] {
  const list = own(parent, name)
  if (list === undefined || list === null) {
    const snake = name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    // Unknown fields are to be ignored, but this one means that nothing at all would be read.
    if (snake !== name && Object.hasOwn(parent, snake)) {
      throw new Refusal('undecodable', `"${snake}" must be called "${name}": OTLP's JSON has lowerCamelCase names.`)
    }
    return []
  }
  if (!Array.isArray(list)) throw new Refusal('undecodable', `"${name}" is no list.${name === 'attributes' ? attributesHint : ''}`)
  if (!list.every(isObject)) throw new Refusal('undecodable', `"${name}" holds something that is no object.`)
  return list
}

const attributesHint = ' Attributes are written [{"key": "user.id", "value": {"stringValue": "ada"}}].'

/** @throws Refusal where it is something other than an object */
export function objectOf(parent: JsonObject, name: string): JsonObject {
  const value = own(parent, name)
  if (value === undefined || value === null) return {}
  if (!isObject(value)) throw new Refusal('undecodable', `"${name}" is no object.`)
  return value
}

export function textOf(parent: JsonObject, name: string): string {
  const value = own(parent, name)
  return typeof value === 'string' ? value : ''
}

/** Only what the body says: a parsed object inherits from `Object.prototype`. */
export function own(parent: JsonObject, name: string): unknown {
  return Object.hasOwn(parent, name) ? parent[name] : undefined
}
