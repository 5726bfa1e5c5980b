import { attributes as names, olderAttributes, otherPropertyPrefixes, PROPERTY_PREFIX } from './attributes.ts'
import { otherProperties } from './other-properties.ts'
import type { SpanRecord } from './span.ts'

/** Whose a span says it is, as raw values: under our names, the conventions', or those of other libraries. */
export interface SaidIdentity {
  readonly user: unknown
  readonly session: unknown
  readonly properties: Iterable<readonly [name: string, value: unknown]>
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
function* properties(attributes: SpanRecord['attributes']): Generator<readonly [name: string, value: unknown]> {
  const ours: (readonly [string, unknown])[] = []
  yield* otherProperties(attributes)
  for (const name of Object.keys(attributes)) {
    if (name.startsWith(PROPERTY_PREFIX)) ours.push([name.slice(PROPERTY_PREFIX.length), attributes[name]])
    else {
      const property = propertyOfOthers(name)
      if (property !== undefined) yield [property, attributes[name]]
    }
  }
  yield* ours
}

/** Ids that stand among the properties of other libraries. */
const idNames = new Set<string>([...olderAttributes.userId, ...olderAttributes.sessionId])

/** What another library calls a property, or undefined for an attribute that is none. */
function propertyOfOthers(name: string): string | undefined {
  const prefix = otherPropertyPrefixes.find((one) => name.startsWith(one))
  if (prefix === undefined || idNames.has(name)) return undefined
  // What LangChain and LangSmith note for themselves among the app's metadata.
  if (
    prefix === 'langsmith.metadata.' &&
    /^(?:ls_|lc_|langgraph_|LANGSMITH_|LANGCHAIN_|revision_id|usage_metadata|invocation_params)/.test(name.slice(prefix.length))
  )
    return undefined
  return name.slice(prefix.length).replace(/^helicone-property-/i, '')
}
