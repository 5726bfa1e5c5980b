import { attributes as names, olderAttributes, otherPropertyPrefixes, PROPERTY_PREFIX } from './attributes.ts'
import { isLangchainNote, otherProperties } from './other-properties.ts'
import type { SpanRecord } from './span.ts'

/** Whose a span says it is, as raw values: under our names, the conventions', or those of other libraries. */
export interface SaidIdentity {
  readonly user: unknown
  readonly session: unknown
  readonly properties: readonly (readonly [name: string, value: unknown])[]
}

export function saidIdentity(attributes: SpanRecord['attributes']): SaidIdentity {
  return {
    user: first(attributes, names.userId, olderAttributes.userId),
    session: first(attributes, names.sessionId, olderAttributes.sessionId),
    properties: properties(attributes),
  }
}

/** The value under the current name, else under the first of the others that is there. */
export function first(attributes: SpanRecord['attributes'], name: string, otherNames: readonly string[]): unknown {
  const value = attributes[name]
  if (value !== undefined) return value
  for (const otherName of otherNames) {
    const otherValue = attributes[otherName]
    if (otherValue !== undefined) return otherValue
  }
  return undefined
}

/** Ours come last: of two spellings of one key the later wins, and `property.*` is what an app says most plainly. */
function properties(attributes: SpanRecord['attributes']): (readonly [name: string, value: unknown])[] {
  const pairs = otherProperties(attributes)
  const ours: [string, unknown][] = []
  for (const attribute of Object.keys(attributes)) {
    const property = propertyIn(attribute)
    if (property !== undefined) (property.isOurs ? ours : pairs).push([property.name, attributes[attribute]])
  }
  return pairs.length === 0 ? ours : [...pairs, ...ours]
}

/** The property that an attribute stands for. */
interface NamedProperty {
  readonly name: string
  readonly isOurs: boolean
}

/** By the name of an attribute: an app writes few, on every span, and most stand for no property. */
const namedProperties = new Map<string, NamedProperty | undefined>()
const MAX_NAMES = 2000
const MAX_NAME_LENGTH = 128

function propertyIn(attribute: string): NamedProperty | undefined {
  const known = namedProperties.get(attribute)
  if (known !== undefined || namedProperties.has(attribute)) return known
  const isOurs = attribute.startsWith(PROPERTY_PREFIX)
  const name = isOurs ? attribute.slice(PROPERTY_PREFIX.length) : propertyOfOthers(attribute)
  const property = name === undefined ? undefined : { name, isOurs }
  if (namedProperties.size < MAX_NAMES && attribute.length <= MAX_NAME_LENGTH) namedProperties.set(attribute, property)
  return property
}

/** Ids that stand among the properties of other libraries. */
const idNames = new Set<string>([...olderAttributes.userId, ...olderAttributes.sessionId])

/** What another library calls a property, or undefined for an attribute that is none. */
function propertyOfOthers(name: string): string | undefined {
  const prefix = otherPropertyPrefixes.find((one) => name.startsWith(one))
  if (prefix === undefined || idNames.has(name)) return undefined
  if (prefix === 'langsmith.metadata.' && isLangchainNote(name.slice(prefix.length))) return undefined
  return name.slice(prefix.length).replace(/^helicone-property-/i, '')
}
