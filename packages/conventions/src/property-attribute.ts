import { PROPERTY_PREFIX } from './attributes.ts'

/** Apps use few names, each for every call, and putting a new text together costs more than finding the one of last time. */
const known = new Map<string, string>()
const MAX_KNOWN = 1000
const MAX_NAME_LENGTH = 128

/** The attribute under which a property is written on a span. */
export function propertyAttribute(name: string): string {
  const found = known.get(name)
  if (found !== undefined) return found
  const attribute = PROPERTY_PREFIX + name
  if (known.size < MAX_KNOWN && name.length <= MAX_NAME_LENGTH) known.set(name, attribute)
  return attribute
}
